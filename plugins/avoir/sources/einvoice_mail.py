"""Electronic invoices that arrive as attachments in a mailbox (IMAP4rev1, RFC 3501).

``imaps://host`` speaks TLS from the start, ``imap://host`` after STARTTLS; neither sends a password in clear.
The mailbox is only read (``EXAMINE``, ``BODY.PEEK``): nothing is marked as seen, and messages must stay in it
for as long as a load may ask for them again. Messages of the window are found by the server's own date of
arrival (``INTERNALDATE``), a day wider since ``SINCE`` knows days only, in a zone of the server's. Every
attachment called ``*.xml`` or ``*.pdf`` lands as :mod:`avoir.sources.einvoice_landing` says.

Anybody can write to a mailbox: a message whose ``From`` is not one of the option ``senders`` goes to
quarantine and its attachments are not read. ``From`` can be forged, so the mail server must refuse mail that
fails DMARC.
"""

from __future__ import annotations

import email
import imaplib
import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import getaddresses
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from avoir.sources.einvoice_landing import (
    INVOICES,
    MAX_FILE_BYTES,
    SCHEMA,
    TABLES,
    Delivery,
    is_invoice_file,
    land,
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

ATTEMPTS = 4
TLS_PORT, PORT = 993, 143
TIMEOUT_SECONDS = 60
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_PARTS = 500
SEARCHED_WIDER = timedelta(days=1)
Answer = TypeVar("Answer")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_ARRIVED = re.compile(rb'INTERNALDATE "([^"]+)"')
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


def fetch(source: SourceConnection, window: Window, landed: Landed) -> Iterator[Rows | Rejected]:
    """Every new invoice of the messages that arrived in the window, and each message of a stranger.

    Raises:
        SourceError: the server refuses the credentials or does not answer, the mailbox is missing or holds no
            message at all.
    """
    strangers: list[Rejected] = []
    yield from land(
        _deliveries(source, window, strangers), window, landed, received_from=source.option("received_from")
    )
    yield from strangers


@dataclass(frozen=True)
class _Listed:
    """A message as it was listed: its unique id, when it arrived, its size in bytes."""

    uid: str
    arrived_at: datetime
    size: int


def _deliveries(source: SourceConnection, window: Window, strangers: list[Rejected]) -> Iterator[Delivery]:
    listed, validity = _attempted(source, partial(_listing, source, window))
    for one in listed:
        if not window.start <= one.arrived_at < window.end:
            continue
        message = _attempted(source, partial(_message, source, one))
        where = f"{source.option('mailbox')}/{validity}/{one.uid}"
        if not _senders(message) & set(source.option("senders")):
            strangers.append(_stranger(message, where))
            continue
        for number, part in enumerate(_attachments(message), start=1):
            name = f"{where}/{number}-{_plain(part.get_filename())}"
            yield Delivery(name, one.arrived_at, partial(_content, part))


def _attempted(source: SourceConnection, ask: Callable[[imaplib.IMAP4], Answer]) -> Answer:
    """Ask on a fresh connection, and again when it broke.

    Raises:
        SourceError: the server refuses, or does not answer in :data:`ATTEMPTS` attempts.
    """
    reason = ""
    for _ in range(ATTEMPTS):
        try:
            with _mailbox(source) as mailbox:
                return ask(mailbox)
        except (imaplib.IMAP4.abort, OSError) as error:
            if isinstance(error, ssl.SSLCertVerificationError):
                raise SourceError(
                    f"source {source.name}: {source.url} shows a certificate that is not trusted "
                    f"({error.verify_message}); set the option ca_file to the authority's"
                ) from error
            reason = type(error).__name__
        except imaplib.IMAP4.error as error:
            raise SourceError(f"source {source.name}: {source.url} answered {error}") from error
    raise UnavailableError(
        f"source {source.name}: {source.url} did not answer in {ATTEMPTS} attempts ({reason})"
    )


@contextmanager
def _mailbox(source: SourceConnection) -> Iterator[imaplib.IMAP4]:
    parts = urlsplit(source.url)
    trust = ssl.create_default_context(cafile=source.option("ca_file"))
    host = str(parts.hostname)
    connection: imaplib.IMAP4
    if parts.scheme == "imaps":
        connection = imaplib.IMAP4_SSL(
            host, parts.port or TLS_PORT, ssl_context=trust, timeout=TIMEOUT_SECONDS
        )
    else:
        connection = imaplib.IMAP4(host, parts.port or PORT, timeout=TIMEOUT_SECONDS)
    try:
        if parts.scheme == "imap":
            connection.starttls(trust)
        try:
            connection.login(str(source.username), source.secret)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            # The server's answer may quote what it was sent.
            raise AccessDeniedError(
                f"source {source.name}: {host} refused user {source.username}; check {source.secret_place}"
            ) from None
        yield connection
    finally:
        connection.shutdown()


def _listing(source: SourceConnection, window: Window, mailbox: imaplib.IMAP4) -> tuple[list[_Listed], str]:
    total, validity = _examine(source, mailbox)
    if not total:
        raise SourceError(
            f"source {source.name}: {source.option('mailbox')} holds no message at all; is it the right one?"
        )
    since = (window.start - SEARCHED_WIDER).strftime("%d-%b-%Y")
    before = (window.end + 2 * SEARCHED_WIDER).strftime("%d-%b-%Y")
    _, (found,) = mailbox.uid("SEARCH", f"SINCE {since} BEFORE {before}")
    uids = (found or b"").decode().split()
    listed = []
    for first in range(0, len(uids), 500):
        chunk = uids[first : first + 500]
        _, answers = mailbox.uid("FETCH", ",".join(chunk), "(UID INTERNALDATE RFC822.SIZE)")
        listed += [_parsed(source, answer) for answer in answers if isinstance(answer, bytes)]
    if sorted(one.uid for one in listed) != sorted(uids):
        raise IncompleteAnswerError(
            f"source {source.name}: the server found {len(uids)} messages and described {len(listed)}"
        )
    return sorted(listed, key=lambda one: int(one.uid)), validity


def _examine(source: SourceConnection, mailbox: imaplib.IMAP4) -> tuple[int, str]:
    name = source.option("mailbox")
    answer, (count,) = mailbox.select(f'"{name}"', readonly=True)
    if answer != "OK" or count is None:
        raise SourceError(f"source {source.name}: there is no mailbox {name!r} that the account may read")
    _, (validity,) = mailbox.response("UIDVALIDITY")
    return int(count), (validity or b"0").decode()


def _parsed(source: SourceConnection, answer: bytes) -> _Listed:
    uid, arrived, size = re.search(rb"UID (\d+)", answer), _ARRIVED.search(answer), _SIZE.search(answer)
    if not (uid and arrived and size):
        raise IncompleteAnswerError(f"source {source.name}: a message came without its date or size")
    arrived_at = datetime.strptime(arrived[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z")
    return _Listed(uid[1].decode(), arrived_at.astimezone(UTC), int(size[1]))


def _message(source: SourceConnection, listed: _Listed, mailbox: imaplib.IMAP4) -> EmailMessage:
    if listed.size > MAX_MESSAGE_BYTES:
        raise SourceError(
            f"source {source.name}: message {listed.uid} has {listed.size} bytes, more than "
            f"{MAX_MESSAGE_BYTES}; move it out of {source.option('mailbox')}"
        )
    _examine(source, mailbox)
    _, answers = mailbox.uid("FETCH", listed.uid, "(BODY.PEEK[])")
    contents = [answer[1] for answer in answers if isinstance(answer, tuple)]
    if len(contents) != 1 or len(contents[0]) != listed.size:
        raise IncompleteAnswerError(
            f"source {source.name}: message {listed.uid} was announced with {listed.size} bytes and came "
            f"with {sum(map(len, contents))}"
        )
    message = email.message_from_bytes(contents[0], policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _senders(message: EmailMessage) -> set[str]:
    headers = [str(header) for header in message.get_all("From", [])]
    addresses = {address.lower() for _, address in getaddresses(headers)}
    # Two senders in one header are a way to look like somebody else.
    return addresses if len(addresses) == 1 else set()


def _attachments(message: EmailMessage) -> Iterator[EmailMessage]:
    for number, part in enumerate(message.walk()):
        if number == MAX_PARTS:
            return
        if not part.is_multipart() and is_invoice_file(_plain(part.get_filename())):
            assert isinstance(part, EmailMessage)
            yield part


def _content(part: EmailMessage) -> bytes:
    content = part.get_payload(decode=True)
    return content[:MAX_FILE_BYTES] if isinstance(content, bytes) else b""


def _stranger(message: EmailMessage, where: str) -> Rejected:
    headers = {name: _plain(str(message.get(name, ""))) for name in ("From", "Date", "Subject", "Message-ID")}
    payload = json.dumps({"message": where, **headers}, ensure_ascii=False)
    reason = f"{where} is from {headers['From'] or 'nobody'}, who is not among the senders of this source"
    return Rejected(INVOICES.name, "unexpected_sender", reason, payload)


def _plain(text: str | None) -> str:
    """A name of a message as one line without a folder."""
    line = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text or "")
    return line.replace("/", "_")[:200]


def _addresses(value: object) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not given or not all(_ADDRESS.fullmatch(str(one)) for one in given):
        raise ValueError(f"must be a list of addresses such as billing@vendor.example, got {value!r}")
    return tuple(str(one).lower() for one in given)


def _mailbox_name(value: object) -> str:
    text = str(value)
    if not text or not text.isascii() or not text.isprintable() or '"' in text or "\\" in text:
        raise ValueError(f"must be a mailbox such as INBOX or Invoices/2026, got {value!r}")
    return text


SYSTEM = System(
    name="einvoice_mail",
    tables=TABLES,
    fetch=fetch,
    overlap=timedelta(days=1),
    reads="mail",
    schemes=("imaps", "imap"),
    options={
        "senders": Option(required=True, check=_addresses),
        "mailbox": Option(default="INBOX", check=_mailbox_name),
        "ca_file": Option(check=lambda value: None if value is None else str(value)),
        "received_from": received_from_option("arrival", "when the mail server took the message"),
    },
    schema_name=SCHEMA,
)
