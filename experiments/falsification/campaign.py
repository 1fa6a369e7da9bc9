"""A whole search: random worlds, then descents, then what is left to be explained."""

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import jax
import numpy as np

from experiments.falsification.descent import Descended, descended
from experiments.falsification.findings import Answer, Costs, Finding
from experiments.falsification.groups import Group, Traced, grouped, traced
from experiments.falsification.measures import measured
from experiments.falsification.options import FalsifyOptions
from experiments.falsification.reproduce import as_test
from experiments.falsification.search import (
    Compiled,
    Place,
    Tally,
    Worlds,
    compiled,
    searched,
)
from experiments.falsification.shrink import failing, shrunk
from theory.ledger import Case, Record, Side, Sides

STARTS = 8  # descents from the worst worlds, as many from the tightest, and from any
LOOPS_COST = 8  # claims with loops are asked of so many times fewer worlds,
LAPACK_COST = 32  # and those that go world by world, which also get
LAPACK_STEPS = 4  # times fewer steps of descent

T = TypeVar("T")
S = TypeVar("S")
Log = Callable[[str], object]


@dataclass
class Search:
    """What is known of one claim so far."""

    claim: Traced
    tally: Tally
    program: int
    control: Descended | None = None
    descent: Descended | None = None
    remark: str = ""

    @property
    def record(self) -> Record:
        """The claim's record."""
        return self.claim.record

    def worst(self) -> float:
        """The largest violation met."""
        met = self.tally.largest("worst")
        return max(met, float(np.max(self.descent.worst))) if self.descent else met

    def tightest(self) -> float:
        """The largest tightness met."""
        met = self.tally.largest("tightest")
        return max(met, float(np.max(self.descent.tightest))) if self.descent else met

    def control_caught(self) -> bool:
        """Whether the planted error was seen, if there is one."""
        if self.claim.planted is None or self.tally.needed() is not None:
            return True
        found = self.control
        return found is not None and found.worst.max() > self.record.tolerance


def campaign(
    records: Sequence[Record], options: FalsifyOptions, log: Log
) -> tuple[list[Finding], Costs]:
    """The findings of a search through `records`, in their order, and its costs."""
    with jax.enable_x64(True):
        begin = time.monotonic()
        if options.planted:
            records = [_as_planted(record) for record in records if record.planted]
        worlds = Worlds(options.seed, options.contexts, options.outputs)
        ready = _compiled(records, worlds, options, log)
        compiling = time.monotonic() - begin
        searches = _random(ready, worlds, options.budget)
        rated = {search.program: search.tally.seconds for search in searches}
        spent = sum(search.tally.evaluations for search in searches)
        log(f"searched {spent:,} evaluations in {sum(rated.values()):.1f} s")
        _descend(searches, worlds, options.steps, log)
        places = {record.name: place for place, record in enumerate(records)}
        searches.sort(key=lambda search: places[search.record.name])
        findings = [_finding(search, worlds, options) for search in searches]
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
    records: Sequence[Record], worlds: Worlds, options: FalsifyOptions, log: Log
) -> list[Compiled]:
    """The programs of all groups."""
    claims = [
        traced(record, worlds.contexts, worlds.outputs, control=not options.planted)
        for record in records
    ]
    groups, devices = grouped(claims), jax.local_devices()
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
                search.descent = _descended(search, worlds, steps, None)
                _confirm(search)
            if not search.control_caught():
                wrong = search.record.planted
                search.control = _descended(search, worlds, steps, wrong)
        except (TypeError, ValueError, NotImplementedError) as error:
            search.remark = f"no descent: {type(error).__name__}"

    if steps:
        log(f"descending on the slack of {len(searches)} claims")
        _in_threads(descend, searches)


def _confirm(search: Search) -> None:
    """Keeps a violation that a descent saw only if the worlds it returned show it.

    Inside the descent laws that are equal may differ by a rounding.
    """
    found, tolerance = search.descent, search.record.tolerance
    if found is None or not found.worst.max() > tolerance:
        return
    fails = failing(search.record)
    again = [fails(_row(found.worst_cases, place)) for place in range(len(found.worst))]
    if not any(again):
        seen = float(found.worst.max())
        search.remark = f"{seen:.1e} seen in a descent, but not in the world it led to"
    kept = np.where(again, found.worst, np.minimum(found.worst, tolerance))
    search.descent = replace(found, worst=kept)


def _row(cases: Case, place: int) -> Case:
    """One case of a batch."""
    row: Case = jax.tree.map(lambda leaf: np.asarray(leaf)[place], cases)
    return row


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


def _finding(search: Search, worlds: Worlds, options: FalsifyOptions) -> Finding:
    """What a search says of its claim."""
    record, tally = search.record, search.tally
    answer = _answer(search, planted=options.planted)
    test_case = ""
    if answer is Answer.VIOLATED or (
        answer in (Answer.CAUGHT, Answer.REFUTED) and options.bound != "all"
    ):
        test_case = _test_case(search, worlds, planted=options.planted)
    return Finding(
        name=record.name,
        side=record.side.value,
        answer=answer,
        evaluations=tally.evaluations
        + (search.descent.evaluations if search.descent else 0),
        rate=tally.evaluations * tally.together / max(tally.seconds, 1e-9),
        program=search.program,
        closed_form=not search.claim.loops,
        slack=-search.worst(),
        tightness=search.tightest(),
        caught_share=tally.share_caught(),
        caught_after=tally.needed(),
        remark=search.remark,
        test_case=test_case,
    )


def _answer(search: Search, *, planted: bool) -> Answer:
    """The verdict of a search."""
    record, worst = search.record, search.worst()
    violated = worst > record.tolerance
    if planted:
        return Answer.CAUGHT if violated else Answer.MISSED
    if record.side is Side.FALSE:
        refuted = violated and _kept_example_refutes(record)
        return Answer.REFUTED if refuted else Answer.NOT_REFUTED
    if violated:
        return Answer.VIOLATED
    if worst == -np.inf and search.tally.largest("tightest") == -np.inf:
        return Answer.NEVER_ASKED
    return Answer.NONE_FOUND if search.control_caught() else Answer.CONTROL_MISSED


def _kept_example_refutes(record: Record) -> bool:
    """Whether the counter-example that the ledger keeps still refutes the claim."""
    if record.counter_example is None:
        return False
    case = jax.tree.map(
        lambda leaf: np.asarray(leaf, float)[None], record.counter_example()
    )
    return bool(measured(record, case).violation[0] > record.tolerance)


def _test_case(search: Search, worlds: Worlds, *, planted: bool) -> str:
    """The worst case met, made small, as a test; or why there is none."""
    record = search.record
    found = search.descent
    if found is not None and found.worst.max() >= search.tally.largest("worst"):
        place = int(found.worst.argmax())
        case = _row(found.worst_cases, place)
    else:
        met = worlds.cases(search.tally.extremes("worst", 1), search.claim.batch)
        case = _row(met, 0)
    try:
        small = shrunk(case, failing(record))
    except ValueError as error:
        return f"# {record.name}: {error}"
    return as_test(record, small, planted=planted)


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
