"""What every candidate month must satisfy before a reader may see it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="mart",
    table="candidate.mart_vendor_month",
    checks=[
        gxe.ExpectTableRowCountToBeBetween(
            min_value=1, meta={"why": "an empty mart is a failed build, never a month without vendors"}
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="availability_pct",
            min_value=0,
            max_value=100,
            meta={"why": "a share of time lies between nothing and all of it"},
        ),
        gxe.UnexpectedRowsExpectation(
            description="time adds up",
            unexpected_rows_query="""
                select vendor_id, month_date, downtime_seconds, in_scope_seconds, month_seconds from {batch}
                where downtime_seconds > in_scope_seconds or in_scope_seconds > month_seconds
            """,
            meta={"why": "downtime lies inside the time in scope, which lies inside the month"},
        ),
        gxe.UnexpectedRowsExpectation(
            description="every ticket clock has one outcome",
            unexpected_rows_query="""
                select vendor_id, month_date from {batch}
                where ticket_clock_count
                    <> ticket_met_count + ticket_breached_count + ticket_running_count + ticket_excluded_count
            """,
            meta={"why": "a clock that is neither met, breached, running nor excluded was lost on the way"},
        ),
    ],
)
