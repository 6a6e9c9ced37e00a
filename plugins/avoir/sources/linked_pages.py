"""Lists whose pages lead to the next one, by ``Link`` headers (RFC 8288) or as OData does.

A link is followed on its own host only, and none twice. A list that announces its length in ``X-Total`` is
held to it. One that does not, and takes more than a page, is walked until two walks agree: a record that is
taken away meanwhile moves all others over a page's border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from requests.utils import parse_header_links

from avoir.sources.vendor_http import Answer, IncompleteAnswerError, VendorApi

WALKS = 3


@dataclass(frozen=True)
class Paging:
    """Where an answer has its records, and where it says the next page is."""

    records: Callable[[Any], Any]
    next_link: Callable[[Answer], Any]


def _linked(answer: Answer) -> str | None:
    for link in parse_header_links(answer.headers.get("link", "")):
        if link.get("rel") == "next":
            return str(link["url"])
    return None


BY_HEADER = Paging(records=lambda body: body, next_link=_linked)
ODATA = Paging(
    records=lambda body: body.get("value") if isinstance(body, dict) else None,
    next_link=lambda answer: answer.body.get("@odata.nextLink") if isinstance(answer.body, dict) else None,
)


def listed(
    api: VendorApi, path: str, parameters: Mapping[str, str], key: str, *, paging: Paging = BY_HEADER
) -> list[dict[str, Any]]:
    """Every record of a list, once, in the order of the server.

    Args:
        key: the field by which a record is known; one without it is kept by its place, for its rejection.

    Raises:
        IncompleteAnswerError: a page is malformed, empty, or leads elsewhere; or the list is short.
    """
    before: dict[str, dict[str, Any]] | None = None
    label = f"source {api.source.name}: {path}"
    for _ in range(WALKS):
        found: dict[str, dict[str, Any]] = {}
        pages, announced = 0, None
        for answer in _pages(api, path, parameters, paging):
            pages += 1
            announced = _announced(answer) if announced is None else announced
            for number, record in enumerate(_records(answer, label, paging)):
                found[str(record.get(key) or f"{pages}/{number}")] = record
        if announced is not None and announced == len(found):
            return list(found.values())
        if announced is None and (pages == 1 or found == before):
            return list(found.values())
        before = found
    raise IncompleteAnswerError(
        f"{label} gave {len(before or {})} records"
        + (f" of {announced} that it announced" if announced is not None else ", and others each time")
        + f", in {WALKS} walks; nothing was landed"
    )


def _pages(api: VendorApi, path: str, parameters: Mapping[str, str], paging: Paging) -> Iterator[Answer]:
    answer = api.get(path, parameters)
    read: set[str] = set()
    while True:
        yield answer
        link = paging.next_link(answer)
        if link is None:
            return
        if not isinstance(link, str) or link in read:
            raise IncompleteAnswerError(
                f"source {api.source.name}: {path} leads to a page that was read before; nothing was landed"
            )
        read.add(link)
        answer = api.follow(link)
        if paging.records(answer.body) == []:
            raise IncompleteAnswerError(
                f"source {api.source.name}: a page of {path} that was promised is empty; nothing was landed"
            )


def _announced(answer: Answer) -> int | None:
    text = answer.headers.get("x-total", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _records(answer: Answer, label: str, paging: Paging) -> list[dict[str, Any]]:
    found = paging.records(answer.body)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise IncompleteAnswerError(f"{label} answered without a list of records")
    return found
