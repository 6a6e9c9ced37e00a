"""The warehouse database: its address per role, and the bootstrap that makes databases, schemas and roles.

The bootstrap is idempotent and needs an administrator; everything after it runs with the least role:

=====================  ===========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from typing import LiteralString
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from avoir.contracts.loading import create_reference
from avoir.credentials import load_credentials
from avoir.evidence.auditing import create_audit
from avoir.guarding import VENDORS, guard_appended, guard_published, make_portal
from avoir.raw_tables import create_raw
from avoir.settings import Settings
from avoir.sources.register import RAW_SCHEMAS

ROLES = ("avoir_loader", "avoir_transformer", "bi_reader", "finance_reader", "auditor")
COMPUTED_SCHEMAS = (
    "reference",
    "staging",
    "intermediate",
    "facts",
    "builds",
    "penalties",
    "candidate",
)
LOADED_SCHEMAS = ("loads", *RAW_SCHEMAS)
ADMINISTERED_SCHEMAS = ("mart", "checks", "ledger", "finance", "access", "audit", "vendor_portal")
"""Schemas of the administrator: a role that fills them can neither drop them nor what it only appends to."""

SCRIPTS = ("publication.sql", "ledger.sql", "credit_notes.sql", "lineage.sql", "access.sql", "comments.sql")
"""Tables of the administrator's schemas, in the order they are made."""

OLDEST_SERVER = 140000
ATTRIBUTES = {
    "rolsuper": "nosuperuser",
    "rolcreatedb": "nocreatedb",
    "rolcreaterole": "nocreaterole",
    "rolreplication": "noreplication",
    "rolbypassrls": "nobypassrls",
}


@dataclass(frozen=True)
class Limits:
    """What a reader's sessions are held to; times as Postgres writes them.

    The number of connections binds. A session may change the rest, which is against accidents: a query that
    was left running, a transaction that was left open and keeps a release from adding a column.
    """

    connections: int
    statement_timeout: str
    idle_in_transaction_session_timeout: str


READERS = {
    "bi_reader": Limits(40, "5min", "5min"),
    "finance_reader": Limits(10, "1min", "1min"),
    "auditor": Limits(20, "30min", "5min"),
}
VENDOR_LIMITS = Limits(5, "30s", "1min")


class WarehouseError(RuntimeError):
    """The warehouse cannot be used as it is; the message says what to change."""


