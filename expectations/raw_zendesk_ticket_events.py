"""What every landed event of an audit must have: the clocks are computed from these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_zendesk.ticket_events",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="event_id",
            regex=r"^\d+$",
            meta={"why": "events of one second are ordered by their number"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="created_at",
            regex=r"^2\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$",
            meta={"why": "pauses begin and end at this instant"},
        ),
    ],
)
