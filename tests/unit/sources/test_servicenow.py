"""The ServiceNow walk against a server whose paging is as bad as real ones."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from vendor_server import Answered, Vendor

from avoir.sources.model import NothingLanded, Rejected, Rows, Window
from avoir.sources.servicenow import FEEDS, SYSTEM, fetch
from avoir.sources.vendor_http import ATTEMPTS, AccessDeniedError, IncompleteAnswerError, UnavailableError

WINDOW = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))
INCIDENT = FEEDS[0]


def incident(number: int, updated: datetime, **changes: Any) -> dict[str, Any]:
    record = dict.fromkeys(INCIDENT.fields, "")
    record |= {"sys_id": f"{number:032x}", "number": f"INC{number:07}"}
    record |= dict.fromkeys(("sys_created_on", "sys_updated_on", "opened_at"), f"{updated:%Y-%m-%d %H:%M:%S}")
    return record | changes


class Table:
    """A Table API that knows the query of the source and caps its pages."""

    def __init__(self, records: list[dict[str, Any]], *, cap: int = 100, repeat: int = 0) -> None:
        self.records = records
        self.cap = cap
        self.repeat = repeat
        self.hidden: set[str] = set()
        self.announce: int | None = None

    def __call__(self, path: str, parameters: dict[str, str]) -> Answered:
        assert path == "/api/now/table/incident"
        bounds = re.fullmatch(
            r"sys_updated_on>=(.{19})\^sys_updated_on<(.{19})\^ORDERBYsys_updated_on\^ORDERBYsys_id",
            parameters["sysparm_query"],
        )
        assert bounds is not None
        found = sorted(
            (r for r in self.records if bounds[1] <= r["sys_updated_on"] < bounds[2]),
            key=lambda r: (r["sys_updated_on"], r["sys_id"]),
        )
        total = len(found) if self.announce is None else self.announce
        offset = max(0, int(parameters["sysparm_offset"]) - self.repeat)
        limit = min(self.cap, int(parameters["sysparm_limit"]))
        page = [r for r in found[offset : offset + limit] if r["sys_id"] not in self.hidden]
        return Answered.json({"result": page}, X_Total_Count=str(total))


def fetched(vendor: Vendor) -> tuple[list[str], list[Rejected]]:
    source = vendor.connection("servicenow", tables=("incident",))
    ids: list[str] = []
    rejected: list[Rejected] = []
    for item in fetch(source, WINDOW, NothingLanded()):
        if isinstance(item, Rows):
            ids += [str(values[0]) for values in item.values]
        else:
            rejected.append(item)
    return ids, rejected


def spread(count: int, *, step: timedelta = timedelta(minutes=3)) -> list[dict[str, Any]]:
    return [incident(n, WINDOW.start + n * step) for n in range(count)]


def ids_of(records: list[dict[str, Any]]) -> list[str]:
    return [record["sys_id"] for record in records]


def test_pages_capped_below_what_was_asked_are_walked_to_the_end(vendor: Vendor) -> None:
    records = spread(1234)
    vendor.answer = Table(records)
    assert fetched(vendor) == (ids_of(records), [])
    assert len(vendor.requests) >= 13


def test_rows_repeated_over_page_borders_are_taken_once(vendor: Vendor) -> None:
    records = spread(730)
    vendor.answer = Table(records, repeat=3)
    assert fetched(vendor) == (ids_of(records), [])


def test_one_instant_that_fills_several_pages_is_walked_by_offset(vendor: Vendor) -> None:
    records = [incident(n, WINDOW.start + timedelta(hours=1)) for n in range(450)]
    vendor.answer = Table(records, repeat=2)
    assert fetched(vendor) == (ids_of(records), [])


def test_a_record_that_leaves_the_window_while_reading_hides_no_other(vendor: Vendor) -> None:
    records = spread(350)
    table = Table(records)

    def answer(path: str, parameters: dict[str, str]) -> Answered:
        reply = table(path, parameters)
        if len(vendor.requests) == 1:  # between the first page and the second, an early record is updated
            records[5] = incident(5, WINDOW.end + timedelta(days=1))
        return reply

    vendor.answer = answer
    ids, _ = fetched(vendor)
    assert set(ids_of(records)) <= set(ids)


def test_the_last_instant_before_the_end_is_read_and_the_end_is_not(vendor: Vendor) -> None:
    inside, outside = incident(1, WINDOW.end - timedelta(seconds=1)), incident(2, WINDOW.end)
    vendor.answer = Table([inside, outside])
    assert fetched(vendor) == ([inside["sys_id"]], [])


def test_no_record_is_believed_when_zero_are_announced(vendor: Vendor) -> None:
    vendor.answer = Table([])
    assert fetched(vendor) == ([], [])


@pytest.mark.parametrize("position", [0, 57, 99, 100, 249])
def test_a_record_that_was_announced_and_never_comes_fails_the_load(vendor: Vendor, position: int) -> None:
    records = spread(250)
    table = Table(records)
    table.hidden = {records[position]["sys_id"]}
    vendor.answer = table
    with pytest.raises(IncompleteAnswerError, match="announced 1 more records than it gave"):
        fetched(vendor)


def test_an_empty_page_where_records_were_announced_fails_the_load(vendor: Vendor) -> None:
    table = Table([])
    table.announce = 40
    vendor.answer = table
    with pytest.raises(IncompleteAnswerError, match="announced 40 more records"):
        fetched(vendor)


def test_a_server_that_ignores_the_window_fails_the_load(vendor: Vendor) -> None:
    record = incident(1, WINDOW.start - timedelta(days=30))
    vendor.answer = lambda path, parameters: Answered.json({"result": [record]}, X_Total_Count="1")
    with pytest.raises(IncompleteAnswerError, match="time zone must be GMT"):
        fetched(vendor)


@pytest.mark.parametrize(
    "reply",
    [
        Answered(b""),
        Answered(b"  \n"),
        Answered(b"<html>busy</html>"),
        Answered.json({"result": None}, X_Total_Count="0"),
        Answered.json([], X_Total_Count="0"),
        Answered.json({"result": []}),
        Answered.json({"error": {"message": "no such table"}}, status=404),
        Answered(b'{"result": [', headers={"X-Total-Count": "1"}),
    ],
)
def test_an_answer_that_says_nothing_is_not_zero_records(vendor: Vendor, reply: Answered) -> None:
    vendor.answer = lambda path, parameters: reply
    with pytest.raises(IncompleteAnswerError, match="vendor_under_test"):
        fetched(vendor)


def test_throttling_outages_and_truncated_bodies_are_waited_out(vendor: Vendor) -> None:
    records = spread(120)
    vendor.answer = Table(records)
    whole = json.dumps({"result": []}).encode()
    vendor.first = [
        Answered(b"slow down", 429, {"Retry-After": "0"}),
        Answered(b"", 503),
        Answered(whole[:7], 200, {"X-Total-Count": "120"}, length=len(whole)),
    ]
    assert fetched(vendor) == (ids_of(records), [])


def test_retry_after_is_honoured(vendor: Vendor) -> None:
    vendor.answer = Table(spread(3))
    vendor.first = [Answered(b"slow down", 429, {"Retry-After": "1"})]
    before = datetime.now(UTC)
    assert len(fetched(vendor)[0]) == 3
    assert datetime.now(UTC) - before >= timedelta(seconds=1)


def test_a_system_that_stays_down_is_told_after_all_attempts(vendor: Vendor) -> None:
    vendor.answer = lambda path, parameters: Answered(b"", 503)
    with pytest.raises(UnavailableError, match="still answered 503 after 6 attempts"):
        fetched(vendor)
    assert len(vendor.requests) == ATTEMPTS


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_fail_at_once_and_name_no_secret(vendor: Vendor, status: int) -> None:
    vendor.answer = lambda path, parameters: Answered.json({"error": "who are you"}, status=status)
    with pytest.raises(AccessDeniedError, match=r"refused user avoir .*VENDOR_SECRET") as caught:
        fetched(vendor)
    assert "s3cret" not in str(caught.value)
    assert len(vendor.requests) == 1


def test_a_redirect_to_another_host_is_not_followed(vendor: Vendor) -> None:
    vendor.answer = lambda path, parameters: Answered(b"", 302, {"Location": "http://198.51.100.7/steal"})
    with pytest.raises(IncompleteAnswerError, match=r"redirects to 198\.51\.100\.7"):
        fetched(vendor)
    assert len(vendor.requests) == 1


def test_a_next_link_to_another_host_is_not_followed(vendor: Vendor) -> None:
    records = spread(250)
    table = Table(records)

    def answer(path: str, parameters: dict[str, str]) -> Answered:
        reply = table(path, parameters)
        reply.headers["Link"] = '<http://198.51.100.7/steal?sysparm_offset=100>;rel="next"'
        return reply

    vendor.answer = answer
    assert fetched(vendor) == (ids_of(records), [])


def test_credentials_go_as_basic_authentication(vendor: Vendor) -> None:
    vendor.answer = Table([])
    fetched(vendor)
    assert vendor.requests[0][2]["Authorization"] == "Basic YXZvaXI6czNjcmV0"


def test_records_that_cannot_be_cast_are_rejected_with_a_reason(vendor: Vendor) -> None:
    at = WINDOW.start + timedelta(hours=1)
    good = incident(1, at)
    vendor.answer = Table(
        [good, incident(2, at, opened_at="01/03/2026"), incident(3, at, resolved_at="2026-02-30 10:00:00")]
    )
    ids, rejected = fetched(vendor)
    assert ids == [good["sys_id"]]
    assert [item.reason_code for item in rejected] == ["bad_instant", "bad_instant"]
    assert "opened_at is not YYYY-MM-DD HH:MM:SS: '01/03/2026'" in rejected[0].reason


def test_references_with_links_are_landed_as_their_value(vendor: Vendor) -> None:
    record = incident(
        1, WINDOW.start, caller_id={"link": "http://198.51.100.7/user", "value": "abc"}, priority=None
    )
    vendor.answer = Table([record])
    source = vendor.connection("servicenow", tables=("incident",))
    (rows,) = fetch(source, WINDOW, NothingLanded())
    assert isinstance(rows, Rows)
    named = dict(zip(INCIDENT.table.column_names, rows.values[0], strict=True))
    assert (named["caller_id"], named["priority"]) == ("abc", "")


def test_deletions_are_read_where_the_connection_names_their_table(vendor: Vendor) -> None:
    deleted = {
        "sys_id": "d" * 32,
        "tablename": "incident",
        "documentkey": "a" * 32,
        "display_value": "INC0000001",
        "sys_created_on": "2026-03-01 10:00:00",
        "user": "vendor.admin",
    }

    def answer(path: str, parameters: dict[str, str]) -> Answered:
        assert path == "/api/now/table/sys_audit_delete"
        assert set(parameters["sysparm_fields"].split(",")) == set(deleted)
        return Answered.json({"result": [deleted]}, X_Total_Count="1")

    vendor.answer = answer
    source = vendor.connection("servicenow", tables=("sys_audit_delete",))
    (rows,) = fetch(source, WINDOW, NothingLanded())
    assert isinstance(rows, Rows)
    assert rows.table == "sys_audit_delete"
    assert set(rows.values[0]) == set(deleted.values())
    assert "sys_audit_delete" not in SYSTEM.options["tables"].check(None)


@pytest.mark.parametrize(
    ("table", "given", "landed"),
    [
        (
            "metric_instance",
            {"table": "incident", "id": "a" * 32, "field": "incident_state", "value": "On Hold"}
            | {"start": "2026-02-02 10:00:00", "end": "", "duration": "", "calculation_complete": "false"},
            {"tablename": "incident", "documentkey": "a" * 32, "started_at": "2026-02-02 10:00:00"},
        ),
        (
            "task_sla",
            {"task": "a" * 32, "sla": "b" * 32, "stage": "completed", "has_breached": "true"}
            | {"start_time": "2026-02-02 10:00:00", "end_time": "2026-02-02 18:00:00"},
            {"task": "a" * 32, "has_breached": "true", "ended_at": "2026-02-02 18:00:00"},
        ),
    ],
)
def test_the_vendor_s_own_figures_land_where_the_connection_names_them(
    vendor: Vendor, table: str, given: dict[str, str], landed: dict[str, str]
) -> None:
    def answer(path: str, parameters: dict[str, str]) -> Answered:
        assert path == f"/api/now/table/{table}"
        asked = parameters["sysparm_fields"].split(",")
        assert set(given) < set(asked)
        at = {
            "sys_id": "d" * 32,
            "sys_created_on": "2026-03-01 10:00:00",
            "sys_updated_on": "2026-03-01 10:00:00",
        }
        return Answered.json({"result": [dict.fromkeys(asked, "") | given | at]}, X_Total_Count="1")

    vendor.answer = answer
    (rows,) = fetch(vendor.connection("servicenow", tables=(table,)), WINDOW, NothingLanded())
    assert isinstance(rows, Rows)
    row = dict(zip(SYSTEM.table(table).column_names, rows.values[0], strict=True))
    assert {name: row[name] for name in landed} == landed
    assert table not in SYSTEM.options["tables"].check(None)


def test_real_records_land_as_an_instance_gave_them(shared_data: Path, vendor: Vendor) -> None:
    """Their fields are those that a public connector asked for; the others are empty here."""
    lines = (shared_data / "api" / "servicenow" / "records.jsonl").read_text().splitlines()
    told = [json.loads(line)["record"] for line in lines]
    real = [one["data"] for one in told if one["stream"].endswith("servicenow__incidents")]
    real += json.loads((shared_data / "api" / "servicenow" / "incidents.json").read_text())
    assert len(real) > 2

    def answer(path: str, parameters: dict[str, str]) -> Answered:
        asked = parameters["sysparm_fields"].split(",")
        known = [{name: one.get(name, "") for name in asked} for one in real]
        created = {"sys_created_on": "2016-01-01 00:00:00"}
        return Answered.json({"result": [one | created for one in known]}, X_Total_Count=str(len(real)))

    vendor.answer = answer
    window = Window(datetime(2016, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC))
    items = list(fetch(vendor.connection("servicenow", tables=("incident",)), window, NothingLanded()))
    assert [item for item in items if isinstance(item, Rejected)] == []
    names = SYSTEM.table("incident").column_names
    rows = [
        dict(zip(names, row, strict=True)) for item in items if isinstance(item, Rows) for row in item.values
    ]
    landed = {row["sys_id"]: row for row in rows}
    assert len(landed) == len(real)
    for one in real:
        for name in ("number", "state", "priority", "opened_at", "resolved_at", "business_service"):
            assert landed[one["sys_id"]][name] == one[name]
