"""Build closed months again from the raw rows and terms they were closed on, and compare them to the cent.

The models run in scratch schemas over the batches that had landed, under the contract versions then in
force, at the instant of that build. Nothing that readers see changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg

from avoir.contracts.proofs import code_sha256
from avoir.contracts.scratch import believe_again, scratch_warehouse
from avoir.publishing import calendars_sha256
from avoir.versioning import MONTHLY

_SELECTED = "+fct_penalty_lines +mart_vendor_month"


@dataclass(frozen=True)
class Closing:
    """Months that were closed on one build, and what that build knew."""

    built_as_of: datetime
    raw_batches: str
    contract_version_ids: tuple[str, ...]
    calendars_sha256: str
    code_sha256: str
    months: tuple[tuple[str, date, str], ...]


@dataclass(frozen=True)
class Recomputed:
    """What came of it: months that are the same, and what differs, row by row, for people."""

    same: int
    problems: tuple[str, ...]


def recompute(
    url: str,
    environment: Mapping[str, str],
    *,
    project: Path,
    vendor: str | None = None,
    month: date | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Recomputed:
    """Recompute closed months, one build for all that were closed on the same one.

    Args:
        url: the warehouse as ``avoir_transformer``.
        environment: how dbt reaches it.
        project: the dbt project.
        vendor: only this vendor's.
        month: only this month, by its first day.
        tell: hears what is being built.

    Raises:
        ModellingError: dbt failed.
    """
    problems: list[str] = []
    same = 0
    with psycopg.connect(url, application_name="avoir recompute") as connection:
        closings, unknown = _closings(connection, vendor, month)
    problems += [f"{_shown(key)}: closed without a record of what it was built from" for key in unknown]
    code = code_sha256(project)
    for number, closing in enumerate(closings, start=1):
        months = f"{len(closing.months)} months as of {closing.built_as_of:%Y-%m-%d}"
        tell(f"build {number} of {len(closings)}: {months}")
        with scratch_warehouse(url, environment, project=project, own_raw=True) as scratch:
            believe_again(
                scratch,
                contract_version_ids=closing.contract_version_ids,
                as_of=closing.built_as_of,
                raw_batches=closing.raw_batches,
            )
            hints = []
            if code != closing.code_sha256:
                hints.append("the models or the contract code are others than then")
            present = calendars_sha256(
                scratch.connection, closing.built_as_of, reference=f"{scratch.prefix}reference"
            )
            if present != closing.calendars_sha256:
                hints.append("a calendar opens otherwise than then")
            scratch.build(as_of=closing.built_as_of.isoformat(), select=_SELECTED)
            for key in closing.months:
                found = _differences(scratch.connection, scratch.prefix, key)
                same += not found
                problems += [f"{_shown(key)}: {one}{_hinted(hints)}" for one in found]
    return Recomputed(same, tuple(problems))


def _hinted(hints: list[str]) -> str:
    return f" ({'; '.join(hints)})" if hints else ""


def _shown(key: tuple[str, date, str]) -> str:
    vendor, month, currency = key
    return f"{vendor} {month:%Y-%m} {currency}"


def _closings(
    connection: psycopg.Connection, vendor: str | None, month: date | None
) -> tuple[list[Closing], list[tuple[str, date, str]]]:
    """Closings by the build they stand on, oldest first, and months of which no build is known."""
    found: dict[Any, list[tuple[str, date, str]]] = {}
    unknown = []
    for vendor_id, month_date, currency, *built in connection.execute(
        """
        select vendor_id, month_date, currency, built_as_of, raw_batches::text, contract_version_ids,
            calendars_sha256, code_sha256
        from ledger.closed_months
        where (%(vendor)s::text is null or vendor_id = %(vendor)s)
            and (%(month)s::date is null or month_date = %(month)s)
        order by month_date, vendor_id, currency
        """,
        {"vendor": vendor, "month": month},
    ):
        key = (vendor_id, month_date, currency)
        as_of, batches, versions, calendars, code = built
        if as_of is None or batches is None or versions is None:
            unknown.append(key)
        else:
            found.setdefault((as_of, batches, tuple(versions), calendars, code), []).append(key)
    closings = [
        Closing(as_of, batches, versions, calendars, code, tuple(keys))
        for (as_of, batches, versions, calendars, code), keys in found.items()
    ]
    return sorted(closings, key=lambda one: one.built_as_of), unknown


def _differences(connection: psycopg.Connection, prefix: str, key: tuple[str, date, str]) -> list[str]:
    """Rows of a closed month that are not what they were, each with the columns that differ."""
    problems = []
    for table in MONTHLY:
        schema, name = table.candidate.split(".")
        rows = connection.execute(
            f"""
            with was as (
                select row_id, content from ledger.frozen_rows
                where vendor_id = %(vendor)s and month_date = %(month)s and currency = %(currency)s
                    and table_name = '{table.name}' and row_id not like '%%@%%'
            ),

            is_now as (
                select t.{table.key} as row_id, to_jsonb(t) as content from {prefix}{schema}.{name} t
                where vendor_id = %(vendor)s and month_date = %(month)s and currency = %(currency)s
            )

            select coalesce(was.row_id, is_now.row_id), was.row_id is null, is_now.row_id is null, (
                select string_agg(
                    format(
                        '%%s %%s became %%s', o.key, o.value, coalesce(is_now.content ->> o.key, 'null')
                    ), ', ' order by o.key
                )
                from jsonb_each_text(was.content) o
                -- A column that a release took away since is no difference; its value would be null for all.
                where is_now.content ? o.key
                    and was.content -> o.key is distinct from is_now.content -> o.key
            )
            from was full outer join is_now on was.row_id = is_now.row_id
            order by 1
            """,  # noqa: S608 - names of this library
            dict(zip(("vendor", "month", "currency"), key, strict=True)),
        ).fetchall()
        for row_id, is_new, is_gone, changed in rows:
            if is_new:
                problems.append(f"{name} {row_id} was not there")
            elif is_gone:
                problems.append(f"{name} {row_id} is not there any more")
            elif changed:
                problems.append(f"{name} {row_id}: {changed}")
    return problems
