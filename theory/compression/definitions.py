"""Inverse alignment, elasticity, resistance and rebound as numbers one can measure.

Definitions 3.5 and 3.6 speak of "some" operation and of "much less" data. Here the
operation is given by its measured curve, and the share of data is a number, not a yes.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.laws import Number
from theory.typing import Array, Nats

Curve = Float[Array, "*#batch step"]
"""One number a measured point, in the order of the measurement."""


class InverseAlignment(NamedTuple):
    """One way back, [...]: whether it arrived, its data, and their share of D_a."""

    arrived: Bool[jax.Array, "*batch"]
    samples: Float[jax.Array, "*batch"]
    share: Float[jax.Array, "*batch"]


def samples_to_return(
    samples: Curve, distances: Curve, tolerance: Number
) -> Float[jax.Array, "*batch"]:
    """|D_b|, the data after which the model is first as near as asked to where it was.

    Formula: min {n_b: rho(p'_theta0(n_b), p_theta0) <= eps}, linear between the two
    points around it; inf if the curve never arrives. Shapes: samples, distances [...,
    step], tolerance [...] -> [...]. Unit: that of the samples, rising along the curve.
    Source: Ji et al. 2025, Definition 3.5.

    >>> samples, distances = jnp.array([0.0, 10, 20]), jnp.array([0.4, 0.2, 0.0])
    >>> print(f"{float(samples_to_return(samples, distances, 0.1)):.4f}")
    15.0000
    """
    samples, distances = jnp.broadcast_arrays(
        jnp.asarray(samples) * 1.0, jnp.asarray(distances) * 1.0
    )
    limit = (jnp.asarray(tolerance) * 1.0)[..., None]
    near = distances <= limit
    first = jnp.argmax(near, axis=-1)[..., None]
    before = jnp.maximum(first - 1, 0)
    at, at_before, d, d_before = (
        jnp.take_along_axis(curve, place, axis=-1)
        for curve in (samples, distances)
        for place in (first, before)
    )
    fall = d_before - d
    part = jnp.where(
        (first > 0) & (fall > 0),
        (d_before - limit) / jnp.where(fall > 0, fall, 1.0),
        1.0,
    )
    crossed = (at_before + part * (at - at_before))[..., 0]
    return jnp.where(jnp.any(near, axis=-1), crossed, jnp.inf)


def inverse_alignment(
    samples: Curve, distances: Curve, tolerance: Number, samples_aligned: Number
) -> InverseAlignment:
    """Whether a model came back to where it was before alignment, and how cheaply.

    Formula: arrived = [rho <= eps for some n_b], share = |D_b| / |D_a|. The definition
    asks share << 1; elasticity asks it of a simple operation at a constant eps. Shapes:
    samples, distances [..., step], the others [...] -> three of [...]. Domain:
    samples_aligned > 0. Source: Ji et al. 2025, Definitions 3.5 and 3.6.

    >>> samples, distances = jnp.array([0.0, 10, 20]), jnp.array([0.4, 0.2, 0.0])
    >>> print(f"{float(inverse_alignment(samples, distances, 0.1, 150.0).share):.4f}")
    0.1000
    """
    needed = samples_to_return(samples, distances, tolerance)
    share = needed / jnp.asarray(samples_aligned)
    return InverseAlignment(jnp.isfinite(needed), needed, share)


def is_elastic(way_back: InverseAlignment, most: Number) -> Bool[jax.Array, "*batch"]:
    """Whether the way back is an elastic one: it arrives on a declared share of data.

    Formula: arrived and |D_b| / |D_a| <= most. "<<" becomes a number that the caller
    declares beforehand. Shapes: [...]. Source: Ji et al. 2025, Definition 3.6.

    >>> way = inverse_alignment(jnp.array([0.0, 9]), jnp.array([0.4, 0.0]), 0.0, 100.0)
    >>> bool(is_elastic(way, 0.1)), bool(is_elastic(way, 0.05))
    (True, False)
    """
    return way_back.arrived & (way_back.share <= jnp.asarray(most))


def resistance(
    loss_forward: Number,
    loss_inverse: Number,
    entropy_forward: Number = 0.0,
    entropy_inverse: Number = 0.0,
) -> Nats:
    """By how much aligning is harder than undoing it; > 0 is resistance.

    Formula: (loss_f - H_f) - (loss_i - H_i), H the entropy of the data each was trained
    on. Without the entropies it is the published measure, which compares data sets as
    much as models. Shapes: [...]. Unit: nats per token. Source: Ji et al. 2025, section
    5.1; the excess derived, elasticity notes 3.4.

    >>> print(f"{float(resistance(0.202, 0.159)):.3f}")
    0.043
    """
    forward = jnp.asarray(loss_forward) * 1.0 - entropy_forward
    return forward - (jnp.asarray(loss_inverse) * 1.0 - entropy_inverse)


def speed(samples: Curve, scores: Curve, start: Number, stop: Number) -> Nats:
    """How fast a score falls on a stretch of its curve, by least squares.

    Formula: minus the slope of scores on the samples in [start, stop]. Shapes: [...,
    step], start and stop [...] -> [...]. Unit: score per sample. Domain: two distinct
    samples on the stretch; NaN otherwise. Source: Ji et al. 2025, section 5.2, measured
    as in elasticity notes 6.

    >>> samples, scores = jnp.array([0.0, 1, 2, 9]), jnp.array([4.0, 3, 2, 0])
    >>> float(speed(samples, scores, 0.0, 2.0))
    1.0
    """
    samples, scores = jnp.broadcast_arrays(
        jnp.asarray(samples) * 1.0, jnp.asarray(scores) * 1.0
    )
    low, high = jnp.asarray(start)[..., None], jnp.asarray(stop)[..., None]
    return -_slope(samples, scores, (samples >= low) & (samples <= high))


def slowing(
    samples: Curve, scores: Curve, early: Number, late: Number
) -> Float[jax.Array, "*batch"]:
    """The late speed of a curve as a share of its early speed; small is a rebound.

    Formula: speed on [late, last] / speed on [first, early]. Shapes: [..., step] ->
    [...]. No unit. Domain: each stretch has two points; inf where the early speed is 0.
    Source: Ji et al. 2025, section 5.2, measured as in elasticity notes 6.

    >>> samples, scores = jnp.array([0.0, 1, 8, 10]), jnp.array([4.0, 2, 1, 0])
    >>> float(slowing(samples, scores, 1.0, 8.0))
    0.25
    """
    first = speed(samples, scores, -jnp.inf, early)
    last = speed(samples, scores, late, jnp.inf)
    moves = first != 0
    return jnp.where(moves, last / jnp.where(moves, first, 1.0), jnp.inf)


def return_exponent(
    samples_aligned: Curve, samples_back: Curve
) -> Float[jax.Array, "*batch"]:
    """rho, how the data needed to come back grow with the data of alignment.

    Formula: least-squares slope of log n* in log n_pos. 1: no elasticity; in (0, 1):
    coming back gets relatively cheaper; < 0: it gets cheaper outright, as printed, and
    as no one-dimensional flow can do. Shapes: [..., step] -> [...]. No unit. Domain:
    both > 0, two distinct n_pos. Source: derived, elasticity notes 3.2.

    >>> aligned, back = jnp.array([1e3, 1e4]), jnp.array([961.0, 729.0])
    >>> print(f"{float(return_exponent(aligned, back)):.2f}")
    -0.12
    """
    x, y = jnp.broadcast_arrays(
        jnp.log(jnp.asarray(samples_aligned)), jnp.log(jnp.asarray(samples_back))
    )
    return _slope(x, y, jnp.ones_like(x, dtype=bool))


def _slope(
    x: Float[jax.Array, "*batch step"],
    y: Float[jax.Array, "*batch step"],
    counted: Bool[jax.Array, "*batch step"],
) -> Float[jax.Array, "*batch"]:
    """The least-squares slope of y in x over the points that count."""
    weight = counted / jnp.sum(counted, axis=-1, keepdims=True)
    x_off = x - jnp.sum(weight * x, axis=-1, keepdims=True)
    y_off = y - jnp.sum(weight * y, axis=-1, keepdims=True)
    return jnp.sum(weight * x_off * y_off, axis=-1) / jnp.sum(
        weight * x_off**2, axis=-1
    )
