"""What clocks and availability cost, each piece beside its bound and its peer.

    make bench                                      all of it: bench/results.json and bench/results.md
    make bench-small                                the same on little data, only printed
    python bench/clocks.py --only intervals         one piece at full size, only printed
    python bench/clocks.py --size small --out DIR   results.json and results.md in another folder

It starts an embedded Postgres of its own in a temporary folder and takes it away again. Ends with 1 when an
answer is wrong; a goal that is missed is told in the results.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import clock_pieces
import increments
import probe_pieces
import results
from measuring_cpu import Cluster, cluster, machine
from results import Result
from sizes import SIZES, Size

Say = Callable[[str, str], None]

_CLOCKS = (clock_pieces.intervals, clock_pieces.event_sum, clock_pieces.due_instants)
PIECES = (
    *(piece.__name__ for piece in _CLOCKS),
    "availability_month",
    "probe_intervals",
    "nightly_increment",
)


def measured(running: Cluster, size: Size, wanted: set[str], say: Say) -> Iterator[Result]:
    """Measure the pieces that are wanted, those of one kind in one database."""
    pieces = [piece for piece in _CLOCKS if piece.__name__ in wanted]
    if pieces:
        with running.database("clocks") as database:
            say("calendars", f"laying out {size.calendars}")
            calendars = clock_pieces.lay_out_calendars(database, size)
            for piece in pieces:
                yield from piece(database, calendars, size, partial(say, piece.__name__))
    if wanted & {"availability_month", "probe_intervals"}:
        yield from probe_pieces.availability(running, size, wanted, partial(say, "availability"))
    if "nightly_increment" in wanted:
        yield from increments.nightly_increment(running, size, partial(say, "nightly_increment"))


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="full", help="how much data (default: full)")
    parser.add_argument("--only", choices=PIECES, action="append", help="one piece; may be repeated")
    parser.add_argument(
        "--out", type=Path, help="folder for the results (default: bench/ for a whole full run)"
    )
    options = parser.parse_args()
    size, wanted = SIZES[options.size], set(options.only or PIECES)
    began = time.monotonic()
    # Asked to end, it still takes the server and its gigabytes away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    def say(piece: str, text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {piece}: {text}", file=sys.stderr, flush=True)

    with cluster() as running:
        here = machine(running)
        taken = list(measured(running, size, wanted, say))
    command = " ".join(["python bench/clocks.py", *sys.argv[1:]]) if sys.argv[1:] else "make bench"
    page = results.page(taken, command=command, machine=here, goals=options.size == "full")
    print(page)
    is_whole = options.size == "full" and not options.only
    out = options.out or (Path(__file__).parent if is_whole else None)
    if out is not None:
        results.write(taken, out, page)
    if any(one.wrong for one in taken):
        sys.exit(1)


if __name__ == "__main__":
    main()
