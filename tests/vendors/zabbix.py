"""A Zabbix frontend: JSON-RPC over items and their history; every error is answered with 200."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.vendors.serving import SECRET, Reply, Request


@dataclass
class Zabbix:
    items: list[dict[str, Any]] = field(default_factory=list)
    history: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

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
        number = request.content["id"]
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            error = {"code": -32602, "message": "Invalid params.", "data": "Not authorized."}
            return Reply.json({"jsonrpc": "2.0", "error": error, "id": number})
        method, parameters = request.content["method"], request.content["params"]
        if method == "item.get":
            result: Any = [one for one in self.items if one["key_"] == parameters["filter"]["key_"]]
        elif method == "history.get":
            result = self._history(parameters)
        else:
            error = {"code": -32601, "message": "Method not found.", "data": method}
            return Reply.json({"jsonrpc": "2.0", "error": error, "id": number})
        return Reply.json({"jsonrpc": "2.0", "result": result, "id": number})

    def _history(self, asked: dict[str, Any]) -> Any:
        found = [
            value
            for item_id in asked["itemids"]
            for value in self.history.get(item_id, [])
            # Both ends belong to the stretch.
            if asked["time_from"] <= int(value["clock"]) <= asked["time_till"]
        ]
        if asked.get("countOutput"):
            return str(len(found))
        found.sort(key=lambda value: int(value["clock"]))
        return found[: asked["limit"]]
