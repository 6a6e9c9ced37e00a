"""A proxy on loopback between a source and a vendor's server, which spoils answers as it is told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from tests.vendors.serving import Request, request_of

#: Headers that belong to one connection and not to the answer.
_OF_THE_CONNECTION = {"connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive"}


@dataclass
class Passed:
    """An answer on its way: change it, or set how it is not delivered."""

    request: Request
    status: int
    headers: dict[str, str]
    body: bytes
    #: `stall` never sends it, `reset` breaks off in the middle of its body, `cut` ends it early and says so.
    delivery: str = ""


Spoil = Callable[[int, Passed], None]


@dataclass
class Proxy:
    """``spoil`` is called with the number of the request, from 1, and the answer before it is delivered."""

    upstream: str
    url: str = ""
    spoil: Spoil = lambda number, passed: None
    requests: list[Request] = field(default_factory=list)

    def passed(self, path: str, headers: dict[str, str], body: bytes | None = None) -> Passed:
        request = request_of(path, headers, body or b"")
        self.requests.append(request)
        number = len(self.requests)
        # With the host that was asked: a server that links its pages links them there.
        kept = {name: text for name, text in headers.items() if name.lower() != "accept-encoding"}
        answer = requests.request(
            "GET" if body is None else "POST",
            f"{self.upstream}{path}",
            data=body,
            headers=kept,
            timeout=60,
            allow_redirects=False,
        )
        shown = {n: t for n, t in answer.headers.items() if n.lower() not in _OF_THE_CONNECTION}
        passed = Passed(request, answer.status_code, shown, answer.content)
        self.spoil(number, passed)
        return passed


@contextmanager
def proxy_to(upstream: str) -> Iterator[Proxy]:
    """A proxy before a server; it passes everything on as it is until it is told to spoil."""
    proxy = Proxy(upstream)
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else an answer's body waits 40 ms for the word that its head came

        def do_GET(self) -> None:
            self.deliver(proxy.passed(self.path, dict(self.headers)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.deliver(proxy.passed(self.path, dict(self.headers), body))

        def deliver(self, passed: Passed) -> None:
            if passed.delivery == "stall":
                released.wait(30)
                self.close_connection = True
                return
            self.send_response_only(passed.status)
            for name, text in passed.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(passed.body)))
            self.end_headers()
            if passed.delivery:
                self.wfile.write(passed.body[: len(passed.body) // 2])
                self.wfile.flush()
                self.close_connection = True
                if passed.delivery == "reset":
                    # A socket that does not linger ends with a reset and not with an end.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            self.wfile.write(passed.body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()
