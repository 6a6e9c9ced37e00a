"""HTTP towards vendors: retries, refusals and malformed answers, the same for every system.

dlt's client does the waiting: 429 with ``Retry-After``, 5xx, dropped connections and bodies shorter than
announced are tried again. Everything else is an error that says what happened, and never shows the secret:
a redirect or a next link to another host is not followed, since it would carry the credentials there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPBasicAuth

from avoir.sources.model import SourceConnection, SourceError

ATTEMPTS = 6
CONNECT_SECONDS = 10
READ_SECONDS = 120
LONGEST_WAIT_SECONDS = 60
#: Seconds of the first wait; each further one is twice as long.
BACKOFF_FACTOR = 0.5


class AccessDeniedError(SourceError):
    """The vendor's system refused the credentials."""


class UnavailableError(SourceError):
    """The vendor's system did not answer usefully after all attempts."""


class IncompleteAnswerError(SourceError):
    """The answer is empty, truncated, malformed or short of what it announced itself."""


class NotFoundError(IncompleteAnswerError):
    """The vendor's system has no such record, or none that the account may see (404)."""


@dataclass(frozen=True)
class Answer:
    """A parsed JSON body with the headers it came with (names in lower case)."""

    body: Any
    headers: Mapping[str, str]
    url: str


@dataclass(frozen=True)
class _BasicAuth:
    username: str
    password: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        HTTPBasicAuth(self.username.encode(), self.password.encode())(request)
        return request

    def __repr__(self) -> str:
        return f"_BasicAuth({self.username})"


@dataclass(frozen=True)
class _TokenAuth:
    scheme: str
    token: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"{self.scheme} {self.token}"
        return request

    def __repr__(self) -> str:
        return f"_TokenAuth({self.scheme})"


@dataclass(frozen=True)
class _NoAuth:
    """Given explicitly, because requests would otherwise look for credentials in ``~/.netrc``."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class VendorApi:
    """One vendor's HTTP API. Basic authentication with a username, a token without one.

    ``token_scheme`` is what stands before the token in ``Authorization``; None where the system takes its key
    elsewhere.
    """

    def __init__(
        self,
        source: SourceConnection,
        *,
        token_scheme: str | None = "Bearer",  # noqa: S107 - a name
    ) -> None:
        # dlt is imported late (2 s of CPU) and told before that it may not report anything to anyone.
        os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
        from dlt.sources.helpers.requests import Client

        self.source = source
        self._auth: _BasicAuth | _TokenAuth | _NoAuth = _NoAuth()
        if source.username is not None:
            self._auth = _BasicAuth(source.username, source.secret)
        elif source.secret_env is not None and token_scheme is not None:
            self._auth = _TokenAuth(token_scheme, source.secret)
        self._client = Client(
            request_timeout=(CONNECT_SECONDS, READ_SECONDS),
            raise_for_status=False,
            request_max_attempts=ATTEMPTS,
            request_backoff_factor=BACKOFF_FACTOR,
            request_max_retry_delay=LONGEST_WAIT_SECONDS,
        )

    def get(self, path: str, parameters: Mapping[str, str]) -> Answer:
        """GET ``path`` below the source's address and parse its JSON.

        Raises:
            AccessDeniedError: 401 or 403.
            UnavailableError: no answer, or 429/5xx, after all attempts.
            NotFoundError: 404.
            IncompleteAnswerError: no JSON, an empty body, or any other status.
        """
        return self._asked("GET", path, params=dict(parameters))

    def post(self, path: str, *, form: Mapping[str, str] | None = None, content: Any = None) -> Answer:
        """POST a form, or content as JSON, to a path that only reads; raises what :meth:`get` does."""
        if form is not None:
            return self._asked("POST", path, data=dict(form))
        return self._asked("POST", path, json=content)

    def _asked(self, method: str, path: str, **what: Any) -> Answer:
        url = f"{self.source.url}/{path.lstrip('/')}"
        try:
            response: requests.Response = self._client.request(
                method,
                url,
                headers={"Accept": "application/json"},
                auth=self._auth,
                allow_redirects=False,
                **what,
            )
        except requests.RequestException as error:
            reason = type(error).__name__
            message = f"source {self.source.name}: {url} did not answer after {ATTEMPTS} attempts ({reason})"
            # Not from the error: what it holds of the request may be the key.
            raise UnavailableError(message) from (error if method == "GET" else None)
        return self._parsed(response, url)

    def _parsed(self, response: requests.Response, url: str) -> Answer:
        status = response.status_code
        label = f"source {self.source.name}: {url}"
        if status in (401, 403):
            who = f"user {self.source.username}" if self.source.username else "the token"
            where = self.source.secret_env or "secret_env (none is named)"
            message = (
                f"{label} refused {who} ({status}); check the secret in {where} and the account's rights"
            )
            raise AccessDeniedError(message)
        if status == 429 or status >= 500:
            raise UnavailableError(f"{label} still answered {status} after {ATTEMPTS} attempts")
        if 300 <= status < 400:
            target = urlsplit(response.headers.get("Location", "")).hostname or "another address"
            raise IncompleteAnswerError(
                f"{label} redirects to {target}; redirects are not followed, set that url"
            )
        if status == 404:
            raise NotFoundError(f"{label} answered {status}: {_excerpt(response.text)}")
        if status != 200:
            raise IncompleteAnswerError(f"{label} answered {status}: {_excerpt(response.text)}")
        if not response.content.strip():
            raise IncompleteAnswerError(f"{label} answered 200 with an empty body, which is not 'no records'")
        try:
            # Decimal text is kept as it came: a float would change what the vendor said.
            body = json.loads(response.content, parse_float=str)
        except ValueError as error:
            message = f"{label} answered 200 with something that is not JSON: {_excerpt(response.text)}"
            raise IncompleteAnswerError(message) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(body=body, headers=headers, url=url)

    def same_host(self, link: str) -> bool:
        """Whether a link a vendor gave leads back to the same scheme, host and port."""
        here, there = urlsplit(self.source.url), urlsplit(link)
        return (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:200]}…"
