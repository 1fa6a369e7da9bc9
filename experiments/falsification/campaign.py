"""A whole search: random worlds, then descents, then what is left to be explained."""

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import jax
import numpy as np

from experiments.falsification.descent import Descended, descended
from experiments.falsification.findings import Costs, Finding
from experiments.falsification.groups import Group, Traced, grouped, traced
from experiments.falsification.judged import Search, finding
from experiments.falsification.measures import measured, measured_alone
from experiments.falsification.options import FalsifyOptions
from experiments.falsification.search import (
    Compiled,
    Place,
    Worlds,
    compiled,
    searched,
)
from theory.ledger import Case, Record, Side, Sides

STARTS = 8  # descents from the worst worlds, as many from the tightest, and from any
LOOPS_COST = 8  # claims with loops are asked of so many times fewer worlds,
LAPACK_COST = 32  # and those that go world by world, which also get
LAPACK_STEPS = 4  # times fewer steps of descent

T = TypeVar("T")
S = TypeVar("S")
Log = Callable[[str], object]


def campaign(
    records: Sequence[Record],
    options: FalsifyOptions,
    log: Log,
    devices: Sequence[jax.Device] = (),
) -> tuple[list[Finding], Costs]:
    """The findings of a search through `records`, in their order, and its costs.

    `devices` share the random search; none: all of this process.
    """
    with jax.enable_x64(True):
        begin = time.monotonic()
        if options.planted:
            records = [_as_planted(record) for record in records if record.planted]
        worlds = Worlds(options.seed, options.contexts, options.outputs)
        ready = _compiled(records, worlds, options, log, devices or jax.local_devices())
        compiling = time.monotonic() - begin
        searches = _random(ready, worlds, options.budget)
        rated = {search.program: search.tally.seconds for search in searches}
        spent = sum(search.tally.evaluations for search in searches)
        log(f"searched {spent:,} evaluations in {sum(rated.values()):.1f} s")
        _descend(searches, worlds, options.steps, log)
        places = {record.name: place for place, record in enumerate(records)}
        searches.sort(key=lambda search: places[search.record.name])
        findings = [finding(search, worlds, options) for search in searches]
        descents = [d for s in searches for d in (s.descent, s.control) if d]
        costs = Costs(
            evaluations_random=spent,
            evaluations_descent=sum(descent.evaluations for descent in descents),
            seconds_random=sum(rated.values()),
            seconds_descent=sum(descent.seconds for descent in descents),
            seconds_compiling=compiling
            + sum(descent.seconds_compiling for descent in descents) / _workers(),
            seconds_total=time.monotonic() - begin,
        )
        return findings, costs


def _compiled(
    records: Sequence[Record],
    worlds: Worlds,
    options: FalsifyOptions,
    log: Log,
    devices: Sequence[jax.Device],
) -> list[Compiled]:
    """The programs of all groups."""
    claims = [
        traced(record, worlds.contexts, worlds.outputs, control=not options.planted)
        for record in records
    ]
    groups = grouped(claims)
    log(f"compiling {len(groups)} programs for {len(claims)} claims")

    def compile_group(group: Group) -> Compiled:
        return compiled(group, worlds, devices)

    return _in_threads(compile_group, groups)


def _random(ready: Sequence[Compiled], worlds: Worlds, budget: float) -> list[Search]:
    """The random search of every group."""
    shares = [_share(claim) for one in ready for claim in one.group]
    searches = []
    for program, one in enumerate(ready):
        part = _share(one.group[0]) / max(sum(shares), 1e-9)
        tallies = searched(one, worlds, max(1, int(np.ceil(budget * part))))
        searches += [
            Search(claim, tally, program)
            for claim, tally in zip(one.group, tallies, strict=True)
        ]
    return searches


def _share(claim: Traced) -> float:
    """How much of the budget a claim gets, against a closed form's 1."""
    if claim.record.side is Side.FALSE:
        return 0.0  # one call, which refutes it
    if claim.lapack:
        return 1 / LAPACK_COST
    return 1 / LOOPS_COST if claim.loops else 1.0


def _descend(searches: Sequence[Search], worlds: Worlds, steps: int, log: Log) -> None:
    """Descents for all claims not yet violated, and for planted errors not yet seen."""
    started = itertools.count(1)

    def descend(search: Search) -> None:
        if (number := next(started)) % 20 == 0:
            log(f"descent {number} of {len(searches)}")
        try:
            if not search.worst() > search.record.tolerance:
                found = _descended(search, worlds, steps, None)
                search.descent, search.remark = confirmed(search.claim, found)
            if not search.control_caught():
                wrong = search.record.planted
                search.control = _descended(search, worlds, steps, wrong)
        except (TypeError, ValueError, NotImplementedError) as error:
            search.remark = f"no descent: {type(error).__name__}"

    if steps:
        log(f"descending on the slack of {len(searches)} claims")
        _in_threads(descend, searches)


def confirmed(claim: Traced, seen: Descended) -> tuple[Descended, str]:
    """What the worlds that a descent returned show by themselves, and a remark.

    Inside the descent laws that are equal may differ by a rounding: a violation counts
    only in a world that can be written down.
    """
    if not seen.worst.max() > claim.record.tolerance:
        return seen, ""
    measure = measured_alone if claim.lapack else measured
    asked = jax.jit(lambda case: measure(claim.record, case))
    shown = replace(
        seen,
        worst=np.asarray(asked(seen.worst_cases).violation),
        tightest=np.asarray(asked(seen.tightest_cases).tightness),
    )
    if shown.worst.max() > claim.record.tolerance:
        return shown, ""
    lost = f"{seen.worst.max():.1e} seen in a descent, but not in the world it led to"
    return shown, lost


def _descended(
    search: Search,
    worlds: Worlds,
    steps: int,
    function: Callable[[Case], Sides] | None,
) -> Descended:
    """Descents from the worst, the tightest and any worlds."""
    worst = search.tally.extremes("worst", STARTS)
    tightest = search.tally.extremes("tightest", STARTS)
    anywhere = [Place(0, number, number) for number in range(STARTS)]
    starts = worlds.cases([*worst, *tightest, *anywhere], search.claim.batch)
    sought = np.arange(3 * STARTS)
    for_tightness = (sought >= STARTS) & ((sought < 2 * STARTS) | (sought % 2 == 0))
    lapack = search.claim.lapack
    steps = max(1, steps // LAPACK_STEPS) if lapack else steps
    return descended(
        search.record, starts, for_tightness, steps, function, lapack=lapack
    )


def _as_planted(record: Record) -> Record:
    """The record with its planted error in the place of its claim."""
    return replace(record, function=record.planted or record.function)


def _in_threads(function: Callable[[S], T], values: Sequence[S]) -> list[T]:
    """`function` of every value, in double precision, as many at once as cores."""

    def precise(value: S) -> T:
        with jax.enable_x64(True):  # the mode belongs to the thread
            return function(value)

    with ThreadPoolExecutor(_workers()) as threads:
        try:
            return list(threads.map(precise, values))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _workers() -> int:
    """Programs that are compiled at the same time."""
    return max(1, jax.local_device_count())
