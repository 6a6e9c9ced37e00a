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
            meta={"why": "the clock starts here; another date form would be read as another instant"},
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="business_service", meta={"why": "a ticket without its service falls under no contract"}
        ),
    ],
)
