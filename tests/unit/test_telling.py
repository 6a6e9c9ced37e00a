"""What a vendor wrote is shown and obeyed by nothing: not by the terminal, not by what draws the table."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from rich.console import Console

from avoir.telling import as_json, as_table


def shown(value: object) -> str:
    out = io.StringIO()
    Console(file=out, width=200, force_terminal=True, color_system=None).print(as_table([{"told": value}]))
    return out.getvalue().splitlines()[1].strip()


def test_control_characters_and_markup_stay_text() -> None:
    assert shown("\x1b[2J\x1b]0;mine\x07") == "�[2J�]0;mine�"
    assert shown("[link=http://evil.example]pay[/link]") == "[link=http://evil.example]pay[/link]"
    assert shown("[/nonsense]") == "[/nonsense]"


def test_instants_are_in_utc_and_amounts_to_the_last_digit() -> None:
    at = datetime(2026, 3, 1, 12, 0, 30, tzinfo=ZoneInfo("Europe/Paris"))
    assert shown(at) == "2026-03-01 11:00:30"
    assert shown(Decimal("10.10")) == "10.10"
    assert shown(None) == ""
    rows = [{"at": at.astimezone(UTC), "on": date(2026, 3, 1), "amount": Decimal("10.10"), "none": None}]
    assert json.loads(as_json(rows)) == [
        {"at": "2026-03-01T11:00:30+00:00", "on": "2026-03-01", "amount": "10.10", "none": None}
    ]
    assert as_table([]).columns == []
