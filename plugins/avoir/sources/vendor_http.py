"""HTTP towards vendors: retries, refusals and malformed answers, the same for every system.

dlt's client does the waiting: 429 with ``Retry-After`` (or seconds in ``X-RateLimit-Reset``), 5xx, dropped
connections and bodies shorter than announced are tried again. Everything else is an error that says what
happened, and never shows the secret: a redirect or a next link to another host is not followed, since it
would carry the credentials there.
"""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPBasicAuth

from avoir.sources.drift import PointNumber, look_at
from avoir.sources.model import SourceConnection, SourceError

if TYPE_CHECKING:
    from dlt.sources.helpers.requests import Client

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
class BasicAuth:
    """HTTP Basic authentication that shows no password."""

    username: str
    password: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        HTTPBasicAuth(self.username.encode(), self.password.encode())(request)
        return request

    def __repr__(self) -> str:
        return f"BasicAuth({self.username})"


@dataclass(frozen=True)
class TokenAuth:
    """A token that is not shown, after the scheme that the vendor wants before it."""

    scheme: str
    token: str

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"{self.scheme} {self.token}"
        return request

    def __repr__(self) -> str:
        return f"TokenAuth({self.scheme})"


@dataclass(frozen=True)
class HeaderAuth:
    """Secrets in headers of the vendor's own, by their names."""

    keys: Mapping[str, str]

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self.keys)
        return request

    def __repr__(self) -> str:
        return f"HeaderAuth({', '.join(self.keys)})"


