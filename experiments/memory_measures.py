"""What the ways back say of memory, and what saturation alone would have said.

Saturation is the rival of elasticity: a log-odds that moves at a speed of its own, the
logistic law of the notes (2.10), whatever the model was pre-trained on.
"""

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from experiments.memory_lives import DOMINANT, MODES, RARE
from theory.compression.definitions import samples_to_return
from theory.compression.saturation import inverse_effort, inverse_end, inverse_speed

Curves = Float[np.ndarray, "*batch moment"]


def samples_until(
    samples: Float[np.ndarray, " moment"], curves: Curves, level: float
) -> Float[np.ndarray, "*batch"]:
    """The responses after which each log-odds is down at a level; inf if never."""
    return np.asarray(jax.jit(samples_to_return)(samples, curves, level), float)


def unit_costs(data: xr.Dataset) -> Float[np.ndarray, "swap mode seed"]:
    """Responses for each nat of the way to neutral.

    Formula: n(LO = 0) / LO_1. Inf where a way is too short, NaN where it starts below
    neutral.
    """
    curves = _ways(data, "swapped")
    start = np.where(curves[..., 0] > 0, curves[..., 0], np.nan)
    return samples_until(data["moment"].values, curves, 0.0) / start


def saturated_unit_costs(data: xr.Dataset) -> Float[np.ndarray, "swap mode seed"]:
    """The same by saturation alone, from the same starts, for one nat of effort each.

    Formula: (z + 1 - e^-z) / z. Source: derived, elasticity notes 2.10.
    """
    start = _ways(data, "swapped")[..., 0]
    safe = np.where(start > 0, start, 1.0)
    efforts = np.asarray(inverse_effort(safe, 0.0), float)
    return np.where(start > 0, efforts / safe, np.nan)


def stretch_costs(
    data: xr.Dataset, stretch: float
) -> Float[np.ndarray, "swap mode seed"]:
    """Responses from a log-odds of `stretch` to neutral, wherever the way began.

    Any law by which a log-odds moves at a speed of its own gives all modes the same.
    """
    curves, samples = _ways(data, "swapped"), data["moment"].values
    spent = samples_until(samples, curves, stretch)
    return np.where(
        curves[..., 0] >= stretch,
        samples_until(samples, curves, 0.0) - np.where(np.isfinite(spent), spent, 0.0),
        np.nan,
    )


def dearer(
    costs: Float[np.ndarray, "swap mode seed"], mode: str, than: str
) -> Float[np.ndarray, " seed"]:
    """E, the mean over the swap of log(cost of a mode / cost of another one).

    Each style plays both roles once: what a style costs by itself cancels in the
    comparison of the two swapped roles.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(costs)
        each = logs[:, MODES.index(mode)] - logs[:, MODES.index(than)]
        return np.asarray(each.mean(axis=0))


def excess(data: xr.Dataset) -> Float[np.ndarray, " seed"]:
    """How much dearer the rare mode is than saturation says: E minus its prediction."""
    measured = dearer(unit_costs(data), RARE, DOMINANT)
    return np.asarray(measured - dearer(saturated_unit_costs(data), RARE, DOMINANT))


def half_places(
    samples: Float[np.ndarray, " moment"], curves: Curves, window: int
) -> Float[np.ndarray, "*batch"]:
    """The log-odds where the speed of the way back has halved; NaN if it never does.

    Speeds are differences over `window` responses, placed at the mean of their ends.
    """
    reach = round(window / (samples[1] - samples[0]))
    early, late = curves[..., :-reach], curves[..., reach:]
    speeds, places = (early - late) / window, (early + late) / 2
    moments = samples[:-reach]
    first = speeds[..., :1]
    # Relative to the first speed: the level is a half for every curve.
    shares = speeds / np.where(first > 0, first, np.nan)
    when = samples_until(moments, shares, 0.5)
    flat = [
        np.interp(at, moments, row) if np.isfinite(at) else np.nan
        for at, row in zip(
            when.ravel(), places.reshape(-1, places.shape[-1]), strict=True
        )
    ]
    return np.array(flat).reshape(when.shape)


def first_speeds(
    data: xr.Dataset, window: int, name: str = "tracked"
) -> Float[np.ndarray, "share seed"]:
    """v_0 of the tracked lives, nats a response over the first `window` of them."""
    curves = _ways(data, name)
    reach = round(window / float(data["moment"][1] - data["moment"][0]))
    return np.asarray((curves[..., 0] - curves[..., reach]) / window)


def places(
    data: xr.Dataset, window: int, name: str = "tracked"
) -> Float[np.ndarray, "share seed"]:
    """Where the tracked lives slow down."""
    return half_places(data["moment"].values, _ways(data, name), window)


def saturated_places(data: xr.Dataset, window: int) -> Float[np.ndarray, "share seed"]:
    """Where saturation slows down, from the same starts at the same first speeds.

    Formula: z(n) = `inverse_end`(LO_1, effort n), effort v_0 / sigma(LO_1) a response,
    measured as the models are. Source: derived, elasticity notes 2.10.
    """
    start = _ways(data, "tracked")[..., 0]
    samples = data["moment"].values
    effort = first_speeds(data, window) / np.asarray(inverse_speed(start), float)
    law = jax.jit(inverse_end)(start[..., None], effort[..., None] * samples)
    return half_places(samples, np.asarray(law, float), window)


def coefficients(
    base: Float[np.ndarray, "share seed"], place: Float[np.ndarray, "share seed"]
) -> Float[np.ndarray, " seed"]:
    """Least-squares slope of each seed's places in its base log-odds.

    0: the place of slowing down does not move with the base; 1: it moves with it.
    """
    off = base - base.mean(axis=0)
    return np.asarray((off * place).sum(axis=0) / (off**2).sum(axis=0))


def memory_shares(data: xr.Dataset, window: int) -> Float[np.ndarray, " seed"]:
    """Where the plateau is on the way from pure saturation (0) to elasticity (1).

    Formula: (c - c_s) / (1 - c_s), c the coefficient, c_s what saturation gives.
    """
    base = data["base_tracked"].transpose("share", "seed").values.astype(float)
    measured = coefficients(base, places(data, window))
    saturated = coefficients(base, saturated_places(data, window))
    return np.asarray((measured - saturated) / (1 - saturated))


def faster(data: xr.Dataset, window: int) -> Float[np.ndarray, " seed"]:
    """Log of how v_0 grows from the second share to the last, saturation taken out.

    Formula: log(v_0 / sigma(LO_1)) of the last share minus that of the second one.
    """
    start = _ways(data, "tracked")[..., 0]
    speeds = first_speeds(data, window)
    ratio = speeds / np.asarray(inverse_speed(start), float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log(ratio[-1]) - np.log(ratio[1]))


def _ways(data: xr.Dataset, name: str) -> Curves:
    """Stored curves with moments last."""
    variable = data[name]
    ahead = [dim for dim in variable.dims if dim not in ("moment", "seed")]
    return np.asarray(variable.transpose(*ahead, "seed", "moment").values, float)
