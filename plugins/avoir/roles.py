"""One database role per vendor: made when a contract first names the vendor, closed until it is opened.

A role is named after its vendor, but means it only by its row in ``access.vendor_roles``, which the policies
of :mod:`avoir.guarding` ask. What it may is what ``avoir_vendors`` may. It is made without the right to sign
in; its password lies beside the others of the profile (:mod:`avoir.credentials`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from avoir.contracts.reading import read_contracts
from avoir.credentials import add_passwords
from avoir.guarding import VENDORS
from avoir.postgres import locked
from avoir.settings import Settings
from avoir.warehouse import VENDOR_LIMITS, Warehouse, limit, withdraw_attributes

_PREFIX = "vendor_"
_LONGEST_NAME = 63
_HASH_LENGTHS = (8, 16, 32)


class RolesError(RuntimeError):
    """A vendor's role could not be made or opened; the message says what to do."""


@dataclass(frozen=True)
class VendorRole:
    """The role of one vendor: whether it may sign in, was made just now, and whether a contract names it."""

    vendor_id: str
    role_name: str
    may_log_in: bool
    is_new: bool
    has_contract: bool


def names_for(vendor_id: str) -> list[str]:
    """Names that the role of a vendor may have, the best first, each at most 63 bytes of ``a-z0-9_``.

    The plain name, where the id has no other character and fits; then with ever more of the id's SHA-256, so
    that two ids that differ only in what was replaced do not meet.
    """
    digest = hashlib.sha256(vendor_id.encode()).hexdigest()
    plain = re.sub(r"[^a-z0-9]", "_", vendor_id.lower())
    names = [_PREFIX + vendor_id] if plain == vendor_id and len(_PREFIX + plain) <= _LONGEST_NAME else []
    for length in _HASH_LENGTHS:
        room = _LONGEST_NAME - len(_PREFIX) - length - 1
        names.append(f"{_PREFIX}{plain[:room]}_{digest[:length]}")
    return names


def sync_roles(warehouse: Warehouse, settings: Settings, *, only: str | None = None) -> list[VendorRole]:
    """Make the roles that are missing, with their passwords, and hold all to what a vendor's role may.

    Vendors are those that a good contract file or the loaded contracts name. One that neither names any more
    may not sign in from then on; its role and its rows stay, since its history does.

    Args:
        only: this vendor alone.

    Raises:
        RolesError: ``only`` is no vendor.
    """
    named = _vendors_in_files(settings)
    with warehouse.connect("admin") as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('avoir.roles'))")
        named |= _vendors_loaded(connection)
        rows = connection.execute("select vendor_id, role_name::text from access.vendor_roles").fetchall()
        known: dict[str, str] = dict(rows)
        if only is not None and only not in named | set(known):
            known_ids = ", ".join(sorted(named | set(known))) or "none"
            raise RolesError(f"no contract names the vendor {only!r}; known are {known_ids}.")
        chosen = sorted(named | set(known)) if only is None else [only]
        new = [vendor for vendor in chosen if vendor not in known]
        for vendor in new:
            known[vendor] = _free_name(connection, vendor)
            connection.execute(
                "insert into access.vendor_roles (role_name, vendor_id) values (%s, %s)",
                (known[vendor], vendor),
            )
        with locked(settings.profile_home / "run" / "ports.lock"):
            passwords = add_passwords(settings.profile_home, (known[vendor] for vendor in chosen))
        for vendor in chosen:
            _hold(connection, warehouse, known[vendor], passwords[known[vendor]])
            if vendor not in named:
                _set_login(connection, known[vendor], allowed=False)
        may_log_in = _signing_in(connection, [known[vendor] for vendor in chosen])
    warehouse.passwords.update((known[vendor], passwords[known[vendor]]) for vendor in chosen)
    return [
        VendorRole(vendor, known[vendor], known[vendor] in may_log_in, vendor in new, vendor in named)
        for vendor in chosen
    ]


