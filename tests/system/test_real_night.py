"""The real data on the real scheduler: its months equal the oracle, and no trap was stepped into."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import pytest

from avoir.real_data import REAL_DATA
from tests.system.homes import Home
from tests.system.real_oracle import (
    CONTRACTS,
    SECOND_US,
    Figures,
    checks,
    day_first,
    documents,
    figures,
    first_group,
    incident_rows,
    reported,
    vendor_of_group,
)

pytestmark = [pytest.mark.system, pytest.mark.real_data]

RUN_LIMIT_SECONDS = 300
THRESHOLD_MONITOR = "curc-xd-mo-d-alpine-utilization-threshold"


@dataclass
class Night:
    """One run of the real profile, what it printed, and what it should have found."""

    home: Home
    output: str
    left_running: list[Any]
    connection: psycopg.Connection
    data: Path
    expected: Figures

    def rows(self, query: str) -> list[Any]:
        """Rows of a query."""
        found = self.connection.execute(query.encode()).fetchall()
        self.connection.rollback()
        return found


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[Night]:
    """`avoir run --profile real` in a fresh home; afterwards its Postgres stays up for the questions."""
    home = Home(
        tmp_path_factory.mktemp("real"), profile="real", variables={"AVOIR_SHARED_DATA": str(shared_data)}
    )
    try:
        output = home.call("run", "--profile", "real")
        left_running = home.processes()
        with home.warehouse() as connection:
            yield Night(home, output, left_running, connection, shared_data, figures(shared_data))
    finally:
        home.destroy()


def export(night: Night, *path: str) -> list[dict[str, str]]:
    with night.data.joinpath(*path).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# The run.


def test_the_run_ends_well_in_time_and_stops_what_it_started(night: Night) -> None:
    assert night.home.seconds[0] < RUN_LIMIT_SECONDS
    assert night.left_running == []
    assert night.output.count(" published") == len(night.expected.months) - 2
    assert night.output.count(" closed") == 2
    assert "held" not in night.output


def test_status_tells_every_month_and_that_nothing_was_rejected(night: Night) -> None:
    status = json.loads(night.home.call("status", "--json"))
    assert {(m["vendor"], m["month"], m["currency"]) for m in status["months"]} == night.expected.months
    assert all(m["is_published"] and m["verdict"] == "published" for m in status["months"])
    assert {(m["vendor"], m["month"]) for m in status["months"] if m["is_closed"]} == {
        ("meridian", "2026-07"),
        ("summit", "2026-07"),
    }
    assert {w["source_name"]: w["watermark"] for w in status["watermarks"]} == dict.fromkeys(
        ("curc_upptime", "en16931_invoices", "uci_incidents", "xero_bills"), "2026-08-11T00:00:00+00:00"
    )
    assert (status["rejected"], status["failures"]) == ([], [])
    assert night.rows("select count(distinct dag_run_id), count(*) from loads.batches") == [(1, 4)]


# The numbers.


def test_the_mart_equals_the_oracle_to_the_microsecond_and_the_cent(night: Night) -> None:
    expected: dict[tuple[str, str, str], tuple[object, ...]] = {}
    for vendor, month, currency in night.expected.months:
        is_own = currency == next(terms.currency for terms in CONTRACTS if terms.vendor == vendor)
        clocks = [
            one for one in night.expected.incidents.values() if (one.vendor, one.month) == (vendor, month)
        ]
        uptimes = [
            one
            for (who, _, when), one in night.expected.uptimes.items()
            if (who, when) == (vendor, month) and is_own
        ]
        outcomes = Counter([one.outcome for one in clocks] + [one.outcome for one in uptimes])
        expected[vendor, month, currency] = (
            len(clocks),
            sum(one.business_us for one in clocks) if clocks else None,
            sum(one.downtime_us for one in uptimes) if uptimes else None,
            sum(one.in_scope_us for one in uptimes) if uptimes else None,
            sum(one.unknown_us for one in uptimes) if uptimes else None,
            outcomes["met"],
            outcomes["met"] + outcomes["breached"],
            night.expected.invoiced.get((vendor, month, currency)),
            night.expected.credit(vendor, month) if is_own else 0,
        )
    found = {
        tuple(row[:3]): tuple(row[3:])
        for row in night.rows(
            f"""
            select vendor_id, to_char(month_date, 'YYYY-MM'), currency, ticket_clock_count,
                ticket_business_seconds * {SECOND_US}, downtime_seconds * {SECOND_US},
                in_scope_seconds * {SECOND_US}, unknown_seconds * {SECOND_US},
                sla_met_count, sla_judged_count, invoiced_amount, credit_amount
            from mart.mart_vendor_month
            """
        )
    }
    assert found == expected


def test_every_incident_equals_the_oracle_to_the_microsecond(night: Night) -> None:
    found = {
        row[0]: row[1:]
        for row in night.rows(
            """
            select ticket_number, to_char(month_date, 'YYYY-MM'), vendor_id, clause_id, business_us, outcome
            from facts.fct_ticket_clocks
            """
        )
    }
    assert len(found) == 841
    assert found == {
        number: (one.month, one.vendor, one.clause, one.business_us, one.outcome)
        for number, one in night.expected.incidents.items()
    }


def test_every_availability_month_equals_the_oracle_also_the_open_one(night: Night) -> None:
    found = {
        tuple(row[:3]): row[3:]
        for row in night.rows(
            f"""
            select vendor_id, clause_id, to_char(month_date, 'YYYY-MM'), is_complete,
                month_seconds * {SECOND_US}, in_scope_us, downtime_us, unknown_seconds * {SECOND_US}, outcome
            from facts.fct_availability_months
            """
        )
    }
    assert len(found) == 18
    assert found == {
        key: (
            one.is_complete,
            one.month_us,
            one.in_scope_us,
            one.downtime_us,
            one.unknown_us,
            one.outcome,
        )
        for key, one in night.expected.uptimes.items()
    }


def test_every_clause_owes_what_the_oracle_says_to_the_cent(night: Night) -> None:
    found = {
        tuple(row[:3]): (row[3], row[4])
        for row in night.rows(
            """
            select vendor_id, clause_id, to_char(month_date, 'YYYY-MM'), count(*), sum(credit_amount)
            from mart.fct_penalty_lines where is_complete group by 1, 2, 3
            """
        )
    }
    assert found == night.expected.credits
    assert sum(count for count, _ in found.values()) == 268 + 6


# Traps of the incident log.


def test_no_day_became_a_month(night: Night) -> None:
    events = incident_rows(night.data / "tickets" / "servicenow_incident_events.csv")
    expected = {
        (number, int(row["sys_mod_count"])): (day_first(row["opened_at"]), day_first(row["sys_updated_at"]))
        for number, rows in events.items()
        for row in rows
    }
    found = {
        (number, sequence): (instant(opened_us), instant(changed_us))
        for number, sequence, opened_us, changed_us in night.rows(
            "select ticket_key, change_sequence, opened_us, changed_us from staging.stg_incident_log__events"
        )
    }
    assert found == expected
    # Enough of them would also have parsed month first, and would have meant another day.
    assert sum(at.day <= 12 and at.day != at.month for _, at in expected.values()) > len(expected) / 4


def instant(us: int) -> datetime:
    seconds, rest = divmod(us, SECOND_US)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def test_no_event_and_no_incident_counts_twice(night: Night) -> None:
    rows = export(night, "tickets", "servicenow_incident_events.csv")
    assert night.rows(
        """
        select count(*), count(distinct (number, sys_mod_count)), count(distinct number)
        from raw_incident_log.incident_events
        """
    ) == [(len(rows), len(rows), len({row["number"] for row in rows}))]
    assert (
        night.rows("select ticket_id from facts.fct_ticket_clocks group by ticket_id having count(*) > 1")
        == []
    )


def test_an_incident_that_changed_hands_or_priority_keeps_its_first_vendor_and_one_clock(
    night: Night,
) -> None:
    owners = vendor_of_group()
    events = incident_rows(night.data / "tickets" / "servicenow_incident_events.csv")
    found = {
        row[0]: row[1:]
        for row in night.rows("select ticket_number, vendor_id, started_us from facts.fct_ticket_clocks")
    }
    moved = reprioritised = 0
    for number, (vendor, started_us) in found.items():
        rows = events[number]
        groups = [row["assignment_group"] for row in rows if row["assignment_group"] != "?"]
        assert vendor == owners[first_group(rows) or ""][0]
        assert instant(started_us) == day_first(rows[0]["opened_at"])
        moved += owners[groups[-1]][0] != vendor
        reprioritised += len({row["priority"] for row in rows}) > 1
    assert moved > 50, "no incident changed its vendor, so nothing was tested"
    assert reprioritised > 5, "no incident changed its priority, so nothing was tested"


def test_a_question_mark_is_nobodys_group_and_no_state(night: Night) -> None:
    assert night.rows(
        """
        select count(*) from staging.stg_incident_log__events
        where '?' in (coalesce(state, ''), coalesce(priority, ''), coalesce(assignment_group, ''))
        """
    ) == [(0,)]
    assert night.rows(
        "select count(*) > 0 from raw_incident_log.incident_events where assignment_group = '?'"
    ) == [(True,)]
    events = incident_rows(night.data / "tickets" / "servicenow_incident_events.csv")
    nobodys = {number for number, rows in events.items() if first_group(rows) is None}
    assert nobodys
    judged = {number for (number,) in night.rows("select ticket_number from facts.fct_ticket_clocks")}
    assert not judged & nobodys


def test_the_publishers_own_verdict_is_not_taken_for_ours(night: Night) -> None:
    """``made_sla`` turns false only on an incident's last row, and by a rule nobody knows."""
    events = incident_rows(night.data / "tickets" / "servicenow_incident_events.csv")
    pairs = Counter(
        (events[number][-1]["made_sla"], outcome)
        for number, outcome in night.rows("select ticket_number, outcome from facts.fct_ticket_clocks")
    )
    assert all(pairs[made, outcome] for made in ("true", "false") for outcome in ("met", "breached"))


