"""A real Nagios: what its checks found, second by second, is what its log is read to say."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from avoir.sources.model import NothingLanded, Rejected, Window
from avoir.sources.nagios_log import fetch
from tests.vendors.nagios import MONITOR, Nagios, nagios_in
from tests.vendors.serving import connection_to

pytestmark = pytest.mark.warehouse

State = tuple[int, int, str]
#: Seconds in which a result is logged on a busy machine; what is told apart lasts longer.
LAG = 5


@pytest.fixture
def nagios(tmp_path: Path) -> Nagios:
    return nagios_in(tmp_path)


def after(nagios: Nagios, count: int) -> None:
    """Wait until so many more checks were made."""
    wait_for((nagios.folder / "checks").exists, "no check was made")
    wanted = len(nagios.checks()) + count
    wait_for(lambda: len(nagios.checks()) >= wanted, f"{count} more checks were not made")


def wait_for(what: Callable[[], bool], said: str) -> None:
    for _ in range(600):
        if what():
            return
        time.sleep(0.1)
    pytest.fail(said)


def states(folder: Path, counted: str) -> list[State]:
    """Seconds since 1970 from and to, and the state, of the service."""
    window = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1))
    source = connection_to(str(folder), "nagios_log", username=None, states=counted)
    found: list[State] = []
    for item in fetch(source, window, NothingLanded()):
        assert not isinstance(item, Rejected), item
        for monitor, start, end, state, _ in item.values:
            if monitor == MONITOR:
                ends = (round(datetime.fromisoformat(str(at)).timestamp()) for at in (start, end))
                found.append((*ends, str(state)))
    return sorted(found)


def lasting(found: list[State], state: str) -> int:
    return sum(end - start for start, end, said in found if said == state)


def test_a_real_nagios_says_what_its_checks_found(nagios: Nagios) -> None:
    # What a check that was never made is said to be is no state; what it was when Nagios stopped is.
    with nagios.running():
        after(nagios, 3)
    nagios.rotate()
    assert states(nagios.archives, "all") == []
    with nagios.running():
        after(nagios, 3)
        nagios.say(2)
        after(nagios, 12)
        nagios.say(0)
        after(nagios, 3)
    first = len(nagios.checks())
    nagios.rotate()
    # A while later it is there again, finds it broken, and dies without a word.
    time.sleep(3 * LAG)
    nagios.say(2)
    with nagios.running(dies=True):
        after(nagios, 6)
    nagios.rotate()
    made = nagios.checks()
    everything, hard = states(nagios.archives, "all"), states(nagios.archives, "hard")

    # With soft states: down from the first failed check to the next good one, as the checks themselves say.
    failed = next(at for at, code in made if code == 2)
    mended = next(at for at, code in made if code == 0 and at > failed)
    (down, *_) = (one for one in everything if one[2] == "down")
    assert abs(down[0] - failed) <= LAG
    assert abs(down[1] - mended) <= LAG
    # Hard states begin two checks later, with the third failed one, and end at the same instant.
    (hard_down, *_) = (one for one in hard if one[2] == "down")
    third = [at for at, code in made if code == 2][2]
    assert abs(hard_down[0] - third) <= LAG
    assert hard_down[1] == down[1]
    assert lasting(hard, "down") < lasting(everything, "down")
    # While it was stopped nobody looked.
    stopped, started = made[first - 1][0], made[first][0]
    assert started - stopped >= 3 * LAG
    gaps = [(end, start) for (_, end, _), (start, _, _) in pairwise(everything) if start > end]
    assert any(abs(end - stopped) <= LAG and abs(start - started) <= LAG for end, start in gaps)
    # And nothing is known after its last line.
    assert everything[-1][1] <= made[-1][0] + LAG
