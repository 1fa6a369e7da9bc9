"""Effective volumes: how many plain responses take a model as far as protected ones."""

import numpy as np
from jaxtyping import Float

from experiments.rebound_measures import Values, crossing, slope_weights


def effective_volumes(
    counts: Float[np.ndarray, " moment"], plain: Values, protected: Values
) -> Values:
    """n_eff after every count of responses beside the vector.

    Formula: plain(n_eff) = protected(n), linear between the points of the plain curve.
    A protected model that moved the other way, in noise, has a negative volume, by the
    plain curve's first slope; one that moved further than the plain one ever did an
    infinite one. Shapes: curves [..., moment] that fall, broadcast -> [..., moment].

    >>> counts, plain = np.array([0.0, 10.0, 20.0]), np.array([4.0, 2.0, 1.0])
    >>> effective_volumes(counts, plain, np.array([4.0, 3.0, 1.5])).tolist()
    [0.0, 5.0, 15.0]
    """
    start = plain[..., :1]
    slope = (plain[..., 1:2] - start) / counts[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        before = (protected - start) / slope
    found = crossing(plain[..., None, :], counts, protected)
    return np.asarray(np.where(protected > start, before, found))


def exponents(knob: Values, volumes: Values) -> Values:
    """The slope of log n_eff in log knob along axis 0, NaN where a volume is not > 0.

    Shapes: knob [dose, seed], volumes [dose, seed] -> [seed]. 1 is proportional.

    >>> exponents(np.array([[1.0], [2.0], [4.0]]), np.array([[3.0], [6.0], [12.0]]))
    array([1.])
    """
    known = (volumes > 0) & np.isfinite(volumes)
    logs = np.log(np.where(known, volumes, np.nan))
    weights = [slope_weights(np.log(column)) for column in np.asarray(knob).T]
    return np.asarray([w @ y for w, y in zip(weights, logs.T, strict=True)])


def spread(volumes: Values, rescaled: Values) -> Values:
    """How far log n_eff is from log of what it should be, root mean square [seed].

    Over doses and moments: [dose, moment, seed], both positive; NaN otherwise.
    """
    known = (volumes > 0) & np.isfinite(volumes)
    ratio = np.log(np.where(known, volumes, np.nan)) - np.log(rescaled)
    return np.asarray(np.sqrt(np.mean(ratio**2, axis=(0, 1))))
