"""A real Tryton on loopback: Debian's packages, a company's books in a database of SQLite's."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from avoir.demo.invoices import CORRECTION, CREDIT_NOTE, Invoice, Line
from avoir.demo.vendors import VENDORS
from avoir.postgres import free_port
from tests.vendors.debian import needs
from tests.vendors.serving import SECRET

PACKAGES = ("tryton-server", "tryton-modules-account-invoice", "tryton-proteus")
#: The interpreter that Debian's packages are for; the one of the tests knows no Tryton.
PYTHON = "/usr/bin/python3"
SERVER, ADMIN = "/usr/bin/trytond", "/usr/bin/trytond-admin"
SCRIPT = Path(__file__).with_name("tryton_books.py")
ADMIN_PASSWORD = "of-a-test-only"

_CONFIG = """
[database]
uri = sqlite://
path = {folder}
[web]
listen = 127.0.0.1:{port}
[password]
length = 6
passlib = {folder}/passlib.ini
"""

#: Every call carries the password: as strong as it is by default, it costs a quarter of a second each time.
_PASSLIB = """
[passlib]
schemes = pbkdf2_sha512
pbkdf2_sha512__rounds = 1000
"""


@dataclass(frozen=True)
class Books:
    """One company's books: their address, and ways to enter something into them."""

    name: str
    url: str
    folder: Path

    def enter(self, *documents: Mapping[str, Any], at: datetime | None = None) -> list[int]:
        """Enter documents, as :mod:`tests.vendors.tryton_books` takes them; their ids.

        ``at`` is when their records say that it was done, instead of now.
        """
        before = self.sql("select datetime('now')")[0][0]
        numbers: list[int] = _told(self.folder, self.name, {"documents": documents})
        if at is not None:
            for column in ("create_date", "write_date"):
                statement = f"update account_invoice set {column} = ? where {column} >= ?"
                self.sql(statement, _stamp(at), before)
        return numbers

    def date_back(self, number: int, at: datetime) -> None:
        """Let an invoice's record say that it was made and last changed at an instant."""
        statement = "update account_invoice set create_date = ?, write_date = ? where id = ?"
        self.sql(statement, _stamp(at), _stamp(at), number)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Look into the database, or set instants that Tryton does not let one set."""
        path = self.folder / f"{self.name}.sqlite"
        with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def call(self, method: str, *parameters: Any, user: str = "avoir") -> Any:
        """What the API answers to a call on invoices, whole."""
        asked = {"id": 1, "method": f"model.account.invoice.{method}", "params": [*parameters, {}]}
        answer = requests.post(f"{self.url}/", json=asked, auth=(user, SECRET), timeout=60)
        assert answer.status_code == 200, (answer.status_code, answer.text)
        return answer.json()


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"


@dataclass(frozen=True)
class Tryton:
    """A running server over a folder of books."""

    url: str
    folder: Path

    def books(self, name: str) -> Books:
        """New books: a company with its chart, products and suppliers, and nothing booked."""
        shutil.copy(self.folder / "template.sqlite", self.folder / f"{name}.sqlite")
        return Books(name, f"{self.url}/{name}", self.folder)


@contextmanager
def running_tryton() -> Iterator[Tryton]:
    """A server whose books know the demo's vendors and what they bill; gone after the block."""
    needs(Path("/usr/lib/python3/dist-packages/proteus/__init__.py"), PACKAGES)
    folder = Path(tempfile.mkdtemp(prefix="avoir_tryton_"))
    try:
        port = free_port(0)
        (folder / "trytond.conf").write_text(_CONFIG.format(folder=folder, port=port))
        (folder / "passlib.ini").write_text(_PASSLIB)
        _set_up(folder)
        with (folder / "server.log").open("wb") as log:
            command = [SERVER, "-c", str(folder / "trytond.conf")]
            server = subprocess.Popen(
                command, env=_environment(folder), cwd=folder, stdout=log, stderr=log, start_new_session=True
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, server, folder / "server.log")
            yield Tryton(url, folder)
        finally:
            os.killpg(server.pid, 15)
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _set_up(folder: Path) -> None:
    """The database that all books are copies of."""
    (folder / "template.sqlite").touch()
    (folder / "admin").write_text(ADMIN_PASSWORD)
    modules = ["-u", "account_invoice", "--activate-dependencies", "--email", "admin@example.com"]
    _run([ADMIN, "-c", str(folder / "trytond.conf"), "-d", "template", *modules], folder)
    vendors = (VENDORS["helios"], VENDORS["borealis"])
    setup = {
        "years": [2025, 2026],
        "products": [line.item_id for vendor in vendors for line in vendor.lines.values()],
        "sellers": {vendor.seller.name: vendor.seller.vat_id for vendor in vendors},
        "password": SECRET,
    }
    _told(folder, "template", {"setup": setup, "documents": []})


def _told(folder: Path, name: str, what: Mapping[str, Any]) -> Any:
    command = [PYTHON, str(SCRIPT), str(folder / "trytond.conf"), name]
    return json.loads(_run(command, folder, json.dumps(what)))


def _run(command: Sequence[str], folder: Path, told: str | None = None) -> str:
    done = subprocess.run(
        command,
        env=_environment(folder),
        cwd=folder,
        input=told,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    # What its helpers for tests, which make a chart and a fiscal year, look for when they are imported.
    return {**kept, "HOME": str(folder), "TRYTONPASSFILE": str(folder / "admin"), "DB_NAME": "template"}


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    asked = {"id": 1, "method": "common.server.version", "params": []}
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            answer = requests.post(f"{url}/", json=asked, timeout=30)
            answer.raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            assert answer.json()["result"].startswith("6."), "another Tryton than Debian's"
            return
    pytest.fail("Tryton did not answer within a minute: " + log.read_text(errors="replace")[-2000:])


def booked(document: Invoice) -> list[dict[str, Any]]:
    """A document of the demo as an accountant enters it: dated as it is, accounted for in its month.

    A corrected invoice takes two steps: the one it corrects is refunded, then the right one is entered.
    """
    entries: list[dict[str, Any]] = []
    if document.type_code == CORRECTION:
        entries.append({"refunds": document.preceding, "dated": f"{document.issued}"})
    lines = [_entered(line) for line in document.lines]
    for one in document.adjustments:
        quantity = "1" if one.is_charge else "-1"
        told = {"product": "", "quantity": quantity, "price": f"{one.amount}", "description": one.reason}
        lines.append(told)
    entries.append(
        {
            "reference": document.number,
            "seller": document.seller.name,
            "dated": f"{document.issued}",
            "accounted": f"{document.period[1]}",
            "is_credit": document.type_code == CREDIT_NOTE,
            "lines": lines,
        }
    )
    return entries


def _entered(line: Line) -> dict[str, str]:
    quantity, price = line.quantity, line.price
    # Tryton rounds a half to the even cent, the paper says half up: then its sum is entered as it is.
    if line.net != round(quantity * price, 2):
        quantity, price = type(quantity)(1), line.net
    told = {"quantity": f"{quantity}", "price": f"{price}", "description": line.name}
    return {"product": line.item_id, **told}
