"""What every landed Zendesk ticket must have before anything is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_zendesk.tickets",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="created_at",
            regex=r"^2\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$",
            meta={"why": "the clock starts here; Zendesk is younger than this century"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="generated_timestamp",
            regex=r"^\d{9,10}$",
            meta={"why": "of two versions of a ticket the one that changed last is the present one"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="status",
            regex=r".",
            meta={"why": "what a ticket is pauses and stops clocks"},
        ),
    ],
)
