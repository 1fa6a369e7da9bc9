"""How soon the command answers: `simlab list`, and the first verdict."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from matplotlib.figure import Figure

from experiments.benchmarks.drawing import raw_points
from experiments.benchmarks.measuring import Measured, Spread, interleaved, spread
from experiments.benchmarks.options import Options
from experiments.benchmarks.reports import Report, Row
from experiments.benchmarks.workers import ROOT
from experiments.claim import EXIT_USAGE
from simlab.figures import canvas

MOST, MINUTES = 0.5, 5.0
FIRST = "Python compiles every module that is imported, once"
WARM, COLD, BARE = "list, warm", "list, first time", "python -c pass"
LIST = ("-m", "experiments", "list")
DEMO = ("-m", "experiments", "run", "tradeoff_penalty", "--out", "{out}", "--preset")
VERDICT = "first verdict"
HOW = (
    "Wall time of whole processes. *Warm*: Python's compiled modules are there, as "
    "after one earlier call. *First time*: they are not, for our modules nor for those "
    "that they import, as in a fresh clone and environment. The first verdict is the "
    "command of `make demo` with an empty compilation cache, everything included but "
    "creating the environment, whose minutes are those of the network."
)


@dataclass
class Command:
    """A contender: Python with these words, from the start to the end of the process.

    `first` hides all compiled modules; `fresh` every compilation cache of XLA.
    """

    name: str
    words: tuple[str, ...]
    first: bool = False
    fresh: bool = False

    def measure(self) -> float:
        """Seconds until the process has ended."""
        with TemporaryDirectory() as empty:
            known = dict(os.environ)
            if self.first:
                known["PYTHONPYCACHEPREFIX"] = empty
            if self.fresh:
                known["JAX_COMPILATION_CACHE_DIR"] = empty
            words = [sys.executable, *(word.format(out=empty) for word in self.words)]
            begin = time.perf_counter()
            done = subprocess.run(words, cwd=ROOT, env=known, stdout=subprocess.DEVNULL)
            took = time.perf_counter() - begin
        if done.returncode == EXIT_USAGE or done.returncode < 0:
            raise RuntimeError(f"{self.name}: exit code {done.returncode}")
        return took

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def measure(options: Options) -> Report:
    """The list in turn with a bare Python, then one demo."""
    commands = [
        Command(BARE, ("-c", "pass")),
        Command(WARM, LIST),
        Command(COLD, LIST, first=True),
    ]
    found = interleaved(commands, options.repeats)
    preset = "smoke" if options.quick else "laptop"
    demo = interleaved([Command(VERDICT, (*DEMO, preset), fresh=True)], 1, warm=0)
    rows = [
        Row("`simlab list`, warm", found.spread(WARM), "s", MOST, False),
        Row("`simlab list`, first time", found.spread(COLD), "s", MOST, False, FIRST),
        Row("a Python that does nothing", found.spread(BARE), "s"),
        Row(f"first verdict, preset {preset}", minutes(demo), "min", MINUTES, False),
    ]
    facts = {"seconds_demo": demo.seconds}
    title = "Start-up and first verdict"
    return Report("startup", title, HOW, rows, found.seconds, facts)


def minutes(demo: Measured) -> Spread:
    """The first verdict, once."""
    return spread([each / 60 for each in demo.seconds[VERDICT]])


def draw(document: dict[str, Any]) -> Figure:
    """Seconds of the list beside a bare Python's, and the target."""
    figure = canvas(6, 3.4)
    axes = raw_points(figure.subplots(), document["raw"], label="s")
    axes.axhline(MOST, color="black", linestyle=":", linewidth=1)
    figure.suptitle(document["title"], fontsize=11)
    return figure
