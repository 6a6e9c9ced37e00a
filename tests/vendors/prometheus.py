"""A Prometheus server: evaluates ``selector[Nms]`` at an instant, both ends of the range included."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from tests.vendors.serving import Reply, Request


@dataclass
class PrometheusServer:
    samples: dict[str, list[tuple[float, str]]] = field(default_factory=dict)

    def scrape(self, at: datetime, monitor: str, value: str = "1") -> None:
        self.samples.setdefault(monitor, []).append((at.timestamp(), value))

    def __call__(self, request: Request) -> Reply:
        length = re.fullmatch(r"probe_success\[(\d+)ms\]", request.parameters["query"])
        assert length is not None
        end = float(request.parameters["time"])
        start = end - int(length[1]) / 1000
        result = [
            {"metric": {"instance": name}, "values": [list(v) for v in values if start <= v[0] <= end]}
            for name, values in self.samples.items()
            if any(start <= v[0] <= end for v in values)
        ]
        return Reply.json({"status": "success", "data": {"resultType": "matrix", "result": result}})
