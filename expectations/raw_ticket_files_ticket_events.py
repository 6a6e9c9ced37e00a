"""What every delivered event must have: the clocks are computed from these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_ticket_files.ticket_events",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="occurred_at",
            regex=r"^(19[89]|2\d\d)\d-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$",
            meta={"why": "pauses begin and end at this instant"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="sequence",
            regex=r"^\d+$",
            meta={"why": "events of one instant are ordered by it"},
        ),
    ],
)
