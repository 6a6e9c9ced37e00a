"""Who sees which rows: row-level security of the published tables, and the views that vendors read.

A table with a ``vendor_id`` is *guarded*: a vendor's role sees the rows of its own vendor, every other reader
sees all, and each by a policy that is written here. The policy asks ``access.vendor_roles`` which vendor the
role is, in a subquery that does not depend on the row, so Postgres answers it once per statement and looks
the rows up by an index. A role that has a privilege but no policy sees nothing.

A publication makes and alters published tables, so it guards them too; the bootstrap does it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import LiteralString

import psycopg
from psycopg import sql

from avoir.describing import copy_comments

VENDORS = "avoir_vendors"
"""The role that every vendor's role is a member of; privileges and policies name it alone."""

OPEN_TO_VENDORS = frozenset({"mart.dim_dates"})
"""Tables without a vendor that vendors may read whole; all others without one are closed to them."""

VIEWS: dict[str, tuple[str, ...]] = {
    "months": ("mart.mart_vendor_month",),
    "penalty_lines": ("mart.fct_penalty_lines",),
    "contracts": ("mart.dim_contracts",),
    "services": ("mart.dim_services",),
    "publications": (),
    "ledger_entries": (),
    "procedure_events": (),
}
"""Views of ``vendor_portal``, in the order they are made, and the published tables each waits for."""

_OWN_ROWS: LiteralString = (
    "vendor_id = (select own.vendor_id from access.vendor_roles own where own.role_name = current_user)"
)
_INVOKER_VIEWS = 150000


@dataclass(frozen=True)
class Policy:
    """One policy: its command as the catalog says it, roles, and what a row must fulfil (SQL)."""

    name: str
    command: LiteralString
    roles: tuple[str, ...]
    using: LiteralString | None
    check: LiteralString | None = None

    def as_in_catalog(self) -> tuple[str, str, str, tuple[str, ...], str, str]:
        """The policy as a row of ``pg_policies``, to compare."""
        return (
            self.name,
            "PERMISSIVE",
            self.command,
            tuple(sorted(self.roles)),
            _squeezed(self.using),
            _squeezed(self.check),
        )


@dataclass(frozen=True)
class Guarded:
    """How one table is guarded.

    ``vendor_columns``: the columns that vendors may read; all when empty. ``shown_rows``: a further condition
    on what vendors see. ``is_appended``: belongs to the administrator and the transformer only adds to it;
    otherwise the transformer owns the table and is held by the policies like everybody else.
    """

    name: str
    vendor_columns: tuple[str, ...] = ()
    shown_rows: LiteralString | None = None
    readers: tuple[str, ...] = ("auditor", "bi_reader")
    is_appended: bool = False

    @property
    def identifier(self) -> sql.Identifier:
        """The table, quoted."""
        return sql.Identifier(*self.name.split("."))

    def policies(self) -> tuple[Policy, ...]:
        """The policies that the table must have, and no other."""
        own: LiteralString = f"{_OWN_ROWS} and {self.shown_rows}" if self.shown_rows else _OWN_ROWS
        writing = (
            (
                Policy("transformer_reads", "SELECT", ("avoir_transformer",), "true"),
                Policy("transformer_appends", "INSERT", ("avoir_transformer",), None, "true"),
            )
            if self.is_appended
            else (Policy("transformer_publishes", "ALL", ("avoir_transformer",), "true", "true"),)
        )
        return (
            Policy("readers_see_all", "SELECT", self.readers, "true"),
            Policy("vendors_see_themselves", "SELECT", (VENDORS,), own),
            *writing,
        )


APPENDED = (
    Guarded(
        "mart.publication_log",
        vendor_columns=(
            "as_of", "vendor_id", "month_date", "currency", "verdict", "reason", "version_id", "recorded_at",
        ),
        # Its reasons name the failed checks, which are over all vendors' rows.
        shown_rows="verdict <> 'blocked'::text",
        is_appended=True,
    ),
    Guarded(
        "ledger.entries",
        # Without the hashes: the chain binds the amounts of all vendors, and amounts are few enough to try.
        vendor_columns=(
            "entry_no", "entry_kind", "vendor_id", "month_date", "contract_id", "contract_version_id",
            "clause_id", "penalty_line_id", "amount", "currency", "posted_as_of", "posted_month_date",
            "corrects_entry_no", "reason",
        ),
        readers=("auditor",),
        is_appended=True,
    ),
    Guarded(
        "ledger.closed_months",
        vendor_columns=("vendor_id", "month_date", "currency", "as_of"),
        readers=("auditor",),
        is_appended=True,
    ),
    Guarded(
        "ledger.procedure_events",
        vendor_columns=(
            "vendor_id", "contract_id", "posted_month_date", "entry_no", "state", "decided_on", "document",
        ),
        readers=("auditor",),
        is_appended=True,
    ),
)  # fmt: skip
"""Guarded tables of the administrator; the published tables are guarded as they are made."""


def guard_published(connection: psycopg.Connection, name: str) -> bool:
    """Guard a table of ``mart`` that the transformer owns; returns whether anything had to be changed.

    Does not commit. Without a change no lock is taken, so it may be asked at every publication.
    """
    vendor_index = _vendor_index(connection, name)
    if vendor_index is None:
        readers = [*Guarded(name).readers, *([VENDORS] if name in OPEN_TO_VENDORS else [])]
        _grant_select(connection, Guarded(name), readers)
        return False
    changed = _guard(connection, Guarded(name))
    schema, table = name.split(".")
    found = connection.execute(
        "select to_regclass(format('%%I.%%I', %s::text, %s::text)) is not null", (schema, f"{table}_vendor")
    ).fetchone()
    if found != (True,):
        connection.execute(
            sql.SQL("create index {} on {} ({})").format(
                sql.Identifier(f"{table}_vendor"),
                sql.Identifier(schema, table),
                sql.SQL(", ").join(map(sql.Identifier, vendor_index)),
            )
        )
    return changed