def allow_login(warehouse: Warehouse, vendor_id: str, *, allowed: bool) -> VendorRole:
    """Let the role of a vendor sign in, or no longer; sessions that are open when it is closed are ended.

    Raises:
        RolesError: the vendor has no role yet.
    """
    with warehouse.connect("admin") as connection:
        row = connection.execute(
            "select role_name::text from access.vendor_roles where vendor_id = %s", (vendor_id,)
        ).fetchone()
        if row is None:
            raise RolesError(f"the vendor {vendor_id!r} has no role yet; run `avoir roles sync` first.")
        _set_login(connection, row[0], allowed=allowed)
        if not allowed:
            _end_sessions(connection, row[0])
        has_contract = vendor_id in _vendors_loaded(connection)
    return VendorRole(vendor_id, row[0], allowed, False, has_contract)


def _vendors_in_files(settings: Settings) -> set[str]:
    if not settings.contracts_dir.is_dir():
        return set()
    files = read_contracts(settings.contracts_dir)
    return {file.versions[0].contract.vendor.id for file in files if file.is_good and file.versions}


def _vendors_loaded(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute(
        "select distinct vendor_id from reference.contract_versions where superseded_at is null"
    ).fetchall()
    return {vendor for (vendor,) in rows}


def _free_name(connection: psycopg.Connection, vendor_id: str) -> str:
    """The first name that no other vendor has, nor a role that Avoir did not make."""
    for name in names_for(vendor_id):
        taken = connection.execute(
            """
            select exists (select from access.vendor_roles where role_name = %(name)s) or exists (
                select from pg_roles r where r.rolname = %(name)s and not exists (
                    select from pg_auth_members m
                    where m.member = r.oid and m.roleid = %(group)s::regrole
                )
            )
            """,
            {"name": name, "group": VENDORS},
        ).fetchone()
        if taken == (False,):
            return name
    names = ", ".join(names_for(vendor_id))
    raise RolesError(
        f"every name for the role of {vendor_id!r} is taken ({names}); rename one of those roles."
    )


def _hold(connection: psycopg.Connection, warehouse: Warehouse, role: str, password: str) -> None:
    name = sql.Identifier(role)
    found = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
    if found is None:
        connection.execute(sql.SQL("create role {} nologin").format(name))
    # First: who is no superuser may not so much as give a password to a role that has become one.
    withdraw_attributes(connection, role)
    connection.execute(sql.SQL("alter role {} inherit password {}").format(name, sql.Literal(password)))
    limit(connection, role, VENDOR_LIMITS)
    # The views by their bare names, and no schema in which anything could be made.
    connection.execute(sql.SQL("alter role {} set search_path = vendor_portal").format(name))
    connection.execute(
        sql.SQL("grant connect on database {} to {}").format(sql.Identifier(warehouse.database), name)
    )
    for (other,) in _other_memberships(connection, role):
        connection.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(other), name))
    connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(VENDORS), name))


def _other_memberships(connection: psycopg.Connection, role: str) -> list[tuple[str]]:
    return connection.execute(
        """
        select m.roleid::regrole::text from pg_auth_members m
        where m.member = (select oid from pg_roles where rolname = %s) and m.roleid <> %s::regrole
        """,
        (role, VENDORS),
    ).fetchall()


def _set_login(connection: psycopg.Connection, role: str, *, allowed: bool) -> None:
    verb = sql.SQL("login" if allowed else "nologin")
    connection.execute(sql.SQL("alter role {} {}").format(sql.Identifier(role), verb))


def _end_sessions(connection: psycopg.Connection, role: str) -> None:
    """End a role's sessions. Who is no superuser takes the role's privileges for it, and gives them back."""
    name = sql.Identifier(role)
    is_superuser = connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
    if is_superuser != (True,):
        connection.execute(sql.SQL("grant {} to current_user").format(name))
    connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (role,))
    if is_superuser != (True,):
        connection.execute(sql.SQL("revoke {} from current_user").format(name))


def _signing_in(connection: psycopg.Connection, roles: Iterable[str]) -> set[str]:
    rows = connection.execute(
        "select rolname::text from pg_roles where rolcanlogin and rolname = any(%s)", (list(roles),)
    ).fetchall()
    return {role for (role,) in rows}
