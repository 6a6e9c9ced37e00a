"""The world is the same for the same seed, complete or absent, and part of it is a part of the whole."""

from __future__ import annotations

import hashlib
import json
import stat
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from avoir.demo.months import Month, as_servicenow
from avoir.demo.uptime import tell_weather
from avoir.demo.vendors import AS_OF, VENDORS
from avoir.demo.world import WorldPaths, build_world, read_secrets

ReadTruth = Callable[[WorldPaths], dict[str, Any]]
ReadRows = Callable[[WorldPaths, str, str], list[dict[str, str]]]


def digests(paths: WorldPaths) -> dict[str, tuple[str, float]]:
    """Content of every file but the secrets, and the time of every invoice."""
    return {
        str(file.relative_to(paths.root)): (
            hashlib.sha256(file.read_bytes()).hexdigest(),
            file.stat().st_mtime if file.parent.name == "invoices" else 0,
        )
        for file in sorted(paths.root.rglob("*"))
        if file.is_file() and file != paths.secrets_file
    }


def samples_of(paths: WorldPaths, vendor: str) -> list[tuple[int, int]]:
    lines = paths.samples_file(vendor, VENDORS[vendor].monitor).read_text(encoding="ascii").splitlines()
    assert lines
    return [(int(at), int(value)) for at, value in (line.split(",") for line in lines)]


def test_the_same_seed_gives_the_same_bytes(world: WorldPaths, tmp_path: Path) -> None:
    again = build_world(tmp_path / "again", vendors=["kaveri", "thornbury"], months=3)
    assert digests(again) == digests(world)
    assert len(digests(world)) > 20


def test_another_seed_gives_another_world(world: WorldPaths, tmp_path: Path) -> None:
    other = build_world(tmp_path / "other", seed=7, vendors=["thornbury"], months=1)
    table = other.table_file("thornbury", "incident")
    assert table.read_bytes() != world.table_file("thornbury", "incident").read_bytes()


def test_building_again_changes_nothing_and_keeps_the_secrets(tmp_path: Path) -> None:
    first = build_world(tmp_path / "world", vendors=["thornbury"], months=1)
    before = {file: file.stat().st_mtime_ns for file in first.root.rglob("*")}
    build_world(tmp_path / "world", vendors=["thornbury"], months=1)
    assert {file: file.stat().st_mtime_ns for file in first.root.rglob("*")} == before
    secrets = read_secrets(first.secrets_file)
    build_world(tmp_path / "world", vendors=["thornbury"], months=2)
    assert read_secrets(first.secrets_file) == secrets
    assert json.loads(first.marker.read_text())["months"] == ["2026-05", "2026-06"]
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


def test_half_a_world_is_made_anew(tmp_path: Path) -> None:
    paths = build_world(tmp_path / "world", vendors=["thornbury"], months=1)
    whole = digests(paths)
    paths.marker.unlink()
    paths.truth_file.write_text("half")
    build_world(tmp_path / "world", vendors=["thornbury"], months=1)
    assert digests(paths) == whole


@pytest.mark.parametrize(("vendors", "months"), [(["nobody"], 1), ([], 1), (None, 0), (None, 19)])
def test_an_impossible_world_is_refused(tmp_path: Path, vendors: list[str] | None, months: int) -> None:
    with pytest.raises(ValueError, match=r"vendors must be|months must be"):
        build_world(tmp_path / "world", vendors=vendors, months=months)
    assert not list(tmp_path.iterdir())


def test_a_smaller_world_holds_the_same_records(
    world: WorldPaths, tmp_path: Path, rows_of: ReadRows, truth_of: ReadTruth
) -> None:
    smaller = build_world(tmp_path / "smaller", vendors=["kaveri"], months=2)
    for table in ("incident", "rm_release", "cmdb_ci_outage"):
        wanted = {row["sys_id"]: row for row in rows_of(smaller, "kaveri", table)}
        have = {row["sys_id"]: row for row in rows_of(world, "kaveri", table)}
        assert wanted.items() <= have.items()
    have_samples = samples_of(world, "kaveri")
    wanted_samples = samples_of(smaller, "kaveri")
    assert have_samples[-len(wanted_samples) :] == wanted_samples

    def judged(paths: WorldPaths) -> dict[str, Any]:
        rows = [row for row in truth_of(paths)["tickets"] if row["vendor"] == "kaveri"]
        return {row["sys_id"]: row for row in rows if row["month"] >= "2026-05"}

    assert judged(smaller) == judged(world)
    assert judged(world)


