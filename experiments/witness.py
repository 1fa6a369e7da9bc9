"""A witness beside a process of several: when the runtime aborts it, the end is told.

JAX's runtime ends a process whose peers are gone by aborting it, past all that Python
could say or catch.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ABORTED = (
    "simlab: error: the runtime ended this process: another one is gone, or could not "
    "be reached; every finished chunk is kept: start all processes again to go on"
)


@contextmanager
def witnessed() -> Iterator[None]:
    """Says so on standard error if this process ends before this is closed.

    Call it before JAX is imported or starts threads: it forks. The witness is the
    child, so that signals and the exit code are those of the process itself.
    """
    reading, writing = os.pipe()
    if not os.fork():
        os.close(writing)
        _watch(reading)
    os.close(reading)
    try:
        yield
    finally:
        os.write(writing, b".")
        os.close(writing)


def _watch(reading: int) -> None:
    """Ends with the process that it watches."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if not os.read(reading, 1):
        print(ABORTED, file=sys.stderr, flush=True)
    os._exit(0)
