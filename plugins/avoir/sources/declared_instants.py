"""Instants of files, in the one format and zone that their connection declares: nothing is guessed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: The word for ISO 8601 in place of a format.
ISO = "iso"
_YEARS = range(1970, 2200)
#: Of each of these a format must have one, or an instant would be read of what is not there.
_PARTS = (("%Y",), ("%m", "%b", "%B"), ("%d",), ("%H", "%I"), ("%M",))


@dataclass(frozen=True)
class InstantFormat:
    """How instants are written: ``iso`` or a format of ``strptime``, and the zone of those without one."""

    text: str
    zone: ZoneInfo | None

    def read(self, value: object) -> datetime:
        """The instant, in UTC; an hour that occurs twice is its first occurrence.

        A ``datetime``, as a spreadsheet's cell holds, is taken as a clock's reading in the zone.

        Raises:
            ValueError: another format, no zone, an hour that the zone's clock skipped, or a year that is a
                mistake.
        """
        local = value if isinstance(value, datetime) else self._parsed(value)
        if local.tzinfo is None:
            if self.zone is None:
                raise ValueError(f"{value} has no zone, and the option timezone declares none")
            local = local.replace(tzinfo=self.zone)
        instant = local.astimezone(UTC)
        if instant.astimezone(local.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None):
            raise ValueError(f"{value} does not exist in {self.zone}")
        if instant.year not in _YEARS:
            raise ValueError(f"{value} is in no year of our time")
        return instant

    def _parsed(self, value: object) -> datetime:
        if isinstance(value, date):
            raise ValueError(f"{value} is a day and no instant")  # noqa: TRY004 one kind
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is a number and no instant")  # noqa: TRY004 one kind
        if self.text != ISO:
            return datetime.strptime(value, self.text)  # noqa: DTZ007 its zone is declared apart
        if len(value) <= len("2026-03-02"):
            raise ValueError(f"{value} is a day and no instant")
        return datetime.fromisoformat(value)


def zone_of(value: object) -> ZoneInfo | None:
    """The check of an option that names a zone; nothing for none.

    Raises:
        ValueError: no zone of that name.
    """
    if value is None:
        return None
    try:
        return ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"must be an IANA zone such as UTC or Europe/Paris, got {value!r}") from error


def format_of(value: object) -> str:
    """The check of an option that states a format.

    Raises:
        ValueError: it leaves out a part of an instant.
    """
    if value == ISO:
        return ISO
    if not isinstance(value, str) or not all(any(one in value for one in part) for part in _PARTS):
        raise ValueError(
            f"must be iso or a format with year, month, day, hour and minute such as '%d/%m/%Y %H:%M', "
            f"got {value!r}"
        )
    return value