def test_nothing_happens_after_as_of(world: WorldPaths, rows_of: ReadRows) -> None:
    as_of = as_servicenow(round(AS_OF.timestamp()))
    for vendor in ("kaveri", "thornbury"):
        for table in ("incident", "rm_release", "cmdb_ci_outage"):
            assert max(row["sys_updated_on"] for row in rows_of(world, vendor, table)) <= as_of
        for table in ("sys_audit", "sys_journal_field"):
            assert max(row["sys_created_on"] for row in rows_of(world, vendor, table)) <= as_of
        last = datetime.fromtimestamp(samples_of(world, vendor)[-1][0] / 1000, UTC)
        assert last < AS_OF
        for file in world.invoices_dir(vendor).iterdir():
            assert datetime.fromtimestamp(file.stat().st_mtime, UTC) <= AS_OF


def test_a_record_shows_its_current_state_and_its_audit_leads_there(
    world: WorldPaths, rows_of: ReadRows
) -> None:
    audit = sorted(rows_of(world, "kaveri", "sys_audit"), key=lambda row: int(row["record_checkpoint"]))
    values: dict[tuple[str, str], str] = {}
    for row in audit:
        key = row["documentkey"], row["fieldname"]
        assert values.get(key, row["oldvalue"]) == row["oldvalue"]
        assert row["oldvalue"] != row["newvalue"]
        values[key] = row["newvalue"]
    incidents = {row["sys_id"]: row for row in rows_of(world, "kaveri", "incident")}
    releases = {row["sys_id"]: row for row in rows_of(world, "kaveri", "rm_release")}
    for (record, name), value in values.items():
        assert (incidents.get(record) or releases[record])[name] == value
    assert {name for _, name in values} >= {
        "state",
        "hold_reason",
        "priority",
        "assignment_group",
        "approval",
    }


def test_volumes_follow_the_seasons(whole_history: WorldPaths, rows_of: ReadRows) -> None:
    months = Counter(row["sys_created_on"][:7] for row in rows_of(whole_history, "helios", "incident"))
    assert all(40 <= months[str(month)] <= 90 for month in Month.span(Month(2025, 1), Month(2026, 6)))
    assert months["2025-08"] < months["2025-06"] < months["2025-12"]


def test_probes_come_every_five_minutes_with_gaps_and_outages(world: WorldPaths) -> None:
    samples = samples_of(world, "thornbury")
    steps = [after[0] - before[0] for before, after in pairwise(samples)]
    assert all(step > 290_000 for step in steps)
    assert 0 < sum(step > 590_000 for step in steps) < 50
    assert 0 < sum(value == 0 for _, value in samples) < len(samples) / 20


def test_an_outage_crosses_the_night_of_the_clock_change() -> None:
    for vendor_id, month, moment in (
        ("helios", Month(2025, 10), datetime(2025, 10, 26, 1, tzinfo=UTC)),
        ("hudson", Month(2026, 3), datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ):
        outages = tell_weather(VENDORS[vendor_id], month, 1).outages
        assert any(outage.start < moment.timestamp() < outage.end for outage in outages)


def test_sources_name_every_connection_and_no_secret(world: WorldPaths) -> None:
    text = world.sources_file.read_text(encoding="utf-8")
    sources = YAML(typ="safe", pure=True).load(text)["sources"]
    assert [source["name"] for source in sources] == [
        f"{vendor}_{system}"
        for vendor in ("kaveri", "thornbury")
        for system in ("servicenow", "prometheus", "invoices")
    ]
    environment = world.environment("http://127.0.0.1:1")
    secrets = read_secrets(world.secrets_file)
    assert len(set(secrets.values())) == 4
    assert not any(secret in text for secret in secrets.values())
    assert {source["secret_env"] for source in sources if "secret_env" in source} == set(secrets)
    assert set(secrets) <= set(environment)
    assert stat.S_IMODE(world.secrets_file.stat().st_mode) == 0o600


def test_sources_are_what_the_loader_accepts(world: WorldPaths) -> None:
    from avoir.sources.model import parse_sources

    sources = parse_sources(world.sources_file, world.environment("http://127.0.0.1:1"))
    assert Counter(source.system for source in sources) == {
        "servicenow": 2,
        "prometheus": 2,
        "einvoice_folder": 2,
    }
    folders = [source.path for source in sources if source.system == "einvoice_folder"]
    assert all(folder.is_dir() for folder in folders)
