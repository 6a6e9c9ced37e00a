"""Electronic invoices in an S3 bucket, of AWS or of any server that speaks its API.

``url`` is ``s3://bucket/prefix``; every page of the listing is read, and an object is fetched when it was
written since the window's start or was never landed under its key and size, as the version that was listed
(``If-Match``). The access key is the connection's ``username``, its secret that of ``secret_env``; without
both, the machine's own role signs. What is read lands as :mod:`avoir.sources.einvoice_landing` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from avoir.sources.einvoice_landing import (
    MAX_FILE_BYTES,
    SCHEMA,
    TABLES,
    is_invoice_file,
    land_stored,
    received_from_option,
)
from avoir.sources.model import (
    Landed,
    Option,
    Rejected,
    Rows,
    SourceConnection,
    SourceError,
    System,
    Window,
)
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, UnavailableError

ATTEMPTS = 6
CONNECT_SECONDS = 10
READ_SECONDS = 120
_DENIED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403"}


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every new invoice below the prefix that was written before the window's end.

    Raises:
        SourceError: the bucket is missing, refuses the key, does not answer, or holds no invoice file.
    """
    bucket = _Bucket(source, _client(source))
    objects = sorted(bucket.objects(), key=lambda one: one.name)
    yield from land_stored(source, objects, bucket.read, window, landed)


@dataclass(frozen=True)
class _Object:
    """An object as it was listed; ``name`` is its key below the prefix, ``size`` in bytes."""

    key: str
    name: str
    etag: str
    size: int
    changed_at: datetime


@dataclass(frozen=True)
class _Bucket:
    source: SourceConnection
    client: Any

    def objects(self) -> Iterator[_Object]:
        """Invoice files below the prefix, of every page of the listing."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        bucket, prefix = _place(self.source)
        try:
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for entry in page.get("Contents", ()):
                    if is_invoice_file(entry["Key"]):
                        yield _Object(
                            entry["Key"],
                            entry["Key"].removeprefix(prefix),
                            entry["ETag"],
                            entry["Size"],
                            entry["LastModified"].astimezone(UTC),
                        )
        except (ClientError, BotoCoreError) as error:
            raise self._told(error, f"s3://{bucket}/{prefix}") from error

    def read(self, listed: _Object) -> bytes:
        """The object's bytes; of one that is too large just enough to see that it is."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        bucket, _ = _place(self.source)
        wanted = min(listed.size, MAX_FILE_BYTES)
        content = b""
        try:
            for _ in range(ATTEMPTS):
                answer = self.client.get_object(Bucket=bucket, Key=listed.key, IfMatch=listed.etag)
                try:
                    content = answer["Body"].read(MAX_FILE_BYTES)
                except (BotoCoreError, HTTPError, OSError):
                    # The listing answered; only this body broke off.
                    content = b""
                if len(content) == wanted:
                    return bytes(content)
        except (ClientError, BotoCoreError) as error:
            raise self._told(error, f"s3://{bucket}/{listed.key}") from error
        raise IncompleteAnswerError(
            f"source {self.source.name}: s3://{bucket}/{listed.key} has {listed.size} bytes and did not give "
            f"them in {ATTEMPTS} attempts"
        )

    def _told(self, error: Exception, place: str) -> SourceError:
        label = f"source {self.source.name}: {place}"
        code = str(getattr(error, "response", {}).get("Error", {}).get("Code", "")) or type(error).__name__
        if code in _DENIED or code == "NoCredentialsError":
            where = self.source.secret_place or "the machine's own role"
            return AccessDeniedError(
                f"{label} refused the access key ({code}); check username and {where}, "
                "and that it may list and get"
            )
        if code == "NoSuchBucket":
            return SourceError(f"{label}: there is no such bucket; check url and the option endpoint")
        if code == "PreconditionFailed":
            return IncompleteAnswerError(f"{label} was written again while it was read; load once more")
        return UnavailableError(f"{label} did not answer after {ATTEMPTS} attempts ({code})")


def _place(source: SourceConnection) -> tuple[str, str]:
    parts = urlsplit(source.url)
    prefix = unquote(parts.path).lstrip("/")
    return str(parts.netloc), f"{prefix}/" if prefix else ""


def _client(source: SourceConnection) -> Any:
    import boto3  # noqa: PLC0415 - a DAG file imports the register
    from botocore.config import Config  # noqa: PLC0415

    session = boto3.session.Session(
        aws_access_key_id=source.username,
        aws_secret_access_key=source.secret if source.secret_place else None,
        region_name=source.option("region"),
    )
    return session.client(
        "s3",
        endpoint_url=source.option("endpoint"),
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )


def _endpoint(value: object) -> str | None:
    if value is None:
        return None
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.password:
        raise ValueError(f"must be an http or https address without credentials, got {value!r}")
    return str(value)


SYSTEM = System(
    name="einvoice_s3",
    tables=TABLES,
    fetch=fetch,
    overlap=timedelta(days=1),
    reads="store",
    schemes=("s3",),
    options={
        "endpoint": Option(check=_endpoint),
        "region": Option(default="eu-west-1", check=str),
        "received_from": received_from_option("written", "when the object was written"),
    },
    schema_name=SCHEMA,
)
