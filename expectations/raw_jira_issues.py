"""What every landed Jira issue must have before anything is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_jira.issues",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="issue_id",
            regex=r"^\d+$",
            meta={"why": "an issue that moves takes another key; its id leads back to it"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="created",
            regex=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?([+-]\d{2}:?\d{2}|Z)$",
            meta={"why": "the clock starts here; without its offset it would be read as another instant"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="status",
            regex=r".",
            meta={"why": "what an issue is pauses and stops clocks"},
        ),
    ],
)
