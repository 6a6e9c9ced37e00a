"""What a changed contract would have cost: history replayed under it, beside what is published.

The raw rows are those that landed; only the contract is another. Nothing that readers see changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from avoir.contracts.calendars import calendar_days
from avoir.contracts.reading import ContractFile
from avoir.contracts.rows import Names, Tables, decision_rows, header_row, index_rows, key_rows, part_rows
from avoir.contracts.scratch import scratch_warehouse

_CALENDAR_AHEAD = timedelta(days=400)


class WhatIfError(ValueError):
    """The replay cannot be compared with anything; the message says why."""


@dataclass(frozen=True)
class ClauseMonth:
    """What a clause costs in a month: as published, and under the changed contract. Amounts exclude VAT."""

    month: date
    clause_id: str
    currency: str
    published_amount: Decimal | None
    whatif_amount: Decimal | None

    @property
    def difference_amount(self) -> Decimal | None:
        """What changes; None where the changed contract leaves it unknown."""
        if self.whatif_amount is None:
            return None
        return self.whatif_amount - (self.published_amount or 0)


def replay(
    url: str,
    environment: Mapping[str, str],
    file: ContractFile,
    *,
    project: Path,
    as_of: datetime,
    first: date,
    last: date,
) -> list[ClauseMonth]:
    """Replay the published months ``first`` to ``last`` (their first days, both held) under another contract.

    Args:
        url: the warehouse as ``avoir_transformer``.
        environment: how dbt reaches it.
        file: a good contract file with the id of a published contract.
        project: the dbt project.
        as_of: the instant of the build that was published.
        first: first month.
        last: last month.

    Raises:
        WhatIfError: no month of the contract is published in this stretch.
        ModellingError: dbt failed.
    """
    contract = file.versions[0].contract
    with psycopg.connect(url, application_name="avoir") as connection:
        months = _published_months(connection, contract.contract, first, last)
        if not months:
            msg = f"no month of {contract.contract} is published between {first:%Y-%m} and {last:%Y-%m}"
            raise WhatIfError(msg)
        published = {
            (month, clause): amount
            for month, clause, amount in connection.execute(
                """
                select month_date, clause_id, sum(credit_amount) from mart.fct_penalty_lines
                where contract_id = %s and month_date = any(%s) group by 1, 2
                """,
                (contract.contract, months),
            )
        }
    with scratch_warehouse(url, environment, project=project, own_raw=False) as scratch:
        scratch.load_reference(_reference_rows(file, as_of))
        scratch.build(as_of=as_of.isoformat())
        replayed: dict[tuple[Any, Any], Any] = {
            (row["month_date"], row["clause_id"]): row["amount"]
            for row in scratch.rows(
                """
                select month_date, clause_id,
                    case when count(*) = count(credit_amount) then sum(credit_amount) end as amount
                from {p}penalties.fct_penalty_lines where is_complete group by 1, 2
                """
            )
        }
    keys = {key for key in published.keys() | replayed.keys() if key[0] in set(months)}
    return [
        ClauseMonth(
            month,
            str(clause),
            contract.currency,
            published.get((month, clause), Decimal(0)),
            _decimal(replayed.get((month, clause), Decimal(0))),
        )
        for month, clause in sorted(keys, key=lambda key: (key[0], str(key[1])))
    ]


def _decimal(value: object) -> Decimal | None:
    return value if isinstance(value, Decimal) else None


def _published_months(
    connection: psycopg.Connection, contract_id: str, first: date, last: date
) -> list[date]:
    rows = connection.execute(
        """
        select distinct m.month_date from mart.mart_vendor_month m
        join mart.dim_contracts c on c.vendor_id = m.vendor_id
        where c.contract_id = %s and m.month_date between %s and %s and
            c.contract_version_id = any(string_to_array(m.contract_version_ids, ','))
        order by 1
        """,
        (contract_id, first, last),
    ).fetchall()
    return [month for (month,) in rows]


def _reference_rows(file: ContractFile, as_of: datetime) -> Tables:
    rows: Tables = {}
    for version in file.versions:
        names = Names.of(version)
        parts = part_rows(version, names)
        parts["contract_versions"] = [header_row(version, names, file_path="", recorded_at=as_of)]
        parts["service_keys"] = key_rows(version, names)
        first = date(version.valid_from.year, 1, 1)
        end = max((as_of + _CALENDAR_AHEAD).date(), date(first.year + 1, 1, 1))
        parts["calendar_days"] = [
            (names.calendar_ids[name], *day.row())
            for name, calendar in version.calendars.items()
            for day in calendar_days(calendar, first, end)
        ]
        for table, more in parts.items():
            rows.setdefault(table, []).extend(more)
    contract = file.versions[0].contract
    rows["index_values"] = [(*row, as_of, None) for row in index_rows(contract)]
    rows["exclusion_decisions"] = [(*row, as_of, None) for row in decision_rows(contract)]
    return rows