# Traps of the monitor.


def test_the_threshold_monitor_landed_and_is_in_no_availability(night: Night) -> None:
    log = checks(night.data / "uptime" / "upptime_curc" / "checks_from_git_log.csv")[THRESHOLD_MONITOR]
    assert night.rows(
        f"""
        select count(*), count(*) filter (where status = 'down')
        from raw_upptime.checks where slug = '{THRESHOLD_MONITOR}'
        """
    ) == [(len(log), sum(not is_up for _, is_up in log))]
    assert sum(not is_up for _, is_up in log) > 400
    watched = {
        monitor
        for (monitor,) in night.rows(
            "select key_value from intermediate.service_terms where key_kind = 'monitor'"
        )
    }
    assert watched == {name for terms in CONTRACTS for clause in terms.uptimes for name in clause.monitors}
    assert THRESHOLD_MONITOR not in watched


def test_no_row_is_no_change_and_not_no_data(night: Night) -> None:
    log = checks(night.data / "uptime" / "upptime_curc" / "checks_from_git_log.csv")
    gaps = [
        (later - earlier).total_seconds()
        for clause in CONTRACTS[3].uptimes
        for monitor in clause.monitors
        for (earlier, _), (later, _) in zip(log[monitor], log[monitor][1:], strict=False)
        if earlier.month == later.month == 6
    ]
    assert median(gaps) > 3600
    assert night.rows(
        """
        select coverage_pct from facts.fct_availability_months
        where vendor_id = 'summit' and clause_id = 'SLA-1' and month_date = '2026-06-01'
        """
    ) == [(Decimal(100),)]
    # Ten hours of silence are another thing: they are unknown, and said to be.
    assert night.rows(
        """
        select bool_and(unknown_seconds > 3600) from facts.fct_availability_months
        where vendor_id = 'summit' and month_date = '2026-07-01'
        """
    ) == [(True,)]


