"""Instants as a contract file writes them: local to the contract's zone, or with an offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from avoir.contracts.calendars import EPOCH


class InstantError(ValueError):
    """A local time that does not exist or exists twice; ``mend`` says what to write instead."""

    def __init__(self, message: str, mend: str) -> None:
        """Keep the mend beside the message."""
        super().__init__(message)
        self.mend = mend


def microseconds(instant: datetime) -> int:
    """Return the microseconds of a zoned instant since 1970-01-01 UTC, exactly."""
    passed = instant - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def instant_of(us: int) -> datetime:
    """Return the instant, in UTC, of microseconds since 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=us)


def instant_us(text: str, timezone: str) -> int:
    """Return the microseconds since 1970-01-01 UTC of an instant in a contract file.

    Args:
        text: ``YYYY-MM-DD HH:MM[:SS[.ffffff]]``, local unless an offset or ``Z`` follows.
        timezone: the contract's IANA zone.

    Raises:
        InstantError: the local time is skipped when clocks go forward, or exists twice when they go back.
        ValueError: the text is no instant.
    """
    written = datetime.fromisoformat(text)
    if written.tzinfo is not None:
        return microseconds(written)
    zone = ZoneInfo(timezone)
    first, second = (written.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return microseconds(first)
    choices = " or ".join(f'"{one.isoformat(sep=" ")}"' for one in (first, second))
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != written:
        message = f"{text} does not exist in {timezone}: clocks go forward over it"
        raise InstantError(message, f"write a time that exists, or an offset: {choices}")
    raise InstantError(f"{text} exists twice in {timezone}: clocks go back over it", f"write {choices}")
