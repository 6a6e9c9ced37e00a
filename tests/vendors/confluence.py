"""A Confluence Cloud with pages in storage format: XHTML with elements of its own and named characters."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request

ACCOUNT = "avoir@example.test"


@dataclass
class ConfluenceSite:
    #: By id: the header and the rows of its table, as XHTML of each cell.
    pages: dict[str, tuple[list[str], list[list[str]]]] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    status: str = "current"

    def __call__(self, request: Request) -> Reply:
        expected = base64.b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
        page_id = request.path.removeprefix("/wiki/api/v2/pages/")
        if request.headers.get("Authorization") != f"Basic {expected}" or page_id not in self.pages:
            # Who may not see a page is told that there is none.
            return Reply.json({"errors": [{"status": 404, "code": "NOT_FOUND", "title": "Not Found"}]}, 404)
        assert request.parameters == {"body-format": "storage"}
        body = self.bodies.get(page_id) or storage(*self.pages[page_id])
        page: dict[str, Any] = {
            "id": page_id,
            "status": self.status,
            "title": "Risks",
            "spaceId": "1",
            "version": {"number": 3, "createdAt": "2026-01-05T09:00:00.000Z"},
            "body": {"storage": {"representation": "storage", "value": body}},
        }
        return Reply.json(page)


def storage(header: list[str], rows: list[list[str]]) -> str:
    """A page with a table, as Confluence's editor writes it."""
    head = "".join(f"<th><p><strong>{escape(name)}</strong></p></th>" for name in header)
    lines = "".join("<tr>" + "".join(f"<td><p>{cell}</p></td>" for cell in row) + "</tr>" for row in rows)
    return (
        '<p>Owned by&nbsp;<ac:link><ri:user ri:account-id="5b10:bo" /></ac:link> &mdash; reviewed.</p>'
        '<table data-layout="default"><colgroup><col /><col /></colgroup><tbody>'
        f"<tr>{head}</tr>{lines}</tbody></table>"
        '<ac:structured-macro ac:name="toc" ac:schema-version="1" />'
    )
