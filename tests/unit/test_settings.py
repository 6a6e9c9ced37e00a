"""The one reader of the environment."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from avoir.settings import CHECKOUT, DEMO_AS_OF, Settings, SettingsError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("AVOIR_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("avoir.settings.CHECKOUT", tmp_path)


def test_defaults_work_without_any_variable(tmp_path: Path) -> None:
    settings = Settings.from_environment()
    assert settings.profile_home == tmp_path / ".avoir" / "demo"
    assert settings.as_of == DEMO_AS_OF
    assert settings.database_url is None


def test_a_profile_of_ones_own_finds_its_folder_and_has_no_instant(tmp_path: Path) -> None:
    settings = Settings.from_environment(profile="acme")
    assert settings.contracts_dir == tmp_path / "contracts" / "acme"
    assert settings.sources_file == tmp_path / "contracts" / "acme" / "sources.yml"
    assert settings.as_of is None


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("AVOIR_TIMEZONE=Asia/Tokyo\nAVOIR_BUILD_AT=0 5 * * *\n")
    monkeypatch.setenv("AVOIR_TIMEZONE", "Europe/Lisbon")
    settings = Settings.from_environment()
    assert (settings.timezone, settings.build_at) == ("Europe/Lisbon", "0 5 * * *")


def test_an_instant_is_read_with_its_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVOIR_AS_OF", "2026-03-08T05:00:00+01:00")
    assert Settings.from_environment().as_of == datetime(2026, 3, 8, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AVOIR_AS_OF", "yesterday", "must be an instant such as"),
        ("AVOIR_AS_OF", "2026-03-08T05:00:00", "must carry its offset"),
        ("AVOIR_TIMEZONE", "Paris", "must be an IANA zone"),
        ("AVOIR_PROFILE", "../etc", "letters, digits"),
        ("AVOIR_AIRFLOW_PORT", "80a", "must be a port"),
        ("AVOIR_POSTGRES_PORT", "70000", "must be a port"),
        ("AVOIR_GATE_COVERAGE_PCT", "most", "must be a number that is not negative"),
        ("AVOIR_GATE_VOLUME_DROP_PCT", "-1", "must be a number that is not negative"),
    ],
)
def test_a_bad_value_names_its_variable_and_the_mend(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=message) as caught:
        Settings.from_environment()
    assert variable in str(caught.value)


def test_the_example_names_every_variable_that_is_read() -> None:
    read = set(re.findall(r'"(AVOIR_[A-Z_]+)"', (CHECKOUT / "plugins/avoir/settings.py").read_text()))
    named = set(re.findall(r"^#?(AVOIR_[A-Z_]+)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))
    assert len(read) > 10
    assert read <= named, f"add to .env.example: {sorted(read - named)}"
