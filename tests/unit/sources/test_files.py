"""File sources on small files of their formats: what lands, what is rejected and why."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invoice_documents import cii, pdf_with, ubl

from avoir.sources import einvoice_folder, incident_log, upptime, xero
from avoir.sources.model import (
    NothingLanded,
    Rejected,
    Rows,
    SourceConnection,
    SourceError,
    System,
    Window,
)

ALWAYS = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


def connection(system: System, path: Path, **options: Any) -> SourceConnection:
    filled = {
        name: option.check(options.get(name, option.default)) for name, option in system.options.items()
    }
    return SourceConnection("files_under_test", system.name, str(path), ALWAYS.start, options=filled)


class Fetched:
    """What a fetch yielded, by table, with values by column."""

    def __init__(self, system: System, source: SourceConnection, window: Window = ALWAYS) -> None:
        self.rows: dict[str, list[dict[str, str | None]]] = {table.name: [] for table in system.tables}
        self.rejected: list[Rejected] = []
        for item in system.fetch(source, window, NothingLanded()):
            if isinstance(item, Rejected):
                self.rejected.append(item)
                continue
            assert isinstance(item, Rows)
            names = system.table(item.table).column_names
            self.rows[item.table] += [dict(zip(names, values, strict=True)) for values in item.values]

    @property
    def codes(self) -> list[str]:
        return [item.reason_code for item in self.rejected]


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Path:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(buffer.getvalue(), encoding="utf-8")
    return path


# The incident log


def event(number: str = "INC1", count: int = 0, **changes: str) -> dict[str, str]:
    return {
        **dict.fromkeys(incident_log.EXPORT_COLUMNS, "?"),
        "number": number,
        "sys_mod_count": str(count),
        "incident_state": "New",
        "opened_at": "3/4/2016 09:05",
        "sys_updated_at": "3/4/2016 09:10",
        "assignment_group": "Group 70",
        **changes,
    }


def log_of(tmp_path: Path, *events: Mapping[str, str], zone: str = "UTC", window: Window = ALWAYS) -> Fetched:
    path = write_csv(tmp_path / "log.csv", incident_log.EXPORT_COLUMNS, events)
    return Fetched(incident_log.SYSTEM, connection(incident_log.SYSTEM, path, timezone=zone), window)


def test_the_third_of_april_is_not_the_fourth_of_march(tmp_path: Path) -> None:
    april = Window(datetime(2016, 4, 1, tzinfo=UTC), datetime(2016, 5, 1, tzinfo=UTC))
    march = Window(datetime(2016, 3, 1, tzinfo=UTC), datetime(2016, 4, 1, tzinfo=UTC))
    assert len(log_of(tmp_path, event(), window=april).rows["incident_events"]) == 1
    assert log_of(tmp_path, event(), window=march).rows["incident_events"] == []


@settings(deadline=None)
@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)).map(lambda d: d.replace(second=0, microsecond=0))
)
def test_an_instant_is_read_day_first_whatever_else_it_could_be(local: datetime) -> None:
    text = f"{local.day}/{local.month}/{local.year} {local:%H:%M}"
    assert incident_log.parse_instant(text, ZoneInfo("UTC")) == local.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2016-04-03 09:05", "4/13/2016 09:05", "31/4/2016 09:05", "3/4/2016", "3/4/16 09:05", "3/4/2016 24:00"],
)
def test_another_date_format_is_rejected(tmp_path: Path, text: str) -> None:
    fetched = log_of(tmp_path, event(opened_at=text))
    assert (fetched.codes, fetched.rows["incident_events"]) == (["bad_instant"], [])


def test_an_hour_that_the_zone_skipped_is_rejected_and_the_zone_is_landed(tmp_path: Path) -> None:
    skipped = event("INC1", sys_updated_at="27/3/2016 02:30", opened_at="27/3/2016 01:00")
    kept = event("INC2", sys_updated_at="27/3/2016 03:30", opened_at="27/3/2016 01:00")
    fetched = log_of(tmp_path, skipped, kept, zone="Europe/Paris")
    assert fetched.codes == ["bad_instant"]
    assert [row["source_timezone"] for row in fetched.rows["incident_events"]] == ["Europe/Paris"]


def test_question_marks_are_kept_and_never_required(tmp_path: Path) -> None:
    (row,) = log_of(tmp_path, event()).rows["incident_events"]
    assert (row["resolved_at"], row["vendor"]) == ("?", "?")
    fetched = log_of(tmp_path, event(sys_updated_at="?"), event(number="?"), event(sys_mod_count="?"))
    assert fetched.codes == ["missing_instant", "missing_key", "missing_key"]


@pytest.mark.parametrize("state", ["-100", "?", ""])
def test_an_event_without_a_known_state_is_rejected(tmp_path: Path, state: str) -> None:
    fetched = log_of(tmp_path, event(), event(count=1, incident_state=state))
    assert fetched.codes == ["unknown_state"]
    assert len(fetched.rows["incident_events"]) == 1


def test_the_same_event_told_differently_lands_once_whatever_the_order(tmp_path: Path) -> None:
    early, late = (
        event(priority="3 - Moderate"),
        event(priority="1 - Critical", sys_updated_at="3/4/2016 09:11"),
    )
    for rows in ([early, late], [late, early], [early, late, early]):
        fetched = log_of(tmp_path, *rows)
        assert {row["priority"] for row in fetched.rows["incident_events"]} == {"1 - Critical"}
        assert set(fetched.codes) == {"conflicting_version"}


def test_a_row_that_repeats_in_full_is_left_to_the_landing(tmp_path: Path) -> None:
    fetched = log_of(tmp_path, event(), event())
    assert (len(fetched.rows["incident_events"]), fetched.codes) == (2, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing: active"),
        ("number,incident_state\nINC1,New\n", "missing: active"),
        (",".join((*incident_log.EXPORT_COLUMNS, "extra")) + "\n", "unknown: extra"),
        (",".join(incident_log.EXPORT_COLUMNS) + "\n", "a header and no rows, which is not 'no records'"),
        (",".join(incident_log.EXPORT_COLUMNS) + '\n"INC1', "unexpected end of data"),
    ],
)
def test_a_file_that_is_not_the_export_stops_the_load(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(SourceError, match=message):
        Fetched(incident_log.SYSTEM, connection(incident_log.SYSTEM, path, timezone="UTC"))
    with pytest.raises(SourceError, match="cannot read"):
        Fetched(incident_log.SYSTEM, connection(incident_log.SYSTEM, tmp_path / "no.csv", timezone="UTC"))


def test_a_short_row_and_a_row_of_other_bytes_are_rejected_alone(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", incident_log.EXPORT_COLUMNS, [event()])
    with path.open("ab") as stream:
        stream.write(b"INC2,New\n")
        stream.write(
            ",".join(event("INC3", category="\udcff").values()).encode("utf-8", "surrogateescape") + b"\n"
        )
    fetched = Fetched(incident_log.SYSTEM, connection(incident_log.SYSTEM, path, timezone="UTC"))
    assert fetched.codes == ["wrong_cell_count", "not_utf8"]
    assert [item.source_row for item in fetched.rejected] == [2, 3]
    assert len(fetched.rows["incident_events"]) == 1


# Upptime


def check(
    slug: str = "web", at: str = "2026-06-01T10:00:00+00:00", status: str = "up", **more: str
) -> dict[str, str]:
    row = {"commit": "c0ffee", "checked_at": at, "slug": slug, "name": slug, "status": status}
    return {**row, "http_code": "200", "response_ms": "12", **more}


def upptime_of(
    tmp_path: Path,
    *checks: Mapping[str, str],
    published: object = None,
    updated: str = "2026-06-01T10:00:00.000Z",
    window: Window = ALWAYS,
) -> Fetched:
    write_csv(tmp_path / "checks_from_git_log.csv", upptime.CHECKS.column_names, checks)
    history = tmp_path / "history"
    history.mkdir(exist_ok=True)
    monitors = [{"slug": "web", "name": "Web", "uptime": "99.90%"}] if published is None else published
    (history / "summary.json").write_text(json.dumps(monitors))
    (history / "web.yml").write_text(f"url: https://web.example\nlastUpdated: {updated}\n")
    return Fetched(upptime.SYSTEM, connection(upptime.SYSTEM, tmp_path), window)


def test_checks_and_published_figures_are_landed_apart(tmp_path: Path) -> None:
    fetched = upptime_of(tmp_path, check(), check(at="2026-06-01T11:00:00+00:00", status="down"))
    assert [row["status"] for row in fetched.rows["checks"]] == ["up", "down"]
    (published,) = fetched.rows["published"]
    assert (published["uptime"], published["uptime_week"]) == ("99.90%", None)
    assert published["last_updated"] == "2026-06-01T10:00:00+00:00"


def test_checks_of_the_window_are_read_and_its_end_is_not(tmp_path: Path) -> None:
    window = Window(datetime(2026, 6, 1, 10, tzinfo=UTC), datetime(2026, 6, 1, 11, tzinfo=UTC))
    inside = check(at="2026-06-01T12:59:59+02:00")
    fetched = upptime_of(tmp_path, check(), inside, check(at="2026-06-01T11:00:00+00:00"), window=window)
    assert [row["checked_at"] for row in fetched.rows["checks"]] == [
        "2026-06-01T10:00:00+00:00",
        inside["checked_at"],
    ]
    assert (
        upptime_of(tmp_path, check(), updated="2026-06-01T11:00:00Z", window=window).rows["published"] == []
    )


@pytest.mark.parametrize(
    "at",
    [
        "2026-W23-1T10:00:00+00:00",
        "2026-06-01T10:00:00+23:59",
        "2026-06-01x10:00:00+00:00",
        "2026-06-01T10:00:00+00:00:30",
        "0001-01-01T00:00:00+01:00",
    ],
)
def test_an_instant_that_the_database_does_not_read_so_is_rejected(tmp_path: Path, at: str) -> None:
    assert upptime_of(tmp_path, check(), check(at=at)).codes == ["bad_instant"]


def test_checks_that_cannot_be_placed_are_rejected(tmp_path: Path) -> None:
    fetched = upptime_of(
        tmp_path,
        check(),
        check(status="down"),
        check(at="2026-06-01T10:00:00"),
        check(at="1/6/2026"),
        check(status="maybe"),
        check(slug=""),
        check(status="degraded", slug="api"),
    )
    assert fetched.codes == [
        "conflicting_version",
        "bad_instant",
        "bad_instant",
        "unknown_status",
        "missing_key",
    ]
    assert len(fetched.rows["checks"]) == 2


def test_a_published_monitor_may_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    fetched = upptime_of(tmp_path, check(), published=[{"slug": "../secrets"}, {"slug": "unknown"}, 7])
    assert fetched.codes == ["missing_key", "missing_instant", "missing_key"]
    for name in ("/etc/passwd", "../log.csv", ""):
        with pytest.raises(ValueError, match="below the source's folder"):
            connection(upptime.SYSTEM, tmp_path, checks=name)


@pytest.mark.parametrize("published", [[], {}])
def test_an_empty_summary_stops_the_load(tmp_path: Path, published: object) -> None:
    with pytest.raises(SourceError, match="lists no monitor"):
        upptime_of(tmp_path, check(), published=published)


# Xero


def bill(invoice_id: str = "i1", **changes: str) -> dict[str, str]:
    return {
        "invoice_id": invoice_id,
        "contact_id": "c1",
        "date": "2020-04-21",
        "updated_date_utc": "2020-04-26 14:45:34.083 UTC",
        "sub_total": "47.99",
        "total": "47.99",
        "total_tax": "0",
        "currency_code": "CAD",
        "type": "ACCPAY",
        "status": "PAID",
        **changes,
    }


def bill_line(line_id: str = "l1", invoice_id: str = "i1", **changes: str) -> dict[str, str]:
    return {"line_item_id": line_id, "invoice_id": invoice_id, "line_amount": "47.99", **changes}


def xero_of(
    tmp_path: Path, bills: Sequence[Mapping[str, str]], lines: Sequence[Mapping[str, str]]
) -> Fetched:
    write_csv(tmp_path / "contacts.csv", xero.CONTACTS.column_names, [{"contact_id": "c1", "name": "x"}])
    write_csv(tmp_path / "invoices.csv", xero.INVOICES.column_names, bills)
    write_csv(tmp_path / "invoice_line_items.csv", xero.LINE_COLUMNS, lines)
    return Fetched(xero.SYSTEM, connection(xero.SYSTEM, tmp_path))


def test_sales_and_voided_bills_are_landed_too_for_staging_to_leave_out(tmp_path: Path) -> None:
    bills = [bill(), bill("i2", type="ACCREC"), bill("i3", status="VOIDED")]
    fetched = xero_of(tmp_path, bills, [bill_line(), bill_line("l2", "i2"), bill_line("l3", "i3")])
    assert [row["status"] for row in fetched.rows["invoices"]] == ["PAID", "PAID", "VOIDED"]
    assert len(fetched.rows["invoice_line_items"]) == 3
    assert {row["invoice_updated_date_utc"] for row in fetched.rows["invoice_line_items"]} == {
        "2020-04-26 14:45:34.083 UTC"
    }


def test_bills_and_lines_that_cannot_be_counted_are_rejected(tmp_path: Path) -> None:
    fetched = xero_of(
        tmp_path,
        [
            bill(),
            bill(total="1.00"),
            bill("i2", sub_total="12,50"),
            bill("i3", date="21/04/2020"),
            bill("i4", currency_code=""),
            bill("", contact_id="c2"),
        ],
        [
            bill_line(),
            bill_line(line_amount="1"),
            bill_line("l9", "gone"),
            bill_line("l8", line_amount="NaN"),
            bill_line(""),
        ],
    )
    assert fetched.codes == [
        "conflicting_version",
        "bad_amount",
        "bad_instant",
        "bad_amount",
        "missing_key",
        "conflicting_version",
        "unknown_invoice",
        "bad_amount",
        "missing_key",
    ]
    assert len(fetched.rows["invoices"]) == 1
    assert len(fetched.rows["invoice_line_items"]) == 1


# The invoice folder


def folder_of(tmp_path: Path, window: Window = ALWAYS, **options: Any) -> Fetched:
    return Fetched(einvoice_folder.SYSTEM, connection(einvoice_folder.SYSTEM, tmp_path, **options), window)


def test_files_of_all_kinds_and_depths_are_read_and_bad_ones_do_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "2026" / "07").mkdir(parents=True)
    (tmp_path / "2026" / "07" / "ubl.XML").write_bytes(ubl())
    (tmp_path / "facture.pdf").write_bytes(pdf_with({"factur-x.xml": cii()}))
    (tmp_path / "xxe.xml").write_bytes(b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>')
    (tmp_path / "cut.pdf").write_bytes(pdf_with({"factur-x.xml": cii()})[:400])
    (tmp_path / "empty.xml").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not an invoice")
    (tmp_path / "link.xml").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.xml")
    fetched = folder_of(tmp_path)
    assert sorted(str(row["file_name"]) for row in fetched.rows["invoices"]) == [
        "2026/07/ubl.XML",
        "facture.pdf",
    ]
    assert [row["line_count"] for row in fetched.rows["invoices"]] == ["2", "2"]
    assert len(fetched.rows["invoice_lines"]) == 4
    assert len(fetched.rows["invoice_adjustments"]) == 4
    assert sorted(str(item.reason).split(":")[0] for item in fetched.rejected) == [
        "cut.pdf",
        "empty.xml",
        "xxe.xml",
    ]
    assert all(json.loads(item.payload)["sha256"] for item in fetched.rejected)
    assert "root:" not in str(fetched.rejected)


def test_a_file_that_arrives_at_the_end_of_the_window_waits_for_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(ubl())
    end = datetime(2026, 8, 4, tzinfo=UTC)
    os.utime(tmp_path / "a.xml", (end.timestamp(), end.timestamp()))
    assert folder_of(tmp_path, Window(ALWAYS.start, end)).rows["invoices"] == []
    os.utime(tmp_path / "a.xml", ns=(0, int(end.timestamp() * 1_000_000) * 1000 - 1000))
    (row,) = folder_of(tmp_path, Window(ALWAYS.start, end)).rows["invoices"]
    assert row["received_at"] == "2026-08-03T23:59:59.999999+00:00"


def test_an_archive_is_received_on_its_issue_dates(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(ubl())
    before = Window(ALWAYS.start, datetime(2026, 8, 3, tzinfo=UTC))
    assert folder_of(tmp_path, before, received_from="issue_date").rows["invoices"] == []
    (row,) = folder_of(tmp_path, received_from="issue_date").rows["invoices"]
    assert row["received_at"] == "2026-08-03T00:00:00+00:00"


def test_one_content_under_two_names_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(ubl())
    (tmp_path / "b.xml").write_bytes(ubl())
    assert len(folder_of(tmp_path).rows["invoices"]) == 1


def test_a_folder_that_is_gone_or_empty_is_not_no_invoices(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is it mounted"):
        folder_of(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        folder_of(tmp_path / "missing")
