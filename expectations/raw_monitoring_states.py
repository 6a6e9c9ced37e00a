"""What every state that a monitor tells of must have: availability is computed from these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_monitoring.states",
    checks=[
        gxe.ExpectColumnValuesToBeInSet(
            column="state",
            value_set=["up", "down"],
            meta={"why": "a state that is not known would count as down"},
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="monitor", meta={"why": "a state of no monitor measures no service"}
        ),
        gxe.UnexpectedRowsExpectation(
            description="it ends after it began",
            unexpected_rows_query="""
                select _source_name, _batch_id, monitor, from_at, to_at from {batch}
                where from_at is null or to_at is null or to_at <= from_at
            """,
            meta={"why": "a state that ends before it begins lasted no time, and hides what did"},
        ),
    ],
)
