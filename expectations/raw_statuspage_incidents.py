"""What every incident or maintenance of a status page must have: it takes time out of a month."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_statuspage.incidents",
    checks=[
        gxe.ExpectColumnValuesToBeInSet(
            column="kind",
            value_set=["incident", "maintenance"],
            meta={"why": "a kind that is not known would count as an outage"},
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="component_id", meta={"why": "an incident of no component is of no service"}
        ),
        gxe.UnexpectedRowsExpectation(
            description="a maintenance has a window that ends after it begins",
            unexpected_rows_query="""
                select _source_name, _batch_id, incident_id, scheduled_for, scheduled_until from {batch}
                where kind = 'maintenance' and (
                    scheduled_for = '' or scheduled_until = ''
                    or cast(nullif(scheduled_until, '') as timestamptz)
                    <= cast(nullif(scheduled_for, '') as timestamptz)
                )
            """,
            meta={"why": "a stretch of time that ends before it begins is none, and hides what it was"},
        ),
    ],
)
