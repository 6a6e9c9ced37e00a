"""What every landed outage or maintenance must have: it takes time out of a month."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_servicenow.cmdb_ci_outage",
    checks=[
        gxe.UnexpectedRowsExpectation(
            description="it ends after it began",
            unexpected_rows_query="""
                select _source_name, _batch_id, sys_id, begin_at, end_at from {batch}
                where begin_at = '' or (end_at <> '' and end_at < begin_at)
            """,
            meta={"why": "a stretch of time that ends before it begins is none, and hides what it was"},
        ),
    ],
)
