"""World evaluations a second of every record of the ledger."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from experiments.benchmarks.measuring import Inside, Seconds, interleaved, spread, tell
from experiments.benchmarks.options import Options
from experiments.benchmarks.reports import Report, Row
from experiments.falsification.campaign import campaign
from experiments.falsification.findings import Finding
from experiments.falsification.groups import CLOSED_TOGETHER, traced
from experiments.falsification.options import FalsifyOptions
from experiments.falsification.search import Compiled, Worlds, compiled, searched
from simlab.figures import PALETTE, canvas
from theory.ledger import LEDGER, Record

BUDGET, WORLDS = 2e7, 2**17
TOGETHER, APART = "one program", "a program each"
HOW = (
    "One evaluation is one record asked of one world of 6 contexts and 8 outputs in "
    "double precision, its planted error with it; what `simlab falsify all` does, "
    "without descents and without compiling. Records share programs: the rate of a "
    "record is that of its whole program, and the range is over programs. All rates, "
    "record by record, are in the file. The last row compiles the first {count} "
    "records as one program and as a program each, measured in turn."
)


def measure(options: Options) -> Report:
    """One random search through the ledger, and what sharing a program gains."""
    records: Sequence[Record] = LEDGER[:4] if options.quick else LEDGER
    budget = 1e5 if options.quick else BUDGET
    asked = FalsifyOptions("all", budget=budget, steps=0)
    findings, costs = campaign(records, asked, tell)
    closed, looped = programs(findings, True), programs(findings, False)
    shared = records[:CLOSED_TOGETHER]
    pairs = sharing(shared, options)
    rows = [
        Row(f"{len(findings)} records, together", spread([costs.rate / 1e6]), MILLION),
        rate_row("a program of closed forms", closed),
        rate_row("a program with loops", looped),
        Row("compiling all", spread([costs.seconds_compiling]), "s", why=CACHE),
        Row(
            f"{len(shared)} records in one program over a program each",
            spread([a / b for a, b in zip(pairs[APART], pairs[TOGETHER], strict=True)]),
        ),
    ]
    rates = {each.name: each.rate for each in findings}
    loops = [each.name for each in findings if not each.closed_form]
    return Report(
        "theory",
        "World evaluations of the ledger",
        HOW.format(count=len(shared)),
        rows,
        pairs,
        {"evaluations_a_second": rates, "with_loops": loops},
    )


MILLION = "million/s"
CACHE = "found in the compilation cache where it had been compiled before"


def programs(findings: Sequence[Finding], closed: bool) -> dict[int, float]:
    """Evaluations a second of every program, of closed forms or not."""
    return {each.program: each.rate for each in findings if each.closed_form is closed}


def rate_row(what: str, rates: Mapping[int, float]) -> Row:
    """The median over programs, with the slowest and the fastest."""
    if not rates:
        return Row(what, None, MILLION, why="none among these records")
    return Row(what, spread([rate / 1e6 for rate in rates.values()]), MILLION)


def sharing(records: Sequence[Record], options: Options) -> Mapping[str, Seconds]:
    """Seconds of a million evaluations in one program and in a program each."""
    with jax.enable_x64(True):
        worlds, devices = Worlds(0, 6, 8), jax.local_devices()
        budget = WORLDS // 8 if options.quick else WORLDS
        claims = [traced(record, 6, 8) for record in records]
        together = [compiled(tuple(claims), worlds, devices)]
        apart = [compiled((claim,), worlds, devices) for claim in claims]

        def contender(name: str, ready: Sequence[Compiled]) -> Inside:
            def block() -> None:
                for one in ready:
                    searched(one, worlds, budget)

            return Inside(name, block, len(records) * budget / 1e6)

        both = [contender(TOGETHER, together), contender(APART, apart)]
        return interleaved(both, options.repeats).seconds


def draw(document: dict[str, Any]) -> Figure:
    """The rates of all records, from the slowest to the fastest."""
    facts = document["facts"]
    loops = set(facts["with_loops"])
    ordered = sorted(facts["evaluations_a_second"].items(), key=lambda pair: pair[1])
    names, rates = zip(*ordered, strict=True)
    looped = np.asarray([name in loops for name in names])
    place, millions = np.arange(len(names)), np.asarray(rates) / 1e6
    figure = canvas(7.5, 4)
    axes = figure.subplots()
    for chosen, label, color in (
        (np.logical_not(looped), "closed form", PALETTE[0]),
        (looped, "with loops or linear algebra", PALETTE[1]),
    ):
        axes.plot(place[chosen], millions[chosen], ".", color=color, label=label)
    axes.set_yscale("log")
    axes.set_xlabel("record of the ledger, slowest first")
    axes.set_ylabel("million evaluations a second")
    axes.legend()
    figure.suptitle(document["title"], fontsize=11)
    return figure
