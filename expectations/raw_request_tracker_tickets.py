"""What every landed ticket of Request Tracker must have before anything is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_request_tracker.tickets",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="created",
            regex=r"^(19[89]|2\d\d)\d-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$",
            meta={"why": "the clock starts here; an instant that RT never set reads as 1970"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="queue",
            regex=r".",
            meta={"why": "a ticket without its queue falls under no contract"},
        ),
    ],
)
