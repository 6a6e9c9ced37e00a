"""A clock told step by step, and evidence shown to people whatever vendors wrote in it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from avoir.evidence.asking import as_plain
from avoir.evidence.clocks import (
    DAY_US,
    Event,
    Rule,
    Stretch,
    open_us,
    pauses_of,
    roles_of,
    running_stretches,
)
from avoir.evidence.impact import _RESOLVERS
from avoir.evidence.telling import page_of, print_explained, shown
from avoir.sources.register import RAW_TABLES

START, STOP = Rule("start", "created", None), Rule("stop", "state", "6")
PAUSE = Rule("pause", "hold_reason", "1")


def events(*told: tuple[int, str, str | None]) -> list[Event]:
    return [Event(number, at, field, value) for number, (at, field, value) in enumerate(told, start=1)]


def pauses(
    happened: list[Event],
    *rules: Rule,
    excluded: tuple[Stretch, ...] = (),
    ended: int = 100,
    resumes: bool = False,
) -> list[tuple[int, int]]:
    found = pauses_of(
        happened, [START, *rules], excluded, started_us=0, ended_us=ended, resumes_when_reopened=resumes
    )
    return [(one.from_us, one.to_us) for one in found]


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        pytest.param(
            [(10, "hold_reason", "1"), (30, "hold_reason", "")], [(10, 30)], id="from one change to the next"
        ),
        pytest.param([(10, "hold_reason", "1")], [(10, 100)], id="to the end where nothing changes it"),
        pytest.param([(10, "hold_reason", "4"), (30, "hold_reason", "")], [], id="another value runs on"),
        pytest.param(
            [(-9, "hold_reason", "1"), (30, "hold_reason", "")],
            [(0, 30)],
            id="from the start at the earliest",
        ),
        pytest.param([(10, "state", "3"), (30, "state", "2")], [], id="another field runs on"),
        pytest.param(
            [(10, "hold_reason", "1"), (100, "hold_reason", "")],
            [(10, 100)],
            id="what happens at its end is after it",
        ),
    ],
)
def test_a_field_pauses_while_it_holds_the_value(
    happened: list[tuple[int, str, str | None]], expected: list[tuple[int, int]]
) -> None:
    assert pauses(events(*happened), PAUSE) == expected


def test_reasons_that_overlap_pause_once() -> None:
    happened = events(
        (10, "hold_reason", "1"), (40, "hold_reason", ""), (60, "hold_reason", "1"), (70, "hold_reason", "")
    )
    excluded = (Stretch(30, 50, "excluded by D1"), Stretch(62, 65, "excluded by D2"))
    assert pauses(happened, PAUSE, excluded=excluded) == [(10, 40), (40, 50), (60, 70)]


def test_a_rule_without_a_value_pauses_on_any_but_not_on_an_emptied_field() -> None:
    happened = events((10, "hold_reason", "9"), (20, "hold_reason", ""), (30, "hold_reason", "2"))
    assert pauses(happened, Rule("pause", "hold_reason", None)) == [(10, 20), (30, 100)]


def test_where_the_clause_says_what_resumes_events_turn_the_clock() -> None:
    rules = (Rule("pause", "public_comment_vendor", None), Rule("resume", "public_comment_customer", None))
    happened = events(
        (5, "public_comment_customer", None),
        (10, "public_comment_vendor", None),
        (20, "public_comment_vendor", None),
        (35, "public_comment_customer", None),
        (80, "public_comment_vendor", None),
    )
    assert pauses(happened, *rules) == [(10, 35), (80, 100)]


def test_the_time_between_a_stop_and_the_reopening_does_not_count_where_the_clock_resumes() -> None:
    rules = (STOP, Rule("reopen", "state", "2"))
    happened = events((0, "created", None), (20, "state", "6"), (50, "state", "2"), (90, "state", "6"))
    assert pauses(happened, *rules, resumes=True) == [(20, 50)]
    assert pauses(happened, *rules, resumes=False) == []


def test_an_event_plays_every_role_that_names_it() -> None:
    rules = [STOP, PAUSE, Rule("reset", "state", None)]
    assert roles_of(Event(1, 0, "state", "6"), rules) == ["stop", "reset"]
    assert roles_of(Event(1, 0, "state", ""), rules) == []


def test_what_is_left_of_a_clock_is_what_ran() -> None:
    held = [Stretch(10, 20, ""), Stretch(20, 30, ""), Stretch(90, 120, "")]
    assert running_stretches(0, 100, held) == [(0, 10), (30, 90)]
    assert running_stretches(0, 100, []) == [(0, 100)]
    assert running_stretches(0, 100, [Stretch(0, 100, "")]) == []


def test_business_time_is_what_lies_in_open_pieces() -> None:
    hour = 3_600_000_000

    def day(number: int, before: int) -> dict[str, Any]:
        pieces = {f"{kind}_{n}_us": None for kind in ("open", "close") for n in range(1, 7)}
        pieces |= {
            "open_1_us": 9 * hour,
            "close_1_us": 12 * hour,
            "open_2_us": 13 * hour,
            "close_2_us": 17 * hour,
        }
        more = {"more_opens_us": [20 * hour], "more_closes_us": [21 * hour]}
        return {"day_no": number, "open_before_us": before, **pieces, **more}

    days = {3: day(3, 0), 4: day(4, 8 * hour)}
    begins = 3 * DAY_US
    assert open_us(begins + 11 * hour, begins + 14 * hour, days) == 2 * hour
    assert open_us(begins + 16 * hour, begins + DAY_US + 10 * hour, days) == 3 * hour
    assert open_us(begins, begins + 2 * DAY_US, days) is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a\x1b[2Jb", "a[U+001B][2Jb"),
        ("a\u202eb", "a[U+202E]b"),
        ("two\nlines", "two\nlines"),
        (None, ""),
        (True, "yes"),
        ({"a": ["<b>"]}, '{"a": ["<b>"]}'),
    ],
)
def test_what_steers_is_shown_as_what_it_is(written: object, expected: str) -> None:
    assert shown(written) == expected


HOSTILE = "<img src=x onerror=alert(1)>\x1b]0;owned\x07{{ 7 * 7 }}\u202e"


def hostile(value: Any) -> Any:
    """The same value with every text in it hostile."""
    if isinstance(value, dict):
        return {name: hostile(one) for name, one in value.items()}
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return HOSTILE if isinstance(value, str) else value


EXPLAINED: dict[str, Any] = {
    "line": {
        "penalty_line_id": "p",
        "line_kind": "breach",
        "vendor_id": "v",
        "month_date": "2026-01-01",
        "subject_name": "s",
        "credit_amount": "1.00",
        "currency": "EUR",
    },
    "shown_from": "published",
    "candidate": {
        "exists": True,
        "differs": True,
        "differences": [{"column": "c", "shown": "1", "candidate": "2"}],
    },
    "month": {"vendor_id": "v", "is_closed": False, "closed": None, "last_verdict": {"reason": "r"}},
    "ledger": [{"entry_no": 1, "reason": "r"}],
    "clause": {
        "clause_id": "c",
        "clause_title": "t",
        "clause_text": "x",
        "terms": {"formula": "f"},
        "bands": [{"band_no": 1}],
        "clock_rules": [{"field": "f"}],
        "clock_targets": [],
        "contract": {
            "contract_id": "k",
            "version_no": 1,
            "valid_from": "a",
            "valid_to": "b",
            "file_path": "p",
            "document_sha256": "h",
        },
    },
    "steps": [
        {
            "step": "formula",
            "amount": "1",
            "told": "t",
            "parameters": {"caps": [{"a": "b"}], "band": {"c": "d"}, "e": "f"},
        }
    ],
    "fact": {
        "kind": "k",
        "fact_id": "i",
        "is_found": False,
        "measured": {"a": "b"},
        "events": [{"value": "v"}],
    },
    "base": {
        "base_kind": "b",
        "base_amount": "1",
        "invoice_lines": [{"invoice_number": "n"}],
        "invoice_line_count": 1,
    },
    "raw_counts": [{"evidence_kind": "ticket", "total": 2, "shown": 1}],
    "raw": [
        {
            "evidence_kind": "ticket",
            "raw_table": "t",
            "source_name": "s",
            "natural_key": "n",
            "batch_id": 1,
            "source_file_id": 1,
            "source_row": 1,
            "row_hash": "h",
            "payload": {"a": "b"},
            "batch": {"dag_run_id": "d"},
            "file": {"file_name": "f", "sha256": "s"},
        }
    ],
}


def test_a_page_escapes_every_text_wherever_it_stands() -> None:
    page = page_of(hostile(EXPLAINED))
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") > 30
    assert "<img" not in page
    assert "<script" not in page
    assert "49" not in page
    assert not {"\x1b", "\x07", "\u202e"} & set(page)
    assert "default-src 'none'" in page
    assert "&lt;dl&gt;" not in page


def test_a_terminal_is_not_steered() -> None:
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=True, color_system=None)
    planted = hostile(EXPLAINED)
    planted["candidate"] = EXPLAINED["candidate"]
    print_explained(console, planted)
    text = out.getvalue()
    assert "onerror" in text
    assert "\x1b]0" not in text
    assert not {"\x07", "\u202e"} & set(text)


def test_amounts_keep_their_minor_units_and_lose_the_zeros_of_a_quotient() -> None:
    from datetime import UTC, date, datetime
    from decimal import Decimal

    told = as_plain(
        {
            "a": Decimal("400.00"),
            "b": Decimal("1800.0000000000000000"),
            "c": Decimal("1E+2"),
            "d": [date(2026, 1, 2)],
            "e": datetime(2026, 1, 2, 3, tzinfo=UTC),
            "f": 7,
            "g": None,
        }
    )
    assert told == {
        "a": "400.00",
        "b": "1800",
        "c": "100",
        "d": ["2026-01-02"],
        "e": "2026-01-02T03:00:00Z",
        "f": 7,
        "g": None,
    }


def test_every_raw_table_of_the_register_says_what_its_rows_are_about() -> None:
    # A contact or party is behind no fact, nor a tax, as amounts count without it, nor what a vendor's own
    # clocks, figures and settings say, nor that a record is gone; what a release delivered its milestone
    # says; registers judge nothing yet, nor does a component's name.
    unread = {
        "raw_xero.contacts",
        "raw_xero.credit_notes",
        "raw_tryton.invoice_taxes",
        "raw_tryton.parties",
        "raw_tryton.invoice_deletions",
        "raw_jira.sla_cycles",
        "raw_monitoring.slo_figures",
        "raw_monitoring.monitor_settings",
        "raw_jira.issue_deletions",
        "raw_servicenow.sys_audit_delete",
        "raw_servicenow.metric_instance",
        "raw_servicenow.task_sla",
        "raw_zendesk.ticket_deletions",
        "raw_redmine.issue_deletions",
        "raw_asana.task_deletions",
        "raw_gitlab.releases",
        "raw_github.releases",
        "raw_register.entries",
        "raw_register.columns",
        "raw_statuspage.components",
    }
    assert set(RAW_TABLES) - set(_RESOLVERS) == unread
