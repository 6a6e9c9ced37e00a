"""What each role may do, asked of the catalog and tried, against the page that says it: docs/roles.md."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from avoir.cli import app
from avoir.closing import close_month
from avoir.roles import RolesError, VendorRole, allow_login, names_for, sync_roles
from avoir.settings import CHECKOUT, Settings
from avoir.warehouse import ATTRIBUTES, WarehouseError, bootstrap
from tests.warehouse.conftest import VENDORS, PublishedWarehouse

PAGE = CHECKOUT / "docs" / "roles.md"
COLUMNS = {
    "loader": ("avoir_loader",),
    "transformer": ("avoir_transformer",),
    "bi_reader": ("bi_reader",),
    "finance_reader": ("finance_reader",),
    "auditor": ("auditor",),
    "vendor": tuple(f"vendor_{vendor}" for vendor in VENDORS),
}
VERBS = {
    "database": ("connect", "create", "temporary"),
    "schema": ("usage", "create"),
    "table": ("select", "insert", "update", "delete", "truncate", "references", "trigger"),
    "view": ("select", "insert", "update", "delete", "truncate", "references", "trigger"),
    "sequence": ("usage", "select", "update"),
    "function": ("execute",),
    "builtin": ("execute",),
}
REFUSED = "42501"
NONE = "\N{EN DASH}"


class Cell(NamedTuple):
    """What one role may do with one object: verbs, and whether select is by column."""

    verbs: frozenset[str]
    some: bool


@dataclass(frozen=True)
class Row:
    """A row of the matrix."""

    patterns: tuple[str, ...]
    kind: str
    cells: dict[str, Cell]


class Thing(NamedTuple):
    """An object of the database; ``name`` as the matrix writes it, ``oid`` to ask with."""

    kind: str
    name: str
    oid: int


def tables_of_page() -> dict[str, list[dict[str, str]]]:
    """Every table of the page by its first heading, as rows by heading."""
    found: dict[str, list[dict[str, str]]] = {}
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("|---"):
            heads = cells_of(lines[number - 1])
            rows = []
            for below in lines[number + 1 :]:
                if not below.startswith("|"):
                    break
                rows.append(dict(zip(heads, cells_of(below), strict=True)))
            found[heads[0]] = rows
    return found


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def matrix(published: PublishedWarehouse) -> list[Row]:
    warehouse = published.here.warehouse
    names = {"<warehouse>": warehouse.database, "<airflow>": warehouse.airflow_database}
    rows = []
    for row in tables_of_page()["objects"]:
        patterns = tuple(names.get(one, one) for one in re.findall(r"`([^`]+)`", row["objects"]))
        kind = row["kind"]
        cells = {column: cell_of(row[column], kind) for column in COLUMNS}
        rows.append(Row(patterns, kind, cells))
    return rows


def cell_of(text: str, kind: str) -> Cell:
    if text == "owner":
        return Cell(frozenset(VERBS[kind]), False)
    if text == "some":
        return Cell(frozenset(), True)
    verbs = frozenset() if text == NONE else frozenset(text.split())
    assert verbs <= set(VERBS[kind]), f"{text!r} are no verbs of a {kind}"
    return Cell(verbs, False)


def things(connection: psycopg.Connection) -> list[Thing]:
    """Everything there is to have a privilege on, and the built-in functions that are dangerous."""
    rows = connection.execute(
        r"""
        select 'database', datname::text, oid from pg_database where datallowconn
        union all
        select 'schema', nspname::text, oid from pg_namespace
        where nspname not like 'pg\_%' and nspname <> 'information_schema'
        union all
        select
            case relkind when 'v' then 'view' when 'm' then 'view' when 'S' then 'sequence' else 'table' end,
            nspname || '.' || relname, c.oid
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where relkind in ('r', 'p', 'v', 'm', 'S', 'f')
            and nspname not like 'pg\_%' and nspname <> 'information_schema'
        union all
        select 'function', nspname || '.' || p.oid::regprocedure::text, p.oid
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where nspname not like 'pg\_%' and nspname <> 'information_schema'
        union all
        select 'builtin', p.oid::regprocedure::text, p.oid from pg_proc p
        where pronamespace = 'pg_catalog'::regnamespace and (
            proname ~ '^(pg_(try_)?advisory_(xact_)?lock|pg_read_|pg_ls_.*dir|pg_stat_file|pg_logical_emit)'
            or (proname ~ '^(lo_|lowrite)' and proname !~ '^lo_(close|lseek|tell|get)')
        )
        """
    ).fetchall()
    return [
        Thing(kind, re.sub(r"^(\w+)\.\1\.", r"\1.", name) if kind == "function" else name, oid)
        for kind, name, oid in rows
    ]


def row_for(thing: Thing, rows: list[Row]) -> Row | None:
    return next(
        (r for r in rows if r.kind == thing.kind and any(fnmatchcase(thing.name, p) for p in r.patterns)),
        None,
    )


@pytest.fixture(scope="module")
def opened(published: PublishedWarehouse) -> Iterator[PublishedWarehouse]:
    """The published world with a closed month, in which both vendors may sign in."""
    close_month(published.settings, as_of=published.as_of, month="2026-06", by_hand=True)
    sync_roles(published.here.warehouse, published.settings)
    for vendor in VENDORS:
        allow_login(published.here.warehouse, vendor, allowed=True)
    with published.connect("avoir_transformer") as connection:
        for vendor in VENDORS:
            connection.execute(
                """
                insert into ledger.procedure_events (
                    vendor_id, contract_id, posted_month_date, entry_no, state, decided_on, decided_by,
                    document, recorded_as_of
                )
                select vendor_id, contract_id, month_date, entry_no, 'notified', '2026-07-01', 'A. Buyer',
                    'letter', posted_as_of
                from ledger.entries where vendor_id = %s order by entry_no limit 1
                """,
                (vendor,),
            )
    return published


def test_the_matrix_names_every_object_and_nothing_else(opened: PublishedWarehouse) -> None:
    rows = matrix(opened)
    with opened.connect("admin") as connection:
        found = things(connection)
    uncovered = sorted(f"{thing.kind} {thing.name}" for thing in found if row_for(thing, rows) is None)
    assert uncovered == [], "give each a row in the matrix of docs/roles.md"
    patterns = {(row.kind, pattern) for row in rows for pattern in row.patterns}
    used = {
        (thing.kind, pattern)
        for thing in found
        for pattern in (row_for(thing, rows) or rows[0]).patterns
        if fnmatchcase(thing.name, pattern)
    }
    assert patterns - used == set(), "these name nothing that is there"


def test_the_catalog_agrees_with_the_matrix(opened: PublishedWarehouse) -> None:
    rows = matrix(opened)
    differences = []
    asked = 0
    with opened.connect("admin") as connection:
        found = things(connection)
        newest = connection.info.server_version >= 170000
        for column, roles in COLUMNS.items():
            for thing in found:
                row = row_for(thing, rows)
                assert row is not None, thing
                cell = row.cells[column]
                verbs = [*VERBS[thing.kind], *(["maintain"] if newest and thing.kind == "table" else [])]
                owned = cell.verbs >= set(VERBS[thing.kind])
                for role in roles:
                    has = {verb for verb in verbs if may(connection, role, thing, verb)}
                    asked += len(verbs)
                    wanted = set(cell.verbs) | ({"maintain"} if "maintain" in verbs and owned else set())
                    if has != wanted:
                        differences.append((thing.name, role, sorted(has), sorted(wanted)))
                    if cell.some != any_column(connection, role, thing, except_for=has):
                        differences.append((thing.name, role, "columns", cell.some))
    assert differences == []
    assert asked > 5000


def may(connection: psycopg.Connection, role: str, thing: Thing, verb: str) -> bool:
    kind = {"view": "table", "builtin": "function"}.get(thing.kind, thing.kind)
    row = connection.execute(f"select has_{kind}_privilege(%s, %s::oid, %s)", (role, thing.oid, verb))
    return row.fetchone() == (True,)


def any_column(connection: psycopg.Connection, role: str, thing: Thing, *, except_for: set[str]) -> bool:
    """Whether a role has a privilege on single columns that it has not on the table."""
    if thing.kind not in {"table", "view"}:
        return False
    return any(
        connection.execute(
            "select has_any_column_privilege(%s, %s::oid, %s)", (role, thing.oid, verb)
        ).fetchone()
        == (True,)
        for verb in {"select", "insert", "update", "references"} - except_for
    )


def test_vendors_read_the_listed_columns_only(opened: PublishedWarehouse) -> None:
    listed = {
        row["readable by vendors of"].strip("`"): set(row["columns"].split())
        for row in tables_of_page()["readable by vendors of"]
    }
    some = {p for row in matrix(opened) if row.cells["vendor"].some for p in row.patterns}
    assert set(listed) == some
    with opened.connect("admin") as connection:
        for table, columns in listed.items():
            for role in COLUMNS["vendor"]:
                readable = connection.execute(
                    """
                    select attname::text from pg_attribute
                    where attrelid = %s::regclass and attnum > 0 and not attisdropped
                        and has_column_privilege(%s, attrelid, attnum, 'select')
                    """,
                    (table, role),
                ).fetchall()
                assert {name for (name,) in readable} == columns, (table, role)


@pytest.mark.parametrize("column", COLUMNS)
def test_statements_agree_with_the_matrix(opened: PublishedWarehouse, column: str) -> None:
    rows = matrix(opened)
    differences = []
    tried = 0
    with opened.connect("admin") as connection:
        found = things(connection)
        columns = first_columns(connection)
    role = COLUMNS[column][0]
    with opened.connect(role) as connection:
        connection.execute("set transaction read write")
        # Without the limits of accidents: only privileges are asked for here.
        connection.execute("set local lock_timeout = '10s'")
        for thing in found:
            row = row_for(thing, rows)
            assert row is not None, thing
            schema = row_for(Thing("schema", thing.name.split(".")[0], 0), rows)
            is_reachable = "." not in thing.name or (schema and "usage" in schema.cells[column].verbs)
            for verb, statement in statements(thing, columns):
                cell = row.cells[column]
                with connection.transaction(force_rollback=True):
                    try:
                        connection.execute(statement)
                        was_refused = False
                    except psycopg.Error as error:
                        was_refused = error.sqlstate == REFUSED
                tried += 1
                if was_refused == bool(is_reachable and verb in cell.verbs):
                    differences.append((thing.name, verb, "refused" if was_refused else "allowed"))
    assert differences == []
    assert tried > 500


def first_columns(connection: psycopg.Connection) -> dict[int, str]:
    """A column of each table that can be updated at all."""
    rows = connection.execute(
        """
        select attrelid, min(attname::text) from pg_attribute
        where attnum > 0 and not attisdropped and attidentity = '' and attgenerated = '' group by 1
        """
    ).fetchall()
    return dict(rows)


def statements(thing: Thing, columns: dict[int, str]) -> Iterator[tuple[str, sql.SQL | sql.Composed]]:
    """Statements that need just one privilege each."""
    name = sql.Identifier(*thing.name.split(".", 1))
    if thing.kind == "schema":
        yield "create", sql.SQL("create table {}.tried ()").format(name)
    elif thing.kind == "database" and thing.name not in {"postgres", "template1"}:
        if not thing.name.endswith("_airflow"):
            yield "create", sql.SQL("create schema tried")
            yield "temporary", sql.SQL("create temporary table tried ()")
    elif thing.kind == "table":
        yield "select", sql.SQL("select * from {} limit 0").format(name)
        yield "insert", sql.SQL("insert into {} default values").format(name)
        column = sql.Identifier(columns[thing.oid])
        yield "update", sql.SQL("update {} set {} = null where false").format(name, column)
        yield "delete", sql.SQL("delete from {} where false").format(name)
        yield "truncate", sql.SQL("truncate {}").format(name)
        function = sql.SQL("suppress_redundant_updates_trigger()")
        yield (
            "trigger",
            sql.SQL("create trigger tried before update on {} for each row execute function {}").format(
                name, function
            ),
        )
    elif thing.kind == "view":
        yield "select", sql.SQL("select * from {} limit 0").format(name)
    elif thing.kind == "sequence":
        yield "update", sql.SQL("select setval({}, 1)").format(sql.Literal(thing.name))


def test_attributes_and_limits_are_as_written(opened: PublishedWarehouse) -> None:
    rows = tables_of_page()["limits of"]
    assert len(rows) == 7
    with opened.connect("admin") as connection:
        for row in rows:
            name = row["limits of"].strip("`")
            for role in COLUMNS["vendor"] if name == "vendor_*" else (name,):
                signs_in, connections, *excess, settings = connection.execute(
                    f"""
                    select rolcanlogin, rolconnlimit, {", ".join(ATTRIBUTES)},
                        coalesce(setconfig, array[]::text[])
                    from pg_roles r left join pg_db_role_setting s on s.setrole = r.oid and s.setdatabase = 0
                    where rolname = %s
                    """,
                    (role,),
                ).fetchone() or (None, None, True, [])
                assert not any(excess), f"{role} may administer"
                assert signs_in == (row["signs in"] != "no"), role
                assert connections == (-1 if row["connections"] == "any" else int(row["connections"])), role
                given = dict(one.split("=", 1) for one in settings)
                for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
                    assert given.get(limit, NONE) == row[limit], (role, limit)
                if row["statement_timeout"] != NONE:
                    assert given["default_transaction_read_only"] == "on", role
                    assert given["default_transaction_isolation"] == "repeatable read", role


# --- Vendors -----------------------------------------------------------------------------------------------

WITHOUT_VENDOR = {"mart.dim_dates", "access.vendor_roles"}


def readable_by(connection: psycopg.Connection, role: str) -> list[tuple[str, bool]]:
    """Tables and views that a role may select from, and whether they name a vendor."""
    return connection.execute(
        r"""
        select c.oid::regclass::text, exists (
            select from pg_attribute where attrelid = c.oid and attname = 'vendor_id'
        )
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where relkind in ('r', 'p', 'v', 'm', 'f') and has_any_column_privilege(%s, c.oid, 'select')
            and nspname not like 'pg\_%%' and nspname <> 'information_schema'
        order by 1
        """,
        (role,),
    ).fetchall()


def assert_sees_itself_only(opened: PublishedWarehouse, vendor: str) -> int:
    """The vendor's role sees rows of its own in everything it may read, and no other's; returns how many."""
    role = f"vendor_{vendor}"
    with opened.connect("admin") as admin:
        readable = readable_by(admin, role)
        assert {name for name, has_vendor in readable if not has_vendor} <= WITHOUT_VENDOR
        guarded = [name for name, has_vendor in readable if has_vendor]
        assert len(guarded) >= 15, guarded
        seen = 0
        with opened.connect(role) as connection:
            for name in guarded:
                if name.startswith(("ledger.", "access.")):
                    continue
                rows = connection.execute(f"select vendor_id, count(*) from {name} group by 1").fetchall()
                own = [count for found, count in rows if found == vendor]
                assert [found for found, _ in rows] == [vendor], name
                # All of its own, not only some: what the administrator counts.
                hidden = " and verdict <> 'blocked'" if name == "mart.publication_log" else ""
                if name.startswith("mart."):
                    counted = admin.execute(
                        f"select count(*) from {name} where vendor_id = %s{hidden}", (vendor,)
                    )
                    assert counted.fetchone() == (own[0],), name
                seen += own[0]
        # The ledger's tables cannot be named by a vendor; the rows below its views are held all the same.
        for name in ("ledger.entries", "ledger.closed_months", "ledger.procedure_events"):
            with admin.transaction(force_rollback=True):
                admin.execute("grant usage on schema ledger to avoir_vendors")
                admin.execute(f"set local role {role}")
                rows = admin.execute(f"select distinct vendor_id from {name}").fetchall()
                assert rows == [(vendor,)], name
    return seen


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_sees_itself_only(opened: PublishedWarehouse, vendor: str) -> None:
    assert assert_sees_itself_only(opened, vendor) > 50


def test_others_keep_seeing_all(opened: PublishedWarehouse) -> None:
    tables = ("mart_vendor_month", "fct_penalty_lines", "publication_log", "dim_vendors", "dim_contracts")
    for role in ("bi_reader", "auditor", "avoir_transformer"):
        with opened.connect(role) as connection:
            for table in tables:
                rows = connection.execute(f"select distinct vendor_id from mart.{table}").fetchall()
                assert {vendor for (vendor,) in rows} == set(VENDORS), (role, table)
    for role, table in (
        ("auditor", "ledger.entries"),
        ("avoir_transformer", "ledger.entries"),
        ("finance_reader", "finance.credit_entries"),
    ):
        with opened.connect("avoir_transformer") as writer, opened.connect(role) as connection:
            posted = writer.execute("select count(distinct vendor_id) from ledger.entries").fetchone()
            applied = writer.execute("select count(*) from ledger.applications").fetchone()
            seen = connection.execute(f"select count(distinct vendor_id), count(*) from {table}").fetchone()
            assert seen is not None
            assert posted == (2,), "both vendors have postings"
            if role == "finance_reader":
                assert seen[1:] == applied
            else:
                assert seen[:1] == posted, role


def test_the_reasons_of_a_blocked_run_are_not_shown_to_a_vendor(opened: PublishedWarehouse) -> None:
    with opened.connect("admin") as connection, connection.transaction(force_rollback=True):
        connection.execute(
            """
            insert into mart.publication_log (run_id, as_of, vendor_id, month_date, currency, verdict, reason)
            values ('planted', %s, 'helios', '2026-05-01', 'EUR', 'blocked', 'borealis: totals differ')
            """,
            (opened.as_of,),
        )
        # On 14 the view reads as its owner, and has only its own condition.
        connection.execute("alter view vendor_portal.publications set (security_invoker = false)")
        connection.execute("set local role vendor_helios")
        for name in ("mart.publication_log", "vendor_portal.publications"):
            rows = connection.execute(f"select verdict, reason from {name}").fetchall()
            assert rows, name
            assert not [row for row in rows if row[0] == "blocked" or "borealis" in row[1]], name


def test_a_vendor_sees_what_corrects_what_by_its_own_numbers(opened: PublishedWarehouse) -> None:
    with opened.connect("admin") as connection, connection.transaction(force_rollback=True):
        connection.execute(
            """
            insert into ledger.entries (
                entry_no, entry_kind, vendor_id, month_date, contract_id, contract_version_id, clause_id,
                penalty_line_id, amount, currency, posted_as_of, content_sha256, previous_sha256,
                entry_sha256, posted_month_date, corrects_entry_no, reason
            )
            select 1000, 'adjustment', vendor_id, month_date, contract_id, contract_version_id, clause_id,
                penalty_line_id, -1, currency, posted_as_of, 'x', 'x',
                'x', '2026-07-01', entry_no, 'late data'
            from ledger.entries where vendor_id = 'helios' order by entry_no desc limit 1
            """
        )
        connection.execute("set local role vendor_helios")
        rows = connection.execute(
            """
            select vendor_entry_no, corrects_vendor_entry_no, amount, month_date::text,
                posted_month_date::text
            from vendor_portal.ledger_entries order by 1
            """
        ).fetchall()
    numbers = [row[0] for row in rows]
    assert numbers == list(range(1, len(rows) + 1))
    assert rows[-1] == (len(rows), len(rows) - 1, -1, "2026-06-01", "2026-07-01")


def test_the_views_hold_by_themselves_as_they_do_on_postgres_14(opened: PublishedWarehouse) -> None:
    with opened.connect("admin") as connection, connection.transaction(force_rollback=True):
        views = [
            name
            for (name,) in connection.execute(
                "select oid::regclass::text from pg_class"
                " where relnamespace = 'vendor_portal'::regnamespace and relkind = 'v'"
            )
        ]
        assert len(views) == 7
        for view in views:
            options = connection.execute(
                "select reloptions from pg_class where oid = %s::regclass", (view,)
            ).fetchone()
            assert options == (["security_barrier=true", "security_invoker=true"],), view
            connection.execute(f"alter view {view} set (security_invoker = false)")
        connection.execute("set local role vendor_helios")
        for view in views:
            rows = connection.execute(f"select distinct vendor_id from {view}").fetchall()
            assert rows == [("helios",)], view


@pytest.mark.parametrize(
    "statement",
    [
        "set role bi_reader",
        "set role avoir_transformer",
        "set role vendor_borealis",
        "set session authorization bi_reader",
        "set row_security = off; select * from mart.dim_vendors",
        "select * from candidate.mart_vendor_month",
        "select * from ledger.entries",
        "select entry_no from ledger.entries",
        "select reason from mart.publication_log where run_id <> ''",
        "select query_to_xml('select * from ledger.entries', true, false, '')",
        "select * from pg_authid",
        "select * from pg_statistic",
        "update mart.mart_vendor_month set credit_amount = 0",
        "update vendor_portal.contracts set currency = 'USD'",
        "delete from vendor_portal.penalty_lines",
        "insert into access.vendor_roles values ('vendor_helios', 'borealis')",
        "update access.vendor_roles set vendor_id = 'borealis'",
        "alter table mart.dim_vendors disable row level security",
        "create policy mine on mart.dim_vendors using (true)",
        "create temporary table tried (x int)",
        "create table vendor_portal.tried (x int)",
        "create view vendor_portal.tried as select 1",
        "create table public.tried (x int)",
        "create schema tried",
        "create function vendor_portal.tried() returns int language sql as 'select 1'",
        "create type mart.tried as (x int)",
        "select nextval('mart.publication_log_publication_no_seq')",
        "select last_value from mart.publication_log_publication_no_seq",
        "select lo_create(0)",
        "select lo_from_bytea(0, '\\x00')",
        "select pg_advisory_lock(hashtext('avoir.publish'))",
        "select pg_advisory_xact_lock_shared(hashtext('avoir.publish'))",
        "select pg_logical_emit_message(false, 'a', 'b')",
        "select pg_read_file('postgresql.conf')",
        "select pg_ls_dir('.')",
        "copy (select 1) to '/tmp/tried'",
        "copy (select 1) to program 'true'",
        "lock table mart.mart_vendor_month in share mode",
        "alter role vendor_helios connection limit 100",
        "alter role vendor_helios createdb",
        "grant avoir_vendors to bi_reader",
        "comment on table mart.dim_vendors is 'mine'",
    ],
)
def test_what_a_vendor_may_not(opened: PublishedWarehouse, statement: str) -> None:
    with opened.connect("vendor_helios") as connection:
        connection.execute("set transaction read write")
        error = failure_of(connection, *statement.split("; "))
        assert error is not None
        assert error.sqlstate == REFUSED, error


def failure_of(connection: psycopg.Connection, *statements: str) -> psycopg.Error | None:
    """What the first of the statements that fails says."""
    try:
        for statement in statements:
            connection.execute(statement)
    except psycopg.Error as error:
        connection.rollback()
        return error
    return None


def test_every_column_that_readers_see_says_what_it_means(opened: PublishedWarehouse) -> None:
    with opened.connect("auditor") as connection:
        rows = connection.execute(
            """
            select c.oid::regclass::text, coalesce(a.attname::text, ''), case
                when a.attname is null then obj_description(c.oid, 'pg_class')
                else col_description(c.oid, a.attnum)
            end
            from pg_class c
            cross join lateral (
                select attname, attnum from pg_attribute
                where attrelid = c.oid and attnum > 0 and not attisdropped
                union all select null, 0
            ) a
            where relnamespace in ('mart'::regnamespace, 'finance'::regnamespace) and relkind in ('r', 'v')
            """
        ).fetchall()
        portal = connection.execute(
            "select col_description(attrelid, attnum) from pg_attribute"
            " where attrelid = 'vendor_portal.months'::regclass and attname = 'coverage_pct'"
        ).fetchone()
    told = {(table, column): text for table, column, text in rows}
    assert len({table for table, _ in told}) == 10
    assert sorted(f"{table} {column}" for (table, column), text in told.items() if not text) == []
    assert portal == (told["mart.mart_vendor_month", "coverage_pct"],)


def test_a_role_of_no_vendor_sees_no_row(opened: PublishedWarehouse) -> None:
    with opened.connect("vendor_helios") as connection:
        connection.execute("set role avoir_vendors")
        for name in (
            "mart.mart_vendor_month",
            "mart.dim_vendors",
            "vendor_portal.months",
        ):
            assert connection.execute(f"select count(*) from {name}").fetchone() == (0,), name


def test_a_reader_with_a_grant_but_no_policy_sees_no_row(opened: PublishedWarehouse) -> None:
    with opened.connect("admin") as connection, connection.transaction(force_rollback=True):
        connection.execute("grant usage on schema mart to finance_reader")
        connection.execute("grant select on all tables in schema mart to finance_reader")
        connection.execute("set local role finance_reader")
        assert connection.execute("select count(*) from mart.dim_dates").fetchone() != (0,)
        assert connection.execute("select count(*) from mart.mart_vendor_month").fetchone() == (0,)
        assert connection.execute("select count(*) from mart.publication_log").fetchone() == (0,)


@pytest.mark.parametrize(
    "query",
    [
        "select 1 from mart.dim_vendors where 1 / (case when vendor_id = 'borealis' then 0 else 1 end) = 1",
        "select 1 from mart.dim_vendors where vendor_name::int = 1",
        "select 1 from vendor_portal.months where vendor_name::int = 1",
        "select 1 from mart.fct_penalty_lines where (contract_id || penalty_line_id)::int = 1",
        "select max(vendor_name)::int from mart.dim_vendors",
        "select array_agg(vendor_name)::int[] from mart.dim_vendors",
    ],
)
def test_no_error_tells_of_another_vendor(opened: PublishedWarehouse, query: str) -> None:
    with opened.connect("admin") as connection:
        (name,) = connection.execute(
            "select vendor_name from mart.dim_vendors where vendor_id = 'borealis'"
        ).fetchone() or ("",)
        assert name
    with opened.connect("vendor_helios") as connection:
        error = failure_of(connection, query)
    if error is not None:
        assert error.sqlstate == "22P02", "only its own rows are looked at"
        told = str(error).lower()
        assert "borealis" not in told
        assert name.lower() not in told
        assert "bor-" not in told
        assert "hel" in told


def test_copies_hold_its_own_rows(opened: PublishedWarehouse) -> None:
    for copying in (
        "copy mart.mart_vendor_month to stdout",
        "copy (select * from mart.fct_penalty_lines) to stdout",
        "copy (table vendor_portal.months) to stdout",
    ):
        with opened.connect("vendor_helios") as connection, connection.cursor() as cursor:
            with cursor.copy(copying) as copy:
                text = b"".join(bytes(block) for block in copy).decode()
            assert "helios" in text
            assert "borealis" not in text


def test_statistics_of_guarded_tables_are_hidden(opened: PublishedWarehouse) -> None:
    with opened.connect("admin") as connection:
        connection.execute("analyze mart.mart_vendor_month, mart.fct_penalty_lines, ledger.entries")
        shown = connection.execute("select count(*) from pg_stats where schemaname = 'mart'").fetchone()
        assert shown != (0,)
    with opened.connect("vendor_helios") as connection:
        hidden = connection.execute(
            "select tablename, attname from pg_stats where schemaname in ('mart', 'ledger')"
            " and tablename <> 'dim_dates'"
        ).fetchall()
        assert hidden == []


@pytest.mark.parametrize("role", ["vendor_helios", "bi_reader", "finance_reader", "auditor", "avoir_loader"])
def test_no_other_database_of_the_server_lets_a_role_in(opened: PublishedWarehouse, role: str) -> None:
    warehouse = opened.here.warehouse
    for database in (warehouse.airflow_database, "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(warehouse.url(role, database=database))
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(warehouse.url("avoir_airflow"))


def test_airflow_may_do_everything_in_its_own_database(opened: PublishedWarehouse) -> None:
    warehouse = opened.here.warehouse
    with psycopg.connect(warehouse.url("avoir_airflow", database=warehouse.airflow_database)) as connection:
        connection.execute("create table public.tried (x int)")
        connection.execute("create temporary table tried_too (x int)")
        connection.rollback()


def test_the_vendor_is_looked_up_once_and_its_rows_by_an_index(opened: PublishedWarehouse) -> None:
    with opened.connect("admin") as connection, connection.transaction(force_rollback=True):
        connection.execute(
            """
            insert into mart.fct_penalty_lines (penalty_line_id, vendor_id, month_date)
            select 'planted' || i, 'planted' || i % 200, '2020-01-01' from generate_series(1, 20000) i
            """
        )
        connection.execute("analyze mart.fct_penalty_lines")
        connection.execute("set local role vendor_helios")
        for relation in ("mart.fct_penalty_lines", "vendor_portal.penalty_lines"):
            rows = connection.execute(f"explain (analyze, format json) select * from {relation}").fetchone()
            assert rows is not None
            nodes = list(nodes_of(rows[0][0]["Plan"]))
            scans = [node for node in nodes if node.get("Relation Name") == "fct_penalty_lines"]
            assert [scan["Node Type"] for scan in scans] in (["Index Scan"], ["Bitmap Heap Scan"])
            assert "fct_penalty_lines_vendor" in {node.get("Index Name") for node in nodes}
            assert scans[0]["Actual Rows"] < 100
            assert not scans[0].get("Rows Removed by Filter")
            lookups = [node for node in nodes if node.get("Relation Name") == "vendor_roles"]
            assert lookups
            assert {node["Actual Loops"] for node in lookups} <= {0, 1}
            assert {node["Parent Relationship"] for node in lookups} == {"InitPlan"}


def nodes_of(plan: dict) -> Iterator[dict]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes_of(inner)


# --- What earlier was wider --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("avoir_transformer", "drop table mart.publication_log"),
        ("avoir_transformer", "update mart.publication_log set verdict = 'published'"),
        ("avoir_transformer", "alter table mart.publication_log disable row level security"),
        ("avoir_transformer", "drop schema mart cascade"),
        ("avoir_transformer", "drop schema checks cascade"),
        ("avoir_transformer", "drop table checks.builds"),
        ("avoir_transformer", "alter table ledger.entries disable trigger all"),
        ("avoir_transformer", "drop table ledger.entries cascade"),
        ("avoir_transformer", "insert into access.vendor_roles values ('bi_reader', 'helios')"),
        ("avoir_transformer", "alter role avoir_transformer bypassrls"),
        ("avoir_transformer", "create role tried"),
        ("avoir_loader", "create schema tried"),
        ("avoir_loader", "select * from mart.mart_vendor_month"),
        ("bi_reader", "select pg_advisory_lock(hashtext('avoir.publish'))"),
        ("auditor", "select pg_advisory_lock(hashtext('avoir.ledger'))"),
        ("bi_reader", "select lo_create(0)"),
        ("bi_reader", "select * from vendor_portal.months"),
        ("bi_reader", "select * from access.vendor_roles"),
        ("finance_reader", "create temporary table tried (x int)"),
    ],
)
def test_what_the_others_may_not(opened: PublishedWarehouse, role: str, statement: str) -> None:
    with opened.connect(role) as connection:
        connection.execute("set transaction read write")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


# --- It keeps holding --------------------------------------------------------------------------------------


def undo_guard(opened: PublishedWarehouse) -> None:
    """What a restore, a hand or another release may have left."""
    with opened.connect("admin") as connection:
        connection.execute("alter table mart.mart_vendor_month disable row level security")
        connection.execute("alter table mart.fct_penalty_lines no force row level security")
        connection.execute(
            "create policy planted on mart.dim_vendors for select to avoir_vendors using (true)"
        )
        connection.execute("alter policy vendors_see_themselves on mart.dim_contracts using (true)")
        connection.execute("drop policy readers_see_all on mart.dim_services")
    with pytest.raises(AssertionError):
        assert_sees_itself_only(opened, "helios")


def test_it_holds_after_the_next_publication(opened: PublishedWarehouse) -> None:
    undo_guard(opened)
    opened.publish_again("guarded anew")
    assert assert_sees_itself_only(opened, "helios")
    test_others_keep_seeing_all(opened)


def test_it_holds_after_the_bootstrap_is_run_again(opened: PublishedWarehouse) -> None:
    undo_guard(opened)
    with opened.connect("admin") as connection:
        connection.execute("alter table ledger.entries disable row level security")
    bootstrap(opened.here.warehouse, own_server=True)
    assert assert_sees_itself_only(opened, "helios")
    test_others_keep_seeing_all(opened)
    test_the_catalog_agrees_with_the_matrix(opened)


def test_a_warehouse_of_an_earlier_release_is_held_like_a_new_one(opened: PublishedWarehouse) -> None:
    with opened.connect("admin") as connection:
        connection.execute("drop schema vendor_portal cascade")
        connection.execute("drop schema access cascade")
        for schema in ("mart", "checks"):
            connection.execute(f"alter schema {schema} owner to avoir_transformer")
        for table in ("mart.publication_log", "checks.verdicts", "checks.builds", "checks.increments"):
            connection.execute(f"alter table {table} owner to avoir_transformer")
        for (table,) in connection.execute(
            "select oid::regclass::text from pg_class where relrowsecurity and relkind = 'r'"
        ).fetchall():
            connection.execute(f"alter table {table} disable row level security, no force row level security")
            for (policy,) in connection.execute(
                "select polname::text from pg_policy where polrelid = %s::regclass", (table,)
            ).fetchall():
                connection.execute(f"drop policy {policy} on {table}")
        connection.execute(f"grant create on database {opened.here.warehouse.database} to avoir_loader")
        connection.execute("grant execute on function pg_advisory_lock(bigint) to public")
    bootstrap(opened.here.warehouse, own_server=True)
    adopted = sync_roles(opened.here.warehouse, opened.settings)
    assert {(one.role_name, one.is_new) for one in adopted} == {
        ("vendor_helios", True),
        ("vendor_borealis", True),
    }
    assert assert_sees_itself_only(opened, "helios")
    test_others_keep_seeing_all(opened)
    test_the_matrix_names_every_object_and_nothing_else(opened)
    test_the_catalog_agrees_with_the_matrix(opened)
    opened.publish_again("after the upgrade")
    assert assert_sees_itself_only(opened, "borealis")


def test_it_holds_for_a_column_and_a_table_that_a_release_adds(opened: PublishedWarehouse) -> None:
    with opened.connect("avoir_transformer") as connection:
        connection.execute("alter table candidate.mart_vendor_month add column added_text text")
        connection.execute("update candidate.mart_vendor_month set added_text = vendor_id")
        connection.execute("drop table mart.dim_services cascade")
    opened.publish_again("with a column")
    with opened.connect("vendor_helios") as connection:
        rows = connection.execute(
            "select distinct added_text from mart.mart_vendor_month where added_text is not null"
        ).fetchall()
        assert rows == [("helios",)]
    assert assert_sees_itself_only(opened, "helios")
    test_others_keep_seeing_all(opened)


def test_it_holds_after_a_full_refresh(opened: PublishedWarehouse) -> None:
    from avoir.modelling import run_dbt

    run_dbt(
        [
            "run", "--full-refresh", "--select", "path:models/mart", "fct_penalty_lines",
            "--vars", f'{{"as_of": "{opened.as_of.isoformat()}"}}',
            "--target-path", str(opened.settings.profile_home / "dbt_target" / "refresh"),
        ],
        project=opened.settings.checkout / "dbt_project",
        environment=opened.here.environment,
    )  # fmt: skip
    assert assert_sees_itself_only(opened, "helios")
    opened.publish_again("after a full refresh")
    assert assert_sees_itself_only(opened, "helios")
    test_the_catalog_agrees_with_the_matrix(opened)


def test_a_grant_by_a_vendor_gives_nothing(opened: PublishedWarehouse) -> None:
    with opened.connect("vendor_helios") as connection:
        connection.execute("set transaction read write")
        connection.execute("grant select on mart.dim_vendors to finance_reader")
    with opened.connect("admin") as connection:
        has = connection.execute("select has_table_privilege('finance_reader', 'mart.dim_vendors', 'select')")
        assert has.fetchone() == (False,)


# --- Vendors come and go -----------------------------------------------------------------------------------


def roles_of(opened: PublishedWarehouse, settings: Settings) -> dict[str, VendorRole]:
    return {one.vendor_id: one for one in sync_roles(opened.here.warehouse, settings)}


def test_a_vendor_has_a_role_from_its_first_contract_file_to_its_last(
    opened: PublishedWarehouse, tmp_path: Path
) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(CHECKOUT / "contracts" / "demo" / "tejo", contracts / "tejo")
    settings = dataclasses.replace(opened.settings, contracts_dir=contracts)
    warehouse = opened.here.warehouse
    made = roles_of(opened, settings)["tejo"]
    try:
        assert made == VendorRole("tejo", "vendor_tejo", may_log_in=False, is_new=True, has_contract=True)
        kept = json.loads((settings.profile_home / "credentials.json").read_text())
        assert len(kept["vendor_tejo"]) >= 32
        assert (settings.profile_home / "credentials.json").stat().st_mode & 0o077 == 0
        with pytest.raises(WarehouseError, match="not permitted to log in") as caught:
            warehouse.connect("vendor_tejo")
        assert kept["vendor_tejo"] not in str(caught.value)
        allow_login(warehouse, "tejo", allowed=True)
        with warehouse.connect("vendor_tejo") as connection:
            assert connection.execute("select count(*) from months").fetchone() == (0,)
            again = roles_of(opened, settings)["tejo"]
            assert again == dataclasses.replace(made, may_log_in=True, is_new=False)
            allow_login(warehouse, "tejo", allowed=False)
            with pytest.raises(psycopg.errors.AdminShutdown):
                connection.execute("select 1")
        allow_login(warehouse, "tejo", allowed=True)
        shutil.rmtree(contracts / "tejo")
        gone = roles_of(opened, settings)
        assert gone["tejo"] == dataclasses.replace(made, is_new=False, has_contract=False)
        assert gone["helios"].may_log_in, "the loaded contracts name it still"
    finally:
        with opened.connect("admin") as connection:
            connection.execute("drop owned by vendor_tejo")
            connection.execute("drop role vendor_tejo")
            connection.execute("delete from access.vendor_roles where vendor_id = 'tejo'")


def test_a_role_that_was_given_more_is_held_again(opened: PublishedWarehouse) -> None:
    with opened.connect("admin") as connection:
        connection.execute("alter role vendor_helios createdb createrole bypassrls connection limit -1")
        connection.execute("grant bi_reader to vendor_helios")
        connection.execute("alter role vendor_helios set default_transaction_read_only = off")
    sync_roles(opened.here.warehouse, opened.settings)
    test_attributes_and_limits_are_as_written(opened)
    with opened.connect("admin") as connection:
        groups = connection.execute(
            "select roleid::regrole::text from pg_auth_members where member = 'vendor_helios'::regrole"
        ).fetchall()
    assert groups == [("avoir_vendors",)]


def test_a_role_that_avoir_did_not_make_is_never_taken(opened: PublishedWarehouse, tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "contracts" / "demo" / "kaveri", tmp_path / "kaveri")
    settings = dataclasses.replace(opened.settings, contracts_dir=tmp_path)
    with opened.connect("admin") as connection:
        connection.execute("create role vendor_kaveri login createdb")
    role = ""
    try:
        role = roles_of(opened, settings)["kaveri"].role_name
        assert role == names_for("kaveri")[1]
        assert role.startswith("vendor_kaveri_")
        with opened.connect("admin") as connection:
            kept = connection.execute("select rolcreatedb from pg_roles where rolname = 'vendor_kaveri'")
            assert kept.fetchone() == (True,)
    finally:
        with opened.connect("admin") as connection:
            connection.execute("drop role vendor_kaveri")
            if role:
                connection.execute(f"drop owned by {role}")
                connection.execute(f"drop role {role}")
                connection.execute("delete from access.vendor_roles where vendor_id = 'kaveri'")


def test_the_command_says_where_a_password_is_and_only_then_what_it_is(
    opened: PublishedWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVOIR_HOME", str(opened.settings.home))
    monkeypatch.setenv("AVOIR_CONTRACTS", str(opened.settings.contracts_dir))
    monkeypatch.setenv("COLUMNS", "200")
    password = opened.here.warehouse.passwords["vendor_helios"]
    run = CliRunner().invoke
    told = run(app, ["roles", "sync", "--vendor", "helios"])
    assert told.exit_code == 0
    assert "credentials.json" in told.output
    assert "vendor_helios" in told.output
    assert "borealis" not in told.output
    assert password not in told.output
    shown = json.loads(run(app, ["roles", "sync", "--json", "--show-password"]).output)
    assert {one["vendor"]: one["password"] for one in shown}["helios"] == password
    unknown = run(app, ["roles", "sync", "--vendor", "nobody"])
    assert isinstance(unknown.exception, RolesError)
    assert "no contract names the vendor 'nobody'" in str(unknown.exception)
    closed = run(app, ["roles", "revoke-login", "helios"])
    assert closed.exit_code == 0
    with pytest.raises(WarehouseError):
        opened.connect("vendor_helios")
    granted = run(app, ["roles", "grant-login", "helios"])
    assert granted.exit_code == 0
    assert password not in granted.output
    with opened.connect("vendor_helios"):
        pass
    assert isinstance(run(app, ["roles", "grant-login", "nobody"]).exception, RolesError)
