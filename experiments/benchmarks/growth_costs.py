"""What recording, checkpoints and processes cost, or save, in a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from experiments.benchmarks.measuring import (
    Measured,
    Seconds,
    Spread,
    interleaved,
    ratio,
)
from experiments.benchmarks.measuring import spread as spread_of
from experiments.benchmarks.options import Options
from experiments.benchmarks.processes import Processes
from experiments.benchmarks.reports import Row, not_measured
from experiments.benchmarks.sweepers import simlab_sweep
from experiments.benchmarks.toy import Toy
from experiments.benchmarks.workers import Worker
from simlab import devices
from simlab.interruption import SECONDS_AT_RISK

RECORDS = 10
MOST = 1.03
"""Recording and checkpoints may cost so many times a run without."""
BARE, RECORDED = "toy, 1 record", f"toy, {RECORDS} records"
SMALL, LISTED = "claim, 1 record", f"claim, {RECORDS} records of all prefixes"
LOOPED, SAVED = "toy, checkpoints every 600 s", "toy, a checkpoint at every record"
ONE, TWO = "1 process", "2 processes"
MINUTES_LONG = 3
"""Rounds of what takes a minute a round."""
LOOP_WHY = "records come to the host after every stretch, and a state is put anew"
WHOLE_WHY = "starting, finding programs, exact measurement, judging: not shared"
SMALL_WHY = (
    "a record lists the logits after every prefix, and such small networks take less "
    "than a millisecond a step"
)


def extras(options: Options, base: Toy) -> tuple[list[Row], Mapping[str, Seconds]]:
    """The rows, and the seconds behind them."""
    repeats = options.repeats
    sweeps = interleaved(contenders(options, base), repeats)
    commands = [Processes(ONE, 1, options.quick), Processes(TWO, 2, options.quick)]
    processes = interleaved(commands, min(repeats, MINUTES_LONG))
    rows = [
        cost_row(sweeps, RECORDED, BARE),
        cost_row(sweeps, LISTED, SMALL, SMALL_WHY),
        checkpoint_row(sweeps),
        saving_row(sweeps),
        processes_row(processes),
        whole_row(commands, processes),
    ]
    return rows, {**sweeps.seconds, **processes.seconds}


def contenders(options: Options, base: Toy) -> list[Worker]:
    """Sweeps that differ in one thing each from another of them."""
    steps = RECORDS if options.quick else 30 * RECORDS
    bare = replace(base, steps=steps)
    recorded = replace(bare, records=RECORDS)
    # The networks of the claims: laws short enough for every prefix to be listed.
    small = replace(
        bare, width=16, heads=2, contexts=6, vocabulary=3, length=3, batch=96,
        steps=4 * steps, enumerated=True,
    )  # fmt: skip
    listed = replace(small, records=RECORDS)
    return [
        worker(BARE, bare, options),
        worker(RECORDED, recorded, options),
        worker(LOOPED, recorded, options, SECONDS_AT_RISK),
        worker(SAVED, recorded, options, 0.0),
        worker(SMALL, small, options),
        worker(LISTED, listed, options),
    ]


def worker(
    name: str, toy: Toy, options: Options, keep_every: float | None = None
) -> Worker:
    """A run a core in a block; the block is the unit of work."""
    cores = devices.usable_cores()
    runs = cores * (options.repeats + 1)
    return simlab_sweep(name, toy, runs, cores, units=1, keep_every=keep_every)


def cost_row(found: Measured, dear: str, cheap: str, why: str = "") -> Row:
    """How many times longer a block takes; little is asked."""
    return asked(f"{dear} over {cheap}", found.ratio(dear, cheap), why)


def asked(what: str, measured: Spread | None, why: str) -> Row:
    """A row that asks for MOST at most, with `why` if that is missed."""
    row = Row(what, measured, "times", MOST, False)
    return replace(row, why=why) if row.verdict.startswith("missed") else row


def checkpoint_row(found: Measured) -> Row:
    """What the host loop costs, and a checkpoint every ten minutes of it.

    ratio = looped / bare + (saved - looped) / (RECORDS - 1) / 600 s: in the blocks
    themselves no checkpoint falls due.
    """
    looped, saved, bare = (found.seconds[name] for name in (LOOPED, SAVED, RECORDED))
    ratios = [
        a / c + (b - a) / (RECORDS - 1) / SECONDS_AT_RISK
        for a, b, c in zip(looped, saved, bare, strict=True)
    ]
    return asked(f"{LOOPED} over none", spread_of(ratios), LOOP_WHY)


def saving_row(found: Measured) -> Row:
    """Seconds of one checkpoint of as many runs as there are cores."""
    pairs = zip(found.seconds[SAVED], found.seconds[LOOPED], strict=True)
    each = [(saved - looped) / (RECORDS - 1) for saved, looped in pairs]
    return Row("one checkpoint", spread_of(each), "s")


def whole_row(commands: Sequence[Processes], found: Measured) -> Row:
    """The same of the whole commands, whose starting and judging nobody shares."""
    one, two = (each.walls[1:] for each in commands)
    missing = found.why(ONE, TWO)
    ratios = None if missing else ratio(tuple(one), tuple(two))
    return Row("the same, whole commands", ratios, why=missing or WHOLE_WHY)


def processes_row(found: Measured) -> Row:
    """How many times faster two processes are than one."""
    what, why = (
        "training by 2 processes, a core each, over 1",
        found.why(ONE, TWO),
    )
    if why:
        return not_measured(what, why, "times", 1.8)
    return Row(what, found.ratio(ONE, TWO), "times", 1.8)
