"""Vendors that answer as fast as they are asked: a monitoring and a ticket system over loopback.

Run in a process of its own, so that what it spends is in nobody's account. Answers are made of numbers, so
that a load can be repeated and a count is enough to check it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

START = datetime(2026, 1, 1, tzinfo=UTC)
MONITORS = 100
PROBE_SECONDS = 60
TICKET_SECONDS = 30


class Handler(BaseHTTPRequestHandler):
    """Prometheus' instant query over a range, and ServiceNow's Table API."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer's body waits 40 ms for the word that its head came

    def do_GET(self) -> None:
        """Answer from the path and the query."""
        parts = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path.endswith("/api/v1/query"):
            body, total = samples(asked["query"], asked["time"]), None
        else:
            body, total = records(parts.path.rsplit("/", 1)[1], asked)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if total is not None:
            self.send_header("X-Total-Count", str(total))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@lru_cache(maxsize=4)
def samples(query: str, time: str) -> bytes:
    """The samples of every monitor in a range that ends at ``time``, as Prometheus writes them."""
    span = int(query[query.index("[") + 1 : query.index("ms]")])
    end = round(float(time) * 1000)
    step = PROBE_SECONDS * 1000
    first = -(-(end - span + 1) // step)
    stamps = range(first * step // 1000, end // 1000 + 1, PROBE_SECONDS)
    values = ",".join(f'[{at},"{0 if at % 7919 < PROBE_SECONDS else 1}"]' for at in stamps)
    series = ",".join(
        f'{{"metric":{{"__name__":"probe_success","instance":"monitor-{n:04}"}},"values":[{values}]}}'
        for n in range(MONITORS)
    )
    return f'{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}'.encode()


def records(table: str, asked: dict[str, str]) -> tuple[bytes, int]:
    """A page of a table whose records come every half minute, and how many the query matches."""
    conditions = asked["sysparm_query"].split("^")
    since, before = (datetime.fromisoformat(c[-19:]).replace(tzinfo=UTC) for c in conditions[:2])
    first = max(0, -((START - since) // timedelta(seconds=TICKET_SECONDS)))
    total = (before - START) // timedelta(seconds=TICKET_SECONDS) - first
    offset, limit = int(asked["sysparm_offset"]), int(asked["sysparm_limit"])
    fields = asked["sysparm_fields"].split(",")
    page = range(first + offset, first + min(offset + limit, total))
    return json.dumps({"result": [record(table, n, fields) for n in page]}).encode(), total


def record(table: str, number: int, fields: list[str]) -> dict[str, str]:
    """The record of a number: instants that follow from it, and other fields as long as real ones are."""
    at = (START + timedelta(seconds=TICKET_SECONDS * number)).strftime("%Y-%m-%d %H:%M:%S")
    known = {
        "sys_id": f"{number:032x}",
        "number": f"INC{number:07}",
        "documentkey": f"{number // 5:032x}",
        "tablename": "incident",
        "fieldname": "state",
        "oldvalue": str(number % 7),
        "newvalue": str((number + 1) % 7),
        "short_description": f"{table} {number}: the portal answers slowly for some users",
    }
    instants = {"sys_created_on", "sys_updated_on", "opened_at", "resolved_at", "closed_at"}
    return {name: known.get(name) or (at if name in instants else str(number % 13)) for name in fields}


def serve(port: int) -> None:
    """Answer until killed."""
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
