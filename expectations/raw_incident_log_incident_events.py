"""What every row of an exported event log must have before a clock is computed from it."""

import great_expectations.expectations as gxe

from avoir.checking import Suite

SUITE = Suite(
    border="raw",
    table="raw_incident_log.incident_events",
    checks=[
        gxe.ExpectColumnValuesToNotBeNull(
            column="number",
            meta={"why": "an update of no incident would silently be left out of every clock"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="opened_at",
            regex=r"^\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}$",
            meta={"why": "the clock starts here, day first; another form would be another day"},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="sys_updated_at",
            regex=r"^\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}$",
            meta={"why": "the response is the update that left the first state"},
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="source_timezone", meta={"why": "a local time without its zone is no instant"}
        ),
    ],
)
