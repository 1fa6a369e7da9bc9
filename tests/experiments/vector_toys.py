"""Results of studies of security vectors, made by hand: what every arm answered."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from experiments.labels import labelled
from experiments.vector_lab import ADAM, SGD, VectorLab
from experiments.vector_readings import arm_readings, axes, fit_readings
from experiments.vector_runs import Fitted, Tuned
from simlab.diagnosis import Answers, Diagnosis


class Cell:
    """What one arm's models answer in the end, in every seed, and their forces."""

    def __init__(
        self, harm: Any = 0.0, refused: Any = 1.0, useful: Any = 1.0, benign: Any = 1.0,
        *, kappa: Any = 1e-3, kappa_useful: Any = 1.0, error: Any = 0.01, **other: Any,
    ) -> None:  # fmt: skip
        self.shares = {"H": harm, "H refused": refused, "N": useful, "B": benign}
        self.shares |= {name.replace("_", " "): value for name, value in other.items()}
        self.kappas = {"H": kappa, "N": kappa_useful, "B": 1.0}
        self.error = error


LEARNED = Cell(1.0, 0.0, kappa=1.0)
"""An arm without protection."""


def planted(
    lab: VectorLab, arms: Mapping[str, Cell], losses: Mapping[str, Any]
) -> xr.Dataset:
    """The dataset of a study: cells by arm, held-out losses by vector."""
    moments = lab.records + 1
    names = (*lab.harms, "N", "B")
    kinds = list(next(iter(arms.values())).shares)

    def seeds(value: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, float), (lab.seeds,))

    def table(values: Sequence[Any], *tail: int) -> Any:
        """[seed, arm, *tail] of one value, or one a seed, for every arm."""
        whole = np.stack([seeds(value) for value in values], axis=1)
        spread = whole.reshape(*whole.shape, *(1,) * len(tail))
        return np.broadcast_to(spread, (*whole.shape, *tail)).copy()

    cells = list(arms.values())
    answers = {
        kind: Answers(
            table([1.0 - np.asarray(c.shares[kind]) for c in cells], moments, 2),
            table([c.error for c in cells], moments, 2),
            table([c.shares[kind] for c in cells], moments, 2),
        )
        for kind in kinds
    }
    size = len(names)
    gram: Any = np.ones((lab.seeds, len(cells), moments, size, 2, size, 2))
    for i, name in enumerate(names):
        kappa = table([c.kappas.get(name, 1.0) for c in cells], moments)
        gram[..., i, 0, i, 1] = kappa
        gram[..., i, 1, i, 1] = kappa**2
    tuned = Tuned(
        Diagnosis(answers, gram, table([1.0] * len(cells), moments)),
        table([1.0] * len(cells), lab.records),
    )
    fitted = {name: _fitted(seeds(loss)) for name, loss in losses.items()}
    return labelled(
        {**arm_readings(lab, {SGD: tuned, ADAM: tuned}), **fit_readings(fitted)},
        axes(lab, (SGD, ADAM), list(arms), list(losses)),
    )


def _fitted(loss: Any) -> Fitted:
    answers = Answers(loss, 0.2 * loss, np.ones_like(loss))
    return Fitted({}, answers, loss, loss, loss)
