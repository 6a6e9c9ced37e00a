"""Evidence for people: one self-contained page, and text for a terminal.

What vendors wrote is hostile. On the page everything is escaped, nothing can run and nothing is fetched; in
both, characters that steer a terminal or turn the direction of text are shown as what they are.
"""

from __future__ import annotations

import json
import unicodedata
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from rich.console import Console
from rich.table import Table
from rich.text import Text

from avoir.evidence.asking import Row

#: Longest cell of the terminal's tables, in characters; the page and JSON cut nothing.
_CELL_CHARACTERS = 160
_KEPT = {"\n", "\t"}
#: Columns that are copied from a terminal: never folded.
_WHOLE = {"penalty_line_id", "fact_id", "table"}
#: Parts of what a raw row reaches, with the columns that only JSON has.
_LEFT_OUT = {
    "facts": {"contract_version_id"},
    "lines": {"contract_id", "indicator", "line_kind"},
    "months": {"closed_as_of"},
    "entries": {"vendor_id"},
    "credit_notes": set[str](),
}


def shown(value: object) -> str:
    """A value as text in which no character steers: controls and direction marks become their code points."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return "".join(
        f"[U+{ord(character):04X}]"
        if character not in _KEPT and unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}
        else character
        for character in text
    )


def page_of(explained: Row) -> str:
    """One self-contained page: no script, nothing fetched, everything escaped."""
    template = resources.files("avoir").joinpath("templates", "evidence.html").read_text()
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_put_in)
    return environment.from_string(template).render(e=explained, columns=_columns)


def _put_in(value: object) -> str:
    """What the template makes of itself as it is; every other value is shown, and then escaped."""
    return value if isinstance(value, Markup) else shown(value)


def write_text(path: Path, text: str) -> None:
    """Write beside and rename over, so that a reader never sees half of it."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _columns(rows: list[Row]) -> list[str]:
    """The names of the columns of rows, in their order, without those that are empty everywhere."""
    names = {name: None for row in rows for name in row}
    return [name for name in names if any(row.get(name) not in (None, []) for row in rows)]


def print_explained(console: Console, explained: Row) -> None:
    """Print what :func:`avoir.evidence.explaining.explain` says."""
    line, clause, contract = explained["line"], explained["clause"], explained["clause"]["contract"]
    of = f" of {line['subject_name']}" if line["subject_name"] else ""
    _say(
        console,
        f"{line['credit_amount']} {line['currency']}  {line['vendor_id']}, {str(line['month_date'])[:7]}, "
        f"{clause['clause_id']} {clause['clause_title']}{of}",
    )
    _say(
        console,
        f"penalty line {line['penalty_line_id']} ({line['line_kind']}), shown as {_shown_from(explained)}",
    )
    if explained["candidate"]["differs"]:
        _say(console, _told_candidate(explained))
    _head(console, "Ledger")
    if explained["ledger"]:
        _table(
            console,
            explained["ledger"],
            (
                "entry_no", "entry_kind", "posted_month_date", "amount", "currency", "corrects_entry_no",
                "reason", "application_no", "entry_sha256",
            ),
        )  # fmt: skip
    else:
        _say(console, "not posted: its month is not closed")
    _head(console, "Clause")
    _say(
        console,
        f"{contract['contract_id']} version {contract['version_no']}, in force {contract['valid_from']} to "
        f"{contract['valid_to']}; {contract['file_path']}; document sha256 {contract['document_sha256']}",
    )
    _say(console, clause["clause_text"])
    _head(console, "Steps")
    _table(console, explained["steps"], ("step", "amount", "told"))
    fact = explained["fact"]
    _head(console, f"Fact: {fact['kind']} {fact['fact_id']}")
    if not fact["is_found"]:
        _say(console, "the present facts no longer have it; its raw rows are found by its id")
    for name, part in fact.items():
        if isinstance(part, dict):
            _say(
                console,
                f"{name}: "
                + ", ".join(f"{key} {shown(one)}" for key, one in part.items() if one is not None),
            )
        elif isinstance(part, list) and part:
            _say(console, f"{name}:")
            _table(console, part, _columns(part))
    base = explained["base"]
    if base["invoice_lines"]:
        _head(console, f"Base: {base['base_kind'] or 'of caps only'} {base['base_amount'] or ''}")
        _table(
            console,
            base["invoice_lines"],
            ("invoice_number", "line_key", "item_key", "service_id", "net_amount", "currency", "is_of_base"),
        )
    _raw(console, explained["raw"], {one["evidence_kind"]: one for one in explained["raw_counts"]})


def print_impact(console: Console, reached: Row) -> None:
    """Print what :func:`avoir.evidence.impact.impact` says."""
    _raw(console, reached["raw"], {})
    for name, left_out in _LEFT_OUT.items():
        _head(console, name.replace("_", " ").capitalize())
        if reached[name]:
            rows = [
                {key: value for key, value in row.items() if key not in left_out} for row in reached[name]
            ]
            _table(console, rows, _columns(rows))
        else:
            _say(console, "none")


def _shown_from(explained: Row) -> str:
    if explained["shown_from"] == "frozen":
        return "the closed month froze it"
    if explained["month"]["is_closed"]:
        return "published; its month is closed"
    return (
        "published" if explained["shown_from"] == "published" else "a candidate: its month is not published"
    )


def _told_candidate(explained: Row) -> str:
    candidate = explained["candidate"]
    if not candidate["exists"]:
        return "the last build no longer charges it"
    told = (f"{one['column']} {shown(one['candidate'])}" for one in candidate["differences"])
    return f"the last build says otherwise: {', '.join(told)}"


def _raw(console: Console, raw: list[Row], counts: dict[str, Row]) -> None:
    _head(console, "Raw rows")
    for kind, counted in counts.items():
        if counted["shown"] < counted["total"]:
            _say(console, f"{counted['shown']} of {counted['total']} of kind {kind}; --limit shows more")
    rows = [
        {
            "kind": one["evidence_kind"],
            "table": one["raw_table"],
            "source": one["source_name"],
            "batch": one["batch_id"],
            "file": None
            if one["file"] is None
            else f"{one['file']['file_name']} {one['file']['sha256'][:12]}",
            "row": one["source_row"],
            "payload": {name: value for name, value in one["payload"].items() if value not in (None, "")},
        }
        for one in raw
    ]
    _table(console, rows, _columns(rows))


def _head(console: Console, title: str) -> None:
    console.print()
    console.print(Text(shown(title), style="bold"))


def _say(console: Console, text: Any) -> None:
    console.print(Text(shown(text)))


def _table(console: Console, rows: list[Row], names: Any) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(Text(name), overflow="fold", no_wrap=name in _WHOLE)
    for row in rows:
        cells = [shown(row.get(name)) for name in names]
        table.add_row(
            *(
                Text(
                    one
                    if len(one) <= _CELL_CHARACTERS
                    else f"{one[:_CELL_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}"
                )
                for one in cells
            )
        )
    console.print(table)
