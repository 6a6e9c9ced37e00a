"""Processes that end with whoever started them, even when that one is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What a child must call between fork and exec to be told ``number`` when its parent is gone.

    None on systems without ``prctl(PR_SET_PDEATHSIG)``: there a child outlives a parent that is killed.
    """
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)

    def ask() -> None:
        library.prctl(_PR_SET_PDEATHSIG, int(number))

    return ask


def end_with_supervisor() -> None:
    """Let the kernel kill this process when the one that watches over it dies; at once, if it has.

    Airflow gives a task a process group of its own, so what kills a scheduler and its workers leaves their
    tasks going: unseen by the next scheduler, which runs them again beside them. A supervisor is of the
    task's session; whoever adopts an orphan is not.
    """
    ask = die_with_parent(signal.SIGKILL)
    if ask is None:
        return
    ask()
    try:
        watched = os.getsid(os.getppid()) == os.getsid(0)
    except ProcessLookupError:
        watched = False
    if not watched:
        os.kill(os.getpid(), signal.SIGKILL)
