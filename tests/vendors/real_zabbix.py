"""A real Zabbix on loopback, Debian's packages: server, frontend and their database, all of it private."""

from __future__ import annotations

import gzip
import json
import secrets
import shutil
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from psycopg import sql

from avoir.postgres import EmbeddedPostgres, free_port
from tests.vendors.debian import needs
from tests.vendors.running import answering, running

SERVER = Path("/usr/sbin/zabbix_server")
#: One that runs PHP is named, or Debian would choose Apache's.
PACKAGES = ("zabbix-server-pgsql", "zabbix-frontend-php", "php8.2-cli", "php8.2-cgi", "php8.2-pgsql")
FRONTEND = Path("/usr/share/zabbix")
SCHEMA = Path("/usr/share/zabbix-server-pgsql")
#: Nothing is answered with these, and they are most of what there is to copy.
_NOT_SERVED = ("data", "locale", "assets", "audio", "js")
#: Where Debian's frontend looks for what it is told, in its own words.
_CONFIGURATION_PLACE = "'/etc/zabbix/zabbix.conf.php'"
KEY = "icmpping"
TRAPPER, SIMPLE_CHECK = 2, 3
FRACTION, WHOLE = 0, 3
READ_ONLY = 2
#: Values of one message.
_MESSAGE = 2000

_SERVER_CONFIGURATION = """\
ListenIP=127.0.0.1
ListenPort={trapper_port}
SourceIP=127.0.0.1
LogFile={folder}/zabbix_server.log
PidFile={folder}/zabbix_server.pid
SocketDir={folder}
DBHost=127.0.0.1
DBPort={port}
DBName={database}
DBUser={database}
DBPassword={password}
# The database is of a newer version than any that this Zabbix knows.
AllowUnsupportedDBVersions=1
AllowRoot=1
# What has landed stays: nothing is too old.
HousekeepingFrequency=0
CacheUpdateFrequency=1
StartPollers=1
StartTrappers=1
StartPreprocessors=1
StartDBSyncers=1
StartPollersUnreachable=1
StartHistoryPollers=0
StartPingers=0
StartDiscoverers=0
StartHTTPPollers=0
StartODBCPollers=0
"""

_FRONTEND_CONFIGURATION = """\
<?php
$DB['TYPE'] = 'POSTGRESQL';
$DB['SERVER'] = '127.0.0.1';
$DB['PORT'] = '{port}';
$DB['DATABASE'] = '{database}';
$DB['USER'] = '{database}';
$DB['PASSWORD'] = '{password}';
$DB['DOUBLE_IEEE754'] = true;
$ZBX_SERVER = '127.0.0.1';
$ZBX_SERVER_PORT = '{trapper_port}';
$ZBX_SERVER_NAME = 'under test';
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
"""


@dataclass(frozen=True)
class Value:
    """What an item of a host was at an instant, in milliseconds since 1970."""

    host: str
    at_ms: int
    value: str
    key: str = KEY

    def told(self) -> dict[str, Any]:
        """As a sender says it."""
        second, millisecond = divmod(self.at_ms, 1000)
        return {
            "host": self.host, "key": self.key, "value": self.value,
            "clock": second, "ns": millisecond * 1_000_000,
        }  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """An account that may read items and history of some groups of hosts, and its API token."""

    group_id: str
    role_id: str
    token_id: str
    token: str = field(repr=False)


