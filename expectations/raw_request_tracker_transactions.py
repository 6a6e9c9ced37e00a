"""What every landed transaction must have: the clocks are computed from these."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_request_tracker.transactions",
    checks=[
        gxe.ExpectColumnValuesToMatchRegex(
            column="transaction_id",
            regex=r"^\d+$",
            meta={"why": "transactions of one second are ordered by their number"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="created",
            regex=r"^(19[89]|2\d\d)\d-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$",
            meta={"why": "pauses begin and end at this instant; one that was never set reads as 1970"},
        ),
    ],
)
