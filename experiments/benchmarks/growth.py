"""How seconds and memory grow with runs, steps, width, length and devices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from experiments.benchmarks.growth_costs import extras
from experiments.benchmarks.measuring import Measured, Spread, interleaved
from experiments.benchmarks.options import Options
from experiments.benchmarks.reports import Report, Row
from experiments.benchmarks.sweepers import simlab_sweep
from experiments.benchmarks.toy import TINY, Toy
from experiments.benchmarks.workers import Worker
from simlab import devices
from simlab.executors import Executor, placement
from simlab.figures import MARKERS, PALETTE, canvas
from simlab.memory import needed_bytes
from simlab.statistics import slope
from simlab.sweeps import run_task

MIB = 2**20
HOW = (
    "The reference toy with one size varied at a time, in simlab's sweep (executor "
    "map: runs one after the other on each core), all values of a size in turn; "
    "compiling is left out. Slopes of log seconds on log size, over all values, with "
    "95 % intervals in the place of the range; and of log bytes, which XLA's analysis "
    "of the compiled programs gives for all devices together (arguments, results, "
    "temporaries). Base: {base}. A run's data set ({rows} sequences) is part of its "
    "memory."
)


@dataclass(frozen=True)
class Point:
    """One sweep: a toy, so many runs at a time, on so many cores."""

    toy: Toy
    runs: int
    cores: int


@dataclass(frozen=True)
class Line:
    """One size varied, and the sweeps at its values."""

    name: str
    points: Mapping[int, Point]

    def called(self, value: int) -> str:
        """A contender's name."""
        return f"{self.name} {value}"


def measure(options: Options) -> Report:
    """Line after line, then what recording, checkpoints and processes cost."""
    base = Toy(steps=20, rows=512)
    if options.quick:
        base = replace(base, steps=4, **TINY)
    rows: list[Row] = []
    raw: dict[str, Sequence[float]] = {}
    memory: dict[str, dict[int, float]] = {}
    peaks: dict[str, int] = {}
    lines = growth_lines(base)
    for line in lines:
        sweeps = workers(line, options.repeats)
        found = interleaved(sweeps, options.repeats)
        peaks |= {each.name: each.answers[-1]["memory"] for each in sweeps}
        memory[line.name] = {x: held_bytes(point) for x, point in line.points.items()}
        rows += slopes(line, found, memory[line.name])
        raw.update(found.seconds)
    facts = {
        "bytes": {name: named(values) for name, values in memory.items()},
        "peak_resident_bytes": peaks,
        "lines": {line.name: [*line.points] for line in lines},
    }
    more, costs = extras(options, base)
    how = HOW.format(base=f"{base.document()}".replace("'", ""), rows=base.rows)
    title = "Growth: seconds and memory against the sizes"
    return Report("growth", title, how, [*rows, *more], {**raw, **costs}, facts)


def growth_lines(base: Toy) -> list[Line]:
    """Four values of each size, doubling; devices as many as there are cores."""
    cores = devices.usable_cores()

    def sized(name: str, values: Sequence[int]) -> Line:
        toys = {x: Toy.read({**base.document(), name: x}) for x in values}
        return Line(name, {x: Point(toy, cores, cores) for x, toy in toys.items()})

    counts = [2**k for k in range(cores.bit_length()) if 2**k <= cores]
    return [
        Line("runs", {cores * k: Point(base, cores * k, cores) for k in (1, 2, 4, 8)}),
        sized("steps", [base.steps * k for k in (1, 2, 4, 8)]),
        sized("width", [base.width * k // 2 for k in (1, 2, 4, 8)]),
        sized("length", [base.length * k // 2 for k in (1, 2, 4, 8)]),
        Line("devices", {k: Point(base, counts[-1], k) for k in counts}),
    ]


def workers(line: Line, repeats: int) -> list[Worker]:
    """A sweep a value; a unit of work is what one block runs."""
    return [
        simlab_sweep(
            line.called(x),
            point.toy,
            point.runs * (repeats + 1),
            point.runs,
            units=1,
            cores=point.cores,
        )
        for x, point in line.points.items()
    ]


def held_bytes(point: Point) -> float:
    """What the compiled programs of all devices hold, without compiling for each."""
    share = point.runs // point.cores
    place = placement(Executor.MAP, (jax.local_devices()[0],))
    program = jax.jit(place.over_runs(run_task(point.toy.setup)))
    compiled = program.lower(*point.toy.inputs(share)).compile()
    return point.cores * needed_bytes(compiled)


def slopes(line: Line, found: Measured, memory: Mapping[int, float]) -> list[Row]:
    """The slopes of seconds and of bytes over one size."""
    values = [*line.points]
    if len(values) < 2:
        return []
    seconds = [(x, s) for x in values for s in found.seconds[line.called(x)]]
    several = f"{line.name} {values[0]} to {values[-1]}"
    return [
        slope_row(f"seconds against {several}", seconds),
        slope_row(f"memory against {several}", [*memory.items()]),
    ]


def named(values: Mapping[int, float]) -> dict[str, float]:
    """The same with keys that JSON knows."""
    return {str(x): value for x, value in values.items()}


def slope_row(what: str, points: Sequence[tuple[int, float]]) -> Row:
    """The slope of a power law with its interval in the place of the range."""
    x, y = np.log(np.asarray(points, float)).T
    fit = slope(x, y)
    why = "two values: no interval" if not np.isfinite(fit.low) else ""
    return Row(what, Spread(fit.slope, fit.low, fit.high, fit.n), "slope", why=why)


def draw(document: dict[str, Any]) -> Figure:
    """Seconds and bytes against every size, on logarithmic scales."""
    lines, raw = document["facts"]["lines"], document["raw"]
    figure = canvas(12, 5.5)
    panels = figure.subplots(2, len(lines), sharey="row", squeeze=False)
    for column, (name, values) in enumerate(lines.items()):
        color, marker = PALETTE[column], MARKERS[column]
        top, bottom = panels[:, column]
        for x in values:
            seconds = raw[f"{name} {x}"]
            top.plot([x] * len(seconds), seconds, marker, color=color, mfc="white")
        middles = [np.median(raw[f"{name} {x}"]) for x in values]
        top.plot(values, middles, color=color)
        held = document["facts"]["bytes"][name]
        bottom.plot(
            values, [held[str(x)] / MIB for x in values], color=color, marker=marker
        )
        for panel in (top, bottom):
            panel.set_xscale("log", base=2)
            panel.set_yscale("log")
            panel.set_xticks(values, [str(x) for x in values])
            panel.minorticks_off()
            panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            panel.yaxis.set_major_formatter("{x:g}")
        bottom.set_xlabel(name)
    panels[0, 0].set_ylabel("seconds a block")
    panels[1, 0].set_ylabel("MiB held")
    figure.suptitle(document["title"], fontsize=11)
    return figure
