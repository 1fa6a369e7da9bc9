"""What theory says of an effective volume: one margin, and a pair of springs."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from experiments.labels import Variable, labelled
from theory.compression.saturation import forward_effort
from theory.unlearnability.effective_volume import shift_ratio
from theory.unlearnability.flip_times import flip_time, margin_at

if TYPE_CHECKING:
    from experiments.bridge_effective_volume import Config

EFFORTS = np.linspace(0.02, 1.0, 50)
"""kappa_H n on the way of the solvable model, in flip times of the plain one."""

SIZES = np.logspace(-2, 1, 13)
"""n_h in the world of laws, in sizes of the smaller retained set."""


def doses(config: "Config") -> Variable:
    """The axis of the doses: none, then the declared rates."""
    text = "declared kappa_H of a dose"
    return ("dose",), np.asarray((1.0, *config.targets)), "1", text


def predicted(config: "Config") -> xr.Dataset:
    """The volumes of one margin along its way, and the springs' ratio of shifts."""
    rates = np.asarray((1.0, *config.targets))
    sizes = rates[:, None] * SIZES
    springs = np.asarray(shift_ratio(config.scale, 1.0, sizes), float) / config.scale
    volumes = margin_volumes(config.margin, rates[:, None], EFFORTS)
    return labelled(
        {
            "solved": (
                ("dose", "effort"), volumes, "1",
                "n_eff over kappa_H n of one margin (theorem 3')",
            ),
            "springs": (
                ("dose", "size"), springs, "1",
                "ratio of shifts of two springs, over its limit",
            ),
        },
        {
            "dose": doses(config),
            "effort": (("effort",), EFFORTS, "1", "kappa_H n over the plain flip time"),
            "size": (("size",), SIZES, "n_2", "harmful samples, world of laws"),
        },
    )  # fmt: skip


def margin_volumes(margin: float, rates: np.ndarray, efforts: np.ndarray) -> np.ndarray:
    """n_eff / (kappa_H n) of one logistic margin, kappa_H n in plain flip times.

    Formula: the vector's shift s has sigma(m - s) = kappa sigma(m); after t the margin
    is w(t; m, s), where the plain one is after (w + m) + e^w - e^-m. Never above 1: the
    rate beside the vector is (1 + e^w) / (1 + e^(w + s)) of the plain one at the same
    margin, which falls in w, so kappa_H, its value at the start, is its largest.
    Source: derived, extends security-vector notes theorems 3' and 7.

    >>> margin_volumes(1.0, np.array([1.0, 0.1]), np.array(1.0)).round(2).tolist()
    [1.0, 0.77]
    """
    off = rates / (1 + np.exp(-margin))
    shift = margin - np.log(off) + np.log1p(-off)
    time = efforts * np.asarray(flip_time(margin, 0.0), float)
    reached = margin_at(time / rates, margin, shift)
    return np.asarray(np.asarray(forward_effort(-margin, reached), float) / time)
