"""A Zabbix frontend: JSON-RPC over items and their history; every error is answered with 200.

What it answers is what a real one of version 6.0 does; where newer ones want their token, they say
themselves (https://www.zabbix.com/documentation/current/en/manual/api).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request

#: In these the token may come in a header, and from these on nowhere else.
HEADER, HEADER_ONLY = (6, 4), (7, 2)


@dataclass
class Zabbix:
    version: str = "7.0.5"
    items: list[dict[str, Any]] = field(default_factory=list)
    history: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    #: Items that the account may not see.
    hidden: set[str] = field(default_factory=set)

    def item(self, host: str, key: str = "icmpping") -> str:
        """A new item of a host; its id."""
        item_id = str(44_000 + len(self.items) + 1)
        hosts = [{"hostid": str(10_500 + len(self.items)), "host": host, "name": host.title()}]
        self.items.append({"itemid": item_id, "key_": key, "value_type": "3", "hosts": hosts})
        self.history[item_id] = []
        return item_id

    def receive(self, item_id: str, at: datetime, value: str = "1") -> None:
        second, microsecond = int(at.timestamp()), at.microsecond
        told = {"itemid": item_id, "clock": str(second), "value": value, "ns": str(microsecond * 1000)}
        self.history[item_id].append(told)

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        if request.path != "/api_jsonrpc.php" or not isinstance(request.content, dict):
            return Reply(b"", 412)
        method, parameters = request.content["method"], request.content["params"]
        known = tuple(int(part) for part in self.version.split(".")[:2])
        if "auth" in request.content and known >= HEADER_ONLY:
            return self._failed(
                request, -32600, "Invalid request.", 'Invalid parameter "/": unexpected parameter "auth".'
            )
        token = request.content.get("auth")
        if known >= HEADER and (header := request.headers.get("Authorization")) is not None:
            token = header.removeprefix("Bearer ")
        if method == "apiinfo.version":
            if token is not None:
                return self._failed(
                    request, -32602, "Invalid params.", f'The "{method}" method must be called'
                )
            return self._answered(request, self.version)
        if token != SECRET:
            return self._failed(request, -32602, "Invalid params.", "Not authorized.")
        if method == "item.get":
            return self._answered(request, [one for one in self._seen() if self._is_asked(one, parameters)])
        if method == "history.get":
            return self._answered(request, self._history(parameters))
        return self._failed(request, -32602, "Invalid params.", f'No permissions to call "{method}".')

    def _answered(self, request: Request, result: Any) -> Reply:
        return Reply.json({"jsonrpc": "2.0", "result": result, "id": request.content["id"]})

    def _failed(self, request: Request, code: int, message: str, data: str) -> Reply:
        error = {"code": code, "message": message, "data": data}
        return Reply.json({"jsonrpc": "2.0", "error": error, "id": request.content["id"]})

    def _seen(self) -> list[dict[str, Any]]:
        return [one for one in self.items if one["itemid"] not in self.hidden]

    def _is_asked(self, item: dict[str, Any], asked: dict[str, Any]) -> bool:
        return bool(item["key_"] == asked["filter"]["key_"])

    def _history(self, asked: dict[str, Any]) -> Any:
        seen = {one["itemid"] for one in self._seen()}
        found = [
            value
            for item_id in asked["itemids"]
            for value in self.history.get(item_id, [])
            # Both ends belong to the stretch. What the account may not see there is not.
            if item_id in seen and asked["time_from"] <= int(value["clock"]) <= asked["time_till"]
        ]
        if asked.get("countOutput"):
            return str(len(found))
        found.sort(key=lambda value: int(value["clock"]))
        return found[: asked["limit"]]
