"""The releases of the demo, told by other plan systems: they are judged as the demo's truth says.

A plan file tells all of a release's history, approvals included. Of a system that holds the present only each
load sees what was so at its window's end: there the releases count whose every date was approved.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from avoir.contracts.loading import load_contracts
from avoir.demo.truth import PlanStep, plan_of
from avoir.demo.world import WorldPaths, build_world
from avoir.loading import load_window, next_window
from avoir.modelling import run_dbt
from avoir.settings import CHECKOUT, DEMO_AS_OF
from avoir.sources import plan_file
from avoir.sources.model import SourceConnection, Window
from tests.vendors.github import REPOSITORY, GitHubInstance
from tests.vendors.gitlab import PROJECT, GitLabInstance
from tests.vendors.jira import ACCOUNT, JiraInstance
from tests.vendors.serving import connection_to, serving
from tests.warehouse.conftest import BareWarehouse
from tests.warehouse.ticket_nights import asked

pytestmark = pytest.mark.warehouse

PARIS = ZoneInfo("Europe/Paris")
HISTORY_FROM = datetime(2025, 1, 1, tzinfo=UTC)
SERVICES = {"plans": "applications", "forge": PROJECT, "hub": REPOSITORY, "versions": "SUP"}
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Release:
    """A release of the demo as its plan went: what happened when, as instants, and what it comes to."""

    number: str
    created: datetime
    plan: Sequence[PlanStep]
    #: When each date of the plan was there.
    dates: Sequence[tuple[datetime, date]]
    delivered: datetime | None

    @property
    def is_approved(self) -> bool:
        return all(step.approved for step in self.plan)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def told(world: WorldPaths) -> list[Release]:
    rows: list[dict[str, str]] = json.loads(world.table_file("helios", "rm_release").read_text())
    audit: list[dict[str, str]] = json.loads(world.table_file("helios", "sys_audit").read_text())
    found = []
    for row in rows:
        history = [entry for entry in audit if entry["documentkey"] == row["sys_id"]]
        plan = plan_of(row, history, PARIS)
        replans = sorted(
            (entry for entry in history if entry["fieldname"] == "end_date"),
            key=lambda entry: int(entry["record_checkpoint"]),
        )
        asked_at = [row["sys_created_on"], *(entry["sys_created_on"] for entry in replans)]
        dates = [(instant(at), step.due) for at, step in zip(asked_at, plan, strict=True)]
        delivered = instant(row["work_end"]) if row["work_end"] else None
        found.append(Release(row["number"], instant(row["sys_created_on"]), plan, dates, delivered))
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldPaths:
    return build_world(tmp_path_factory.mktemp("plans") / "world", vendors=["helios"], months=12)


@pytest.fixture(scope="module")
def milestones(
    bare_warehouse: BareWarehouse, world: WorldPaths, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, tuple[Any, ...]]]:
    """By source and release: due date, delivery, days of delay."""
    home = tmp_path_factory.mktemp("milestones")
    believe(bare_warehouse, home / "contracts")
    releases = told(world)
    load_plan_file(bare_warehouse, home / "files", releases)
    for telling in (tell_gitlab, tell_github, tell_jira):
        for source, window in telling(releases):
            with bare_warehouse.warehouse.connect("avoir_loader") as connection:
                load_window(connection, source, window)
                assert load_window(connection, source, window).rows_landed == 0
    arguments = [
        "run",
        "--select",
        "+fct_milestones",
        "--vars",
        json.dumps({"as_of": DEMO_AS_OF.isoformat()}),
    ]
    run_dbt(
        [*arguments, "--target-path", str(home / "target")],
        project=bare_warehouse.project,
        environment=bare_warehouse.environment,
    )
    found: dict[str, dict[str, tuple[Any, ...]]] = {name: {} for name in SERVICES}
    for row in asked(bare_warehouse, "select * from facts.fct_milestones"):
        judged = (row["due_date"], row["delivered_date"], row["delay_days"], row["outcome"] == "breached")
        found[row["source_name"]][row["release_number"]] = judged
    return found


def expected(world: WorldPaths, releases: Sequence[Release]) -> dict[str, tuple[Any, ...]]:
    """What the demo's truth says of some releases."""
    numbers = {one.number for one in releases}
    truth: list[dict[str, Any]] = json.loads(world.truth_file.read_text())["releases"]
    return {
        row["number"]: (
            date.fromisoformat(row["due_date"]),
            date.fromisoformat(row["delivered_date"]) if row["delivered_date"] else None,
            max(0, row["delay_days"]),
            row["late"],
        )
        for row in truth
        if row["number"] in numbers
    }


