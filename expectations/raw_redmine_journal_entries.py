"""What every landed entry of a journal must have: the clocks are computed from these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_redmine.journal_entries",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="journal_id",
            regex=r"^\d+$",
            meta={"why": "journals of one second are ordered by their number"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="created_on",
            regex=r"^2\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$",
            meta={"why": "pauses begin and end at this instant"},
        ),
    ],
)
