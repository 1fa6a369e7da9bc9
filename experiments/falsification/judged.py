"""What a search says of one claim: the answer, and a violation made small."""

from dataclasses import dataclass

import jax
import numpy as np

from experiments.falsification.descent import Descended
from experiments.falsification.findings import Answer, Finding
from experiments.falsification.groups import Traced
from experiments.falsification.measures import measured
from experiments.falsification.options import FalsifyOptions
from experiments.falsification.reproduce import as_test
from experiments.falsification.search import Tally, Worlds
from experiments.falsification.shrink import failing, shrunk
from theory.ledger import Case, Record, Side


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


def finding(search: Search, worlds: Worlds, options: FalsifyOptions) -> Finding:
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
        place = int(np.argmax(found.worst))
        case = _row(found.worst_cases, place)
    else:
        met = worlds.cases(search.tally.extremes("worst", 1), search.claim.batch)
        case = _row(met, 0)
    try:
        small = shrunk(case, failing(record))
    except ValueError as error:
        return f"# {record.name}: {error}"
    return as_test(record, small, planted=planted)


def _row(cases: Case, place: int) -> Case:
    """One case of a batch."""
    row: Case = jax.tree.map(lambda leaf: np.asarray(leaf)[place], cases)
    return row
