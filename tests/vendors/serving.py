"""A vendor's HTTP server on loopback, answered by a function of the request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from avoir.sources.model import SourceConnection
from avoir.sources.register import SYSTEMS

SECRET = "s3cret"


@dataclass(frozen=True)
class Request:
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    #: Of a POST: a form is told with the parameters, JSON stands here.
    content: Any = None


@dataclass
class Reply:
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
        return cls(json.dumps(content).encode(), status, headers or {})


Answer = Callable[[Request], Reply]


def linked(request: Request, records: list[Any], *, headers: dict[str, str] | None = None) -> Reply:
    """A page of a list, with the ``Link`` to the next one on the host that was asked."""
    rows = min(100, int(request.parameters.get("per_page", "30")))
    page = int(request.parameters.get("page", "1"))
    links = {}
    if page * rows < len(records):
        query = urlencode({**request.parameters, "page": str(page + 1)})
        address = f"http://{request.headers['Host']}{request.path}?{query}"
        links["Link"] = f'<{address}>; rel="next", <{address}>; rel="last"'
    return Reply.json(records[(page - 1) * rows : page * rows], headers={**(headers or {}), **links})


def request_of(path: str, headers: dict[str, str], body: bytes) -> Request:
    """A request as it came; the fields of a form are among its parameters."""
    parts = urlsplit(path)
    parameters = dict(parse_qsl(parts.query))
    kind = headers.get("Content-Type", "")
    if kind.startswith("application/json"):
        return Request(parts.path, parameters, headers, body, json.loads(body))
    return Request(parts.path, parameters | dict(parse_qsl(body.decode())), headers, body)


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a server that answers so."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else an answer's body waits 40 ms for the word that its head came

        def do_GET(self) -> None:
            self.deliver(answer(request_of(self.path, dict(self.headers), b"")))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.deliver(answer(request_of(self.path, dict(self.headers), body)))

        def deliver(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def connection_to(
    url: str, system: str, *, name: str = "vendor_under_test", username: str | None = "avoir", **options: Any
) -> SourceConnection:
    """A connection as ``sources.yml`` would state it, its secret in a variable of its own."""
    known = next(one for one in SYSTEMS if one.name == system).options
    given = {key: option.check(options.get(key, option.default)) for key, option in known.items()}
    return SourceConnection(
        name=name,
        system=system,
        url=url,
        history_from=datetime(2026, 1, 1, tzinfo=UTC),
        username=username,
        secret_env="VENDOR_SECRET",
        options=given,
        environment={"VENDOR_SECRET": SECRET},
    )
