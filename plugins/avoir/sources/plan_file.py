"""Plans kept in files: a folder of CSV or Excel tables, a row per milestone and version of its plan.

Each row says by when a milestone is promised under a version of its plan, when that version was announced and
by whom and when it was approved; and, once it came, when the milestone was delivered. Columns, formats and
zone are declared by the connection. A date without a time is landed as its noon in that zone.

Every file that changed is read whole: of a milestone's version the row of the file that was written last
counts. Not landed:

========================  ===================================================================
``missing_key``           no milestone, or a version that is no whole number
``missing_field``         no planned date, no date of its announcement, or no service
``bad_date``              a date in none of the declared formats, or an hour the clock skipped
``half_an_approval``      an approver without a date, or a date without an approver
``announced_out_of_order``  a version that was announced before an earlier one
``conflicting_version``   another row of the file gives the same version otherwise
``conflicting_delivery``  another row of the file gives the milestone another delivery
========================  ===================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from avoir.sources.drops import (
    CSV_SUFFIXES,
    EXCEL_SUFFIXES,
    Drop,
    Layout,
    Line,
    lines_of,
    new_drops,
)
from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    System,
    Table,
    Window,
    text_columns,
)
from avoir.sources.observing import zone_option
from avoir.sources.register_landing import formats_of
from avoir.sources.table_file import Form

PLANS = Table(
    "plans",
    # With the instant of its file: a plan that returns to an earlier date is another version of the row.
    text_columns(
        "milestone", "version", "service", "planned_at", "announced_at", "approved_by", "approved_at",
        "delivered_at", "received_at",
    ),
    key=("milestone", "version"),
    updated="received_at",
    subject="milestone",
)  # fmt: skip

FIELDS = (
    "milestone", "version", "service", "planned", "announced", "approved_by", "approved", "delivered",
)  # fmt: skip
_INSTANTS = {
    "planned_at": "planned",
    "announced_at": "announced",
    "approved_at": "approved",
    "delivered_at": "delivered",
}


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every plan of the folder's files that are new or changed.

    Raises:
        SourceError: the folder or a file cannot be read, a file lacks a declared column or ends early.
    """
    for drop in new_drops(source, window, landed, (*CSV_SUFFIXES, *EXCEL_SUFFIXES)):
        yield from _plans(source, drop)


def _plans(source: SourceConnection, drop: Drop) -> Iterator[Rows | Rejected]:
    kept: dict[tuple[str, int], tuple[Line, dict[str, str]]] = {}
    delivered: dict[str, Line] = {}
    layout = Layout(source.option("columns"), form_of(source))
    for line in lines_of(source, drop, layout, PLANS.name):
        if isinstance(line, Rejected):
            yield line
            continue
        row = _row(source, line)
        if isinstance(row, Rejected):
            yield row
            continue
        first = kept.setdefault((row["milestone"], int(row["version"])), (line, row))
        if first[0] is not line:
            if first[1] != row:
                reason = f"line {first[0].line} gives version {row['version']} otherwise"
                yield line.rejected(PLANS.name, "conflicting_version", reason)
            continue
        if row["delivered_at"]:
            other = delivered.setdefault(row["milestone"], line)
            if kept[row["milestone"], _version_of(other)][1]["delivered_at"] != row["delivered_at"]:
                del kept[row["milestone"], int(row["version"])]
                reason = f"line {other.line} gives {row['milestone']} another delivery"
                yield line.rejected(PLANS.name, "conflicting_delivery", reason)
    landing, refused = _in_order(kept)
    yield from refused
    values = [
        tuple({**row, "received_at": drop.modified_at.isoformat()}[name] for name in PLANS.column_names)
        for _, row in landing
    ]
    yield Rows(PLANS.name, values, [line.number for line, _ in landing], drop.file)


def _version_of(line: Line) -> int:
    return int(line.cells["version"])


def _in_order(
    kept: Mapping[tuple[str, int], tuple[Line, dict[str, str]]],
) -> tuple[list[tuple[Line, dict[str, str]]], list[Rejected]]:
    """Rows whose versions were announced one after the other, and those that were not."""
    landing: list[tuple[Line, dict[str, str]]] = []
    refused: list[Rejected] = []
    last: dict[str, str] = {}
    for (milestone, _), (line, row) in sorted(kept.items()):
        if row["announced_at"] < last.get(milestone, ""):
            reason = f"version {row['version']} was announced before the one before it"
            refused.append(line.rejected(PLANS.name, "announced_out_of_order", reason))
            continue
        last[milestone] = row["announced_at"]
        landing.append((line, row))
    landing.sort(key=lambda one: one[0].number)
    return landing, refused


