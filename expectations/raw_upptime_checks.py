"""What every check of an Upptime monitor must have before availability is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_upptime.checks",
    checks=[
        gxe.ExpectColumnValuesToNotBeNull(
            column="slug", meta={"why": "a check of no monitor measures no service"}
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="checked_at", meta={"why": "a state holds from this instant to the next"}
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="status",
            value_set=["up", "down", "degraded"],
            meta={"why": "a status that is not known would count as up"},
        ),
    ],
)
