"""Electronic invoices that a vendor drops on an SFTP server (SSH File Transfer Protocol, version 3).

The server is known by its host key, which the connection states: a server that shows another one is refused
before any credential is sent. The folder is walked whole and no link is followed. A file is read when it
changed since the window's start or was never landed under its name and size; what is read lands as
:mod:`avoir.sources.einvoice_landing` says.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar
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
    SourceConfigurationError,
    SourceConnection,
    SourceError,
    System,
    Window,
)
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, UnavailableError

if TYPE_CHECKING:
    import paramiko

ATTEMPTS = 4
TIMEOUT_SECONDS = 60
MAX_DEPTH = 8
MAX_ENTRIES = 200_000
DEFAULT_PORT = 22

Answer = TypeVar("Answer")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every new invoice below the folder that arrived before the window's end.

    Raises:
        SourceError: the server shows another key, refuses the credentials, does not answer, or the folder
            is missing or holds no invoice file.
    """
    with closing(_Session(source)) as session:
        yield from land_stored(source, list(session.files()), session.read, window, landed)


@dataclass(frozen=True)
class _File:
    """A regular file of the server: its path there, its name below the source's folder, its size in bytes."""

    path: str
    name: str
    size: int
    changed_at: datetime


@dataclass
class _Session:
    """A session that connects when it is needed, and again when the connection was lost."""

    source: SourceConnection
    _open: ExitStack = field(default_factory=ExitStack)
    _sftp: paramiko.SFTPClient | None = None

    def close(self) -> None:
        """End the connection."""
        self._sftp = None
        self._open.close()

    def files(self) -> Iterator[_File]:
        """Invoice files below the source's folder, by path."""
        root = unquote(urlsplit(self.source.url).path) or "."
        left = MAX_ENTRIES
        folders = [(root, "", 0)]
        while folders:
            folder, prefix, depth = folders.pop()
            entries = self._tried(partial(_entries, folder), folder)
            left -= len(entries)
            if left < 0:
                raise IncompleteAnswerError(
                    f"source {self.source.name}: {root} holds more than {MAX_ENTRIES} entries; "
                    "name a folder in it"
                )
            below = []
            for entry in sorted(entries, key=lambda one: one.filename):
                if "/" in entry.filename or entry.filename in {".", ".."} or entry.st_mode is None:
                    continue
                path, name = f"{folder}/{entry.filename}", f"{prefix}{entry.filename}"
                if stat.S_ISDIR(entry.st_mode) and depth < MAX_DEPTH:
                    below.append((path, f"{name}/", depth + 1))
                elif stat.S_ISREG(entry.st_mode) and is_invoice_file(name):
                    modified_at = datetime.fromtimestamp(entry.st_mtime or 0, UTC)
                    yield _File(path, name, entry.st_size or 0, modified_at)
            folders += reversed(below)

    def read(self, file: _File) -> bytes:
        """The file's bytes; of one that is too large just enough to see that it is."""

        def read(sftp: paramiko.SFTPClient) -> bytes:
            with sftp.open(file.path, "rb") as stream:
                stream.prefetch(min(file.size, MAX_FILE_BYTES))
                return bytes(stream.read(MAX_FILE_BYTES))

        content = self._tried(read, file.path)
        if len(content) != min(file.size, MAX_FILE_BYTES):
            raise IncompleteAnswerError(
                f"source {self.source.name}: {file.path} had {file.size} bytes and gave {len(content)}; "
                "it is being written, load again when it is whole"
            )
        return content

    def _tried(self, ask: Callable[[paramiko.SFTPClient], Answer], path: str) -> Answer:
        """Ask the server, connecting again when the connection broke.

        Raises:
            SourceError: it refuses, or does not answer in :data:`ATTEMPTS` attempts.
        """
        import paramiko  # noqa: PLC0415 - a DAG file imports the register

        reason = ""
        for _ in range(ATTEMPTS):
            try:
                return ask(self._connected())
            except (FileNotFoundError, PermissionError) as error:
                what = "is not there" if isinstance(error, FileNotFoundError) else "may not be read"
                raise SourceError(f"source {self.source.name}: {path} {what}") from error
            except (paramiko.SSHException, OSError, EOFError) as error:
                reason = type(error).__name__
                self.close()
        raise UnavailableError(
            f"source {self.source.name}: {path} could not be read in {ATTEMPTS} attempts ({reason})"
        )

    def _connected(self) -> paramiko.SFTPClient:
        if self._sftp is None:
            self._sftp = self._connect()
        return self._sftp

    def _connect(self) -> paramiko.SFTPClient:
        import paramiko  # noqa: PLC0415

        source, parts = self.source, urlsplit(self.source.url)
        port = parts.port or DEFAULT_PORT
        host = str(parts.hostname)
        client = paramiko.SSHClient()
        key = paramiko.PKey.from_type_string(*source.option("host_key"))
        known_as = host if port == DEFAULT_PORT else f"[{host}]:{port}"
        client.get_host_keys().add(known_as, key.get_name(), key)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        by_key = source.option("authentication") == "key"
        try:
            client.connect(
                host,
                port=port,
                username=source.username,
                password=None if by_key else source.secret,
                pkey=_private_key(source) if by_key else None,
                look_for_keys=False,
                allow_agent=False,
                timeout=TIMEOUT_SECONDS,
                banner_timeout=TIMEOUT_SECONDS,
                auth_timeout=TIMEOUT_SECONDS,
                channel_timeout=TIMEOUT_SECONDS,
            )
        except (paramiko.BadHostKeyException, paramiko.ssh_exception.IncompatiblePeer) as error:
            client.close()
            raise AccessDeniedError(
                f"source {source.name}: {host} does not show the host key of the connection; ask the vendor "
                "whether it changed before you state another one"
            ) from error
        except paramiko.AuthenticationException as error:
            client.close()
            raise AccessDeniedError(
                f"source {source.name}: {host} refused user {source.username}; check {source.secret_place}"
            ) from error
        self._open.callback(client.close)
        sftp = client.open_sftp()
        channel = sftp.get_channel()
        assert channel is not None
        channel.settimeout(TIMEOUT_SECONDS)
        return sftp


