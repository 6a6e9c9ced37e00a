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
            meta={"why": "the clock starts here, day first; another form is another day", "blocks": True},
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="sys_updated_at",
            regex=r"^\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}$",
            meta={"why": "the response is the update that left the first state", "blocks": True},
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="source_timezone", meta={"why": "a local time without its zone is no instant"}
        ),
        gxe.UnexpectedRowsExpectation(
            description="instants follow one another",
            unexpected_rows_query="""
                select _source_name, _batch_id, number, opened_at, sys_updated_at from {batch}
                where to_timestamp(opened_at, 'DD/MM/YYYY HH24:MI')
                        > to_timestamp(sys_updated_at, 'DD/MM/YYYY HH24:MI')
                    or to_timestamp(opened_at, 'DD/MM/YYYY HH24:MI') < '2000-01-01'
            """,
            meta={"why": "an update from before the incident was opened makes a response that never was"},
        ),
    ],
)