@dataclass(frozen=True)
class NoAuth:
    """Given explicitly, because requests would otherwise look for credentials in ``~/.netrc``."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def vendor_client() -> Client:
    """The client that waits: what is refused for now, or broken on its way, is asked for again."""
    # dlt is imported late (2 s of CPU) and told before that it may not report anything to anyone.
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    from dlt.sources.helpers.requests import Client

    return Client(
        request_timeout=(CONNECT_SECONDS, READ_SECONDS),
        raise_for_status=False,
        request_max_attempts=ATTEMPTS,
        request_backoff_factor=BACKOFF_FACTOR,
        request_max_retry_delay=LONGEST_WAIT_SECONDS,
        retry_condition=_asks_to_wait,
    )


class VendorApi:
    """One vendor's HTTP API. Basic authentication with a username, a bearer token without one.

    Args:
        source: the connection.
        headers: sent with every request, beside those that make it one for JSON.
        token: a bearer token that was given for the username and the secret.
        key_header: the header that carries the secret where the vendor has one of its own.
        keys: the secrets of a vendor that wants several, by the headers that carry them.
        token_scheme: what stands before the secret in ``Authorization`` where there is no username; None
            where the vendor takes its key elsewhere.
    """

    def __init__(
        self,
        source: SourceConnection,
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = None,
        key_header: str = "",
        keys: Mapping[str, str] | None = None,
        token_scheme: str | None = "Bearer",  # noqa: S107 - a name
    ) -> None:
        self.source = source
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._auth: BasicAuth | TokenAuth | HeaderAuth | NoAuth = NoAuth()
        if token is not None:
            self._auth = TokenAuth("Bearer", token)
        elif keys or key_header:
            self._auth = HeaderAuth(keys or {key_header: source.secret})
        elif source.username is not None:
            self._auth = BasicAuth(source.username, source.secret)
        elif source.secret_place is not None and token_scheme is not None:
            self._auth = TokenAuth(token_scheme, source.secret)
        self._client = vendor_client()

    def get(
        self, path: str, parameters: Mapping[str, str], parse: Callable[[bytes], Any] | None = None
    ) -> Answer:
        """GET ``path`` below the source's address and parse its JSON.

        Numbers with a point come as the text they were, unless ``parse`` is given, which raises
        ``ValueError`` for what is no JSON.

        Raises:
            AccessDeniedError: 401 or 403.
            UnavailableError: no answer, or 429/5xx, after all attempts.
            NotFoundError: 404.
            IncompleteAnswerError: no JSON, an empty body, or any other status.
        """
        url = f"{self.source.url}/{path.lstrip('/')}"
        return self._asked("GET", url, parse or _json, params=dict(parameters))

    def follow(self, link: str) -> Answer:
        """GET an address that an answer of the same vendor gave.

        Raises:
            IncompleteAnswerError: it leads to another host; it was not followed.
            SourceError: as :meth:`get`.
        """
        self.must_stay(link)
        return self._asked("GET", link, _json)

    def post(self, path: str, *, form: Mapping[str, str] | None = None, content: Any = None) -> Answer:
        """POST a form, or content as JSON, to a path that only reads; raises what :meth:`get` does."""
        what = {"json": content} if form is None else {"data": dict(form)}
        return self._asked("POST", f"{self.source.url}/{path.lstrip('/')}", _json, **what)

    def _asked(self, method: str, url: str, parse: Callable[[bytes], Any], **what: Any) -> Answer:
        try:
            response: requests.Response = self._client.request(
                method,
                url,
                headers=self._headers,
                auth=self._auth,
                allow_redirects=False,
                hooks={"response": _tell_when},
                **what,
            )
        except requests.RequestException as error:
            reason = type(error).__name__
            message = f"source {self.source.name}: {url} did not answer after {ATTEMPTS} attempts ({reason})"
            # Not from the error: what it holds of the request may be the key.
            raise UnavailableError(message) from (error if method == "GET" else None)
        answer = self._parsed(response, url, parse)
        if parse is _json:
            look_at(url.removeprefix(self.source.url), what.get("json"), answer.body)
        return answer

    def _parsed(self, response: requests.Response, url: str, parse: Callable[[bytes], Any]) -> Answer:
        status = response.status_code
        label = f"source {self.source.name}: {url}"
        if status in (403, 429) and response.headers.get("X-RateLimit-Remaining") == "0":
            until = _reset_of(response)
            raise UnavailableError(
                f"{label} has no requests left for this account{until}; load it again then"
            )
        if status == 429 or status >= 500 or _asks_to_wait(response, None):
            raise UnavailableError(f"{label} still answered {status} after {ATTEMPTS} attempts")
        if status in (401, 403):
            who = f"user {self.source.username}" if self.source.username else "the token"
            where = self.source.secret_place or "secret_env (none is named)"
            message = (
                f"{label} refused {who} ({status}); check the secret in {where} and the account's rights"
            )
            raise AccessDeniedError(message)
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
            with _not_collecting():
                body = parse(response.content)
        except ValueError as error:
            message = f"{label} answered 200 with something that is not JSON: {_excerpt(response.text)}"
            raise IncompleteAnswerError(message) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(body=body, headers=headers, url=url)

    def same_host(self, link: str) -> bool:
        """Whether a link a vendor gave leads back to the same scheme, host and port."""
        here, there = urlsplit(self.source.url), urlsplit(link)
        return (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)

    def must_stay(self, link: object) -> None:
        """Refuse a next link that leads to another host; None is no link.

        Raises:
            IncompleteAnswerError: what follows is elsewhere, where the secret must not go.
        """
        if link is not None and not self.same_host(str(link)):
            raise IncompleteAnswerError(
                f"source {self.source.name}: a next link leads to another host; it was not followed"
            )


def _json(text: bytes) -> Any:
    """A document whose decimal text is kept as it came: a float would change what the vendor said."""
    return json.loads(text, parse_float=PointNumber)


@contextmanager
def _not_collecting() -> Iterator[None]:
    """No search for cycles while a large answer becomes objects, which have none: it doubles the cost."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _asks_to_wait(response: requests.Response | None, error: BaseException | None) -> bool:
    """Whether a refusal is one for now only: some say 403 where they mean 429 (GitHub's secondary limits)."""
    del error
    return response is not None and response.status_code == 403 and "Retry-After" in response.headers


def _tell_when(response: requests.Response, **_: Any) -> None:
    """Say how long to wait in the header that the client knows, where a vendor says it in another only."""
    seconds = _seconds_to_reset(response)
    if response.status_code == 429 and seconds is not None:
        response.headers.setdefault("Retry-After", seconds)


def _seconds_to_reset(response: requests.Response) -> str | None:
    """``X-RateLimit-Reset`` as Datadog means it: in so many seconds."""
    text = response.headers.get("X-RateLimit-Reset", "")
    return text if re.fullmatch(r"\d{1,6}", text, re.ASCII) else None


def _reset_of(response: requests.Response) -> str:
    """When a limit is lifted: in some seconds, or, as GitHub states it, seconds since 1970."""
    if (seconds := _seconds_to_reset(response)) is not None:
        return f" for another {seconds} seconds"
    text = response.headers.get("X-RateLimit-Reset", "")
    if not re.fullmatch(r"\d{1,11}", text, re.ASCII):
        return ""
    return f" until {datetime.fromtimestamp(int(text), UTC):%Y-%m-%d %H:%M} UTC"


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:200]}…"
