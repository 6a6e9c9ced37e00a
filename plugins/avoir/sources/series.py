"""Samples of one monitor as arrays: as objects, a million of them cost several times what landing them does.

A series holds nothing to judge. What a monitor says that is no sample, or no such text as a database keeps,
goes as :class:`avoir.sources.model.Rows` and :class:`~avoir.sources.model.Rejected`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avoir.sources.instants import instant_text
from avoir.sources.model import Rows

#: How many samples are copied as one piece, and how many bytes of them at most: a monitor's name may be long.
BLOCK_SAMPLES, BLOCK_BYTES = 50_000, 16_000_000
#: What pieces stand between: signature, flags and length of the extension; a row of -1 fields.
COPY_HEAD, COPY_END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
_POSTGRES_EPOCH_US = (datetime(2000, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
    microseconds=1
)


@dataclass(frozen=True, eq=False)
class Series:
    """Samples of one monitor in the order of their instants, for a table of monitor, instant and number.

    Attributes:
        table: whose name ends the raw table's.
        monitor: text that Postgres can keep.
        milliseconds: since 1970, strictly increasing, at least one.
        values: as many, each finite.
    """

    table: str
    monitor: str
    milliseconds: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.milliseconds)

    @property
    def first(self) -> int:
        """The first instant, in milliseconds since 1970."""
        return int(self.milliseconds[0])

    @property
    def last(self) -> int:
        """The last instant, in milliseconds since 1970."""
        return int(self.milliseconds[-1])

    def rows(self) -> Rows:
        """The same as rows of text."""
        instants = map(instant_text, self.milliseconds.tolist())
        numbers = map(repr, self.values.tolist())
        values = [(self.monitor, at, value) for at, value in zip(instants, numbers, strict=True)]
        return Rows(self.table, values, range(1, len(values) + 1))

    def copied(self, source_name: str, batch_id: int) -> Iterator[bytes]:
        """The rows of the raw table in Postgres' binary COPY format, a piece at a time.

        Its columns are the source's name, the batch, the number of the sample in the series, then the
        monitor, the instant and the value. All rows of a series are of one length, so they are made at once.
        """
        source, monitor = source_name.encode(), self.monitor.encode()
        layout = np.dtype(
            [
                ("fields", ">i2"),
                *_field("source", f"S{len(source)}"),
                *_field("batch", ">i8"),
                *_field("number", ">i8"),
                *_field("monitor", f"S{len(monitor)}"),
                *_field("at", ">i8"),
                *_field("value", ">f8"),
            ]
        )
        length = max(1, min(BLOCK_SAMPLES, BLOCK_BYTES // layout.itemsize))
        for start in range(0, len(self), length):
            milliseconds = self.milliseconds[start : start + length]
            block = np.empty(len(milliseconds), layout)
            block["fields"] = 6
            for name in ("source", "batch", "number", "monitor", "at", "value"):
                block[f"{name}_bytes"] = layout[name].itemsize
            block["source"], block["batch"], block["monitor"] = source, batch_id, monitor
            block["number"] = np.arange(start + 1, start + 1 + len(milliseconds))
            block["at"] = milliseconds * 1000 - _POSTGRES_EPOCH_US
            block["value"] = self.values[start : start + length]
            yield block.tobytes()


def _field(name: str, kind: str) -> list[tuple[str, str]]:
    return [(f"{name}_bytes", ">i4"), (name, kind)]


def series_of(table: str, monitor: str, samples: Sequence[Any]) -> Series | None:
    """Samples as ``[seconds since 1970, "number"]``; None when one of them needs to be judged."""
    try:
        monitor.encode()
        stamps = [stamp for stamp, _ in samples]
        texts = [text for _, text in samples]
        if not monitor or "\x00" in monitor or set(map(type, texts)) != {str}:
            return None
        if not set(map(type, stamps)) <= {int, float}:
            return None
        with np.errstate(invalid="ignore"):
            milliseconds = np.rint(np.array(stamps, np.float64) * 1000).astype(np.int64)
        values = np.fromiter(map(float, texts), np.float64, len(texts))
    except (TypeError, ValueError, OverflowError):
        return None
    # Compared, not subtracted: an instant beyond all years became the smallest integer, and that would wrap.
    if not np.isfinite(values).all() or not (milliseconds[1:] > milliseconds[:-1]).all():
        return None
    return Series(table, monitor, milliseconds, values)
