"""A web site that somebody looks at: it answers as it is told, or is not there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from avoir.postgres import free_port


def lasting(seconds: float) -> tuple[datetime, datetime]:
    """Let time pass; returns the stretch without its edges, where a probe under way may say either."""
    start = datetime.now(UTC) + timedelta(seconds=1.5)
    time.sleep(seconds)
    return start, datetime.now(UTC) - timedelta(seconds=0.2)


class WebSite:
    """A web site that answers as it is told, or is not there."""

    def __init__(self) -> None:
        self.status = 200
        self.port = free_port(0)
        self.url = f"http://127.0.0.1:{self.port}/"
        self._server: ThreadingHTTPServer | None = None

    @contextmanager
    def there(self) -> Iterator[None]:
        """It listens for the length of the block, or until it goes."""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(site.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            self.go()

    def go(self) -> None:
        """Stop listening: a connection is refused from here on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
