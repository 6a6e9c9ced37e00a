"""The vendors' systems over HTTP on loopback: ServiceNow Table API and Prometheus HTTP API.

    /health                                           no credentials
    /<vendor>/servicenow/api/now/table/<table>        Basic
    /<vendor>/prometheus/api/v1/query, /query_range   Bearer

The shapes are those of the real APIs, as far as a reader of history needs them, and so are their traps: a
reference is an object unless ``sysparm_exclude_reference_link`` is true, a range is open on its left, and
``query_range`` carries a sample forward for five minutes. One vendor's ServiceNow pages badly.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from avoir.demo.history import Row
from avoir.demo.vendors import SERVICENOW_USER, VENDORS, Vendor
from avoir.demo.world import WorldPaths, read_secrets, secret_name

HOST = "127.0.0.1"

REFERENCES = ("assignment_group", "assigned_to", "business_service", "caller_id", "cmdb_ci", "opened_by")
DEFAULT_LIMIT = 10_000

BAD_PAGE = 100
"""Rows in a page of the vendor that pages badly, whatever was asked for."""
BAD_OVERLAP = 3
"""Rows at the head of its later pages that the page before had already."""
BAD_EVERY, BAD_FIRST, BAD_TIMES = 25, 5, 4
"""Its 5th, 30th, 55th and 80th page request is refused once: 429, then 503, in turns."""

LOOKBACK_MS = 300_000
MAX_POINTS = 11_000

_CONDITION = re.compile(r"(?P<field>[a-z_]+)(?P<operator>>=|<=|!=|=|>|<|IN)(?P<value>.*)")
_SELECTOR = re.compile(
    r"\s*(?P<metric>probe_success)?\s*(?:\{(?P<matchers>[^}]*)\})?\s*(?:\[(?P<range>[0-9a-z]+)\])?\s*"
)
_MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*')
_DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
_UNIT_MS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}


@dataclass(frozen=True)
class Reply:
    """An answer before it is sent."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, content: object, headers: Mapping[str, str] | None = None) -> Self:
        return cls(status, json.dumps(content, ensure_ascii=False).encode(), headers or {})