def _entries(folder: str, sftp: paramiko.SFTPClient) -> list[paramiko.SFTPAttributes]:
    return sftp.listdir_attr(folder)


def _private_key(source: SourceConnection) -> paramiko.PKey:
    import paramiko  # noqa: PLC0415

    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(source.secret))
        except (paramiko.SSHException, ValueError):
            continue
    raise SourceConfigurationError(
        f"source {source.name}: {source.secret_place} holds no private key without a passphrase "
        "(Ed25519, ECDSA or RSA, as OpenSSH or PEM text)"
    )


def _host_key(value: object) -> tuple[str, bytes]:
    """``ssh-ed25519 AAAA…``, as a line of ``known_hosts`` says after the host."""
    import base64  # noqa: PLC0415
    import binascii  # noqa: PLC0415

    kind, _, rest = str(value or "").strip().partition(" ")
    try:
        return kind, base64.b64decode(rest.split(" ")[0], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(
            "must be the server's public key, as in `ssh-ed25519 AAAA…`; `ssh-keyscan HOST` prints it"
        ) from error


def _authentication(value: object) -> str:
    if value not in ("password", "key"):
        raise ValueError(f"must be password or key (the secret is then the private key), got {value!r}")
    return str(value)


SYSTEM = System(
    name="einvoice_sftp",
    tables=TABLES,
    fetch=fetch,
    overlap=timedelta(days=1),
    reads="store",
    schemes=("sftp",),
    options={
        "host_key": Option(required=True, check=_host_key),
        "authentication": Option(default="password", check=_authentication),
        "received_from": received_from_option("mtime", "the file's own date"),
    },
    schema_name=SCHEMA,
)