def test_a_plan_file_is_judged_as_the_truth_says(
    world: WorldPaths, milestones: dict[str, dict[str, tuple[Any, ...]]]
) -> None:
    wanted = expected(world, told(world))
    assert milestones["plans"] == wanted
    assert len(wanted) > 20
    assert len({one[3] for one in wanted.values()}) == 2


@pytest.mark.parametrize("source", ["forge", "hub", "versions"])
def test_what_is_only_seen_is_judged_as_the_truth_says(
    world: WorldPaths, milestones: dict[str, dict[str, tuple[Any, ...]]], source: str
) -> None:
    approved = [one for one in told(world) if one.is_approved]
    wanted = expected(world, approved)
    assert milestones[source] == wanted
    assert len(wanted) > 15
    # Among them are some that were planned anew, in time and too late, and some that came too late.
    assert len([one for one in approved if len(one.plan) > 1]) >= 3
    assert len({one[3] for one in wanted.values()}) == 2


def test_evidence_leads_from_a_release_to_every_state_that_was_seen(
    bare_warehouse: BareWarehouse, world: WorldPaths, milestones: dict[str, dict[str, tuple[Any, ...]]]
) -> None:
    assert milestones
    replanned = next(one for one in told(world) if one.is_approved and len(one.plan) > 1 and one.delivered)
    rows = asked(
        bare_warehouse,
        """
        select records.source_name, records.evidence_kind, raw.payload ->> 'version_no' as version_no
        from audit.release_records() as named
        inner join audit.release_records() as records
            on records.source_name = named.source_name and records.release_key = named.release_key
        left join audit.raw_record as raw
            on raw.raw_table = records.raw_table and raw.batch_id = records.batch_id
            and raw.source_row = records.source_row and raw.natural_key = records.natural_key
            and raw.source_name = records.source_name and raw.row_hash = records.row_hash
        where named.evidence_kind = 'release' and named.release_number = %s
            and records.evidence_kind = 'release_observation'
        order by 1, 3
        """,
        replanned.number,
    )
    # As it was planned, as it was planned anew, as it was delivered.
    states = [str(number + 1) for number in range(len(replanned.plan) + 1)]
    for source in ("forge", "hub", "versions"):
        assert [row["version_no"] for row in rows if row["source_name"] == source] == states


def test_a_record_that_is_mended_waits_in_quarantine_no_more(bare_warehouse: BareWarehouse) -> None:
    instance, at = GitLabInstance(), datetime(2026, 1, 10, tzinfo=UTC)
    milestone = instance.plan(at, "1.0", date(2026, 3, 6))
    milestone["due_date"] = "soon"
    waiting = "select settled_by from loads.rejected where source_name = 'mended'"
    with serving(instance) as url:
        source = connection_to(url, "gitlab", name="mended", username=None, projects=[PROJECT])
        for day, settled in ((1, [None]), (2, [None]), (3, [True])):
            if day == 3:
                milestone["due_date"] = "2026-03-06"
            with bare_warehouse.warehouse.connect("avoir_loader") as connection:
                window = next_window(connection, source, at + timedelta(days=day))
                assert window is not None
                load_window(connection, source, window)
            found = [row["settled_by"] for row in asked(bare_warehouse, waiting)]
            assert [one is not None or None for one in found] == settled
    landed = asked(bare_warehouse, "select due_date from raw_gitlab.milestones where _source_name = 'mended'")
    assert [row["due_date"] for row in landed] == ["2026-03-06"]


# --- one release after the other, as each system would tell it ---


