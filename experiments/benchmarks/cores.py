"""The cores of this machine by their numbers; nothing here imports JAX."""

import os
from collections.abc import Iterable

PINS = hasattr(os, "sched_setaffinity")
"""Whether this system keeps a process to some cores: Linux does, macOS cannot."""


def usable() -> list[int]:
    """The cores this process may use, in order; core 0 where the system tells none."""
    return sorted(os.sched_getaffinity(0)) if PINS else [0]


def keep_to(cores: Iterable[int]) -> None:
    """Keeps this process, and all that it will start, to some cores where that works.

    Errors: OSError where none of them is usable.
    """
    if PINS:
        os.sched_setaffinity(0, cores)
