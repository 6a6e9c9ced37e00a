"""The values of extraction: columns, tables, systems, connections and windows.

Way of one record: a :class:`SourceConnection` (a line of ``sources.yml``) names a :class:`System` of the
register; the system's ``fetch`` reads one :class:`Window` and yields :class:`Rows` and :class:`Rejected`;
``avoir.loading`` lands them. An impossible value cannot be built: each class checks itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import unquote, urlsplit

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from avoir.sources.airflow_connections import ConnectionUnreadableError, connection_password

if TYPE_CHECKING:
    from avoir.sources.series import Series

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,47}")
COLUMN_NAME = re.compile(r"_?[a-z][a-z0-9_]{0,61}")
VENDOR_IDENTIFIER = re.compile(r"[a-z][a-z0-9_-]{0,47}")

ColumnType = Literal["text", "timestamptz", "double precision", "jsonb"]

#: What every raw table carries before its own columns; a partitioned one is not given ``_row_hash``: see
#: :mod:`avoir.row_identity`.
METADATA_COLUMNS: Mapping[str, str] = {
    "_source_name": "text not null",
    "_batch_id": "bigint not null",
    "_source_file_id": "bigint",
    "_source_row": "bigint not null",
    "_row_hash": 'text collate "C" not null',
}


class SourceError(Exception):
    """A source could not be read. The message names the source, what was wrong and what to do about it.

    Nothing of the window has landed when it is raised; loading the same window again is always safe.
    """


class SourceConfigurationError(SourceError):
    """A line of ``sources.yml`` cannot be used; the message names the file and the entry."""


@dataclass(frozen=True)
class Column:
    """A business column of a raw table.

    ``hashed=False`` leaves it out of the row's identity: a file that was renamed or delivered again
    under another date is not a new version of the record in it.
    """

    name: str
    type: ColumnType = "text"
    hashed: bool = True

    def __post_init__(self) -> None:
        if not COLUMN_NAME.fullmatch(self.name) or self.name in METADATA_COLUMNS:
            raise ValueError(f"a column name is lower case letters, digits and _, got {self.name!r}")


@dataclass(frozen=True)
class Table:
    """A raw table: append-only, one row per version of a record.

    ``key`` identifies the record, ``updated`` orders its versions (``None``: records never change),
    ``partition`` is the ``timestamptz`` column by whose UTC month the table is partitioned, ``subject`` the
    column that names what a row is about: a build looks up the rows of what changed by it, and evidence the
    rows behind a credit. ``instant`` is the column, of text or ``timestamptz``, that says when a sample was
    seen: of it a batch keeps the stretch that it landed (a partitioned table's is what it is partitioned by).
    ``takes_series`` says that rows may come as :class:`~avoir.sources.series.Series`:
    its columns are a monitor, the instant it is partitioned by, and a number.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    updated: str | None = None
    partition: str | None = None
    subject: str | None = None
    instant: str | None = None
    takes_series: bool = False

    def __post_init__(self) -> None:
        if not IDENTIFIER.fullmatch(self.name):
            raise ValueError(f"a table name is lower case letters, digits and _, got {self.name!r}")
        names = self.column_names
        if len(set(names)) != len(names):
            raise ValueError(f"table {self.name} repeats a column")
        if self.partition:
            object.__setattr__(self, "instant", self.partition)
        wanted = {*self.key, *filter(None, (self.updated, self.partition, self.subject, self.instant))}
        if not self.key or not wanted <= set(names):
            raise ValueError(
                f"table {self.name}: key, updated, partition, subject and instant must be columns of it"
            )
        if self.partition and self.column(self.partition).type != "timestamptz":
            raise ValueError(f"table {self.name} must be partitioned by a timestamptz column")
        types = [column.type for column in self.columns]
        if self.takes_series and (
            types != ["text", "timestamptz", "double precision"] or names[1] != self.partition
        ):
            raise ValueError(
                f"table {self.name} must hold a monitor, the instant it is partitioned by, a number"
            )

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the business columns in order."""
        return tuple(column.name for column in self.columns)

    @property
    def metadata_columns(self) -> Mapping[str, str]:
        """Names and types of what it carries before its own columns."""
        left_out = ("_row_hash",) if self.partition else ()
        return {name: kind for name, kind in METADATA_COLUMNS.items() if name not in left_out}

    def column(self, name: str) -> Column:
        """The column of that name; ``KeyError`` when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def text_columns(*names: str) -> tuple[Column, ...]:
    """Columns of type text."""
    return tuple(Column(name) for name in names)


@dataclass(frozen=True, order=True)
class Window:
    """A half-open stretch ``[start, end)`` of instants, kept in UTC, never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            value: datetime = getattr(self, name)
            if value.tzinfo is None or value.utcoffset() is None:
                raise ValueError(f"window {name} must carry its zone, got {value!s}")
            object.__setattr__(self, name, value.astimezone(UTC))
        if self.start >= self.end:
            raise ValueError(f"window must end after it starts, got {self.start} to {self.end}")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def months(self) -> Iterator[Window]:
        """The window cut at the borders of UTC months, in order; the pieces join up to the window."""
        start = self.start
        while start < self.end:
            end = min(month_after(start), self.end)
            yield Window(start, end)
            start = end

    def __str__(self) -> str:
        return f"{self.start.isoformat()} to {self.end.isoformat()}"


def month_start(year: int, month: int) -> datetime:
    """First instant of a UTC month."""
    return datetime(year, month, 1, tzinfo=UTC)


def month_after(instant: datetime) -> datetime:
    """First instant of the UTC month that follows that of an instant in UTC."""
    return month_start(instant.year + instant.month // 12, instant.month % 12 + 1)


@dataclass(frozen=True)
class SourceFile:
    """A file that was read: its name below the source's folder, the hash of its bytes, its size in bytes."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Rows:
    """Records of one table: ``values`` follow its columns, ``source_rows`` number them in their origin."""

    table: str
    values: Sequence[tuple[str | None, ...]]
    source_rows: Sequence[int]
    file: SourceFile | None = None

    def __post_init__(self) -> None:
        if len(self.values) != len(self.source_rows):
            raise ValueError("every row needs its number in the source")


@dataclass(frozen=True)
class Rejected:
    """A record that is not landed. ``reason_code`` is stable, ``reason`` is for people.

    ``payload`` is the record as the vendor gave it, as far as it can be kept as text. ``table`` may be a
    table's name or, when a whole file is unreadable, the name of the table it would have filled.
    """

    table: str
    reason_code: str
    reason: str
    payload: str
    source_row: int | None = None
    file: SourceFile | None = None

    def __post_init__(self) -> None:
        if not IDENTIFIER.fullmatch(self.reason_code):
            raise ValueError(f"a reason code is lower case letters, digits and _, got {self.reason_code!r}")


class Landed(Protocol):
    """What a fetch may ask about earlier loads of its source."""

    def has_file(self, sha256: str) -> bool:
        """Whether a file with these bytes has been landed and nothing of it was rejected as a whole."""

    def has_delivery(self, name: str, size_bytes: int) -> bool:
        """Whether a file of this name and size has been landed and nothing of it was rejected as a whole."""

    def has_rows(self, table: str) -> bool:
        """Whether anything of the source has ever landed in one of its system's tables."""

    def keys(self, table: str, column: str) -> frozenset[str]:
        """The values of a text column that the source has ever landed in one of its system's tables."""

    def newest(self, table: str) -> Mapping[tuple[str, ...], Mapping[str, str]]:
        """Of each record of a table its version that orders last, by key: its columns as text, documents as
        JSON with sorted names.
        """


Fetch = Callable[["SourceConnection", Window, Landed], "Iterator[Rows | Sequence[Series] | Rejected]"]


@dataclass(frozen=True)
class Option:
    """A setting in ``options`` of a system's connections; ``check`` raises ``ValueError`` with the mend."""

    default: Any = None
    required: bool = False
    check: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class System:
    """A vendor system Avoir can read: one module, one line of the register.

    ``reads`` says what it asks: an HTTP API, local files, a store of files elsewhere, or a mailbox. Of what
    is not local, ``schemes`` are the addresses it takes. Files, local or not, are read whatever the window's
    start, an API and a mailbox only inside the window.

    A system that ``observes`` keeps the present only: each load asks for all of it.

    ``overlap`` is how far before its watermark a window starts again, so that records which became
    visible late are still found; what is read twice lands once.
    """

    name: str
    tables: tuple[Table, ...]
    fetch: Fetch
    overlap: timedelta
    reads: Literal["http", "files", "store", "mail"]
    options: Mapping[str, Option] = field(default_factory=dict)
    schema_name: str = ""
    schemes: tuple[str, ...] = ("http", "https")
    observes: bool = False

    def __post_init__(self) -> None:
        if not IDENTIFIER.fullmatch(self.name):
            raise ValueError(f"a system name is lower case letters, digits and _, got {self.name!r}")
        if not self.tables or len({table.name for table in self.tables}) != len(self.tables):
            raise ValueError(f"system {self.name} needs tables of different names")
        if self.overlap < timedelta(0):
            raise ValueError(f"system {self.name} cannot overlap backwards")

    @property
    def schema(self) -> str:
        """The Postgres schema of the system's raw tables: ``raw_<name>`` unless it states another."""
        return self.schema_name or f"raw_{self.name}"

    @property
    def reads_all(self) -> bool:
        """Whether a load meets everything there is before the window's end."""
        return self.observes or self.reads in ("files", "store")

    def table(self, name: str) -> Table:
        """The table of that name; ``KeyError`` when there is none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)


@dataclass(frozen=True)
class SourceConnection:
    """One vendor's instance of a system: an entry of ``sources.yml``, checked.

    The secret is never part of the value: ``secret_env`` names a variable, ``secret_file`` a file or
    ``secret_connection`` a connection of Airflow's whose password it is, at most one of them. :attr:`secret`
    reads it when it is needed and it appears in no representation.
    """

    name: str
    system: str
    url: str
    history_from: datetime
    vendor: str | None = None
    username: str | None = None
    secret_env: str | None = None
    secret_file: Path | None = None
    secret_connection: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not IDENTIFIER.fullmatch(self.name):
            raise ValueError(f"name must be lower case letters, digits and _ (at most 48), got {self.name!r}")
        if self.vendor is not None and not VENDOR_IDENTIFIER.fullmatch(self.vendor):
            raise ValueError(f"vendor must be lower case letters, digits, _ and -, got {self.vendor!r}")
        if self.history_from.tzinfo is None:
            raise ValueError(f"history_from must carry its zone, as in {self.history_from.isoformat()}Z")
        if urlsplit(self.url).password is not None:
            raise ValueError("url must not carry a password; name its variable in secret_env")
        named = [name for name in SECRET_KEYS if getattr(self, name) is not None]
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} are both given; a source has one secret")
        object.__setattr__(self, "history_from", self.history_from.astimezone(UTC))

    @property
    def secret_place(self) -> str | None:
        """Where the secret is, for people; None where the source has none."""
        if self.secret_env is not None:
            return f"the variable {self.secret_env}"
        if self.secret_file is not None:
            return f"the file {self.secret_file}"
        if self.secret_connection is not None:
            return f"Airflow's connection {self.secret_connection}"
        return None

    @property
    def secret(self) -> str:
        """Password or token, read from its place now.

        Raises:
            SourceConfigurationError: no place is named, it cannot be read, or it is empty.
        """
        if self.secret_place is None:
            message = f"source {self.name} needs a secret: name its variable in secret_env"
            raise SourceConfigurationError(message)
        try:
            value = self._read_secret()
        except (OSError, UnicodeDecodeError, ConnectionUnreadableError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            if isinstance(error, UnicodeDecodeError):
                reason = "it is not text in UTF-8"
            message = f"source {self.name}: its secret cannot be read from {self.secret_place}: {reason}"
            raise SourceConfigurationError(message) from None
        if not value:
            message = f"source {self.name} needs its secret in {self.secret_place}, which is not set"
            raise SourceConfigurationError(message)
        return value

    def _read_secret(self) -> str | None:
        if self.secret_env is not None:
            return self.environment.get(self.secret_env)
        if self.secret_file is not None:
            return self.secret_file.read_text(encoding="utf-8").rstrip("\r\n")
        assert self.secret_connection is not None
        return connection_password(self.secret_connection, self.environment)

    @property
    def path(self) -> Path:
        """The folder or file a file system reads."""
        if self.url.startswith("file:"):
            return Path(unquote(urlsplit(self.url).path))
        return Path(self.url)

    def option(self, name: str) -> Any:
        """A setting of the connection; defaults were filled in by :func:`parse_sources`."""
        return self.options[name]


SECRET_KEYS = ("secret_env", "secret_file", "secret_connection")
_TEXT_KEYS = ("name", "system", "url", "vendor", "username", *SECRET_KEYS)
_ENTRY_KEYS = {*_TEXT_KEYS, "history_from", "options"}


def parse_sources(
    path: Path, environment: Mapping[str, str], *, systems: Sequence[System] | None = None
) -> tuple[SourceConnection, ...]:
    """Read ``sources.yml``: every entry checked against the register, ``${VARIABLES}`` expanded.

    Args:
        path: the file; relative folders in it are relative to its own folder.
        environment: where ``${VARIABLES}`` and secrets come from; pass ``os.environ`` or a subset.
        systems: the register, unless a test brings its own.

    Raises:
        SourceConfigurationError: the message names the file, the entry and the mend.
    """
    if systems is None:
        # The register imports the systems, and each of them imports this module.
        from avoir.sources.register import SYSTEMS  # noqa: PLC0415

        systems = SYSTEMS
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise SourceConfigurationError(f"{path} is not valid YAML: {error}") from error
    if (
        not isinstance(document, dict)
        or set(document) != {"sources"}
        or not isinstance(document["sources"], list)
    ):
        raise SourceConfigurationError(f"{path} must hold one key, `sources`, with a list of connections")
    register = {system.name: system for system in systems}
    sources: list[SourceConnection] = []
    for number, entry in enumerate(document["sources"], start=1):
        label = f"{path}, source {number}"
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            label += f" ({entry['name']})"
        try:
            source = _parse_entry(entry, path.parent, environment, register)
        except ValueError as error:
            raise SourceConfigurationError(f"{label}: {error}") from error
        if any(source.name == other.name for other in sources):
            raise SourceConfigurationError(f"{label}: another source above has this name")
        sources.append(source)
    return tuple(sources)


def _parse_entry(
    entry: object, folder: Path, environment: Mapping[str, str], register: Mapping[str, System]
) -> SourceConnection:
    if not isinstance(entry, dict):
        raise ValueError("must be a mapping with name, system, url and history_from")  # noqa: TRY004 one kind
    if unknown := sorted(map(str, set(entry) - _ENTRY_KEYS)):
        raise ValueError(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(_ENTRY_KEYS))}")
    for key in ("name", "system", "url", "history_from"):
        if entry.get(key) in (None, ""):
            raise ValueError(f"{key} is missing")
    for key in _TEXT_KEYS:
        if entry.get(key) is not None and not isinstance(entry[key], str):
            raise ValueError(f"{key} must be text, got {entry[key]!r}")
    system = register.get(entry["system"])
    if system is None:
        raise ValueError(f"system {entry['system']!r} is not in the register: {', '.join(sorted(register))}")
    url = _expanded(entry["url"], environment)
    if system.reads == "files":
        url = _located(url, folder)
    elif urlsplit(url).scheme not in system.schemes or not urlsplit(url).hostname:
        raise ValueError(f"url must be an {' or '.join(system.schemes)} address, got {url!r}")
    return SourceConnection(
        name=entry["name"],
        system=system.name,
        url=url.rstrip("/"),
        history_from=_zoned(entry["history_from"]),
        vendor=entry.get("vendor"),
        username=_expanded(entry["username"], environment) if entry.get("username") else None,
        secret_env=entry.get("secret_env"),
        secret_file=folder / entry["secret_file"] if entry.get("secret_file") else None,
        secret_connection=entry.get("secret_connection"),
        options=_checked_options(system, entry.get("options")),
        environment=environment,
    )


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    try:
        return Template(text).substitute(environment)
    except KeyError as error:
        raise ValueError(f"the variable {error.args[0]} in {text!r} is not set") from error
    except ValueError as error:
        raise ValueError(
            f"{text!r} has a stray $; write ${{NAME}} for a variable, $$ for a dollar"
        ) from error


def _located(url: str, folder: Path) -> str:
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ValueError(f"url must be a local folder or file, as in file:///var/invoices, got {url!r}")
        return url
    if "://" in url:
        raise ValueError(f"url must be a path or a file:// address, got {url!r}")
    return os.fspath(folder / url)


def _zoned(value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                f"history_from must be an instant as in 2025-01-01T00:00:00Z, got {value!r}"
            ) from None
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    raise ValueError(f"history_from must carry time and zone, as in 2025-01-01T00:00:00Z, got {value}")


def _checked_options(system: System, given: object) -> dict[str, Any]:
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise ValueError("options must be a mapping")  # noqa: TRY004 one kind
    if unknown := sorted(map(str, set(given) - set(system.options))):
        known = ", ".join(sorted(system.options)) or "none"
        raise ValueError(f"system {system.name} has no option {unknown[0]!r}; it knows {known}")
    options: dict[str, Any] = {}
    for name, option in system.options.items():
        if option.required and name not in given:
            raise ValueError(f"system {system.name} needs the option {name}")
        try:
            options[name] = option.check(given.get(name, option.default))
        except ValueError as error:
            raise ValueError(f"option {name}: {error}") from error
    return options


class NothingLanded:
    """The :class:`Landed` of a first load: no file has been seen."""

    def has_file(self, sha256: str) -> bool:
        """Always false."""
        del sha256
        return False

    def has_delivery(self, name: str, size_bytes: int) -> bool:
        """Always false."""
        del name, size_bytes
        return False

    def has_rows(self, table: str) -> bool:
        """Always false."""
        del table
        return False

    def keys(self, table: str, column: str) -> frozenset[str]:
        """Always empty."""
        del table, column
        return frozenset()

    def newest(self, table: str) -> Mapping[tuple[str, ...], Mapping[str, str]]:
        """Always empty."""
        del table
        return {}