def _row(source: SourceConnection, line: Line) -> dict[str, str] | Rejected:
    cells = {name: line.cells.get(name, "") for name in FIELDS}
    service = cells["service"] or source.option("service")
    if not cells["milestone"] or not (cells["version"].isascii() and cells["version"].isdigit()):
        return line.rejected(PLANS.name, "missing_key", "no milestone, or a version that is no whole number")
    if len(cells["version"]) > 9:
        return line.rejected(PLANS.name, "missing_key", "a version of more than nine digits")
    for name, value in (
        ("planned", cells["planned"]),
        ("announced", cells["announced"]),
        ("service", service),
    ):
        if not value:
            return line.rejected(PLANS.name, "missing_field", f"{name} is empty")
    if bool(cells["approved"]) != bool(cells["approved_by"]):
        reason = "an approval has its date and its approver, or neither"
        return line.rejected(PLANS.name, "half_an_approval", reason)
    row = {
        "milestone": cells["milestone"],
        "version": str(int(cells["version"])),
        "service": service,
        "approved_by": cells["approved_by"],
    }
    for column, name in _INSTANTS.items():
        try:
            row[column] = parse_instant(
                cells[name], source.option("formats"), ZoneInfo(source.option("timezone"))
            )
        except ValueError as error:
            return line.rejected(PLANS.name, "bad_date", f"{name}: {error}")
    return row


def parse_instant(text: str, formats: Sequence[str], zone: ZoneInfo) -> str:
    """An instant in UTC as ISO 8601 of what was written on a clock of the zone; '' of ''.

    A date alone is its noon; an hour that occurs twice is its first occurrence.

    Raises:
        ValueError: it is written in none of the formats, or the clock skipped that hour.
    """
    if not text:
        return ""
    for pattern in formats:
        try:
            local = datetime.strptime(text, pattern)  # noqa: DTZ007 its zone is given below
        except ValueError:
            continue
        if not any(directive in pattern for directive in ("%H", "%I", "%T", "%X", "%c")):
            local = datetime.combine(local, time(12))
        instant = local.replace(tzinfo=zone).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) != local:
            raise ValueError(f"{text} does not exist in {zone.key}")
        return instant.isoformat()
    raise ValueError(f"is written in none of the formats {', '.join(formats)}: {text!r}")


def form_of(source: SourceConnection) -> Form:
    """How a connection says that the tables of its folder are written."""
    return Form(source.option("encoding"), source.option("delimiter"), source.option("sheet"))


def _columns(value: object) -> dict[str, str]:
    known = ", ".join(FIELDS)
    if not isinstance(value, dict) or not all(isinstance(one, str) and one for one in value.values()):
        raise ValueError(f"must name the columns of the files for some of {known}, got {value!r}")
    if unknown := sorted(map(str, set(value) - set(FIELDS))):
        raise ValueError(f"names {unknown[0]!r}; known are {known}")
    if missing := [name for name in ("milestone", "version", "planned", "announced") if name not in value]:
        raise ValueError(f"must say which column is {missing[0]}")
    return dict(value)


def encoding_option() -> Option:
    """``encoding``: how the files are written."""

    def check(value: object) -> str:
        try:
            "".encode(str(value))
        except LookupError as error:
            raise ValueError(f"must be an encoding such as utf-8 or cp1252, got {value!r}") from error
        return str(value)

    return Option(default="utf-8", check=check)


def delimiter_option() -> Option:
    """``delimiter``: what stands between the cells of a CSV file."""

    def check(value: object) -> str:
        if not isinstance(value, str) or len(value) != 1 or value in '\r\n"':
            raise ValueError(f"must be one character such as ; got {value!r}")
        return value

    return Option(default=",", check=check)


def sheet_option() -> Option:
    """``sheet``: the one that is read of a workbook that has several."""
    return Option(default=None, check=lambda value: None if value is None else _text(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, got {value!r}")  # noqa: TRY004 one kind
    return value


SYSTEM = System(
    name="plan_file",
    tables=(PLANS,),
    fetch=fetch,
    overlap=timedelta(days=1),
    reads="files",
    options={
        "columns": Option(required=True, check=_columns),
        "formats": Option(default=["%Y-%m-%d", "%Y-%m-%d %H:%M:%S"], check=formats_of),
        "timezone": zone_option(),
        "service": Option(default="", check=_text),
        "encoding": encoding_option(),
        "delimiter": delimiter_option(),
        "sheet": sheet_option(),
    },
)
