"""A register kept as a table on pages of Confluence Cloud.

Flow: each page is asked for by its id, in storage format, which is XHTML with elements of Confluence's own.
It is parsed as XML, strictly, without a DTD, external entities or network; named characters of HTML are
written out before. The register is the one table of a page whose header has every declared column; rows of
all pages are read together. A cell shows its text; a date, a status or a person shows what it stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html.entities import html5

from lxml import etree

from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    SourceError,
    System,
    Window,
)
from avoir.sources.register_landing import ENTRIES, SCHEMA, TABLES, Entry, land, register_options
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, VendorApi

_AC, _RI = "http://atlassian.com/content", "http://atlassian.com/resource/identifier"
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*;)")
_OF_XML = {"amp;", "lt;", "gt;", "quot;", "apos;"}
_BLOCKS = {"p", "li", "br", "div"}


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """What differs from what was seen before in the register's table.

    Raises:
        AccessDeniedError: Confluence refuses the account, or answered as anonymous.
        NotFoundError: a page is not there, or the account may not see it.
        IncompleteAnswerError: an answer is another page, or its body is no whole document.
        SourceError: no table of a page has the declared columns, or several have.
    """
    api = VendorApi(source)
    header: list[str] = []
    entries: list[Entry] = []
    rejected: list[Rejected] = []
    for page_id in source.option("pages"):
        names, rows = _table(source, page_id, _body(api, page_id))
        header += [name for name in names if name not in header]
        if not rows:
            raise SourceError(
                f"source {source.name}: the table of page {page_id} has no rows, which is not 'no entries'"
            )
        for number, cells in enumerate(rows, start=1):
            origin = f"page {page_id}, row {number}"
            if len(cells) == len(names):
                entries.append(Entry(dict(zip(names, cells, strict=True)), origin, number))
            else:
                reason = f"{origin}: it has {len(cells)} cells, the header {len(names)}; are some joined?"
                payload = "|".join(cells)
                rejected.append(Rejected(ENTRIES.name, "wrong_cell_count", reason, payload, number))
    complete = [Entry({**dict.fromkeys(header, ""), **one.cells}, one.origin, one.number) for one in entries]
    yield from land(source, header, complete, window, landed, rejected=rejected)


def _body(api: VendorApi, page_id: str) -> str:
    answer = api.get(f"wiki/api/v2/pages/{page_id}", {"body-format": "storage"})
    label = f"source {api.source.name}: page {page_id}"
    if (reason := answer.headers.get("x-seraph-loginreason", "OK")) != "OK":
        raise AccessDeniedError(f"{label} was answered as anonymous ({reason}); check the API token")
    page = answer.body
    if not isinstance(page, dict) or str(page.get("id")) != page_id:
        raise IncompleteAnswerError(f"{label} was asked for and another answer was given")
    if page.get("status") != "current":
        raise SourceError(f"{label} is {page.get('status')!r} and not current; name the page in use")
    body = page.get("body")
    storage = body.get("storage") if isinstance(body, dict) else None
    value = storage.get("value") if isinstance(storage, dict) else None
    if not isinstance(value, str):
        raise IncompleteAnswerError(f"{label} came without its body in storage format")
    return value


def _table(source: SourceConnection, page_id: str, body: str) -> tuple[list[str], list[list[str]]]:
    label = f"source {source.name}: page {page_id}"
    written = _ENTITY.sub(
        lambda found: found[0] if found[1] in _OF_XML else html5.get(found[1], found[0]), body
    )
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(f'<page xmlns:ac="{_AC}" xmlns:ri="{_RI}">{written}</page>', parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise IncompleteAnswerError(f"{label} holds no whole document: {error}") from error
    wanted = set(source.option("columns"))
    found = []
    for table in root.iter("table"):
        rows = [row for row in table.iter("tr") if next(row.iterancestors("table")) is table]
        cells = [[_shown(cell) for cell in row if cell.tag in ("th", "td")] for row in rows]
        if cells and wanted <= set(cells[0]):
            found.append(cells)
    if len(found) != 1:
        columns = ", ".join(sorted(wanted))
        raise SourceError(f"{label} has {len(found)} tables with the columns {columns}; it must have one")
    names = found[0][0]
    if len(set(names)) != len(names):
        raise SourceError(f"{label}: two columns of the table have one name")
    return names, found[0][1:]


def _shown(cell: etree._Element) -> str:
    return " ".join("".join(_parts(cell)).split())


def _parts(element: etree._Element) -> Iterator[str]:
    """The text of an element in its order, with what Confluence's own elements stand for."""
    if element.tag == "time":
        yield element.get("datetime", "")
    elif element.tag == f"{{{_RI}}}user":
        yield element.get(f"{{{_RI}}}account-id", "")
    elif element.tag == f"{{{_RI}}}page":
        yield element.get(f"{{{_RI}}}content-title", "")
    elif element.tag == f"{{{_AC}}}parameter":
        # Of a status or another macro its title; colours and the like are no content.
        if element.get(f"{{{_AC}}}name") == "title":
            yield element.text or ""
    elif isinstance(element.tag, str):
        yield element.text or ""
        for child in element:
            yield from _parts(child)
            yield " " if child.tag in _BLOCKS else ""
            yield child.tail or ""


def _pages(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"must be a list of ids of pages, got {value!r}")
    found = tuple(str(one) for one in value)
    for one in found:
        if not re.fullmatch(r"\d{1,20}", one, re.ASCII):
            raise ValueError(f"is not the id of a page: {one!r}")
    if len(set(found)) != len(found):
        raise ValueError("names a page twice")
    return found


SYSTEM = System(
    name="register_confluence",
    tables=TABLES,
    fetch=fetch,
    overlap=timedelta(hours=2),
    reads="http",
    observes=True,
    options=register_options(pages=Option(required=True, check=_pages)),
    schema_name=SCHEMA,
)
