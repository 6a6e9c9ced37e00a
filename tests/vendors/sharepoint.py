"""Microsoft Graph with one SharePoint list, and the endpoint that gives a token for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from tests.vendors.serving import SECRET, Reply, Request

SITE, LIST, CLIENT = "acme.sharepoint.com,1,2", "b7a5", "client-1"
TOKEN = "eyJ0eXAi.graph"


@dataclass
class SharePointSite:
    items: list[dict[str, Any]] = field(default_factory=list)
    cap: int = 200
    #: What the token endpoint was asked for.
    asked: list[dict[str, str]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def add(self, at: datetime, **fields: Any) -> dict[str, Any]:
        number = len(self.items) + 1
        stamp = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        item = {
            "@odata.etag": f'"{number},1"',
            "id": str(number),
            "createdDateTime": stamp,
            "lastModifiedDateTime": stamp,
            "fields": {
                "@odata.etag": f'"{number},1"', "id": str(number), "ContentType": "Item", "Created": stamp,
                "Modified": stamp, "_UIVersionString": "1.0", "Attachments": False, **fields,
            },
        }  # fmt: skip
        self.items.append(item)
        return item

    def __call__(self, request: Request) -> Reply:
        if request.path.endswith("/oauth2/v2.0/token"):
            return self._token(request)
        self.requests.append(request)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Reply.json({"error": {"code": "InvalidAuthenticationToken"}}, 401)
        if request.path != f"/v1.0/sites/{SITE}/lists/{LIST}/items".replace(",", "%2C"):
            return Reply.json({"error": {"code": "itemNotFound"}}, 404)
        rows = min(self.cap, int(request.parameters["$top"]))
        start = int(request.parameters.get("$skiptoken", "0"))
        page: dict[str, Any] = {"value": [shown(one, request) for one in self.items[start : start + rows]]}
        if start + rows < len(self.items):
            address = f"http://{request.headers['Host']}{request.path}?expand=fields&$top={rows}"
            page["@odata.nextLink"] = f"{address}&$skiptoken={start + rows}"
        return Reply.json(page)

    def _token(self, request: Request) -> Reply:
        form = dict(parse_qsl(request.body.decode()))
        self.asked.append(form)
        if form.get("client_id") != CLIENT or form.get("client_secret") != SECRET:
            return Reply.json({"error": "invalid_client", "error_description": "AADSTS7000215"}, 401)
        return Reply.json({"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN})


def shown(item: dict[str, Any], request: Request) -> dict[str, Any]:
    """An item; its fields only where they are asked for, and of them those that are filled."""
    if request.parameters.get("expand") != "fields":
        return {name: value for name, value in item.items() if name != "fields"}
    return {**item, "fields": {name: one for name, one in (item["fields"] or {}).items() if one is not None}}
