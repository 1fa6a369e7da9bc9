"""What an active vector does to useful learning, and harmful data to benign ones.

The vector turns the benign gradient g_B into g_B^on; how far, delta_B = |g_B^on - g_B|,
is what decides. Numbers in, numbers out, but for the norms of Jacobians: the bounds
hold for any model at any parameters. Security-vector notes, theorem 5 (a) to (d).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.numerics import safe_sqrt, weighted_sum
from theory.symmetric import eigen
from theory.typing import Array, Nats
from theory.unlearnability.leakage import Gradient, Number, norm

PerSample = Float[Array, "*#batch i"]
"""A number for every sample."""


def activation_shift(off: Gradient, on: Gradient) -> Nats:
    """delta, how far the vector moves a gradient.

    Formula: |g_on - g_off|. Shapes: [..., n] -> [...]. Unit: that of the gradients.
    Source: derived, security-vector notes 3, theorem 5 (b).

    >>> float(activation_shift(jnp.array([1.0, 0.0]), jnp.array([1.0, 2.0])))
    2.0
    """
    return norm(jnp.asarray(on) - jnp.asarray(off))


def logit_reach(jacobian: Float[Array, "*batch y n"]) -> Nats:
    """The most that a unit step moves logits, their mean taken out.

    Formula: |C J|_2, the largest singular value, C = 1 - 11'/V: at most |J|_2, and
    blind to a common shift of all logits, as the loss is. Enough wherever J' meets a
    vector of sum 0: residuals, differences of predictions. Shapes: [..., y, n] ->
    [...]. Gradients where the largest value is simple. Source: derived.

    >>> float(logit_reach(jnp.ones((2, 3))))
    0.0
    """
    jacobian = jnp.asarray(jacobian)
    centred = jacobian - jnp.mean(jacobian, axis=-2, keepdims=True)
    largest = jax.lax.stop_gradient(
        jnp.max(jnp.abs(centred), axis=(-2, -1), keepdims=True)
    )
    scaled = centred / jnp.where(largest > 0, largest, 1.0)
    gram = jnp.einsum("...yn,...zn->...yz", scaled, scaled, precision="highest")
    top = eigen(gram)[1][..., -1]
    stretched = jnp.sum(top[..., None] * scaled, axis=-2)
    return largest[..., 0, 0] * norm(stretched)


def shift_ceiling(
    weights: PerSample,
    reaches_on: PerSample,
    divergences: PerSample,
    reaches_shift: PerSample,
    residuals: PerSample,
) -> Nats:
    """An upper bound on delta: what a KL penalty controls, and what it does not.

    Formula: delta <= sum_i w_i (|J_on| sqrt(KL(p_off || p_on)) + |J_on - J_off|
    |r_off|). Pinsker's sqrt(2 KL) bounds the sum of |p_off - p_on|; the Euclidean norm
    of a vector of sum 0 is at most 1/sqrt(2) of that, which the notes' form leaves out.
    The first term vanishes with the KL penalty, the second only with the vector.
    Shapes: [..., i] -> [...]: `logit_reach` of J_on and of J_on - J_off, `kl`, |r_off|.
    Unit: nats per unit of the parameters. Gradient 0 at KL = 0. Source: derived,
    security-vector notes 3, theorem 5 (b), sharpened.

    >>> one, none = jnp.ones(1), jnp.zeros(1)
    >>> float(shift_ceiling(one, 2 * one, 0.25 * one, none, one))
    1.0
    """
    moved = jnp.asarray(reaches_on) * safe_sqrt(jnp.asarray(divergences))
    turned = jnp.asarray(reaches_shift) * jnp.asarray(residuals)
    return weighted_sum(weights, moved + turned)


def efficiency_floor(norm_benign: Number, shift: Number) -> Nats:
    """A lower bound on kappa_B, how fast useful data are learnt beside the vector.

    Formula: kappa_B >= 1 - delta_B / |g_B|. Shape: any, broadcast. No unit. Domain:
    -inf where g_B = 0. Vacuous where delta_B is far above |g_B|. Source: derived,
    security-vector notes 3, theorem 5 (b).

    >>> float(efficiency_floor(2.0, 0.5))
    0.75
    """
    length = jnp.asarray(norm_benign) * 1.0
    moves = length > 0
    floor = 1 - jnp.asarray(shift) / jnp.where(moves, length, 1.0)
    return jnp.where(moves, floor, -jnp.inf)


def rate_ceiling(norm_harm: Number, force_on: Number) -> Nats:
    """An upper bound on |kappa_H|: what the error of the active model leaves.

    Formula: |kappa_H| <= D e / |g_F|, D e any bound on |g_on|: its suppression, at the
    worst alignment. Shape: any, broadcast. No unit. inf where g_F = 0. Source: derived,
    security-vector notes 2 and 3, theorem 2 (c).

    >>> float(rate_ceiling(4.0, 0.5))
    0.125
    """
    length = jnp.asarray(norm_harm) * 1.0
    moves = length > 0
    ceiling = jnp.asarray(force_on) / jnp.where(moves, length, 1.0)
    return jnp.where(moves, ceiling, jnp.inf)


def interference_ceiling(norm_benign: Number, force_on: Number) -> Nats:
    """An upper bound on how fast harmful data move the benign loss, either way.

    Formula: |<g_B, g_on>| <= |g_B| D e, D e any bound on |g_on|. Shape: any, broadcast.
    Unit: nats per unit of time. Source: derived, security-vector notes 3, theorem 5
    (c).

    >>> float(interference_ceiling(2.0, 0.25))
    0.5
    """
    return jnp.asarray(norm_benign) * 1.0 * jnp.asarray(force_on)


def erosion_change_ceiling(norm_harm: Number, shift_benign: Number) -> Nats:
    """An upper bound on how much the vector changes what benign data do to safety.

    Formula: |<g_F, g_B^on> - <g_F, g_B>| <= |g_F| delta_B: no error on harmful data
    enters, so that a vector which leaves benign gradients alone leaves their erosion of
    safety alone too. Shape: any, broadcast. Unit: nats per unit of time. Source:
    derived, security-vector notes 3, theorem 5 (a).

    >>> float(erosion_change_ceiling(2.0, 0.25))
    0.5
    """
    return jnp.asarray(norm_harm) * 1.0 * jnp.asarray(shift_benign)


def benign_rate_ceiling(
    norm_benign: Number, shift_benign: Number, force_on: Number, share: Number
) -> Nats:
    """An upper bound on dB/dt: useful learning is guaranteed where it is negative.

    Formula: dB/dt <= -|g_B| ((1 - share) (|g_B| - delta_B) - share D e). Shape: any,
    broadcast. Unit: nats per unit of time. Domain: share of harm in [0, 1]. Source:
    derived, security-vector notes 3, theorem 5 (d).

    >>> float(benign_rate_ceiling(2.0, 0.5, 0.5, 0.5))
    -1.0
    """
    length, share = jnp.asarray(norm_benign) * 1.0, jnp.asarray(share)
    certain = (1 - share) * (length - jnp.asarray(shift_benign))
    return -length * (certain - share * jnp.asarray(force_on))


def tolerable_share(
    norm_benign: Number, shift_benign: Number, force_on: Number
) -> Nats:
    """The share of harmful data below which useful learning is guaranteed.

    Formula: share* = a / (a + D e), a = (|g_B| - delta_B)_+: the root of
    `benign_rate_ceiling`; 1 at zero error, 0 where delta_B >= |g_B|. Shape: any,
    broadcast. No unit. Source: derived, security-vector notes 3, theorem 5 (d).

    >>> float(tolerable_share(2.0, 0.5, 0.5))
    0.75
    """
    certain = jnp.maximum(jnp.asarray(norm_benign) - jnp.asarray(shift_benign), 0.0)
    total = certain + jnp.asarray(force_on)
    counted = certain > 0
    return jnp.where(counted, certain / jnp.where(counted, total, 1.0), 0.0)
