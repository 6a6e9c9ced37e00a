"""Invoices over SFTP, S3 and mail, from real servers: the same mart as from a folder, nothing lost."""

from __future__ import annotations

import imaplib
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from avoir.sources import einvoice_mail, einvoice_s3, einvoice_sftp
from avoir.sources.model import NothingLanded, Rejected, Rows, SourceConnection, SourceError, System, Window
from avoir.sources.vendor_http import AccessDeniedError, IncompleteAnswerError, UnavailableError
from tests.system.truth_comparison import differences
from tests.warehouse.conftest import published_world
from tests.warehouse.invoice_servers import (
    BUCKET,
    PASSWORD,
    SENDER,
    USER,
    MailServer,
    SftpServer,
    mail_server,
    s3_client,
    s3_server,
    sftp_server,
)

pytestmark = [pytest.mark.warehouse, pytest.mark.xdist_group("invoice_deliveries")]

SECRET = "AVOIR_SECRET_DELIVERIES"
JUNE = Window(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
ARRIVED = datetime(2026, 6, 10, 8, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    with sftp_server(tmp_path_factory.mktemp("sftp")) as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One valid invoice of the demo."""
    from avoir.demo.world import build_world

    world = tmp_path_factory.mktemp("world")
    build_world(world, vendors=("helios", "borealis", "kaveri"), months=1)
    return min(world.rglob("*.xml")).read_bytes()


def connection(system: System, url: str, *, secret: str = PASSWORD, **options: Any) -> SourceConnection:
    checked = {name: one.check(options.get(name, one.default)) for name, one in system.options.items()}
    return SourceConnection(
        "deliveries", system.name, url, JUNE.start, username=USER, secret_env=SECRET, options=checked,
        environment={SECRET: secret},
    )  # fmt: skip


def invoices(items: Iterator[Rows | Rejected]) -> tuple[list[str], list[str]]:
    """Names of the files that would land, and reason codes of what would not."""
    landing, refused = [], []
    for item in items:
        if isinstance(item, Rejected):
            refused.append(item.reason_code)
        elif item.table == "invoices":
            assert item.file is not None
            landing.append(item.file.name)
    return landing, refused


def dated(path: Path, content: bytes, at: datetime = ARRIVED) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at.timestamp(), at.timestamp()))


def test_the_mart_of_a_night_over_sftp_s3_and_mail_equals_the_truth(
    tmp_path: Path, sftp: SftpServer, s3: str, mail: MailServer
) -> None:
    ways: dict[str, str] = {"helios": "sftp", "borealis": "s3", "kaveri": "mail"}

    def deliver(world: Path) -> Mapping[str, str]:
        sent = 0
        for vendor, way in ways.items():
            for file in sorted((world / vendor / "invoices").rglob("*")):
                if not file.is_file():
                    continue
                sent += 1
                arrived = datetime.fromtimestamp(file.stat().st_mtime, UTC)
                if way == "sftp":
                    dated(sftp.root / "outbox" / file.name, file.read_bytes(), arrived)
                elif way == "s3":
                    s3_client(s3).put_object(Bucket=BUCKET, Key=f"night/{file.name}", Body=file.read_bytes())
                else:
                    mail.deliver({file.name: file.read_bytes()}, at=arrived)
            assert sent
        _connect_otherwise(world / "sources.yml", ways, sftp, s3, mail)
        return {SECRET: PASSWORD}

    with published_world(tmp_path / "home", vendors=tuple(ways), change=deliver) as published:
        assert published.verdicts["published"] >= len(ways)
        with published.connect() as auditor:
            assert differences(auditor, published.truth) == []
            systems = auditor.execute(
                "select distinct system from loads.batches where system like 'einvoice%' order by 1"
            ).fetchall()
    assert systems == [("einvoice_mail",), ("einvoice_s3",), ("einvoice_sftp",)]


def _connect_otherwise(
    path: Path, ways: Mapping[str, str], sftp: SftpServer, s3: str, mail: MailServer
) -> None:
    yaml = YAML()
    document = yaml.load(path.read_text())
    for entry in document["sources"]:
        if entry["system"] != "einvoice_folder":
            continue
        way = ways[entry["vendor"]]
        entry["system"] = f"einvoice_{way}"
        entry["username"], entry["secret_env"] = USER, SECRET
        if way == "sftp":
            entry["url"], entry["options"] = f"{sftp.url}/outbox", {"host_key": sftp.host_key}
        elif way == "s3":
            # The server stamps what it is given with today; an archive's invoices arrive on their own dates.
            entry["url"] = f"s3://{BUCKET}/night"
            entry["options"] = {"endpoint": s3, "received_from": "issue_date"}
        else:
            entry["url"] = f"imaps://127.0.0.1:{mail.imaps_port}"
            entry["options"] = {"senders": [SENDER], "ca_file": str(mail.ca_file)}
    with path.open("w") as file:
        yaml.dump(document, file)


# SFTP


def test_files_of_every_depth_are_read_and_links_are_not(sftp: SftpServer, document: bytes) -> None:
    dated(sftp.root / "depth" / "2026" / "06" / "a.xml", document)
    dated(sftp.root / "depth" / "notes.txt", b"no invoice")
    (sftp.root / "depth" / "link.xml").symlink_to("../outside.xml")
    source = connection(einvoice_sftp.SYSTEM, f"{sftp.url}/depth", host_key=sftp.host_key)
    assert invoices(einvoice_sftp.fetch(source, JUNE, NothingLanded())) == (["2026/06/a.xml"], [])


def test_a_private_key_signs_in_too(sftp: SftpServer, document: bytes) -> None:
    dated(sftp.root / "by_key" / "a.xml", document)
    source = connection(
        einvoice_sftp.SYSTEM, f"{sftp.url}/by_key", secret=sftp.client_key, host_key=sftp.host_key,
        authentication="key",
    )  # fmt: skip
    assert invoices(einvoice_sftp.fetch(source, JUNE, NothingLanded())) == (["a.xml"], [])


def test_a_server_with_another_host_key_is_refused_before_it_hears_the_password(
    sftp: SftpServer, tmp_path: Path
) -> None:
    with sftp_server(tmp_path) as other:
        source = connection(einvoice_sftp.SYSTEM, sftp.url, host_key=other.host_key)
    before = sftp.logins
    with pytest.raises(AccessDeniedError, match="host key"):
        invoices(einvoice_sftp.fetch(source, JUNE, NothingLanded()))
    assert sftp.logins == before


def test_a_wrong_password_names_its_variable_and_is_never_shown(sftp: SftpServer) -> None:
    source = connection(einvoice_sftp.SYSTEM, sftp.url, secret="wrong one", host_key=sftp.host_key)
    with pytest.raises(AccessDeniedError, match=SECRET) as refused:
        invoices(einvoice_sftp.fetch(source, JUNE, NothingLanded()))
    assert "wrong one" not in f"{refused.value} {source}"


def test_a_connection_that_breaks_in_the_middle_of_a_file_is_made_again(
    sftp: SftpServer, document: bytes
) -> None:
    dated(sftp.root / "broken_off" / "a.xml", document)
    source = connection(einvoice_sftp.SYSTEM, f"{sftp.url}/broken_off", host_key=sftp.host_key)
    sftp.cut_after, before = 1, sftp.logins
    assert invoices(einvoice_sftp.fetch(source, JUNE, NothingLanded())) == (["a.xml"], [])
    assert (sftp.cut_after, sftp.logins - before) == (0, 2)


def test_what_landed_is_read_again_only_if_it_changed(sftp: SftpServer, document: bytes) -> None:
    class Known(NothingLanded):
        asked: list[tuple[str, int]] = []  # noqa: RUF012 - of this test alone

        def has_delivery(self, name: str, size_bytes: int) -> bool:
            self.asked.append((name, size_bytes))
            return name == "old.xml"

    for name, at in (("old.xml", -40), ("late.xml", -40), ("new.xml", 1)):
        dated(sftp.root / "again" / name, document + b"\n" * len(name), JUNE.start + timedelta(days=at))
    source = connection(einvoice_sftp.SYSTEM, f"{sftp.url}/again", host_key=sftp.host_key)
    landing, _ = invoices(einvoice_sftp.fetch(source, JUNE, Known()))
    assert landing == ["late.xml", "new.xml"]
    assert sorted(Known.asked) == [
        ("late.xml", len(document) + len("late.xml")),
        ("old.xml", len(document) + len("old.xml")),
    ]


@pytest.mark.parametrize(("folder", "says"), [("nowhere", "is not there"), ("empty", "no .xml or .pdf")])
def test_a_folder_that_is_gone_or_empty_is_not_no_invoices(sftp: SftpServer, folder: str, says: str) -> None:
    (sftp.root / "empty").mkdir(exist_ok=True)
    source = connection(einvoice_sftp.SYSTEM, f"{sftp.url}/{folder}", host_key=sftp.host_key)
    with pytest.raises(SourceError, match=says):
        invoices(einvoice_sftp.fetch(source, JUNE, NothingLanded()))


def test_a_server_that_is_not_there_is_told_after_all_attempts(sftp: SftpServer) -> None:
    source = connection(einvoice_sftp.SYSTEM, "sftp://127.0.0.1:1", host_key=sftp.host_key)
    with pytest.raises(UnavailableError, match="4 attempts"):
        invoices(einvoice_sftp.fetch(source, JUNE, NothingLanded()))


# S3


def test_every_page_of_a_listing_is_read(s3: str, document: bytes) -> None:
    client = s3_client(s3)
    for number in range(1005):
        client.put_object(Bucket=BUCKET, Key=f"pages/{number:04}.txt", Body=b"no invoice")
    client.put_object(Bucket=BUCKET, Key="pages/last.xml", Body=document)
    client.put_object(Bucket=BUCKET, Key="pages_of_another/a.xml", Body=document)
    source = connection(einvoice_s3.SYSTEM, f"s3://{BUCKET}/pages", endpoint=s3, received_from="issue_date")
    this_year = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert invoices(einvoice_s3.fetch(source, this_year, NothingLanded())) == (["last.xml"], [])


@pytest.mark.parametrize(
    ("place", "says"), [(f"{BUCKET}/void", "no .xml or .pdf"), ("no-such-bucket/a", "no such bucket")]
)
def test_a_bucket_that_is_gone_or_empty_is_not_no_invoices(s3: str, place: str, says: str) -> None:
    source = connection(einvoice_s3.SYSTEM, f"s3://{place}", endpoint=s3)
    with pytest.raises(SourceError, match=says):
        invoices(einvoice_s3.fetch(source, JUNE, NothingLanded()))


def test_an_object_written_again_while_it_is_read_is_not_landed_half(s3: str, document: bytes) -> None:
    client = s3_client(s3)
    client.put_object(Bucket=BUCKET, Key="rewritten/a.xml", Body=document)
    source = connection(einvoice_s3.SYSTEM, f"s3://{BUCKET}/rewritten", endpoint=s3)

    class WritesMeanwhile(NothingLanded):
        def has_delivery(self, name: str, size_bytes: int) -> bool:
            client.put_object(Bucket=BUCKET, Key=f"rewritten/{name}", Body=document + b"\n")
            return False

    later = replace_window(datetime(2090, 1, 1, tzinfo=UTC))
    with pytest.raises(IncompleteAnswerError, match="written again"):
        invoices(einvoice_s3.fetch(source, later, WritesMeanwhile()))


def replace_window(start: datetime) -> Window:
    return replace(JUNE, start=start, end=start + timedelta(days=1))


def test_a_store_that_is_not_there_is_told(s3: str) -> None:
    source = connection(
        einvoice_s3.SYSTEM, f"s3://{BUCKET}/a", endpoint="http://127.0.0.1:1", secret="s3cr3t"
    )
    with pytest.raises(UnavailableError) as told:
        invoices(einvoice_s3.fetch(source, JUNE, NothingLanded()))
    assert "s3cr3t" not in str(told.value)


# Mail


def mailbox(mail: MailServer, scheme: str = "imaps", **options: Any) -> SourceConnection:
    port = mail.imaps_port if scheme == "imaps" else mail.imap_port
    return connection(
        einvoice_mail.SYSTEM, f"{scheme}://127.0.0.1:{port}",
        **{"senders": [SENDER], "ca_file": str(mail.ca_file), **options},
    )  # fmt: skip


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_attachments_of_the_window_land_and_a_stranger_waits_in_quarantine(
    mail: MailServer, document: bytes, scheme: str
) -> None:
    before, after = JUNE.start - timedelta(minutes=1), JUNE.end
    tag = f"{scheme}-"
    for at, names in ((before, ["before.xml"]), (ARRIVED, ["one.xml", "letter.txt"]), (after, ["after.xml"])):
        mail.deliver({tag + name: document + f"<!-- {tag}{name} -->".encode() for name in names}, at=at)
    mail.deliver({tag + "forged.xml": document}, at=ARRIVED, sender="Billing <billing@vendor.evil>")
    landing, refused = invoices(einvoice_mail.fetch(mailbox(mail, scheme), JUNE, NothingLanded()))
    mine = [name.split("-", 1)[1] for name in landing if tag in name]
    assert mine == [tag + "one.xml"]
    assert set(refused) == {"unexpected_sender"}


def test_reading_marks_no_message_as_seen(mail: MailServer, document: bytes) -> None:
    mail.deliver({"unseen.xml": document + b"<!-- unseen -->"}, at=ARRIVED)
    invoices(einvoice_mail.fetch(mailbox(mail), JUNE, NothingLanded()))
    trust = ssl.create_default_context(cafile=str(mail.ca_file))
    with imaplib.IMAP4_SSL("127.0.0.1", mail.imaps_port, ssl_context=trust) as one:
        one.login(USER, PASSWORD)
        one.select("INBOX", readonly=True)
        assert one.search(None, "SEEN")[1] == [b""]


def test_a_wrong_password_is_told_and_not_shown(mail: MailServer) -> None:
    source = replace(mailbox(mail), environment={SECRET: "wrong one"})
    with pytest.raises(AccessDeniedError, match=SECRET) as refused:
        invoices(einvoice_mail.fetch(source, JUNE, NothingLanded()))
    assert "wrong one" not in str(refused.value)


def test_a_certificate_of_nobody_is_not_trusted(mail: MailServer) -> None:
    with pytest.raises(SourceError, match="not trusted"):
        invoices(einvoice_mail.fetch(mailbox(mail, ca_file=None), JUNE, NothingLanded()))


def test_a_mailbox_that_is_missing_is_not_no_invoices(mail: MailServer) -> None:
    with pytest.raises(SourceError, match="no mailbox 'Archive'"):
        invoices(einvoice_mail.fetch(mailbox(mail, mailbox="Archive"), JUNE, NothingLanded()))


def test_a_mailbox_without_any_message_is_not_no_invoices() -> None:
    with mail_server() as empty, pytest.raises(SourceError, match="no message at all"):
        invoices(einvoice_mail.fetch(mailbox(empty), JUNE, NothingLanded()))
