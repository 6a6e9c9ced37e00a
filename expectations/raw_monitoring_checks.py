"""What every check of a monitor must have: availability is computed from these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_monitoring.checks",
    checks=[
        gxe.ExpectColumnValuesToBeInSet(
            column="state",
            value_set=["up", "down"],
            meta={"why": "a state that is not known would count as down"},
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="monitor", meta={"why": "a check of no monitor measures no service"}
        ),
    ],
)
