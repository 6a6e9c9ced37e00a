"""Real servers that deliver invoices: SFTP (asyncssh), S3 (moto), IMAP (Dovecot)."""

from __future__ import annotations

import asyncio
import imaplib
import mimetypes
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import IPv4Address
from pathlib import Path

import asyncssh
import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.server import ThreadedMotoServer

from avoir.postgres import free_port
from tests.vendors.debian import needs

USER, PASSWORD = "avoir", "correct-horse-7"
BUCKET = "vendor-invoices"
SENDER = "billing@vendor.example"


@dataclass
class SftpServer:
    """An SFTP server over one folder; ``cut_after`` closes the connection once after so many reads."""

    port: int
    host_key: str
    client_key: str
    root: Path
    cut_after: int = 0
    logins: int = 0

    @property
    def url(self) -> str:
        return f"sftp://127.0.0.1:{self.port}"


@contextmanager
def sftp_server(root: Path) -> Iterator[SftpServer]:
    """An asyncssh server that shows ``root`` to :data:`USER`, by password or by the key in ``client_key``."""
    host, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    known = SftpServer(
        free_port(0),
        host.export_public_key().decode().strip(),
        client.export_private_key().decode(),
        root,
    )
    allowed = asyncssh.import_authorized_keys(client.export_public_key().decode())

    class Login(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            known.logins += 1
            return (username, password) == (USER, PASSWORD)

    class Files(asyncssh.SFTPServer):
        def __init__(self, channel: asyncssh.SSHServerChannel) -> None:
            super().__init__(channel, chroot=os.fsencode(root))
            self._connection = channel.get_connection()

        def read(self, file: object, offset: int, size: int) -> bytes:
            if known.cut_after:
                known.cut_after -= 1
                if not known.cut_after:
                    self._connection.abort()
            return bytes(super().read(file, offset, size))

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            Login, "127.0.0.1", known.port, server_host_keys=[host], sftp_factory=Files,
            authorized_client_keys=allowed, allow_scp=False,
        )  # fmt: skip

    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    try:
        yield known
    finally:
        loop.call_soon_threadsafe(acceptor.close)
        asyncio.run_coroutine_threadsafe(acceptor.wait_closed(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def s3_server() -> Iterator[str]:
    """A moto server with an empty :data:`BUCKET`; yields its address."""
    server = ThreadedMotoServer("127.0.0.1", free_port(0), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        url = f"http://{host}:{port}"
        s3_client(url).create_bucket(Bucket=BUCKET)
        yield url
    finally:
        server.stop()


def s3_client(url: str):  # type: ignore[no-untyped-def]
    """A client with the rights of :data:`USER`."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=USER,
        aws_secret_access_key=PASSWORD,
        region_name="us-east-1",
    )


@dataclass
class MailServer:
    """A Dovecot server with one account; ``ca_file`` is the authority it must be trusted by."""

    imaps_port: int
    imap_port: int
    ca_file: Path

    def deliver(
        self, files: dict[str, bytes], *, at: datetime, sender: str = SENDER, subject: str = "Invoice"
    ) -> None:
        """Put a message with these attachments into INBOX, as arrived at an instant."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, "avoir@customer.example", subject
        message["Date"] = at.strftime("%a, %d %b %Y %H:%M:%S +0000")
        message.set_content("Please find our invoice attached.")
        for name, content in files.items():
            kind, _, sub = (mimetypes.guess_type(name)[0] or "application/octet-stream").partition("/")
            message.add_attachment(content, maintype=kind, subtype=sub, filename=name)
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        with imaplib.IMAP4_SSL("127.0.0.1", self.imaps_port, ssl_context=trust) as mailbox:
            mailbox.login(USER, PASSWORD)
            answer, _ = mailbox.append("INBOX", "", imaplib.Time2Internaldate(at), message.as_bytes())
            assert answer == "OK"


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A Dovecot server on free ports, with a certificate of its own."""
    needs(Path("/usr/sbin/dovecot"), ["dovecot-imapd"])
    home = Path(tempfile.mkdtemp(prefix="avoir_mail_"))
    home.chmod(0o755)
    _certificate(home)
    known = MailServer(free_port(0), free_port(0), home / "cert.pem")
    as_root = os.geteuid() == 0
    owner = "dovecot" if as_root else str(os.getuid())
    (home / "mail").mkdir()
    ports = {"imaps": known.imaps_port, "imap": known.imap_port}
    settings = _DOVECOT.format(home=home, password=PASSWORD, user=USER, owner=owner, **ports)
    (home / "dovecot.conf").write_text(settings)
    if as_root:
        shutil.chown(home / "mail", owner, owner)
    process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", str(home / "dovecot.conf")])
    try:
        _wait_for(known.imaps_port, process)
        yield known
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(home, ignore_errors=True)


_DOVECOT = """
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
default_internal_user = {owner}
default_login_user = {owner}
first_valid_uid = 1
mail_location = maildir:{home}/mail/%u
mail_uid = {owner}
mail_gid = {owner}
auth_mechanisms = plain
passdb {{
  driver = static
  args = password={{PLAIN}}{password} user={user}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={home}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
"""


def _certificate(home: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (home / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (home / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (home / "key.pem").chmod(0o600)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    import socket

    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Dovecot did not start; see its log") from error
            time.sleep(0.1)
        else:
            return