@dataclass(frozen=True)
class Warehouse:
    """Where the warehouse is and how each role signs in."""

    admin_url: str = field(repr=False)
    passwords: dict[str, str] = field(repr=False)

    @property
    def database(self) -> str:
        """Name of the warehouse database."""
        return unquote(urlsplit(self.admin_url).path.lstrip("/")) or "avoir"

    @property
    def host(self) -> str:
        """Host of the server."""
        return urlsplit(self.admin_url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """Port of the server."""
        return urlsplit(self.admin_url).port or 5432

    @property
    def sslmode(self) -> str:
        """How connections are encrypted, as libpq says it; ``prefer`` unless the URL asks for more."""
        return parse_qs(urlsplit(self.admin_url).query).get("sslmode", ["prefer"])[0]

    @property
    def airflow_database(self) -> str:
        """Name of the database that holds Airflow's metadata, on the same server."""
        return f"{self.database}_airflow"

    def url(self, role: str, *, database: str | None = None, scheme: str = "postgresql") -> str:
        """Connection URL of one role."""
        parts = urlsplit(self.admin_url)
        if role == "admin":
            netloc = parts.netloc
        else:
            netloc = f"{quote(role)}:{quote(self.passwords[role])}@{self.host}:{self.port}"
        return urlunsplit((scheme, netloc, f"/{database or self.database}", parts.query, ""))

    def connect(self, role: str) -> psycopg.Connection:
        """Open a connection as one role (``admin`` for the administrator).

        Raises:
            WarehouseError: the server does not answer or refuses the role.
        """
        try:
            return psycopg.connect(self.url(role), application_name="avoir")
        except psycopg.OperationalError as error:
            message = f"cannot reach the warehouse at {self.host}:{self.port} as {role}: {error}"
            raise WarehouseError(message) from error


def warehouse_of(settings: Settings, *, port: int) -> Warehouse:
    """The warehouse a profile uses: ``AVOIR_DATABASE_URL``, else the embedded server on ``port``."""
    passwords = load_credentials(settings.profile_home)
    admin_url = settings.database_url or (
        f"postgresql://avoir_admin:{passwords['avoir_admin']}@127.0.0.1:{port}/avoir"
    )
    return Warehouse(admin_url=admin_url, passwords=passwords)


def bootstrap(warehouse: Warehouse, *, own_server: bool = False) -> None:
    """Make databases, roles, schemas, privileges and the tables that dbt does not own. Idempotent.

    Args:
        own_server: nobody else uses the server, so its ``postgres`` and ``template1`` are closed to all roles
            but the administrator; else they stay as they are.

    Raises:
        WarehouseError: the server is older than PostgreSQL 14.
    """
    _create_databases(warehouse, own_server=own_server)
    with psycopg.connect(warehouse.admin_url) as connection:
        if connection.info.server_version < OLDEST_SERVER:
            version = connection.info.server_version // 10000
            raise WarehouseError(f"PostgreSQL {version} is too old; Avoir needs 14 or newer.")
        connection.execute("select pg_advisory_xact_lock(hashtext('avoir.bootstrap'))")
        _create_roles(connection, warehouse)
        _create_schemas(connection)
        for role, create in (("avoir_loader", create_raw), ("avoir_transformer", create_reference)):
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            create(connection)
            connection.execute("reset role")
        _take_over_appended(connection)
        for script in SCRIPTS:
            text = resources.files("avoir").joinpath("sql", script).read_text()
            connection.execute(text)
        _grant(connection)
        create_audit(connection)
        guard_appended(connection)
        connection.execute("set local role avoir_transformer")
        _guard_what_is_published(connection)
        connection.execute("reset role")


def _create_databases(warehouse: Warehouse, *, own_server: bool) -> None:
    maintenance = warehouse.url("admin", database="postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        for name in (warehouse.database, warehouse.airflow_database):
            found = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
            if found is None:
                connection.execute(
                    sql.SQL("create database {} template template0 encoding 'UTF8'").format(
                        sql.Identifier(name)
                    )
                )
        create_role(connection, "avoir_airflow", warehouse.passwords["avoir_airflow"])
        airflow = sql.Identifier(warehouse.airflow_database)
        connection.execute(sql.SQL("revoke all on database {} from public").format(airflow))
        connection.execute(sql.SQL("grant all on database {} to avoir_airflow").format(airflow))
        for database in ("postgres", "template1") if own_server else ():
            connection.execute(
                sql.SQL("revoke all on database {} from public").format(sql.Identifier(database))
            )
    with psycopg.connect(warehouse.url("admin", database=warehouse.airflow_database)) as connection:
        connection.execute("revoke all on schema public from public")
        connection.execute("grant all on schema public to avoir_airflow")


def _create_roles(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    database = sql.Identifier(warehouse.database)
    connection.execute(sql.SQL("revoke all on database {} from public").format(database))
    connection.execute("revoke all on schema public from public")
    create_role(connection, VENDORS, None)
    for role in ROLES:
        create_role(connection, role, warehouse.passwords[role])
        connection.execute(
            sql.SQL("grant connect on database {} to {}").format(database, sql.Identifier(role))
        )
        connection.execute(sql.SQL("alter role {} set timezone = 'UTC'").format(sql.Identifier(role)))
    connection.execute(sql.SQL("grant temporary on database {} to avoir_loader").format(database))
    # Contracts are proved, and drafts replayed, in scratch schemas that the transformer makes and drops.
    connection.execute(
        sql.SQL("grant create, temporary on database {} to avoir_transformer").format(database)
    )
    connection.execute(sql.SQL("revoke create on database {} from avoir_loader").format(database))
    for role in ("avoir_loader", "avoir_transformer"):
        # The administrator of a managed server is no superuser and must be a member to act for a role.
        connection.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(role)))
    for role, limits in READERS.items():
        limit(connection, role, limits)


def create_role(connection: psycopg.Connection, role: str, password: str | None) -> None:
    """Make a role, or give it its password; one without a password cannot sign in. It may administer nothing.

    Raises:
        WarehouseError: the role is there with an attribute that only a superuser could take from it.
    """
    name = sql.Identifier(role)
    found = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
    if found is None:
        connection.execute(sql.SQL("create role {}").format(name))
    withdraw_attributes(connection, role)
    if password is None:
        connection.execute(sql.SQL("alter role {} nologin").format(name))
    else:
        connection.execute(sql.SQL("alter role {} login password {}").format(name, sql.Literal(password)))


def withdraw_attributes(connection: psycopg.Connection, role: str) -> None:
    """Take from a role what lets it administer, or pass by row-level security.

    Raises:
        WarehouseError: only a superuser could do it.
    """
    columns = sql.SQL(", ").join(map(sql.Identifier, ATTRIBUTES))
    row = connection.execute(
        sql.SQL("select {} from pg_roles where rolname = %s").format(columns), (role,)
    ).fetchone()
    excess = [wanted for wanted, has in zip(ATTRIBUTES.values(), row or (), strict=False) if has]
    if not excess:
        return
    try:
        with connection.transaction():
            connection.execute(
                sql.SQL("alter role {} {}").format(
                    sql.Identifier(role), sql.SQL(" ").join(map(sql.SQL, excess))
                )
            )
    except psycopg.errors.InsufficientPrivilege as error:
        statement = f"alter role {role} {' '.join(excess)}"
        raise WarehouseError(f"the role {role} may too much; as a superuser: {statement}") from error


def limit(connection: psycopg.Connection, role: str, limits: Limits) -> None:
    """Hold a reader to reading, to whole snapshots and to its limits, from its next session on."""
    name = sql.Identifier(role)
    connection.execute(
        sql.SQL("alter role {} connection limit {}").format(name, sql.Literal(limits.connections))
    )
    settings = {
        "timezone": "UTC",
        "default_transaction_read_only": "on",
        # A publication between two statements of one transaction would show half of it.
        "default_transaction_isolation": "repeatable read",
        "statement_timeout": limits.statement_timeout,
        "idle_in_transaction_session_timeout": limits.idle_in_transaction_session_timeout,
    }
    for setting, value in settings.items():
        connection.execute(
            sql.SQL("alter role {} set {} = {}").format(name, sql.Identifier(setting), sql.Literal(value))
        )


def _create_schemas(connection: psycopg.Connection) -> None:
    owners = dict.fromkeys(COMPUTED_SCHEMAS, "avoir_transformer")
    owners |= dict.fromkeys(LOADED_SCHEMAS, "avoir_loader")
    for schema, owner in owners.items():
        connection.execute(
            sql.SQL("create schema if not exists {} authorization {}").format(
                sql.Identifier(schema), sql.Identifier(owner)
            )
        )
    for schema in ADMINISTERED_SCHEMAS:
        name = sql.Identifier(schema)
        connection.execute(sql.SQL("create schema if not exists {}").format(name))
        connection.execute(sql.SQL("alter schema {} owner to current_user").format(name))


def _take_over_appended(connection: psycopg.Connection) -> None:
    """Give the administrator what earlier releases let the transformer own: the gate's own records."""
    tables = connection.execute(
        """
        select n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and c.relowner <> current_user::regrole
            and (n.nspname = 'checks' or (n.nspname = 'mart' and c.relname = 'publication_log'))
        """
    ).fetchall()
    for table in tables:
        name = sql.Identifier(*table)
        connection.execute(sql.SQL("alter table {} owner to current_user").format(name))


def _guard_what_is_published(connection: psycopg.Connection) -> None:
    tables = connection.execute(
        """
        select c.oid::regclass::text from pg_class c
        where c.relnamespace = 'mart'::regnamespace and c.relkind = 'r' and c.relowner = current_user::regrole
        order by 1
        """
    ).fetchall()
    for (name,) in tables:
        guard_published(connection, name)
    try:
        with connection.transaction():
            make_portal(connection, anew=True)
    except psycopg.errors.UndefinedColumn:
        # This release shows a column that the next publication adds, and makes the views after that.
        return


def _grant(connection: psycopg.Connection) -> None:
    statements: tuple[LiteralString, ...] = (
        "alter default privileges for role avoir_loader grant select on tables to avoir_transformer, auditor",
        "alter default privileges for role avoir_transformer grant select on tables to auditor",
        (
            "alter default privileges for role avoir_transformer in schema mart "
            "grant select on tables to bi_reader"
        ),
        "grant usage, create on schema mart, vendor_portal, audit to avoir_transformer",
        "grant select, insert on mart.publication_log to avoir_transformer",
        "grant usage on schema checks to avoir_transformer",
        "grant select, insert on all tables in schema checks to avoir_transformer",
        # A border that is judged again in the same run replaces its verdicts.
        "grant delete on checks.verdicts, checks.findings to avoir_transformer",
        "grant usage on schema mart to bi_reader",
        "grant select on all tables in schema mart to bi_reader",
        "grant usage on schema finance to finance_reader",
        "grant select on all tables in schema finance to finance_reader",
        "grant usage on schema ledger to avoir_transformer",
        "grant select, insert on all tables in schema ledger to avoir_transformer",
        "grant usage on schema finance to avoir_transformer",
        "grant usage on schema mart, vendor_portal to avoir_vendors",
        "grant select, insert on finance.credit_notes, finance.credit_note_entries to avoir_transformer",
    )
    for statement in statements:
        connection.execute(statement)
    schemas = connection.execute(
        """
        select nspname::text, pg_get_userbyid(nspowner)::text from pg_namespace
        where nspname not like 'pg\\_%' and nspname not in ('information_schema', 'public')
        """
    ).fetchall()
    for schema, owner in schemas:
        readers = ["auditor"] if owner != "avoir_loader" else ["auditor", "avoir_transformer"]
        for reader in readers:
            names = {"schema": sql.Identifier(schema), "reader": sql.Identifier(reader)}
            connection.execute(sql.SQL("grant usage on schema {schema} to {reader}").format(**names))
            connection.execute(
                sql.SQL("grant select on all tables in schema {schema} to {reader}").format(**names)
            )