class RefusedError(Exception):
    """The request cannot be answered; carries the reply that says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


# ServiceNow


def _servicenow_error(status: HTTPStatus, message: str, detail: str, **headers: str) -> RefusedError:
    content = {"error": {"message": message, "detail": detail}, "status": "failure"}
    return RefusedError(
        Reply.of(status, content, {name.replace("_", "-"): text for name, text in headers.items()})
    )


def parse_encoded_query(query: str) -> tuple[list[tuple[str, str, str]], list[tuple[str, bool]]]:
    """Conditions (field, operator, value) and orderings (field, descending) of an encoded query."""
    conditions: list[tuple[str, str, str]] = []
    orderings: list[tuple[str, bool]] = []
    for part in filter(None, query.split("^")):
        if part.startswith("ORDERBYDESC"):
            orderings.append((part.removeprefix("ORDERBYDESC"), True))
        elif part.startswith("ORDERBY"):
            orderings.append((part.removeprefix("ORDERBY"), False))
        elif match := _CONDITION.fullmatch(part):
            conditions.append((match["field"], match["operator"], match["value"]))
        else:
            raise _servicenow_error(HTTPStatus.BAD_REQUEST, "Invalid query detected", f"cannot read {part!r}")
    return conditions, orderings


_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
    "IN": lambda left, right: left in right.split(","),
}


class ServiceNow:
    """The Table API of one vendor."""

    TABLES: ClassVar[tuple[str, ...]] = (
        "incident",
        "sys_audit",
        "sys_journal_field",
        "rm_release",
        "cmdb_ci_outage",
        "rm_defect",
    )

    def __init__(self, paths: WorldPaths, vendor: Vendor, password: str) -> None:
        self._paths = paths
        self._vendor = vendor
        self._lock = threading.Lock()
        self._tables: dict[str, list[Row]] = {}
        self._page_requests = 0
        credentials = base64.b64encode(f"{SERVICENOW_USER}:{password}".encode()).decode()
        self._authorization = f"Basic {credentials}"
        self._select = lru_cache(maxsize=16)(self._selected)

    def answer(self, path: str, parameters: Mapping[str, str], authorization: str, address: str) -> Reply:
        if not hmac.compare_digest(authorization.encode(), self._authorization.encode()):
            raise _servicenow_error(
                HTTPStatus.UNAUTHORIZED,
                "User Not Authenticated",
                "Required to provide Auth information",
                WWW_Authenticate='Basic realm="Service-now"',
            )
        table = path.removeprefix("api/now/table/")
        if table not in self.TABLES:
            raise _servicenow_error(HTTPStatus.BAD_REQUEST, f"Invalid table {table}", "")
        limit = _whole_number(parameters, "sysparm_limit", DEFAULT_LIMIT)
        offset = _whole_number(parameters, "sysparm_offset", 0)
        if self._vendor.pages_badly:
            self._refuse_now_and_then()
        rows = self._select(table, parameters.get("sysparm_query", ""))
        headers = {"X-Total-Count": str(len(rows))}
        if self._vendor.pages_badly:
            start = max(0, offset - BAD_OVERLAP)
            page = rows[start : start + min(limit, BAD_PAGE)]
        else:
            page = rows[offset : offset + limit]
            headers["Link"] = _links(address, parameters, limit, offset, len(rows))
        names = [name for name in parameters.get("sysparm_fields", "").split(",") if name]
        with_links = parameters.get("sysparm_exclude_reference_link", "false") != "true"
        origin = address.split("/api/now/", 1)[0]
        result = [_shown(row, names, origin if with_links else None) for row in page]
        return Reply.of(HTTPStatus.OK, {"result": result}, headers)

    def _rows(self, table: str) -> list[Row]:
        with self._lock:
            if table not in self._tables:
                file = self._paths.table_file(self._vendor.vendor_id, table)
                self._tables[table] = json.loads(file.read_text(encoding="utf-8"))
            return self._tables[table]

    def _selected(self, table: str, query: str) -> list[Row]:
        conditions, orderings = parse_encoded_query(query)
        rows = self._rows(table)
        fields = {name for name, *_ in (*conditions, *orderings)}
        unknown = sorted(fields - set(rows[0])) if rows else []
        if unknown:
            raise _servicenow_error(
                HTTPStatus.BAD_REQUEST, "Invalid query detected", f"no field {unknown[0]}"
            )
        for name, operator, value in conditions:
            matches = _COMPARE[operator]
            rows = [row for row in rows if matches(row[name], value)]
        for name, descending in reversed(orderings):
            rows = sorted(rows, key=lambda row: row[name], reverse=descending)
        return rows

    def _refuse_now_and_then(self) -> None:
        with self._lock:
            number = self._page_requests
            self._page_requests += 1
        turn, place = divmod(number, BAD_EVERY)
        if place != BAD_FIRST or turn >= BAD_TIMES:
            return
        if turn % 2:
            raise _servicenow_error(
                HTTPStatus.SERVICE_UNAVAILABLE, "Service unavailable", "node restarting", Retry_After="1"
            )
        raise _servicenow_error(
            HTTPStatus.TOO_MANY_REQUESTS, "Rate limit exceeded", "try again later", Retry_After="1"
        )


def _whole_number(parameters: Mapping[str, str], name: str, default: int) -> int:
    text = parameters.get(name, "")
    return int(text) if text.isdigit() else default


def _shown(row: Row, names: list[str], origin: str | None) -> dict[str, Any]:
    shown: dict[str, Any] = {name: row[name] for name in names if name in row} if names else dict(row)
    if origin is None:
        return shown
    for name in REFERENCES:
        if shown.get(name):
            shown[name] = {"link": f"{origin}/api/now/table/{name}/{shown[name]}", "value": shown[name]}
    return shown


def _links(address: str, parameters: Mapping[str, str], limit: int, offset: int, total: int) -> str:
    last = max(0, (total - 1) // limit * limit) if limit else 0
    places = {"first": 0, "prev": offset - limit, "next": offset + limit, "last": last}
    shown = {
        name: place
        for name, place in places.items()
        if name in ("first", "last") or (name == "prev" and offset > 0) or (name == "next" and place < total)
    }
    return ",".join(
        f'<{address}?{urlencode({**parameters, "sysparm_offset": str(max(0, place))})}>;rel="{name}"'
        for name, place in shown.items()
    )


# Prometheus


def _prometheus_error(status: HTTPStatus, kind: str, message: str) -> RefusedError:
    return RefusedError(Reply.of(status, {"status": "error", "errorType": kind, "error": message}))


def _bad_data(message: str) -> RefusedError:
    return _prometheus_error(HTTPStatus.BAD_REQUEST, "bad_data", message)


def parse_duration(text: str) -> int:
    """``1d12h`` or ``300ms`` in milliseconds, as PromQL writes durations; a bare number is seconds."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return round(float(text) * 1000)
    if not text or _DURATION.sub("", text):
        raise _bad_data(f"cannot parse {text!r} to a valid duration")
    return sum(int(number) * _UNIT_MS[unit] for number, unit in _DURATION.findall(text))


