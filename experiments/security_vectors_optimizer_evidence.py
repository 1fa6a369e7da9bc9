"""The verdict of `security_vectors_optimizer`: a table exactly, networks over seeds."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from jaxtyping import Float

from experiments.claim import Evidence
from experiments.evidence import never_below, outcome_of, rises, undecided
from experiments.thresholds import Ends, above, below, known
from experiments.trends import trending
from experiments.vector_lab import ADAM, LARGE_EPS, SGD

if TYPE_CHECKING:
    from experiments.security_vectors_optimizer import Config

NONE, VECTOR = "none x", "vector x"
"""Arms without and with the vector are these and the factor on the learning rate."""

Cells = Float[np.ndarray, "cell seed"]


def evidence(config: "Config", data: xr.Dataset) -> list[Evidence]:
    """Every question, of the table and of the transformer."""
    return [*_table(config, data), *_drifts(config, data), *_flips(config, data)]


def _table(config: "Config", data: xr.Dataset) -> Iterator[Evidence]:
    """One margin: theorems 3' and 4, and whether Adam notices the residual at all."""
    steps = data["table_steps"]
    yield never_below(
        "does nothing flip the solvable model before theorems 3' and 4 allow?",
        steps.values, data["table_least"].values, 0.0, "steps",
    )  # fmt: skip
    sgd = steps.sel(optimizer=SGD).values
    yield never_below(
        "does SGD flip it as soon as theorem 3' says?",
        data["table_most"].sel(optimizer=SGD).values,
        np.minimum(sgd, config.table_most), 0.0, "steps",
    )  # fmt: skip
    yield _growth(
        "does Adam flip it in the same time, however small the residual?",
        steps.sel(optimizer=ADAM).values, config.forgotten, least=False,
    )  # fmt: skip
    yield _growth(
        "does a large eps make a smaller residual last longer again?",
        steps.sel(optimizer=LARGE_EPS).values, config.restored, least=True,
    )  # fmt: skip


def _growth(question: str, steps: np.ndarray, limit: float, *, least: bool) -> Evidence:
    """Steps at the last shift over those at the last but one, against a number."""
    with np.errstate(invalid="ignore"):
        ratio = float(steps[-1] / steps[-2])
    if not np.isfinite(ratio):
        return undecided(question, "1", "a run was cut off before it flipped")
    slack = ratio - limit if least else limit - ratio
    return Evidence(
        question, outcome_of(slack >= 0), slack, "1",
        f"from {steps[-2]:.0f} to {steps[-1]:.0f} steps, a factor of {ratio:.4g} "
        f"(declared: at {'least' if least else 'most'} {limit:g})",
    )  # fmt: skip


def suppression(
    config: "Config", data: xr.Dataset, optimizer: str
) -> Float[np.ndarray, "moment pace seed"]:
    """Drift with the vector over that without, at the first and the last moment."""
    one = data["drift"].sel(optimizer=optimizer).isel(moment=[1, -1])
    with_vector, without = (
        one.sel(arm=names).transpose("moment", "arm", "seed").values
        for names in reversed(arm_names(config))
    )
    return np.asarray(with_vector / without)


def arm_names(config: "Config") -> tuple[list[str], list[str]]:
    """The arms without and with the vector, by rising learning rate."""
    without, behind = (
        [f"{prefix}{pace:g}" for pace in config.paces] for prefix in (NONE, VECTOR)
    )
    return without, behind


def _drifts(config: "Config", data: xr.Dataset) -> Iterator[Evidence]:
    """Theorem 4a and c in a transformer: who drifts though the gradient is small?"""
    level = config.level
    sgd, adam, large = (
        suppression(config, data, name) for name in (SGD, ADAM, LARGE_EPS)
    )
    judged = np.asarray(config.paces) <= config.stable
    sgd, adam, large = (_flat(one) for one in (sgd[:, judged], adam, large))
    yield below(
        "does the vector take most of SGD's drift away (with it over without)?",
        known(sgd), config.suppressed, level, "1",
    )  # fmt: skip
    yield above(
        "does it leave Adam's drift (with it over without)?",
        known(adam), config.suppressed, level, "1",
    )  # fmt: skip
    yield rises(
        "does a large eps make the vector hold Adam's drift back more?",
        np.log(adam) - np.log(large), level, "log of ratio",
    )  # fmt: skip
    one = data.sel(optimizer=SGD).isel(moment=slice(1, None))
    yield never_below(
        "is SGD's drift within the summed length of its steps, at every moment?",
        path(config, data) - one["drift"].transpose("seed", "arm", "moment").values,
        np.zeros(()), config.rounding, "1",
    )  # fmt: skip


def _flat(ratios: Float[np.ndarray, "moment pace seed"]) -> Cells:
    return ratios.reshape(-1, ratios.shape[-1])


def path(config: "Config", data: xr.Dataset) -> Float[np.ndarray, "seed arm moment"]:
    """SGD's rate times the summed norms of its gradients, an upper bound of drift."""
    norms = data["gradient"].sel(optimizer=SGD).transpose("seed", "arm", "record")
    rates = config.rate_sgd * np.tile(config.paces, 2)
    each = config.tune_steps // config.records
    summed: np.ndarray = each * np.cumsum(norms.values.astype(float), axis=-1)
    return np.asarray(rates[:, None] * summed)


def _flips(config: "Config", data: xr.Dataset) -> Iterator[Evidence]:
    """How long the deployed transformer stays safe, by dose."""
    steps = data["flip_steps"].transpose("flipper", "dose", "seed").values
    yield trending(
        "does a transformer stay safe the longer, the larger the dose?",
        np.minimum(steps, config.flip_most), config.level, "steps",
    )  # fmt: skip
    yield above(
        "does the largest dose make it last much longer (log of the ratio of steps)?",
        delay(config, steps), float(np.log(config.delayed)), config.level, "1",
    )  # fmt: skip


def delay(config: "Config", steps: np.ndarray) -> Ends:
    """Log of steps at the largest dose over those at none: [flipper, seed].

    A run that was cut off would have taken longer, without an upper end.
    """
    none, largest = np.log(steps[:, 0]), np.log(steps[:, -1])
    cut = np.minimum(largest, np.log(config.flip_most))
    with np.errstate(invalid="ignore"):
        low, high = cut - none, largest - none
    return Ends(np.where(np.isfinite(none), low, np.nan), high)