def test_measured_and_published_uptime_are_both_kept_and_differ(night: Night) -> None:
    published = reported(night.data)
    found = night.rows(
        """
        select vendor_id, clause_id, availability_pct, vendor_reported_pct
        from facts.fct_availability_months where is_complete
        """
    )
    assert len(found) == 12
    assert {(vendor, clause): pct for vendor, clause, _, pct in found} == {
        key: round(pct, 6) for key, pct in published.items()
    }
    assert sum(abs(measured - claimed) > 1 for *_, measured, claimed in found) >= 3
    by_vendor = defaultdict(list)
    for (vendor, _), pct in published.items():
        by_vendor[vendor].append(round(pct, 6))
    for vendor, measured, claimed in night.rows(
        """
        select vendor_id, availability_pct, vendor_reported_pct from mart.mart_vendor_month
        where availability_pct is not null
        """
    ):
        assert claimed == round(sum(by_vendor[vendor]) / len(by_vendor[vendor]), 6)
        assert measured != claimed
    raw = night.rows("select slug, uptime, uptime_month from raw_upptime.published")
    assert len(raw) == 11
    assert all(month != ever for _, ever, month in raw if ever != "100.00%")


# Traps of the invoices.


def test_every_e_invoice_is_worth_its_tax_basis_whatever_it_is_made_of(night: Night) -> None:
    """Allowances, charges, prepayments, roundings, negative sums: what lands must add up to BT-109."""
    found = {
        row[0]: row[1:]
        for row in night.rows(
            """
            select invoices.file_name, lines.invoice_number, lines.type_code, lines.currency,
                sum(lines.net_amount)
            from facts.fct_invoice_lines as lines
            join staging.stg_einvoice__invoices as invoices
                on invoices.source_name = lines.source_name and invoices.document_id = lines.document_id
            group by 1, 2, 3, 4
            """
        )
    }
    expected = {
        name: (one.number, one.type_code, one.currency, one.net)
        for name, one in documents(night.data / "invoices")
    }
    landed = {Path(name).name: values for name, values in found.items()}
    assert len(landed) == 52
    assert landed == {name: expected[name] for name in landed}
    assert any(net < 0 for *_, net in landed.values())
    # The one file that did not land is another's bytes under a second name.
    (copy,) = expected.keys() - landed.keys()
    paths = {path.name: path for path in (night.data / "invoices").rglob("*") if path.is_file()}
    assert paths[copy].read_bytes() in {paths[name].read_bytes() for name in landed}


