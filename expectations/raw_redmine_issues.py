"""What every landed Redmine issue must have before anything is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_redmine.issues",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="created_on",
            regex=r"^2\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$",
            meta={"why": "the clock starts here; Redmine is younger than this century"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="status",
            regex=r".",
            meta={"why": "what an issue is pauses and stops clocks"},
        ),
    ],
)
