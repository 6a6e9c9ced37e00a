"""Corruptions of what vendors give reach the mart zero times: one small vendor for each kind, two nights.

In the first night all tell the truth, and four months are published. In the second each tells one thing wrong
of June. Every verdict must be the one its kind names, and whatever was published must be what a vendor with
nothing wrong shows. What blocks everybody is planted afterwards, one by one.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from avoir.checking import check_border
from avoir.closing import close_month
from avoir.loading import load_window, next_window
from avoir.publishing import mart_sha256, publish
from avoir.reconciling import reconcile
from avoir.running import build, load_contract_files
from avoir.services import Surroundings, database, surroundings_of
from avoir.settings import Settings
from avoir.sources import vendor_http
from avoir.sources.model import SourceError, parse_sources
from tests.warehouse.corruption_kinds import KINDS
from tests.warehouse.corruption_world import FIRST_NIGHT, PASSWORD, SECOND_NIGHT, CorruptWorld, Kind, plant

pytestmark = pytest.mark.warehouse

JUNE = date(2026, 6, 1)
SHOWN = """
    select to_jsonb(m) - array['vendor_id', 'vendor_name', 'contract_version_ids']
    from mart.mart_vendor_month m
    where vendor_id = %s and month_date = %s
"""
LINES = """
    select clause_id, subject_name, credit_amount from mart.fct_penalty_lines
    where vendor_id = %s and month_date = %s order by 1, 2, 3
"""


@dataclass
class Nights:
    """A warehouse after both nights."""

    world: CorruptWorld
    settings: Settings
    here: Surroundings
    loaded: dict[str, str] = field(default_factory=dict)
    """What the second night's loads said, by vendor: ``landed``, reason codes, or the refusal."""
    before: dict[str, list[Any]] = field(default_factory=dict)
    """What each vendor's months showed after the first night."""
    planted: dict[str, int] = field(default_factory=dict)

    def connect(self, role: str = "auditor") -> psycopg.Connection:
        return self.here.warehouse.connect(role)

    def load(self, as_of: datetime) -> dict[str, str]:
        """Load every source up to an instant; what each vendor's loads said."""
        told: dict[str, set[str]] = {}
        for source in parse_sources(self.settings.sources_file, self.here.environment):
            assert source.vendor is not None
            said = told.setdefault(source.vendor, set())
            with self.connect("avoir_loader") as connection:
                window = next_window(connection, source, as_of)
                assert window is not None
                try:
                    report = load_window(connection, source, window)
                except (SourceError, UnicodeError) as error:
                    said.add(f"refused: {type(error).__name__}")
                else:
                    said.update(report.rejected_by_reason)
        return {vendor: ", ".join(sorted(said)) or "landed" for vendor, said in told.items()}

    def publish(self, as_of: datetime, run_id: str) -> dict[str, int]:
        with self.connect("avoir_transformer") as connection:
            return publish(connection, as_of=as_of, run_id=run_id, built_from=run_id)

    def months(self, vendor: str) -> list[Any]:
        """What a vendor's months before June show."""
        with self.connect() as connection:
            return connection.execute(
                "select * from mart.mart_vendor_month where vendor_id = %s and month_date < %s"
                " order by month_date",
                (vendor, JUNE),
            ).fetchall()

    def shown(self, vendor: str) -> tuple[list[Any], list[Any]]:
        """What a vendor's June shows, without the names that differ from vendor to vendor."""
        with self.connect() as connection:
            return (
                connection.execute(SHOWN, (vendor, JUNE)).fetchall(),
                connection.execute(LINES, (vendor, JUNE)).fetchall(),
            )

    def verdict(self, vendor: str, run_id: str) -> tuple[str, str]:
        with self.connect() as connection:
            row = connection.execute(
                "select verdict, reason from mart.publication_log"
                " where vendor_id = %s and month_date = %s and run_id = %s",
                (vendor, JUNE, run_id),
            ).fetchone()
        return row or ("no verdict", "")


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    before = dict(os.environ)
    folder = tmp_path_factory.mktemp("corruptions")
    (folder / "world").mkdir()
    backoff, vendor_http.BACKOFF_FACTOR = vendor_http.BACKOFF_FACTOR, 0.001
    with CorruptWorld(folder / "world", KINDS) as world:
        os.environ |= {
            "AVOIR_HOME": str(folder / "home"),
            "AVOIR_PROFILE": "corruptions",
            "AVOIR_SECRET_OF_ALL": PASSWORD,
        }
        contracts = folder / "contracts"
        for kind in KINDS:
            path = contracts / kind.vendor / "contract.yml"
            path.parent.mkdir(parents=True)
            path.write_text(world.contract_of(kind))
        sources = folder / "sources.yml"
        sources.write_text(world.sources_yml())
        settings = dataclasses.replace(
            Settings.from_environment(), contracts_dir=contracts, sources_file=sources
        )
        here = surroundings_of(settings)
        with database(here):
            nights = Nights(world, settings, here)
            told(nights)
            yield nights
    if here.postgres is not None:
        here.postgres.destroy()
    vendor_http.BACKOFF_FACTOR = backoff
    os.environ.clear()
    os.environ.update(before)


