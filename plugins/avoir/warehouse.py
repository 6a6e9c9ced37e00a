"""The warehouse database: its address per role, and the bootstrap that makes databases, schemas and roles.

The bootstrap is idempotent and needs an administrator; everything after it runs with the least role:

==================  =====================================================================
``avoir_loader``    owns ``raw_*`` and ``loads``: lands what vendors' systems say
``avoir_transformer``  reads raw, owns everything computed from it, publishes the mart
``bi_reader``       reads ``mart``
``finance_reader``  reads ``finance``
``auditor``         reads everything, alone ``audit``, writes nothing
==================  =====================================================================
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
from avoir.loading import create_raw
from avoir.settings import Settings

ROLES = ("avoir_loader", "avoir_transformer", "bi_reader", "finance_reader", "auditor")
COMPUTED_SCHEMAS = (
    "reference",
    "staging",
    "intermediate",
    "facts",
    "builds",
    "penalties",
    "candidate",
    "mart",
    "checks",
    "audit",
)
OLDEST_SERVER = 140000


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


def bootstrap(warehouse: Warehouse) -> None:
    """Make databases, roles, schemas, privileges and the tables that dbt does not own. Idempotent.

    Raises:
        WarehouseError: the server is older than PostgreSQL 14.
    """
    _create_databases(warehouse)
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
        for script in ("publication.sql", "ledger.sql"):
            text = resources.files("avoir").joinpath("sql", script).read_text()
            connection.execute(text)
        _grant(connection)
        create_audit(connection)


def _create_databases(warehouse: Warehouse) -> None:
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
        _create_role(connection, "avoir_airflow", warehouse.passwords["avoir_airflow"])
        connection.execute(
            sql.SQL("grant all on database {} to avoir_airflow").format(
                sql.Identifier(warehouse.airflow_database)
            )
        )
    with psycopg.connect(warehouse.url("admin", database=warehouse.airflow_database)) as connection:
        connection.execute("grant all on schema public to avoir_airflow")


def _create_roles(connection: psycopg.Connection, warehouse: Warehouse) -> None:
    database = sql.Identifier(warehouse.database)
    connection.execute(sql.SQL("revoke all on database {} from public").format(database))
    connection.execute("revoke all on schema public from public")
    for role in ROLES:
        _create_role(connection, role, warehouse.passwords[role])
        connection.execute(
            sql.SQL("grant connect on database {} to {}").format(database, sql.Identifier(role))
        )
    for role in ("avoir_loader", "avoir_transformer"):
        connection.execute(
            sql.SQL("grant create, temporary on database {} to {}").format(database, sql.Identifier(role))
        )
        # The administrator of a managed server is no superuser and must be a member to act for a role.
        connection.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(role)))
    for role in ROLES:
        connection.execute(sql.SQL("alter role {} set timezone = 'UTC'").format(sql.Identifier(role)))
    for role in ("bi_reader", "finance_reader", "auditor"):
        connection.execute(
            sql.SQL("alter role {} set default_transaction_read_only = on").format(sql.Identifier(role))
        )


def _create_role(connection: psycopg.Connection, role: str, password: str) -> None:
    found = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
    verb = sql.SQL("alter role" if found else "create role")
    connection.execute(
        sql.SQL("{} {} login password {}").format(verb, sql.Identifier(role), sql.Literal(password))
    )


def _create_schemas(connection: psycopg.Connection) -> None:
    for schema in COMPUTED_SCHEMAS:
        connection.execute(
            sql.SQL("create schema if not exists {} authorization avoir_transformer").format(
                sql.Identifier(schema)
            )
        )
    connection.execute("create schema if not exists ledger")
    connection.execute("create schema if not exists finance")


def _grant(connection: psycopg.Connection) -> None:
    statements: tuple[LiteralString, ...] = (
        "alter default privileges for role avoir_loader grant select on tables to avoir_transformer, auditor",
        "alter default privileges for role avoir_transformer grant select on tables to auditor",
        (
            "alter default privileges for role avoir_transformer in schema mart "
            "grant select on tables to bi_reader"
        ),
        "grant usage on schema mart to bi_reader",
        "grant select on all tables in schema mart to bi_reader",
        "grant usage on schema finance to finance_reader",
        "grant select on all tables in schema finance to finance_reader",
        "grant usage on schema ledger to avoir_transformer",
        "grant select, insert on all tables in schema ledger to avoir_transformer",
        "grant usage on schema finance to avoir_transformer",
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
