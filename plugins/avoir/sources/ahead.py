"""Asking ahead: work that is begun before somebody wants its result, and that nobody need wait for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def begun(work: Callable[_P, _T], *given: _P.args, **named: _P.kwargs) -> Future[_T]:
    """Do the work in a thread of its own; the result raises what the work raises.

    An executor's threads are waited for when the interpreter ends. A vendor that does not answer would keep
    a load that has failed, or that somebody broke off, for all its attempts.
    """
    result: Future[_T] = Future()

    def run() -> None:
        try:
            result.set_result(work(*given, **named))
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            result.set_exception(error)

    Thread(target=run, name=f"ahead-{work.__name__}", daemon=True).start()
    return result