def told(nights: Nights) -> None:
    """Both nights, step by step in the order of a night."""
    settings = nights.settings
    assert set(nights.load(FIRST_NIGHT).values()) == {"landed"}
    load_contract_files(settings, as_of=FIRST_NIGHT)
    assert check_border(settings, "raw", run_id="first")
    build(settings, as_of=FIRST_NIGHT)
    assert check_border(settings, "mart", run_id="first")
    assert nights.publish(FIRST_NIGHT, "first") == {"published": 4 * len(KINDS)}
    nights.before = {kind.vendor: nights.months(kind.vendor) for kind in KINDS}

    nights.world.corrupt()
    nights.loaded = nights.load(SECOND_NIGHT)
    load_contract_files(settings, as_of=SECOND_NIGHT)
    plant_ours(nights, "raw")
    assert check_border(settings, "raw", run_id="second")
    build(settings, as_of=SECOND_NIGHT)
    plant_ours(nights, "built")
    assert check_border(settings, "mart", run_id="second")
    nights.publish(SECOND_NIGHT, "second")


def plant_ours(nights: Nights, when: str) -> None:
    for kind in KINDS:
        statement = getattr(kind, when)
        if statement is not None:
            with nights.connect("admin") as connection:
                nights.planted[kind.vendor] = plant(connection, statement, kind.vendor)


def test_every_kind_has_the_verdict_and_the_reason_it_should(nights: Nights) -> None:
    clean = {kind.family: kind.vendor for kind in KINDS if kind.name == "nothing wrong"}
    wrong = []
    table = []
    for kind in KINDS:
        verdict, reason = nights.verdict(kind.vendor, "second")
        load = nights.loaded[kind.vendor]
        june = nights.shown(kind.vendor)
        faults = []
        if verdict != kind.verdict:
            faults.append(f"{verdict}, not {kind.verdict}")
        if not re.search(kind.reason, reason):
            faults.append(f"reason is not {kind.reason!r}")
        if not re.search(kind.load, load):
            faults.append(f"load said {load!r}, not {kind.load!r}")
        if nights.planted.get(kind.vendor) == 0:
            faults.append("nothing was planted")
        if nights.months(kind.vendor) != nights.before[kind.vendor]:
            faults.append("an earlier month changed: it reached the mart")
        if june != (nights.shown(clean[kind.family]) if kind.verdict == "published" else ([], [])):
            faults.append("June shows something else than the truth: it reached the mart")
        table.append((kind.name, kind.where, load, verdict, reason))
        wrong += [f"{kind.vendor} {kind.name}: {fault}; {reason}" for fault in faults]
    print_table(table)
    assert wrong == [], "\n" + "\n".join(wrong)


