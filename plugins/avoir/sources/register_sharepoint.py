"""A register kept as a SharePoint list, read by Microsoft Graph.

Flow: a token is asked for at the connection's ``token_url`` (OAuth 2 client credentials), then all items of
the list with their fields; pages lead to the next by ``@odata.nextLink``, which is followed on the same host
only. Graph announces no totals, so a list of several pages is walked until two walks agree. An item is known
by the declared key, as in every register; its column names are SharePoint's internal ones. What SharePoint
adds to each item by itself (names that begin with ``@`` or ``_``, and its own stamps) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from avoir.sources.linked_pages import ODATA, listed
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
from avoir.sources.oauth import client_credentials_token, token_url_option
from avoir.sources.register_landing import (
    ENTRIES,
    SCHEMA,
    TABLES,
    Entry,
    land,
    register_options,
    shown,
)
from avoir.sources.vendor_http import VendorApi

PAGE_ROWS = 200
SCOPE = "https://graph.microsoft.com/.default"
#: Fields that every list has, and that change with every look at it or tell nothing of the entry.
_OWN = {
    "AppAuthorLookupId", "AppEditorLookupId", "Attachments", "AuthorLookupId", "ContentType", "Created",
    "Edit", "EditorLookupId", "FolderChildCount", "ItemChildCount", "LinkTitle", "LinkTitleNoMenu",
    "Modified", "id",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9,._:-]{1,200}", re.ASCII)


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """What differs from what was seen before in the list.

    Raises:
        AccessDeniedError: the client is refused, by the token endpoint or by Graph.
        NotFoundError: the site or list is not there, or the client may not see it.
        IncompleteAnswerError: a page is malformed, empty or leads to another host.
    """
    api = VendorApi(source, token=client_credentials_token(source, scope=SCOPE))
    path = f"v1.0/sites/{quote(source.option('site'))}/lists/{quote(source.option('list'))}/items"
    items = listed(api, path, {"expand": "fields", "$top": str(PAGE_ROWS)}, "id", paging=ODATA)
    if not items:
        raise SourceError(f"source {source.name}: the list has no items, which is not 'no entries'")
    entries: list[Entry] = []
    rejected: list[Rejected] = []
    header: dict[str, None] = {}
    for number, item in enumerate(items, start=1):
        fields = item.get("fields")
        if not isinstance(fields, dict):
            reason = f"item {item.get('id')} came without its fields"
            rejected.append(Rejected(ENTRIES.name, "missing_field", reason, shown(item), number))
            continue
        cells = {name: shown(value) for name, value in fields.items() if _is_of_the_entry(name)}
        header |= dict.fromkeys(name for name, text in cells.items() if text)
        entries.append(Entry(cells, f"item {item.get('id')}", number))
    # Graph leaves out a field that is empty.
    every = dict.fromkeys((*header, *source.option("columns"), *source.option("key")), "")
    complete = [Entry({**every, **one.cells}, one.origin, one.number) for one in entries]
    yield from land(source, list(header), complete, window, landed, rejected=rejected, is_sparse=True)


def _is_of_the_entry(name: str) -> bool:
    return name not in _OWN and not name.startswith(("@", "_"))


def _named(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"must be an id as Graph gives it, got {value!r}")
    return value


SYSTEM = System(
    name="register_sharepoint",
    tables=TABLES,
    fetch=fetch,
    overlap=timedelta(hours=2),
    reads="http",
    observes=True,
    options=register_options(
        site=Option(required=True, check=_named),
        list=Option(required=True, check=_named),
        token_url=token_url_option(),
    ),
    schema_name=SCHEMA,
)
