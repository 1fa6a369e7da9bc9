"""What `python -m experiments.benchmarks` takes. Nothing here imports JAX."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.validation import at_least

BENCHMARKS = (
    "step", "sweep", "matmul", "accelerator", "growth", "theory", "startup"
)  # fmt: skip
"""Modules of this package: `measure(options)` gives a report, `draw` plots it."""


@dataclass(frozen=True)
class Options:
    """Measures the benchmarks by name, all of them without a name."""

    names: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(help="some benchmarks")
    ] = ()
    out: Path = Path(__file__).parent  # gets results/NAME.json, plots and README.md
    repeats: int = 7  # blocks of every contender, one of each in turn
    torch_python: str = sys.executable  # the Python that has PyTorch
    quick: bool = False  # tiny sizes: says whether it works, not how fast it is

    def __post_init__(self) -> None:
        at_least(self, {"repeats": 1})
        for name in self.names:
            if name not in BENCHMARKS:
                known = ", ".join(BENCHMARKS)
                raise ValueError(f"benchmark {name!r} does not exist; use {known}")
