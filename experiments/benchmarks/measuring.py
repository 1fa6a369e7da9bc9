"""Contenders timed side by side: A B C A B C ..., quoted as ratios pair by pair.

A machine that others use as well changes from minute to minute. What two contenders
took one right after the other saw nearly the same machine: the ratio of such a pair
says more than the ratio of two means. Nothing here imports JAX before it measures.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol

import numpy as np

Seconds = tuple[float, ...]
"""Wall time of a unit of work, block after block."""


class MissingError(RuntimeError):
    """Why a contender cannot be measured here, in one line; it gets a plain row."""


class Spread(NamedTuple):
    """A median with the least and the largest of n values."""

    median: float
    low: float
    high: float
    n: int


class Contender(Protocol):
    """One way to do the same work; opened before the first block, closed at the end.

    Entering raises `MissingError` where it cannot be had.
    """

    @property
    def name(self) -> str:
        """As rows and legends call it."""

    def measure(self) -> float:
        """Seconds of one unit of work, from one more whole block."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True)
class Inside:
    """A contender that runs in this process: `units` of work in one call of `block`."""

    name: str
    block: Callable[[], object]
    units: float = 1.0

    def measure(self) -> float:
        """Seconds of one unit; see `seconds`."""
        return seconds(self.block) / self.units

    def __enter__(self) -> "Inside":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def seconds(block: Callable[[], object]) -> float:
    """Wall time of one call, until every array that it returns is there."""
    import jax

    begin = time.perf_counter()
    jax.block_until_ready(block())
    return time.perf_counter() - begin


def spread(values: Sequence[float]) -> Spread:
    """The median with its range.

    Raises:
        ValueError: no values.

    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, low=1.0, high=3.0, n=3)
    """
    if not len(values):
        raise ValueError("no values: measure at least once")
    return Spread(
        float(np.median(values)), float(min(values)), float(max(values)), len(values)
    )


def ratio(first: Seconds, second: Seconds) -> Spread:
    """How many times faster the second is, pair by pair: first / second.

    Raises:
        ValueError: not as many of the one as of the other, or none.

    >>> ratio((2.0, 9.0), (1.0, 3.0))
    Spread(median=2.5, low=2.0, high=3.0, n=2)
    """
    pairs = zip(first, second, strict=True)
    return spread([a / b for a, b in pairs])


def tell(line: str) -> None:
    """Progress, on standard error."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


class Measured(NamedTuple):
    """Seconds of every contender that could be had, and why the others could not."""

    seconds: Mapping[str, Seconds]
    missing: Mapping[str, str]

    def ratio(self, first: str, second: str) -> Spread | None:
        """How many times faster the second is; None where one of them is missing."""
        if self.missing.keys() & {first, second}:
            return None
        return ratio(self.seconds[first], self.seconds[second])

    def spread(self, name: str) -> Spread | None:
        """Seconds of one contender, None where it is missing."""
        return None if name in self.missing else spread(self.seconds[name])

    def why(self, *names: str) -> str:
        """Why these could not be compared; empty where they could."""
        return "; ".join(self.missing[name] for name in names if name in self.missing)


def interleaved(
    contenders: Sequence[Contender],
    repeats: int,
    *,
    warm: int = 1,
    log: Callable[[str], object] = tell,
) -> Measured:
    """A block of every contender in turn, `repeats` times, after `warm` unkept rounds.

    Raises:
        ValueError: repeats below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats} must be >= 1: pairs to be compared")
    missing: dict[str, str] = {}
    taken: dict[str, list[float]] = {}
    with ExitStack() as opened:

        def lost(each: Contender, reason: MissingError) -> None:
            missing[each.name] = str(reason)
            log(f"{each.name}: not measured: {reason}")

        ready: list[Contender] = []
        for each in contenders:
            try:
                opened.enter_context(each)
                ready.append(each)
            except MissingError as reason:
                lost(each, reason)
        for number in range(warm + repeats):
            for each in [one for one in ready if one.name not in missing]:
                try:
                    took = each.measure()
                except MissingError as reason:
                    lost(each, reason)
                    continue
                if number >= warm:
                    taken.setdefault(each.name, []).append(took)
                    log(f"{each.name}: {took:.4g} s, {number - warm + 1} of {repeats}")
    found = {name: tuple(taken[name]) for name in taken if name not in missing}
    return Measured(found, missing)