@dataclass
class RealZabbix:
    """A running Zabbix, and its administrator's ways to fill it."""

    url: str
    trapper_port: int
    #: Of the database, as its owner.
    database_url: str = field(repr=False)
    session: str | None = field(default=None, repr=False)

    def call(self, method: str, parameters: Any) -> Any:
        """What a method answers to the administrator."""
        if self.session is None and method != "user.login":
            self.session = self.call("user.login", {"username": "Admin", "password": "zabbix"})
        asked = {"jsonrpc": "2.0", "method": method, "params": parameters, "id": 1, "auth": self.session}
        answer = requests.post(f"{self.url}/api_jsonrpc.php", json=asked, timeout=60).json()
        assert "result" in answer, answer
        return answer["result"]

    def group(self, name: str) -> str:
        """A new group of hosts; its id."""
        return _one(self.call("hostgroup.create", {"name": name})["groupids"])

    def host(self, name: str, group_id: str) -> str:
        """A new host; its id."""
        address = {"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": "10050"}
        made = {"host": name, "groups": [{"groupid": group_id}], "interfaces": [address]}
        return _one(self.call("host.create", made)["hostids"])

    def trapper(self, host_id: str, *, value_type: int = WHOLE, key: str = KEY) -> str:
        """A new item that is told its values and keeps them for ten years; its id."""
        return self._item(host_id, key, type=TRAPPER, value_type=value_type)

    def look(self, host_id: str, key: str) -> str:
        """A new item, such as ``net.tcp.service[...]``, that Zabbix itself checks each second; its id."""
        (interface,) = self.call("hostinterface.get", {"hostids": host_id})
        told = {"type": SIMPLE_CHECK, "value_type": WHOLE, "delay": "1s"}
        return self._item(host_id, key, **told, interfaceid=interface["interfaceid"])

    def _item(self, host_id: str, key: str, **told: Any) -> str:
        made = {"name": key, "key_": key, "hostid": host_id, "history": "3650d", "trends": "0", **told}
        return _one(self.call("item.create", made)["itemids"])

    def reader(self, name: str, groups: Sequence[str]) -> Reader:
        """An account that may call two methods and read these groups of hosts, and sign in nowhere."""
        rules = {
            # Something of the frontend must be allowed; the group below closes it.
            "ui": [{"name": "monitoring.latest_data", "status": 1}],
            "ui.default_access": 0,
            "modules.default_access": 0,
            "actions.default_access": 0,
            **_may_call("item.get", "history.get"),
        }
        role_id = _one(self.call("role.create", {"name": name, "type": 1, "rules": rules})["roleids"])
        rights = [{"id": group_id, "permission": READ_ONLY} for group_id in groups]
        account = {"name": name, "gui_access": 3, "rights": rights}
        group_id = _one(self.call("usergroup.create", account)["usrgrpids"])
        user = {
            "username": name, "passwd": secrets.token_urlsafe(24), "roleid": role_id,
            "usrgrps": [{"usrgrpid": group_id}],
        }  # fmt: skip
        user_id = _one(self.call("user.create", user)["userids"])
        token_id = _one(self.call("token.create", {"name": name, "userid": user_id})["tokenids"])
        (made,) = self.call("token.generate", [token_id])
        return Reader(group_id, role_id, token_id, made["token"])

    def may_read(self, reader: Reader, groups: Sequence[str]) -> None:
        """Give an account these groups of hosts and no other."""
        rights = [{"id": group_id, "permission": READ_ONLY} for group_id in groups]
        self.call("usergroup.update", {"usrgrpid": reader.group_id, "rights": rights})

    def may_call(self, reader: Reader, *methods: str) -> None:
        """Give an account these methods and no other."""
        self.call("role.update", {"roleid": reader.role_id, "rules": _may_call(*methods)})

    def send(self, values: Sequence[Value], *, stored: int | None = None) -> None:
        """Tell the server values as ``zabbix_sender`` does, and wait until they are in its database.

        ``stored`` is how many more there will be, where it is not all of them.
        """
        before = self.stored()
        for start in range(0, len(values), _MESSAGE):
            some = values[start : start + _MESSAGE]
            # An item that was just made is known to the server a second later; what it took it keeps.
            for _ in range(100):
                if self._refused(some) == 0:
                    break
                time.sleep(0.1)
            else:
                pytest.fail(f"Zabbix does not take values of {some[0].host}")
        wanted = before + (len(values) if stored is None else stored)
        # Zabbix stores the values of an item one by one.
        deadline = time.monotonic() + 180
        while self.stored() < wanted and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.stored() == wanted

    def _refused(self, values: Sequence[Value]) -> int:
        """How many values of a message the server did not take."""
        told = {"request": "sender data", "data": [value.told() for value in values]}
        body = json.dumps(told).encode()
        with socket.create_connection(("127.0.0.1", self.trapper_port), timeout=60) as connection:
            connection.sendall(b"ZBXD\x01" + struct.pack("<II", len(body), 0) + body)
            with connection.makefile("rb") as stream:
                header = stream.read(13)
                assert header[:5] == b"ZBXD\x01", header
                answer = json.loads(stream.read(struct.unpack("<II", header[5:])[0]))
        assert answer["response"] == "success", answer
        words = answer["info"].replace(";", "").split()
        return int(words[words.index("failed:") + 1])

    def stored(self) -> int:
        """How many numbers there are in its history."""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(
                "select (select count(*) from history_uint) + (select count(*) from history)"
            ).fetchone()
        assert row is not None
        return int(row[0])

    @contextmanager
    def without_keys(self) -> Iterator[None]:
        """Its history without a key, as it is in a database that was made before version 6.0."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute("alter table history_uint drop constraint history_uint_pkey")
        yield
        with psycopg.connect(self.database_url) as connection:
            connection.execute(
                "delete from history_uint where ctid not in"
                " (select min(ctid) from history_uint group by itemid, clock, ns)"
            )
            connection.execute("alter table history_uint add primary key (itemid, clock, ns)")


@contextmanager
def running_zabbix(folder: Path, postgres: EmbeddedPostgres) -> Iterator[RealZabbix]:
    """A server and its frontend over a database of their own, which is gone when they are."""
    needs(SERVER, PACKAGES)
    with _database(postgres) as (database, password):
        ports = {"trapper_port": free_port(0), "port": postgres.port}
        told = {**ports, "folder": folder, "database": database, "password": password}
        url = f"postgresql://{database}:{password}@127.0.0.1:{postgres.port}/{database}"
        _load_schema(postgres, url)
        config = folder / "zabbix_server.conf"
        config.touch(mode=0o600)
        config.write_text(_SERVER_CONFIGURATION.format(**told))
        place = _frontend(folder, _FRONTEND_CONFIGURATION.format(**told))
        web = f"127.0.0.1:{free_port(0)}"
        server = [SERVER, "--foreground", "--config", config]
        php = ["/usr/bin/php8.2", "-d", "display_errors=0", "-S", web, "-t", place]
        trapping = _listening(ports["trapper_port"])
        with (
            running(server, folder / "zabbix_server.log", trapping),
            running(php, folder / "frontend.log", answering(f"http://{web}/robots.txt")),
        ):
            zabbix = RealZabbix(f"http://{web}", ports["trapper_port"], url)
            # It would look for an agent of this machine all the time.
            (own,) = zabbix.call("host.get", {"filter": {"host": "Zabbix server"}})
            zabbix.call("host.update", {"hostid": own["hostid"], "status": 1})
            yield zabbix


@contextmanager
def _database(postgres: EmbeddedPostgres) -> Iterator[tuple[str, str]]:
    """A database and the role that owns it, of one name, and its password."""
    name, password = f"zabbix_{uuid.uuid4().hex[:12]}", secrets.token_urlsafe(24)
    words = sql.Identifier(name)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create role {} login password {}").format(words, sql.Literal(password)))
        connection.execute(sql.SQL("alter role {} set synchronous_commit = off").format(words))
        connection.execute(sql.SQL("create database {} owner {} template template0").format(words, words))
        try:
            yield name, password
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(words))
            connection.execute(sql.SQL("drop role {}").format(words))


def _load_schema(postgres: EmbeddedPostgres, url: str) -> None:
    for name in ("schema", "images", "data"):
        done = subprocess.run(
            [postgres.binaries / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", url],
            input=gzip.decompress((SCHEMA / f"{name}.sql.gz").read_bytes()),
            check=False,
            capture_output=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr.decode()[-1000:]


def _frontend(folder: Path, configuration: str) -> Path:
    """A copy of what answers the API, which reads its configuration from beside it."""
    place = folder / "frontend"
    shutil.copytree(FRONTEND, place, ignore=_not_served, symlinks=True)
    told = folder / "zabbix.conf.php"
    told.touch(mode=0o600)
    told.write_text(configuration)
    reads = place / "include" / "classes" / "core" / "CConfigFile.php"
    text = reads.read_text()
    assert text.count(_CONFIGURATION_PLACE) == 1
    reads.write_text(text.replace(_CONFIGURATION_PLACE, f"'{told}'"))
    return place


def _not_served(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if folder == str(FRONTEND) and name in _NOT_SERVED]


def _listening(port: int) -> Callable[[], bool]:
    def is_ready() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return is_ready


def _may_call(*methods: str) -> dict[str, Any]:
    return {"api.access": 1, "api.mode": 1, "api": list(methods)}


def _one(ids: list[str]) -> str:
    (one,) = ids
    return one
