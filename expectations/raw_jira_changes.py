"""What every landed item of a changelog must have: the clocks are computed from these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_jira.changes",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="history_id",
            regex=r"^\d+$",
            meta={"why": "histories of one instant are ordered by their number"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="created",
            regex=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?([+-]\d{2}:?\d{2}|Z)$",
            meta={"why": "pauses begin and end at this instant"},
        ),
    ],
)
