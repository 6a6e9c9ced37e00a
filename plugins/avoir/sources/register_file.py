"""A register kept in files: a folder of CSV, Excel or YAML files that are read together.

All files are read whole each time, since an entry that is in none of them any more is gone. While a file is
newer than the window nothing is seen: what was in it before cannot be read any more. A YAML file is a list of
entries, each a mapping; anchors and aliases are refused, since a short file can unfold to gigabytes by them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from avoir.sources.drops import CSV_SUFFIXES, EXCEL_SUFFIXES, Drop, Layout, Line, all_drops, lines_of
from avoir.sources.model import (
    Landed,
    Rejected,
    Rows,
    SourceConnection,
    SourceError,
    System,
    Window,
)
from avoir.sources.plan_file import delimiter_option, encoding_option, form_of, sheet_option
from avoir.sources.register_landing import ENTRIES, SCHEMA, TABLES, Entry, land, register_options, shown

YAML_SUFFIXES = (".yml", ".yaml")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """What differs from what was seen before in the files of the folder.

    Raises:
        SourceError: the folder or a file cannot be read, ends early or lacks a declared column.
    """
    drops = list(all_drops(source, (*CSV_SUFFIXES, *EXCEL_SUFFIXES, *YAML_SUFFIXES)))
    if any(drop.modified_at >= window.end for drop in drops):
        return
    header: list[str] = []
    entries: list[Entry] = []
    rejected: list[Rejected] = []
    for drop in drops:
        names, lines = _read(source, drop)
        header += [name for name in names if name not in header]
        for line in lines:
            if isinstance(line, Rejected):
                rejected.append(line)
            else:
                origin = f"{line.file.name}:{line.line}"
                entries.append(Entry(line.cells, origin, line.number, line.file))
    complete = [
        Entry({**dict.fromkeys(header, ""), **one.cells}, one.origin, one.number, one.file) for one in entries
    ]
    yield from land(source, header, complete, window, landed, rejected=rejected)


def _read(source: SourceConnection, drop: Drop) -> tuple[list[str], list[Line | Rejected]]:
    if drop.file.name.lower().endswith(YAML_SUFFIXES):
        lines = _yaml_lines(f"source {source.name}: {drop.file.name}", drop)
        names = list(dict.fromkeys(name for line in lines for name in line.cells))
        return names, [*lines]
    layout = Layout(
        columns={name: name for name in source.option("columns")},
        form=form_of(source),
        every_column=True,
    )
    found = list(lines_of(source, drop, layout, ENTRIES.name))
    names = list(dict.fromkeys(name for one in found if isinstance(one, Line) for name in one.cells))
    return names or list(layout.columns), found


def _yaml_lines(label: str, drop: Drop) -> list[Line]:
    try:
        text = drop.content.decode("utf-8")
        if any(isinstance(event, AliasEvent) for event in YAML(typ="rt", pure=True).parse(io.StringIO(text))):
            raise SourceError(f"{label} uses an alias; write the entry out")
        document = YAML(typ="rt", pure=True).compose(io.StringIO(text))
    except (YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{label} is not valid YAML: {' '.join(str(error).split())}") from error
    entries = document.value if isinstance(document, SequenceNode) else [document]
    lines = []
    for number, entry in enumerate(entries, start=1):
        cells = _written(entry)
        if not isinstance(document, SequenceNode) or not isinstance(cells, dict):
            raise SourceError(f"{label} must be a list of entries, each a mapping of columns")
        if len(cells) < len(entry.value):
            raise SourceError(f"{label}:{entry.start_mark.line + 1} gives a column twice")
        shown_cells = {name: shown(value) for name, value in cells.items()}
        lines.append(Line(number, entry.start_mark.line + 1, shown_cells, drop.file))
    return lines


def _written(node: Node | None) -> Any:
    """What is written in a document, each scalar as its text: as a number, 10.50 would lose its cents."""
    if isinstance(node, MappingNode):
        return {str(_written(name)): _written(value) for name, value in node.value}
    if isinstance(node, SequenceNode):
        return [_written(one) for one in node.value]
    if node is None or str(node.tag) == "tag:yaml.org,2002:null":
        return None
    return node.value


SYSTEM = System(
    name="register_file",
    tables=TABLES,
    fetch=fetch,
    overlap=timedelta(days=1),
    reads="files",
    options=register_options(
        encoding=encoding_option(),
        delimiter=delimiter_option(),
        sheet=sheet_option(),
    ),
    schema_name=SCHEMA,
)
