"""The only reader of the environment: where state lives, which profile runs, what instant it believes in.

Every other module takes a :class:`Settings` (or a part of one) as an argument.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values

from avoir.thresholds import Thresholds

CHECKOUT = Path(__file__).resolve().parents[2]

DEMO_AS_OF = datetime(2026, 7, 8, 4, 0, tzinfo=UTC)
REAL_AS_OF = datetime(2026, 8, 11, 0, 0, tzinfo=UTC)

_PROFILE_AS_OF = {"demo": DEMO_AS_OF, "real": REAL_AS_OF}
_PROFILE_CONTRACTS = {"demo": "contracts/demo", "real": "contracts/examples"}


class SettingsError(ValueError):
    """A variable of the environment has a value that cannot be used; the message names it and the mend."""


@dataclass(frozen=True)
class Settings:
    """What a command needs to know of its surroundings.

    ``as_of`` is the instant the run believes in (``AVOIR_AS_OF``); ``None`` means the caller's own
    notion, which for a nightly run is the end of its data interval.
    """

    checkout: Path
    home: Path
    profile: str
    contracts_dir: Path
    sources_file: Path
    shared_data: Path
    as_of: datetime | None
    database_url: str | None = field(repr=False)
    airflow_database_url: str | None = field(repr=False)
    os_user: str | None
    timezone: str
    build_at: str
    dag_run_id: str | None
    ports: Mapping[str, int]
    gate: Thresholds

    @property
    def profile_home(self) -> Path:
        """Directory with everything this profile keeps: database, Airflow, logs, the demo world."""
        return self.home / self.profile

    @property
    def procedure_file(self) -> Path:
        """Register of the procedure's steps, beside the contracts; it need not be there."""
        return self.contracts_dir / "procedure.csv"

    @classmethod
    def from_environment(cls, *, profile: str | None = None) -> Self:
        """Read ``.env`` of the checkout, then the process environment, which wins.

        Raises:
            SettingsError: a variable cannot be parsed; the message says how to write it.
        """
        file_values = {k: v for k, v in dotenv_values(CHECKOUT / ".env").items() if v}
        values: dict[str, str] = {**file_values, **{k: v for k, v in os.environ.items() if v}}
        name = profile or values.get("AVOIR_PROFILE", "demo")
        if not name.replace("_", "").replace("-", "").isalnum():
            raise SettingsError(f"AVOIR_PROFILE must be letters, digits, - or _, got {name!r}.")
        home = Path(values.get("AVOIR_HOME", CHECKOUT / ".avoir")).expanduser().absolute()
        sources_default = {
            "demo": home / "demo" / "world" / "sources.yml",
            "real": CHECKOUT / "contracts" / "examples" / "sources.yml",
        }.get(name, CHECKOUT / "contracts" / name / "sources.yml")
        timezone = values.get("AVOIR_TIMEZONE", "Europe/Paris")
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            message = f"AVOIR_TIMEZONE must be an IANA zone such as Europe/Paris, got {timezone!r}."
            raise SettingsError(message) from error
        return cls(
            checkout=CHECKOUT,
            home=home,
            profile=name,
            contracts_dir=_path(
                values.get("AVOIR_CONTRACTS"), CHECKOUT / _PROFILE_CONTRACTS.get(name, f"contracts/{name}")
            ),
            sources_file=_path(values.get("AVOIR_SOURCES"), sources_default),
            shared_data=_path(values.get("AVOIR_SHARED_DATA"), CHECKOUT.parent / "shared" / "data"),
            as_of=_instant(values.get("AVOIR_AS_OF")) or _PROFILE_AS_OF.get(name),
            database_url=values.get("AVOIR_DATABASE_URL"),
            airflow_database_url=values.get("AVOIR_AIRFLOW_DATABASE_URL"),
            os_user=values.get("AVOIR_POSTGRES_OS_USER"),
            timezone=timezone,
            build_at=values.get("AVOIR_BUILD_AT", "0 6 * * *"),
            dag_run_id=values.get("AIRFLOW_CTX_DAG_RUN_ID"),
            ports={
                service: _port(variable, values.get(variable), default)
                for service, variable, default in (
                    ("postgres", "AVOIR_POSTGRES_PORT", 15432),
                    ("airflow", "AVOIR_AIRFLOW_PORT", 18080),
                    ("vendors", "AVOIR_DEMO_PORT", 18765),
                )
            },
            gate=Thresholds(
                coverage_pct=_amount(values, "AVOIR_GATE_COVERAGE_PCT", Thresholds.coverage_pct),
                volume_drop_pct=_amount(values, "AVOIR_GATE_VOLUME_DROP_PCT", Thresholds.volume_drop_pct),
                volume_rise_pct=_amount(values, "AVOIR_GATE_VOLUME_RISE_PCT", Thresholds.volume_rise_pct),
                reported_minutes=_amount(values, "AVOIR_GATE_REPORTED_MINUTES", Thresholds.reported_minutes),
            ),
        )


def _path(value: str | None, default: Path) -> Path:
    return Path(value).expanduser().absolute() if value else default


def _instant(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        message = f"AVOIR_AS_OF must be an instant such as 2026-07-08T04:00:00+00:00, got {value!r}."
        raise SettingsError(message) from error
    if instant.tzinfo is None:
        raise SettingsError(f"AVOIR_AS_OF must carry its offset, as in {value}+00:00.")
    return instant.astimezone(UTC)


def _amount(values: Mapping[str, str], variable: str, default: Decimal) -> Decimal:
    value = values.get(variable)
    if value is None:
        return default
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise SettingsError(f"{variable} must be a number that is not negative, got {value!r}.")
    return amount


def _port(variable: str, value: str | None, default: int) -> int:
    if value is None:
        return default
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise SettingsError(f"{variable} must be a port from 1 to 65535, got {value!r}.")
    return int(value)