def test_an_invoice_that_came_in_copies_counts_once(night: Night) -> None:
    copies = Counter(
        (one.number, one.type_code)
        for _, one in documents(night.data / "invoices")
        if one.sellers & {"FR11999999998", "NL809561074B01"}
    )
    assert sorted(copies.values()) == [1, 2, 2, 2, 3]
    found = {
        (number, code): (documents_seen, counted)
        for number, code, documents_seen, counted in night.rows(
            """
            select invoice_number, type_code, count(distinct document_id),
                count(distinct document_id) filter (where is_counted)
            from facts.fct_invoice_lines where vendor_id in ('moulin', 'polder') group by 1, 2
            """
        )
    }
    assert found == {key: (count, int(key[1] == "380")) for key, count in copies.items()}


def test_an_invoice_without_lines_counts_with_its_tax_basis(night: Night) -> None:
    assert night.rows(
        """
        select invoice_number, line_kind, net_amount from facts.fct_invoice_lines
        where vendor_id = 'moulin' and is_counted and line_kind = 'document' order by 1
        """
    ) == [("FA-2017-0008", "document", Decimal("2076.76")), ("FA-2017-0009", "document", Decimal("530.75"))]
    # Of the third one there is a copy with lines, and that one is taken.
    assert night.rows(
        """
        select count(*), sum(net_amount) from facts.fct_invoice_lines
        where vendor_id = 'moulin' and is_counted and line_kind = 'line'
        """
    ) == [(3, Decimal("624.90"))]


def test_credit_notes_are_kept_and_are_no_part_of_what_was_invoiced(night: Night) -> None:
    notes = {one.number: one.net for _, one in documents(night.data / "invoices") if one.type_code == "381"}
    assert len(notes) == 3
    assert all(net > 0 for net in notes.values()), "positive amounts are what makes them a trap"
    assert {
        number: (amount, standing)
        for number, amount, standing in night.rows(
            """
            select invoice_number, sum(net_amount), min(standing) from facts.fct_invoice_lines
            where type_code = '381' group by invoice_number
            """
        )
    } == {number: (net, "credit_note") for number, net in notes.items()}
    assert night.rows("select invoiced_amount from mart.mart_vendor_month where vendor_id = 'moulin'") == [
        (Decimal("3232.41"),)
    ]


def test_voided_deleted_and_sales_invoices_landed_and_do_not_count(night: Night) -> None:
    bills = export(night, "invoices", "xero", "invoices.csv")
    out = {
        row["invoice_id"]
        for row in bills
        if row["type"] == "ACCREC" or row["status"] in {"VOIDED", "DELETED"}
    }
    assert Counter(row["status"] for row in bills)["VOIDED"] == 7
    assert Counter((row["type"], row["status"]) for row in bills)["ACCREC", "DELETED"] == 1
    assert len(out) == 79
    landed = {key for (key,) in night.rows("select invoice_id from raw_xero.invoices")}
    counted = {
        key
        for (key,) in night.rows(
            "select document_id from facts.fct_invoice_lines where source_name = 'xero_bills'"
        )
    }
    assert out <= landed
    assert counted == {row["invoice_id"] for row in bills} - out
    # Vendors of ours are among those whose bills were voided.
    sellers = {seller for terms in CONTRACTS for _, _, seller in terms.bills}
    assert sum(row["status"] == "VOIDED" and row["contact_id"] in sellers for row in bills) == 4


def test_currencies_are_never_added_up(night: Night) -> None:
    assert night.rows(
        """
        select currency, invoiced_amount, invoice_count from mart.mart_vendor_month
        where vendor_id = 'maple' and month_date = '2019-12-01' order by currency
        """
    ) == [("CAD", Decimal("121.06"), 6), ("USD", Decimal("161.67"), 5)]
    assert (
        night.rows(
            "select document_id from facts.fct_invoice_lines group by 1 having count(distinct currency) > 1"
        )
        == []
    )
    bills = export(night, "invoices", "xero", "invoices.csv")
    assert {
        currency for (currency,) in night.rows("select distinct currency from facts.fct_invoice_lines")
    } == {"EUR", "NOK", "DKK", "SEK", "HUF", "CHF"} | {
        row["currency_code"] for row in bills if row["type"] == "ACCPAY" and row["status"] == "PAID"
    }


# Without the data.


def test_without_the_data_it_starts_nothing_and_names_every_set_and_its_origin(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    home = Home(tmp_path / "home", profile="real", variables={"AVOIR_SHARED_DATA": str(nowhere)})
    process = home.start("run", "--profile", "real")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output == ""
    assert str(nowhere) in errors
    for one in REAL_DATA:
        assert one.path in errors
        assert one.origin in errors
    assert home.processes() == []
    assert not home.path.exists()
