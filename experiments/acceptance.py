"""Numbers that were declared beforehand for every seed: is each of them reached?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.claim import Evidence, Outcome
from experiments.evidence import undecided
from simlab.statistics import estimate, holm, one_sided


class Threshold(NamedTuple):
    """What every seed should reach: at least, or at most, so much."""

    what: str
    limit: float
    least: bool = True

    @property
    def text(self) -> str:
        """As one reads it: "x >= 0.98"."""
        return f"{self.what} {'>=' if self.least else '<='} {self.limit:g}"


def accepted(
    question: str,
    samples: Sequence[tuple[Threshold, Float[np.ndarray, "cell seed"]]],
    cells: Sequence[str],
    seeds: Sequence[int],
    level: float,
) -> Evidence:
    """Does every seed of every cell reach every threshold?

    Holds if all do. Violated if some cell's mean is beyond its threshold, by Student's
    t at confidence `level`, Holm-corrected over thresholds and cells. Else it is
    inconclusive: seeds miss what their mean may reach. Slack: that of the worst sample.
    """
    rooms: list[np.ndarray] = []
    p_values: list[float] = []
    ranges: list[str] = []
    missed: list[str] = []
    for threshold, values in samples:
        sign = 1 if threshold.least else -1
        if not np.isfinite(values).all():
            return undecided(question, "1", f"{threshold.what}: a run diverged")
        room = sign * (values - threshold.limit)
        rooms.append(room)
        p_values.extend(float(one_sided(estimate(-row)).p_value) for row in room)
        ranges.append(f"{threshold.text}: {values.min():.3g} to {values.max():.3g}")
        missed.extend(
            f"{threshold.what} {values[cell, seed]:.3g} ({cells[cell]}, seed "
            f"{seeds[seed]})"
            for cell, seed in np.argwhere(room < 0)
        )
    beyond = bool(np.any(holm(np.asarray(p_values), level)))
    outcome = Outcome.HOLDS if not missed else Outcome.INCONCLUSIVE
    told = f"; missed by {', '.join(missed)}" if missed else ""
    return Evidence(
        question,
        Outcome.VIOLATED if missed and beyond else outcome,
        float(min(room.min() for room in rooms)),
        "1",
        f"{len(seeds)} seeds in {len(cells)} cells; {'; '.join(ranges)}{told}",
    )
