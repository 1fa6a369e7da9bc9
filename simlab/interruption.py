"""A request to stop (SIGTERM: preemption), heard at the next safe point.

Ctrl-C interrupts at once, and so does a second SIGTERM: finished chunks are kept.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS_AT_RISK = 600.0
"""Of work that a stop without warning may cost: states are kept as often."""


class Preempted(KeyboardInterrupt):
    """The run was asked to stop by SIGTERM, and everything worth keeping is kept."""


_asked = threading.Event()


@contextmanager
def stoppable() -> Iterator[None]:
    """Turns SIGTERM into a request for as long as this is open.

    Outside the main thread, where Python lets nobody handle signals, it does nothing.
    The handler that was there before comes back at the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _on_signal)
    try:
        yield
    finally:
        # None stands for a handler that was not set from Python.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
        _asked.clear()


def stop_requested() -> bool:
    """Whether the run should save what it has and call `check`."""
    return _asked.is_set()


def request_stop() -> None:
    """Asks as SIGTERM does, for a process that hears of it from another one."""
    _asked.set()


def check() -> None:
    """A safe point: raises Preempted if a stop was asked for, else does nothing."""
    if _asked.is_set():
        raise Preempted


def _on_signal(number: int, frame: FrameType | None) -> None:
    del number, frame
    if _asked.is_set():
        raise Preempted
    _asked.set()