def load_plan_file(warehouse: BareWarehouse, folder: Path, releases: Sequence[Release]) -> None:
    folder.mkdir()
    with (folder / "plan.csv").open("w", encoding="cp1252", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerow(["Jalon", "Version", "Annoncé le", "Prévu le", "Validé par", "Validé le", "Livré le"])
        for one in releases:
            for number, step in enumerate(one.plan, start=1):
                delivered = one.delivered.astimezone(PARIS) if one.delivered else None
                writer.writerow(
                    [
                        one.number,
                        number,
                        f"{step.requested:%d/%m/%Y}",
                        f"{step.due:%d/%m/%Y}",
                        "Élise" if step.approved else "",
                        f"{step.requested:%d/%m/%Y}" if step.approved else "",
                        f"{delivered:%d/%m/%Y %H:%M}" if delivered and number == len(one.plan) else "",
                    ]
                )
    known = plan_file.SYSTEM.options
    given = {
        "columns": {
            "milestone": "Jalon", "version": "Version", "announced": "Annoncé le", "planned": "Prévu le",
            "approved_by": "Validé par", "approved": "Validé le", "delivered": "Livré le",
        },
        "formats": ["%d/%m/%Y", "%d/%m/%Y %H:%M"],
        "timezone": "Europe/Paris",
        "service": SERVICES["plans"],
        "encoding": "cp1252",
        "delimiter": ";",
    }  # fmt: skip
    source = SourceConnection(
        name="plans",
        system="plan_file",
        url=str(folder),
        history_from=HISTORY_FROM,
        options={name: option.check(given.get(name, option.default)) for name, option in known.items()},
    )
    window = Window(HISTORY_FROM, datetime(2100, 1, 1, tzinfo=UTC))
    with warehouse.warehouse.connect("avoir_loader") as connection:
        report = load_window(connection, source, window)
        assert report.rows_rejected == 0
        assert load_window(connection, source, window).rows_read == 0


def windows(releases: Sequence[Release], telling: Any) -> Iterator[Window]:
    """Let everything happen in order, and give a window that ends right after each instant."""
    steps: list[tuple[datetime, Release, str, date | None]] = []
    for one in releases:
        if one.is_approved:
            steps += [(at, one, "date", due) for at, due in one.dates]
            steps += [(one.delivered, one, "delivery", None)] if one.delivered else []
    start = HISTORY_FROM
    for at in sorted({at for at, *_ in steps}):
        for happened, one, kind, due in steps:
            if happened == at:
                telling(one, kind, at, due)
        yield Window(start, at + SECOND)
        start = at + SECOND


def tell_gitlab(releases: Sequence[Release]) -> Iterator[tuple[SourceConnection, Window]]:
    instance = GitLabInstance()
    made: dict[str, dict[str, Any]] = {}

    def telling(one: Release, kind: str, at: datetime, due: date | None) -> None:
        if kind == "delivery":
            # The record is made when it is delivered, and dated back a week.
            instance.release(at, f"v{one.number}", made[one.number], released_at=at - timedelta(days=7))
        elif one.number in made:
            instance.change(made[one.number], at, due_date=due.isoformat() if due else None)
        else:
            made[one.number] = instance.plan(at, one.number, due)

    with serving(instance) as url:
        source = connection_to(
            url, "gitlab", name="forge", username=None, projects=[PROJECT], approved_dates="every"
        )
        for window in windows(releases, telling):
            yield source, window


def tell_github(releases: Sequence[Release]) -> Iterator[tuple[SourceConnection, Window]]:
    instance = GitHubInstance()
    made: dict[str, dict[str, Any]] = {}

    def telling(one: Release, kind: str, at: datetime, due: date | None) -> None:
        if kind == "delivery":
            instance.release(at, f"v{one.number}", name=one.number)
        elif one.number in made:
            instance.change(made[one.number], at, due_on=f"{due}T07:00:00Z")
        else:
            made[one.number] = instance.plan(at, one.number, due)
            # Neither of these delivers it.
            instance.release(at, one.number, draft=True)
            instance.release(at, one.number, prerelease=True)

    with serving(instance) as url:
        source = connection_to(
            url, "github", name="hub", username=None, repositories=[REPOSITORY], approved_dates="every"
        )
        for window in windows(releases, telling):
            yield source, window


def tell_jira(releases: Sequence[Release]) -> Iterator[tuple[SourceConnection, Window]]:
    instance = JiraInstance()
    made: dict[str, dict[str, Any]] = {}

    def telling(one: Release, kind: str, at: datetime, due: date | None) -> None:
        if kind == "delivery":
            made[one.number] |= {"released": True, "releaseDate": f"{at.astimezone(PARIS):%Y-%m-%d}"}
        elif one.number in made:
            made[one.number]["releaseDate"] = str(due)
        else:
            made[one.number] = instance.plan(one.number, due)

    with serving(instance) as url:
        source = connection_to(
            url, "jira", name="versions", username=ACCOUNT, projects=["SUP"], versions=True,
            approved_dates="every", timezone="Europe/Paris",
        )  # fmt: skip
        for window in windows(releases, telling):
            yield source, window


def believe(warehouse: BareWarehouse, folder: Path) -> None:
    """Helios's contract, its releases told by the four sources."""
    text = (CHECKOUT / "contracts" / "demo" / "helios" / "HEL-2024-01.yml").read_text()
    text = text[: text.index("# The contract's own worked examples")]
    key = "- {source: helios_servicenow, kind: release, value: applications}\n"
    assert text.count(key) == 1
    keys = [f"- {{source: {name}, kind: release, value: {value}}}\n" for name, value in SERVICES.items()]
    path = folder / "helios" / "HEL-2024-01.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace(key, "          ".join(keys)))
    with warehouse.warehouse.connect("avoir_transformer") as connection:
        report = load_contracts(
            connection, folder, as_of=HISTORY_FROM, days_from=date(2025, 1, 1), days_to=date(2027, 6, 1)
        )
    assert report.refused_files == (), report.problems
