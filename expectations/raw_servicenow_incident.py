"""What every landed incident must have before anything is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_servicenow.incident",
    checks=[
        gxe.ExpectColumnValuesToNotBeNull(
            column="sys_id", meta={"why": "a ticket without its key cannot be traced back from a credit"}
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="opened_at",
            regex=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$",
            meta={
                "why": "the clock starts here; another date form would be read as another instant",
                "blocks": True,
            },
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="business_service", meta={"why": "a ticket without its service falls under no contract"}
        ),
        gxe.UnexpectedRowsExpectation(
            description="instants follow one another",
            unexpected_rows_query="""
                select _source_name, _batch_id, sys_id, opened_at, resolved_at, closed_at, sys_updated_on
                from {batch}
                where opened_at > sys_updated_on or opened_at < '2000'
                    or (resolved_at <> '' and (resolved_at < opened_at or resolved_at > sys_updated_on))
                    or (closed_at <> '' and (closed_at < opened_at or closed_at > sys_updated_on))
            """,
            meta={"why": "a clock that is wrong, or a date that was never set, makes another length of time"},
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="state",
            value_set=["1", "2", "3", "6", "7", "8"],
            meta={"why": "a state that is not known ends no pause; name it here if the instance has it"},
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="priority",
            value_set=["1", "2", "3", "4", "5", ""],
            meta={"why": "a priority that is not known has no target of its own"},
        ),
    ],
)
