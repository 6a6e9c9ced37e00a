"""Findings: what a check or a reconciliation holds against single months, and nobody else's.

A finding of a *source* (records that failed a check as they landed) is kept with the source's name and an
instant, since which months there are is known after the build only: it concerns every month that needs the
source and begins before the instant. A finding of a *month* names vendor and month; without a currency it
concerns the month in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import psycopg


@dataclass(frozen=True)
class Finding:
    """One reason against months: of a source before an instant, or of a vendor's month.

    A note (``is_note``) stands beside the verdict and holds nothing.
    """

    check: str
    reason: str
    source_name: str | None = None
    before: datetime | None = None
    vendor_id: str | None = None
    month_date: date | None = None
    currency: str | None = None
    is_note: bool = False

    def __post_init__(self) -> None:
        of_source = self.source_name is not None and self.before is not None
        of_month = self.vendor_id is not None and self.month_date is not None
        if of_source == of_month:
            raise ValueError(f"{self.check}: a finding is of a source before an instant, or of a month")


def store_findings(
    connection: psycopg.Connection, border: str, findings: Iterable[Finding], *, run_id: str
) -> None:
    """Replace a run's findings at a border."""
    with connection.transaction():
        connection.execute("delete from checks.findings where run_id = %s and border = %s", (run_id, border))
        with connection.cursor() as cursor:
            cursor.executemany(
                """
                insert into checks.findings (
                    run_id, border, check_name, source_name, before_at, vendor_id, month_date, currency,
                    is_note, reason
                ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                """,
                [
                    (
                        run_id,
                        border,
                        one.check,
                        one.source_name,
                        one.before,
                        one.vendor_id,
                        one.month_date,
                        one.currency,
                        one.is_note,
                        one.reason,
                    )
                    for one in findings
                ],
            )
