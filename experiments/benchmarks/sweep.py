"""A sweep of 64 runs, everything included, against what users would pick instead."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure

from experiments.benchmarks.drawing import side_by_side
from experiments.benchmarks.measuring import Measured, interleaved
from experiments.benchmarks.options import Options
from experiments.benchmarks.reports import Report, Row, ratio_row
from experiments.benchmarks.sweepers import (
    rejitted_sweep,
    simlab_sweep,
    torch_each,
    torch_sweep,
)
from experiments.benchmarks.together import Together
from experiments.benchmarks.toy import RATES, TINY, Toy
from experiments.benchmarks.workers import Worker

RUNS, CHUNK = 64, 8
OURS, EAGER, COMPILED = "simlab sweep", "torch eager", "torch.compile"
PINNED = "torch.compile, a process a core"
REJITTED = "JAX re-jitted per run"
TARGETS = {EAGER: 4.0, COMPILED: 1.5, REJITTED: 10.0}
WHY = {
    EAGER: (
        "a CPU spends its time in the arithmetic of the step, not in the dispatch that "
        "a compiled sweep does away with: see the table of one step"
    ),
    COMPILED: (
        "one compilation is amortised over 64 runs on either side; what remains is the "
        "ratio of the steps themselves: see the table of one step"
    ),
    REJITTED: (
        "compiling costs what some hundred steps cost, so at 300 steps a run it at "
        "most doubles a run; the rest is one model on all cores against one a core"
    ),
}


HOW = (
    f"{len(RATES)} learning rates x {RUNS // len(RATES)} seeds of the reference toy. "
    "Included: initialisation, tracing, compiling (no program was kept from before), "
    "data, steps, results on the host. Not included: starting the process, importing "
    f"the library. simlab runs all {RUNS} runs in one sweep, {CHUNK} a round; the "
    "others run one whole run a round, in turn with it, and are scaled up: seconds of "
    f"the sweep = set-up, once, + {RUNS} x seconds of a run. PyTorch compiles once, "
    "keeps its compiled step for all runs, and uses all cores for one model, or, as a "
    "user with many runs may arrange, one core in a process each."
)


def measure(options: Options) -> Report:
    """Rounds of one chunk of simlab's sweep and one run of each of the others."""
    toy, chunk, rounds = Toy(), CHUNK, RUNS // CHUNK
    if options.quick:
        toy, chunk, rounds = replace(toy, steps=4, **TINY), 2, options.repeats
    ours = simlab_sweep(OURS, toy, chunk * rounds, chunk, cache=False)
    eager = torch_sweep(EAGER, toy, "eager", options.torch_python)
    contenders: list[Worker | Together] = [
        ours,
        eager,
        torch_sweep(COMPILED, toy, "compile", options.torch_python),
        torch_each(PINNED, toy, "compile", options.torch_python),
        rejitted_sweep(REJITTED, toy),
    ]
    # No round is unkept: what the first costs more is set-up, told by the workers.
    found = interleaved(contenders, rounds, warm=0)
    setups = {each.name: setup(each) for each in contenders}
    whole = everything(found, setups)
    rows = [
        *(seconds_row(whole, name) for name in [OURS, *TARGETS, PINNED]),
        *(
            ratio_row(whole, other, OURS, f"simlab against {other}", target, WHY[other])
            for other, target in TARGETS.items()
        ),
        Row(
            f"simlab against {PINNED}", whole.ratio(PINNED, OURS), why=whole.why(PINNED)
        ),
    ]
    facts = {"setup_seconds": setups, "seconds_a_run": found.seconds, **eager.facts}
    title = f"A sweep of {RUNS} runs of {toy.steps} steps, everything included"
    return Report("sweep", title, HOW, rows, whole.seconds, facts)


def draw(document: dict[str, Any]) -> Figure:
    """Seconds of the whole sweep, and how many times faster simlab is."""
    return side_by_side(document, seconds="s a sweep", ratio="times faster")


def setup(contender: Worker | Together) -> float:
    """Seconds spent once, before the first step; processes set up at the same time."""
    if isinstance(contender, Together):
        return max(
            setup(each) for each in contender.members if isinstance(each, Worker)
        )
    said = [contender.facts, *contender.answers]
    return sum(float(line.get("setup", 0.0)) for line in said)


def everything(found: Measured, setups: Mapping[str, float]) -> Measured:
    """Seconds of the whole sweep instead of one run, round by round."""
    whole = {
        name: tuple(setups[name] + RUNS * each for each in seconds)
        for name, seconds in found.seconds.items()
    }
    return Measured(whole, found.missing)


def seconds_row(whole: Measured, name: str) -> Row:
    """What the sweep takes one contender."""
    return Row(name, whole.spread(name), "s", why=whole.why(name))
