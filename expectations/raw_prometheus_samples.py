"""What every landed probe must have: availability is computed from these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_prometheus.samples",
    checks=[
        gxe.ExpectColumnValuesToBeInSet(
            column="value",
            value_set=[0, 1],
            meta={"why": "probe_success is 0 or 1; anything else is another metric under this name"},
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="monitor", meta={"why": "a probe of no monitor measures no service"}
        ),
    ],
)
