"""What `simlab falsify` takes. Nothing here imports JAX."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.validation import at_least


@dataclass(frozen=True)
class FalsifyOptions:
    """Searches for worlds that break a claim of the ledger, or all of them.

    One evaluation is one claim asked of one world. Exit codes: 0 no violation and every
    planted error caught, 1 otherwise.
    """

    bound: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(help="a record of the ledger, or all")
    ]
    budget: float = 1e6  # evaluations in all; claims with loops get fewer each
    seed: int = 0  # the same seed searches the same worlds on any machine
    contexts: int = 6  # of every world
    outputs: int = 8  # of every world
    steps: int = 200  # of each descent on the slack; 0 for none
    planted: bool = False  # search for the planted errors instead: 0 if all are caught
    json: Path | None = None  # a file that gets the table
    quiet: bool = False  # no progress on standard error
    cache: bool = True  # keep compiled programs in the user's cache directory

    def __post_init__(self) -> None:
        if not (self.budget >= 1 and math.isfinite(self.budget)):
            raise ValueError(f"budget={self.budget} must be a number >= 1")
        at_least(self, {"contexts": 1, "outputs": 2, "steps": 0, "seed": 0})
