"""Third-party data as it is, through the real profile's connections: every trap its README names."""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from avoir.contracts.reading import read_contracts
from avoir.loading import LoadReport, load_window, next_window
from avoir.raw_tables import create_raw
from avoir.settings import CHECKOUT, REAL_AS_OF
from avoir.sources.model import SourceConnection, parse_sources

pytestmark = [pytest.mark.warehouse, pytest.mark.real_data]

EXAMPLES = CHECKOUT / "contracts" / "examples"
THRESHOLD_MONITOR = "curc-xd-mo-d-alpine-utilization-threshold"


@pytest.fixture
def connection(warehouse_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(warehouse_dsn) as connection:
        create_raw(connection)
        connection.commit()
        yield connection


def source_of(shared_data: Path, name: str) -> SourceConnection:
    sources = parse_sources(EXAMPLES / "sources.yml", {"AVOIR_SHARED_DATA": str(shared_data)})
    return next(source for source in sources if source.name == name)


def load(connection: psycopg.Connection, source: SourceConnection) -> LoadReport:
    """Load everything up to the profile's instant, twice; the second time must change nothing."""
    window = next_window(connection, source, REAL_AS_OF)
    assert window is not None
    report = load_window(connection, source, window)
    again = load_window(connection, source, window)
    assert (again.rows_landed, again.rows_rejected) == (0, 0)
    assert next_window(connection, source, REAL_AS_OF) is None
    return report


def rows(connection: psycopg.Connection, query: str) -> list[Any]:
    found = connection.execute(query.encode()).fetchall()
    connection.commit()
    return found


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_incident_event_lands_and_no_day_becomes_a_month(
    connection: psycopg.Connection, shared_data: Path
) -> None:
    report = load(connection, source_of(shared_data, "uci_incidents"))
    export = csv_rows(shared_data / "tickets" / "servicenow_incident_events.csv")
    assert (report.rows_landed, report.rows_rejected) == (len(export), 0)
    assert len(export) == 6427
    opened = rows(
        connection,
        """
        select
            number,
            min(to_timestamp(opened_at, 'DD/MM/YYYY HH24:MI')::timestamp at time zone source_timezone)
        from raw_incident_log.incident_events
        group by number
        """,
    )
    # A swapped date would leave the three months that the log covers.
    assert {(instant.year, instant.month) for _, instant in opened} == {
        (2016, 2),
        (2016, 3),
        (2016, 4),
        (2016, 5),
    }
    expected = {}
    for row in export:
        day, month, rest = row["opened_at"].split("/")
        year, clock = rest.split(" ")
        hour, minute = clock.split(":")
        expected[row["number"]] = datetime(
            int(year), int(month), int(day), int(hour), int(minute), tzinfo=UTC
        )
    assert dict(opened) == expected
    ambiguous = sum(int(row["opened_at"].split("/")[0]) <= 12 for row in export)
    assert ambiguous > len(export) / 3


def test_the_log_without_the_mends_of_its_publisher_is_quarantined_row_by_row(
    connection: psycopg.Connection, shared_data: Path, tmp_path: Path
) -> None:
    """The sample is clean; the full log is not. So its known faults are planted back, and each is told."""
    export = csv_rows(shared_data / "tickets" / "servicenow_incident_events.csv")
    pick = random.Random(7)
    broken = [dict(row) for row in export]
    unknown, month_first, conflicting, repeated = (
        pick.sample(range(start, len(broken), 4), 40) for start in range(4)
    )
    for index in unknown:
        broken[index]["incident_state"] = "-100"
    for index in month_first:
        broken[index]["sys_updated_at"] = "2/28/2016 09:00"
    extra = [{**broken[index], "urgency": "1 - High", "impact": "?"} for index in conflicting]
    extra += [dict(broken[index]) for index in repeated]
    every = broken + extra
    pick.shuffle(every)
    path = tmp_path / "log.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(export[0]))
        writer.writeheader()
        writer.writerows(every)
    source = source_of(shared_data, "uci_incidents")
    planted = SourceConnection(
        "planted", source.system, str(path), source.history_from, options=source.options
    )
    report = load(connection, planted)
    assert report.rejected_by_reason == {"unknown_state": 40, "bad_instant": 40, "conflicting_version": 40}
    assert report.rows_duplicate == 40
    assert report.rows_landed == len(export) - 80
    repeats = rows(
        connection,
        """
        select number, sys_mod_count from raw_incident_log.incident_events group by 1, 2 having count(*) > 1
        """,
    )
    assert repeats == []
    reasons = rows(connection, "select distinct reason_code, table_name from loads.rejected order by 1")
    assert [reason for reason, _ in reasons] == ["bad_instant", "conflicting_version", "unknown_state"]


def test_every_assignment_group_is_somebodys_or_known_to_be_nobodys(shared_data: Path) -> None:
    used = {
        row["assignment_group"]
        for row in csv_rows(shared_data / "tickets" / "servicenow_incident_events.csv")
    }
    with (EXAMPLES / "assignment_groups.csv").open(encoding="utf-8", newline="") as stream:
        lines = [line for line in stream if not line.startswith("#")]
    mapped = [row["assignment_group"] for row in csv.DictReader(lines)]
    assert used - {"?"} == set(mapped)
    assert len(mapped) == len(set(mapped))


def test_probes_and_published_figures_land_and_the_threshold_monitor_is_in_no_contract(
    connection: psycopg.Connection, shared_data: Path
) -> None:
    report = load(connection, source_of(shared_data, "curc_upptime"))
    log = csv_rows(shared_data / "uptime" / "upptime_curc" / "checks_from_git_log.csv")
    assert report.landed_by_table == {"checks": len(log), "published": 11}
    assert report.rows_rejected == 0
    measured = dict(
        rows(connection, "select slug, count(*) from raw_upptime.checks where status = 'down' group by slug")
    )
    assert measured == Counter(row["slug"] for row in log if row["status"] == "down")
    assert measured[THRESHOLD_MONITOR] == 468
    published = dict(rows(connection, "select slug, uptime from raw_upptime.published"))
    assert published["curc-statuspage-alpine-component"] == "94.19%"
    claimed = {
        claim.key.value
        for file in read_contracts(EXAMPLES)
        for version in file.versions
        for keys in version.keys.values()
        for claim in keys
        if claim.key.source == "curc_upptime"
    }
    assert THRESHOLD_MONITOR not in claimed
    assert claimed <= {row["slug"] for row in log}
    assert set(published) - claimed == {THRESHOLD_MONITOR}


def test_the_longest_silence_the_contracts_bridge_is_what_the_heartbeat_supports(shared_data: Path) -> None:
    """The comment of SUM-2026-01 states these figures; the held time follows from them."""
    instants = defaultdict(list)
    for row in csv_rows(shared_data / "uptime" / "upptime_curc" / "checks_from_git_log.csv"):
        instants[row["slug"]].append(datetime.fromisoformat(row["checked_at"]))
    gaps = sorted(
        (later - earlier).total_seconds()
        for seen in instants.values()
        for earlier, later in zip(sorted(seen), sorted(seen)[1:], strict=False)
    )
    assert len(gaps) == 13_601
    assert gaps[len(gaps) // 2] / 60 > 98
    assert 4 + 20 / 60 < gaps[len(gaps) * 99 // 100] / 3600 < 4.5
    held = 14_400 * 1.5
    silences = sorted(gap for gap in gaps if gap > held)
    assert len([gap for gap in silences if gap < 11 * 3600]) == 33  # three, told by each of eleven monitors
    assert silences[-2] == 37_440


def test_every_invoice_is_readable_and_agrees_with_its_own_sums(
    connection: psycopg.Connection, shared_data: Path
) -> None:
    report = load(connection, source_of(shared_data, "en16931_invoices"))
    files = [
        path for path in (shared_data / "invoices").rglob("*") if path.suffix.lower() in (".xml", ".pdf")
    ]
    assert len(files) == 53
    assert len({path.read_bytes() for path in files}) == 52  # one example was published under two names
    tables = {"invoices": 52, "documents": 52, "invoice_lines": 200, "invoice_adjustments": 26}
    assert report.landed_by_table == tables
    assert report.rejected_by_reason == {}
    by_syntax = dict(rows(connection, "select syntax, count(*) from raw_einvoice.invoices group by syntax"))
    assert by_syntax == {"UBL": 19, "CII": 33}
    disagreeing = rows(
        connection,
        """
        select invoices.invoice_number
        from raw_einvoice.invoices
        join (
            select document_id, sum(net_amount::numeric) as net_amount
            from raw_einvoice.invoice_lines
            group by 1
        ) as lines on lines.document_id = invoices.document_id
        where lines.net_amount <> invoices.lines_total::numeric
        """,
    )
    assert disagreeing == []
    without_lines = rows(
        connection, "select file_name from raw_einvoice.invoices where line_count = '0' order by 1"
    )
    assert len(without_lines) == 6
    assert all("MINIMUM" in name or "BASICWL" in name for (name,) in without_lines)
    currencies = {
        currency for (currency,) in rows(connection, "select distinct currency from raw_einvoice.invoices")
    }
    assert currencies == {"EUR", "NOK", "DKK", "SEK", "HUF", "CHF"}
    negative = rows(
        connection, "select grand_total from raw_einvoice.invoices where grand_total like '-%' order by 1"
    )
    assert negative == [("-3.57",), ("-782179.43",)]


def test_an_invoice_sent_three_times_is_one_and_a_credit_note_stays_apart(
    connection: psycopg.Connection, shared_data: Path
) -> None:
    load(connection, source_of(shared_data, "en16931_invoices"))
    documents = rows(
        connection,
        """
        select
            invoice_number, type_code, count(*),
            min(tax_basis_total::numeric), max(tax_basis_total::numeric)
        from raw_einvoice.invoices
        where seller_vat_id = 'FR11999999998'
        group by 1, 2
        order by 1
        """,
    )
    assert [document[:3] for document in documents] == [
        ("AV-2017-0005", "381", 1),
        ("FA-2017-0008", "380", 2),
        ("FA-2017-0009", "380", 2),
        ("FA-2017-0010", "380", 3),
    ]
    assert all(low == high for *_, low, high in documents)
    assert sum(low for _, code, _, low, _ in documents if code == "380") == Decimal("3232.41")
    assert documents[0][3] == Decimal("218.48")


def test_bills_land_whole_and_only_payable_ones_that_stand_count(
    connection: psycopg.Connection, shared_data: Path
) -> None:
    report = load(connection, source_of(shared_data, "xero_bills"))
    assert report.landed_by_table == {"contacts": 152, "invoices": 418, "invoice_line_items": 449}
    assert report.rows_rejected == 0
    counted = rows(
        connection,
        """
        select invoices.contact_id, invoices.currency_code, sum(lines.line_amount::numeric)
        from raw_xero.invoices
        join raw_xero.invoice_line_items as lines
            on lines.invoice_id = invoices.invoice_id
            and lines.invoice_updated_date_utc = invoices.updated_date_utc
        where invoices.type = 'ACCPAY' and invoices.status not in ('VOIDED', 'DELETED', 'DRAFT')
        group by 1, 2
        """,
    )
    expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    standing = [
        row
        for row in csv_rows(shared_data / "invoices" / "xero" / "invoices.csv")
        if row["type"] == "ACCPAY" and row["status"] not in {"VOIDED", "DELETED"}
    ]
    assert len(standing) == 339
    for row in standing:
        expected[row["contact_id"], row["currency_code"]] += Decimal(row["sub_total"])
    assert {(contact, currency): amount for contact, currency, amount in counted} == dict(expected)


def test_the_example_contracts_are_good_and_name_only_sources_of_the_profile(shared_data: Path) -> None:
    files = read_contracts(EXAMPLES)
    assert len(files) == 9
    assert [problem for file in files for problem in file.problems] == []
    names = {
        source.name
        for source in parse_sources(EXAMPLES / "sources.yml", {"AVOIR_SHARED_DATA": str(shared_data)})
    }
    keyed = {
        claim.key.source
        for file in files
        for version in file.versions
        for keys in version.keys.values()
        for claim in keys
    }
    assert keyed == names