def print_table(rows: list[tuple[str, str, str, str, str]]) -> None:
    print(f"\n{'kind':<52} {'planted in':<28} {'load':<34} {'verdict':<10} reason")
    for name, where, load, verdict, reason in rows:
        print(f"{name:<52} {where:<28} {load:<34} {verdict:<10} {reason}")
    counts = Counter(verdict for *_, verdict, _ in rows)
    print(
        f"{len(rows)} rows: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    )


def test_there_are_sixty_kinds_and_more_and_the_truth_says_something(nights: Nights) -> None:
    kinds = {(kind.name, kind.where) for kind in KINDS if kind.name != "nothing wrong"}
    assert len(kinds) >= 60
    for kind in KINDS:
        if kind.name == "nothing wrong":
            months, lines = nights.shown(kind.vendor)
            assert len(months) == 1
            assert lines or kind.family == "probes", f"{kind.family}: June credits nothing that could be lost"
            assert len(nights.before[kind.vendor]) == 4


BLOCKING = {
    "a column that was renamed": (
        "raw",
        "alter table raw_upptime.checks rename column status to state",
        "alter table raw_upptime.checks rename column state to status",
        "raw_upptime.checks",
    ),
    "a table that is gone": (
        "raw",
        "alter table raw_xero.invoices rename to invoices_of_old",
        "alter table raw_xero.invoices_of_old rename to invoices",
        "raw_xero.invoices",
    ),
    "a record of a source that nobody knows": (
        "raw",
        "insert into raw_prometheus.samples (_source_name, _batch_id, _source_row, monitor,"
        " sampled_at, value) values ('nobody', 1, 1, 'm', '2026-06-10T00:00:00Z', 7)",
        "delete from raw_prometheus.samples where _source_name = 'nobody'",
        "raw_prometheus.samples",
    ),
    "an instant that the build would stumble over": (
        "raw",
        "update raw_servicenow.incident set opened_at = 'yesterday' || opened_at"
        " where ctid = (select min(ctid) from raw_servicenow.incident)",
        "update raw_servicenow.incident set opened_at = replace(opened_at, 'yesterday', '')"
        " where opened_at like 'yesterday%'",
        "raw_servicenow.incident",
    ),
    "a candidate without a column": (
        "mart",
        "alter table candidate.mart_vendor_month rename column downtime_seconds to down",
        "alter table candidate.mart_vendor_month rename column down to downtime_seconds",
        "candidate.mart_vendor_month",
    ),
    "a mart without months": (
        "mart",
        "create table public.kept as select * from candidate.mart_vendor_month;"
        " delete from candidate.mart_vendor_month",
        "insert into candidate.mart_vendor_month select * from public.kept; drop table public.kept",
        "candidate.mart_vendor_month",
    ),
    "an entry of the ledger that its closing did not keep": (
        "mart",
        "alter table ledger.frozen_rows disable trigger all; update ledger.frozen_rows set content ="
        " jsonb_set(content, '{credit_amount}', '1000000') where table_name = 'mart_vendor_month'"
        " and ctid = (select min(ctid) from ledger.frozen_rows where table_name = 'mart_vendor_month')",
        "update ledger.frozen_rows f set content = to_jsonb(m) from mart.mart_vendor_month m"
        " where f.table_name = 'mart_vendor_month' and f.vendor_id = m.vendor_id"
        " and f.month_date = m.month_date; alter table ledger.frozen_rows enable trigger all",
        "the ledger holds",
    ),
}


def test_what_concerns_nobody_in_particular_blocks_everybody(nights: Nights) -> None:
    close_month(nights.settings, as_of=SECOND_NIGHT, month="2026-05", by_hand=True)
    with nights.connect() as connection:
        before = mart_sha256(connection)
        assert connection.execute("select count(*) > 0 from ledger.entries").fetchone() == (True,)
    wrong, table = [], []
    for name, (border, fault, heal, expected) in BLOCKING.items():
        with nights.connect("admin") as connection:
            connection.execute(fault)
        try:
            went_on = check_border(nights.settings, border, run_id=name)
            with nights.connect("avoir_transformer") as connection:
                # The other border of that night held.
                connection.execute(
                    "insert into checks.verdicts (run_id, border, table_name, check_name, why, success)"
                    " values (%s, %s, 'all', 'all', 'it held', true)",
                    (name, "mart" if border == "raw" else "raw"),
                )
            counts = nights.publish(SECOND_NIGHT, name)
        finally:
            with nights.connect("admin") as connection:
                connection.execute(heal)
        with nights.connect() as connection:
            why = connection.execute(
                "select string_agg(table_name || ' ' || check_name || ' ' || why, '; ') from checks.verdicts"
                " where run_id = %s and not success and not is_attributed",
                (name,),
            ).fetchone()
            after = mart_sha256(connection)
        reason = str(why[0]) if why else ""
        table.append((name, border, "landed", "/".join(counts), reason))
        if went_on or set(counts) != {"blocked"} or not re.search(expected, reason) or after != before:
            wrong.append(f"{name}: {counts}, {reason}, mart {'changed' if after != before else 'stayed'}")
    counts = nights.publish(SECOND_NIGHT, "a border that was not judged")
    table.append(("a border that was not judged", "gate", "landed", "/".join(counts), ""))
    if set(counts) != {"blocked"}:
        wrong.append(f"a border that was not judged: {counts}")
    print_table(table)
    assert wrong == [], "\n" + "\n".join(wrong)


def test_what_was_made_good_is_no_longer_held(nights: Nights) -> None:
    """The vendor mends file and records; the same window is loaded once more."""
    mended = {
        kind.vendor: kind
        for kind in KINDS
        if kind.name in ("an invoice that is cut off", "a sample with a decimal comma", "an unknown state")
        and kind.load != "landed"
    }
    assert len(mended) == 3
    assert waiting(nights) >= set(mended)
    nights.world.is_corrupt = False
    for kind in mended.values():
        mend(nights.world, kind)
    for source in parse_sources(nights.settings.sources_file, nights.here.environment):
        if source.vendor in mended and not source.name.endswith("_tickets"):
            with nights.connect("avoir_loader") as connection:
                window = next_window(connection, source, SECOND_NIGHT.replace(hour=5))
                assert window is not None
                load_window(connection, source, dataclasses.replace(window, start=source.history_from))
    assert waiting(nights) & set(mended) == set()


def mend(world: CorruptWorld, kind: Kind) -> None:
    if kind.family == "log":
        (world.folder / f"{kind.vendor}.csv").write_text(world.truth.log, encoding="utf-8")
    if kind.family == "invoices":
        for path in world.truth.invoices.iterdir():
            target = Path(world.folder, kind.vendor, path.name)
            target.unlink(missing_ok=True)
            os.link(path, target)


def waiting(nights: Nights) -> set[str]:
    """Vendors with something in quarantine."""
    with nights.connect("avoir_transformer") as connection:
        quarantine = reconcile(connection, nights.settings.gate)[-1]
    return {str(finding.source_name).split("_")[0] for finding in quarantine.findings}