def parse_instant(text: str) -> int:
    """Seconds since 1970 with a fraction, or RFC 3339, in milliseconds."""
    try:
        return round(float(text) * 1000)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _bad_data(f"cannot parse {text!r} to a valid timestamp") from error
    if moment.tzinfo is None:
        raise _bad_data(f"cannot parse {text!r} to a valid timestamp")
    return round(moment.timestamp() * 1000)


class Prometheus:
    """The query API of one vendor, over one series: ``probe_success`` of its platform."""

    def __init__(self, paths: WorldPaths, vendor: Vendor, token: str) -> None:
        self._file = paths.samples_file(vendor.vendor_id, vendor.monitor)
        self._authorization = f"Bearer {token}"
        self._lock = threading.Lock()
        self._times: list[int] = []
        self._values: list[str] = []
        self.metric = {
            "__name__": "probe_success",
            "instance": f"https://{vendor.monitor}.example/health",
            "job": vendor.monitor,
        }

    def answer(self, path: str, parameters: Mapping[str, str], authorization: str) -> Reply:
        if not hmac.compare_digest(authorization.encode(), self._authorization.encode()):
            headers = {"WWW-Authenticate": "Bearer"}
            raise RefusedError(Reply(HTTPStatus.UNAUTHORIZED, b"Unauthorized\n", headers))
        self._load()
        if path == "api/v1/query":
            return self._query(parameters)
        if path == "api/v1/query_range":
            return self._query_range(parameters)
        raise RefusedError(Reply(HTTPStatus.NOT_FOUND, b"404 page not found\n"))

    def _load(self) -> None:
        with self._lock:
            if self._times:
                return
            cells = self._file.read_text(encoding="ascii").replace("\n", ",").split(",")
            self._values = cells[1::2]
            self._times = list(map(int, cells[:-1:2]))

    def _selects(self, query: str) -> tuple[bool, int | None]:
        """Whether the query names our series, and its range in milliseconds."""
        match = _SELECTOR.fullmatch(query)
        matchers = match["matchers"] if match else None
        if match is None or not (match["metric"] or matchers):
            raise _bad_data(f'invalid parameter "query": only a selector can be answered here, got {query!r}')
        found, rest = match["metric"] is not None, matchers or ""
        for part in _MATCHER.finditer(rest):
            name, operator, value = part.groups()
            actual = self.metric.get(name, "")
            equal = actual == value if operator in ("=", "!=") else re.fullmatch(value, actual) is not None
            found = (found or not match["metric"]) and equal == (operator in ("=", "=~"))
            if not found:
                break
        if _MATCHER.sub("", rest).strip(", "):
            raise _bad_data(f'invalid parameter "query": parse error in {query!r}')
        return found, parse_duration(match["range"]) if match["range"] else None

    def _query(self, parameters: Mapping[str, str]) -> Reply:
        found, range_ms = self._selects(parameters.get("query", ""))
        if "time" not in parameters:
            raise _bad_data('invalid parameter "time": this server has no clock, say which instant you mean')
        at = parse_instant(parameters["time"])
        last = bisect_right(self._times, at)
        if range_ms is not None:
            first = bisect_right(self._times, at - range_ms)
            return self._matrix(zip(self._times[first:last], self._values[first:last], strict=True), found)
        fresh = last > 0 and self._times[last - 1] > at - LOOKBACK_MS
        series = (
            [{"metric": self.metric, "value": [at / 1000, self._values[last - 1]]}] if found and fresh else []
        )
        return Reply.of(
            HTTPStatus.OK, {"status": "success", "data": {"resultType": "vector", "result": series}}
        )

    def _query_range(self, parameters: Mapping[str, str]) -> Reply:
        found, range_ms = self._selects(parameters.get("query", ""))
        if range_ms is not None:
            raise _bad_data(
                'invalid expression type "range vector" for range query, must be Scalar or instant Vector'
            )
        for name in ("start", "end", "step"):
            if name not in parameters:
                raise _bad_data(f'invalid parameter "{name}": it is missing')
        start, end = parse_instant(parameters["start"]), parse_instant(parameters["end"])
        step = parse_duration(parameters["step"])
        if end < start or step <= 0:
            raise _bad_data("end timestamp must not be before start time, and step must be positive")
        if (end - start) // step > MAX_POINTS:
            message = (
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
            raise _bad_data(message)
        points = []
        for at in range(start, end + 1, step):
            last = bisect_right(self._times, at)
            if last and self._times[last - 1] > at - LOOKBACK_MS:
                points.append((at, self._values[last - 1]))
        return self._matrix(points, found)

    def _matrix(self, points: Any, found: bool) -> Reply:
        values = (
            ",".join([f'[{at // 1000}.{at % 1000:03d},"{value}"]' for at, value in points]) if found else ""
        )
        series = f'{{"metric":{json.dumps(self.metric)},"values":[{values}]}}' if values else ""
        body = f'{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}'
        return Reply(HTTPStatus.OK, body.encode())


# HTTP


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "demo"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 60
    server: _HttpServer

    def do_GET(self) -> None:
        self._serve(urlsplit(self.path).query)

    def do_POST(self) -> None:
        """Prometheus takes its parameters from a form, too."""
        length = int(self.headers.get("Content-Length", "0"))
        self._serve(self.rfile.read(length).decode())

    def _serve(self, query: str) -> None:
        try:
            reply = self.server.route(
                urlsplit(self.path).path, dict(parse_qsl(query)), self.headers.get("Authorization", "")
            )
        except RefusedError as refused:
            reply = refused.reply
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- the name is inherited
        """Silence: a request may carry what should not stand in a log."""


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, world_dir: Path, port: int) -> None:
        paths = WorldPaths(world_dir.absolute())
        if not paths.marker.exists():
            msg = f"{world_dir} holds no complete world; build it first with build_world"
            raise FileNotFoundError(msg)
        world = json.loads(paths.marker.read_text(encoding="utf-8"))
        given = read_secrets(paths.secrets_file)
        self.systems: dict[str, tuple[ServiceNow, Prometheus]] = {}
        for vendor_id in world["vendors"]:
            vendor = VENDORS[vendor_id]
            self.systems[vendor_id] = (
                ServiceNow(paths, vendor, given[secret_name(vendor.servicenow_source)]),
                Prometheus(paths, vendor, given[secret_name(vendor.prometheus_source)]),
            )
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def route(self, path: str, parameters: Mapping[str, str], authorization: str) -> Reply:
        if path == "/health":
            return Reply.of(HTTPStatus.OK, {"status": "ok", "vendors": sorted(self.systems)})
        vendor_id, _, rest = path.removeprefix("/").partition("/")
        system, _, rest = rest.partition("/")
        if vendor_id in self.systems:
            servicenow, prometheus = self.systems[vendor_id]
            if system == "servicenow":
                return servicenow.answer(rest, parameters, authorization, f"{self.url}{path}")
            if system == "prometheus":
                return prometheus.answer(rest, parameters, authorization)
        return Reply.of(HTTPStatus.NOT_FOUND, {"error": f"nothing at {path}"})


class RunningWorld:
    """The servers of a world in a thread of this process; a context manager."""

    def __init__(self, world_dir: Path, port: int = 0) -> None:
        self._server = _HttpServer(world_dir, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``; the port that was free when 0 was asked for."""
        return self._server.url

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(world_dir: Path, port: int) -> None:
    """Answer for every vendor on 127.0.0.1 until interrupted.

    Raises:
        FileNotFoundError: the folder holds no complete world.
        OSError: the port is taken.
    """
    server = _HttpServer(world_dir, port)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
