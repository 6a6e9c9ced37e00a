"""What every landed field change must have: the clocks are computed from these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_servicenow.sys_audit",
    checks=[
        gxe.ExpectColumnValuesToNotBeNull(
            column="documentkey",
            meta={"why": "a change of no record would silently be left out of every clock"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="sys_created_on",
            regex=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$",
            meta={"why": "pauses begin and end at this instant", "blocks": True},
        ),
    ],
)
