"""What every delivered ticket must have before anything is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_ticket_files.tickets",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="opened_at",
            regex=r"^(19[89]|2\d\d)\d-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$",
            meta={"why": "the clock starts here; a year before 1980 is an empty cell of a spreadsheet"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="service",
            regex=r".",
            meta={"why": "a ticket without its service falls under no contract"},
        ),
    ],
)