def guard_appended(connection: psycopg.Connection) -> None:
    """Guard what the administrator owns, as the administrator. Does not commit."""
    for table in APPENDED:
        _guard(connection, table)


def make_portal(connection: psycopg.Connection, *, anew: bool) -> None:
    """Make the views of ``vendor_portal`` whose tables are there, as the transformer. Does not commit.

    From PostgreSQL 15 on a view reads as the role that asks, so the policies below it hold as well; on 14 it
    reads as its owner, and the condition that each view states itself is what holds.

    Args:
        anew: replace those that exist, as a release or a new column may need; it locks out readers until
            the transaction ends.

    Raises:
        psycopg.errors.UndefinedColumn: a published table lacks a column that its candidate has to bring.
    """
    for view, needed in VIEWS.items():
        missing = connection.execute(
            "select count(*) from unnest(%s::text[]) name where to_regclass(name) is null", (list(needed),)
        ).fetchone()
        found = connection.execute(
            "select to_regclass(%s) is not null", (f"vendor_portal.{view}",)
        ).fetchone()
        if missing != (0,) or (found == (True,) and not anew):
            continue
        text = resources.files("avoir").joinpath("sql", "vendor_portal", f"{view}.sql").read_bytes()
        connection.execute(text)
        name = sql.Identifier("vendor_portal", view)
        if connection.info.server_version >= _INVOKER_VIEWS:
            connection.execute(sql.SQL("alter view {} set (security_invoker = true)").format(name))
        connection.execute(sql.SQL("grant select on {} to {}, auditor").format(name, sql.Identifier(VENDORS)))
        for table in needed:
            copy_comments(connection, table, f"vendor_portal.{view}")


def _vendor_index(connection: psycopg.Connection, name: str) -> list[str] | None:
    """Columns to find a vendor's rows by; None when the table names no vendor."""
    rows = connection.execute(
        "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0", (name,)
    ).fetchall()
    columns = {column for (column,) in rows}
    if "vendor_id" not in columns:
        return None
    return ["vendor_id", *(["month_date"] if "month_date" in columns else [])]


def _guard(connection: psycopg.Connection, table: Guarded) -> bool:
    wanted = table.policies()
    flags = connection.execute(
        "select relrowsecurity, relforcerowsecurity from pg_class where oid = %s::regclass", (table.name,)
    ).fetchone()
    schema, name = table.name.split(".")
    rows = connection.execute(
        """
        select policyname::text, permissive, cmd, roles::text[], qual, with_check
        from pg_policies where schemaname = %s and tablename = %s
        """,
        (schema, name),
    ).fetchall()
    present = {
        (policy, permissive, command, tuple(sorted(roles)), _squeezed(using), _squeezed(check))
        for policy, permissive, command, roles, using, check in rows
    }
    is_forced = not table.is_appended
    changed = flags != (True, is_forced) or present != {policy.as_in_catalog() for policy in wanted}
    if changed:
        connection.execute(sql.SQL("alter table {} enable row level security").format(table.identifier))
        force = sql.SQL("force" if is_forced else "no force")
        connection.execute(sql.SQL("alter table {} {} row level security").format(table.identifier, force))
        for policy, *_ in rows:
            connection.execute(
                sql.SQL("drop policy {} on {}").format(sql.Identifier(policy), table.identifier)
            )
        for one in wanted:
            connection.execute(_creation(table, one))
    _grant_select(connection, table, table.readers)
    _grant_select(connection, table, [VENDORS], table.vendor_columns)
    return changed


def _creation(table: Guarded, policy: Policy) -> sql.Composed:
    parts = [
        sql.SQL("create policy {} on {} for {} to {}").format(
            sql.Identifier(policy.name),
            table.identifier,
            sql.SQL(policy.command),
            sql.SQL(", ").join(map(sql.Identifier, policy.roles)),
        )
    ]
    if policy.using is not None:
        parts.append(sql.SQL("using ({})").format(sql.SQL(policy.using)))
    if policy.check is not None:
        parts.append(sql.SQL("with check ({})").format(sql.SQL(policy.check)))
    return sql.SQL(" ").join(parts)


def _grant_select(
    connection: psycopg.Connection,
    table: Guarded,
    roles: list[str] | tuple[str, ...],
    columns: tuple[str, ...] = (),
) -> None:
    """Grant what is missing; a grant that changes nothing would still write to the catalog every night."""
    missing = connection.execute(
        """
        select grantee from unnest(%s::text[]) grantee
        where case
            when %s::text[] = '{}' then not has_table_privilege(grantee, %s, 'select')
            else exists (
                select from unnest(%s::text[]) name
                where not has_column_privilege(grantee, %s, name, 'select')
            )
        end
        """,
        (list(roles), list(columns), table.name, list(columns), table.name),
    ).fetchall()
    if not missing:
        return
    listed = (
        sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, columns))) if columns else sql.SQL("")
    )
    connection.execute(
        sql.SQL("grant select {} on {} to {}").format(
            listed, table.identifier, sql.SQL(", ").join(sql.Identifier(role) for (role,) in missing)
        )
    )


def _squeezed(expression: str | None) -> str:
    """An expression without what Postgres adds when it prints one: spaces, parentheses, capitals."""
    return re.sub(r"[\s()]", "", expression or "").lower()
