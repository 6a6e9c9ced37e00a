"""OAuth 2 client credentials (RFC 6749, section 4.4): a token for an account that is a machine."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from avoir.sources.model import Option, SourceConnection
from avoir.sources.vendor_http import (
    ATTEMPTS,
    AccessDeniedError,
    BasicAuth,
    IncompleteAnswerError,
    NoAuth,
    UnavailableError,
    vendor_client,
)


def client_credentials_token(source: SourceConnection, *, scope: str = "", basic: bool = False) -> str:
    """A bearer token from the connection's ``token_url``, for its username (client id) and secret.

    Args:
        scope: what the token is for, as the vendor names it.
        basic: whether the client signs in by HTTP Basic authentication, or within the form.

    Raises:
        AccessDeniedError: the client or its secret is refused.
        UnavailableError: the endpoint does not answer.
        IncompleteAnswerError: it answers without a bearer token.
    """
    url = source.option("token_url")
    label = f"source {source.name}: the token endpoint {url}"
    client, secret = source.username or "", source.secret
    asked = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
    if not basic:
        asked |= {"client_id": client, "client_secret": secret}
    try:
        response: requests.Response = vendor_client().post(
            url,
            data=asked,
            headers={"Accept": "application/json"},
            auth=BasicAuth(client, secret) if basic else NoAuth(),
            allow_redirects=False,
        )
    except requests.RequestException as error:
        reason = type(error).__name__
        raise UnavailableError(f"{label} did not answer after {ATTEMPTS} attempts ({reason})") from None
    if response.status_code in (400, 401, 403):
        message = f"{label} refused client {source.username} ({response.status_code})"
        raise AccessDeniedError(f"{message}; check the secret in {source.secret_place} and its rights")
    if response.status_code == 429 or response.status_code >= 500:
        raise UnavailableError(f"{label} still answered {response.status_code} after {ATTEMPTS} attempts")
    try:
        answer = response.json() if response.status_code == 200 else None
    except ValueError:
        answer = None
    given = answer if isinstance(answer, dict) else {}
    token = given.get("access_token")
    if not isinstance(token, str) or not token or str(given.get("token_type")).lower() != "bearer":
        raise IncompleteAnswerError(f"{label} answered {response.status_code} without a bearer token")
    return token


def token_url_option() -> Option:
    """``token_url``: where a token is asked for."""

    def check(value: object) -> str:
        parts = urlsplit(str(value))
        is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_local)):
            raise ValueError(f"must be an https address, since the secret is sent there, got {value!r}")
        return str(value)

    return Option(required=True, check=check)
