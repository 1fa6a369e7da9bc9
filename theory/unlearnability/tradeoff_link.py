"""The vector as a parameter constraint that only harmful data feel.

Split the way theta_0 -> theta_T by the samples that caused it, Delta = Delta_h +
Delta_b. A ball of parameters (`theory.tradeoff.parameter_ball`) shortens both parts
together, an active vector only the first; what benign data do to safety by overlap
remains. Security-vector notes, theorem 6.
"""

import jax.numpy as jnp

from theory.tradeoff.parameter_ball import gap_smooth
from theory.typing import Nats
from theory.unlearnability.drift import drift_ceiling
from theory.unlearnability.leakage import (
    Gradients,
    Number,
    benign_rate,
    harm_rate,
    inner,
)

_SHELF_LIFE = 60.0  # e^60 exceeds 1 / error of anything trained in single precision


def damage_ceiling(
    gradient_norm: Number,
    smoothness: Number,
    harm_move: Number,
    benign_move: Number,
    overlap: Number,
    length: Number,
) -> Nats:
    """An upper bound on the harm learnt, F(theta_0) - F(theta_T), of the off model.

    Formula: |g_F| (|Delta_h| + o |Delta_b|) + beta |Delta|^2 / 2, o = |cos(g_F,
    Delta_b)|. At o = 1 and |Delta| = |Delta_h| + |Delta_b| it is the ball's
    `gap_smooth`; at Delta_h = 0, a perfect vector, the overlap term remains. Shape:
    any, broadcast. Unit: nats. Valid if F is beta-smooth on the segment. Source:
    derived, security-vector notes 3, theorem 6.

    >>> float(damage_ceiling(2.0, 0.0, 0.5, 1.0, 0.25, 1.0))
    1.5
    """
    overlap = jnp.asarray(overlap)
    felt = jnp.asarray(harm_move) + overlap * jnp.asarray(benign_move)
    bend = gap_smooth(0.0, 0.0, smoothness, length)
    return jnp.asarray(gradient_norm) * felt + bend


def capability_ceiling(
    benign_slope: Number,
    gradient_norm: Number,
    smoothness: Number,
    harm_move: Number,
    length: Number,
) -> Nats:
    """An upper bound on how much worse the task gets, B(theta_T) - B(theta_0).

    Formula: <g_B, Delta_b> + |g_B| |Delta_h| + beta |Delta|^2 / 2. Shape: any,
    broadcast. Unit: nats. Valid if B is beta-smooth on the segment. Source: derived,
    security-vector notes 3, theorem 6.

    >>> float(capability_ceiling(-1.0, 1.0, 2.0, 0.25, 0.5))
    -0.5
    """
    slope = gap_smooth(benign_slope, gradient_norm, 0.0, harm_move)
    return slope + gap_smooth(0.0, 0.0, smoothness, length)


def harm_per_benefit(gradients: Gradients, share: Number) -> Nats:
    """dF/dB, how much harm a unit of useful learning brings: exact, to first order.

    Formula: dF/dB = (dF/dt) / (dB/dt); negative where safety improves meanwhile.
    Shapes: -> [...]. No unit. Domain: share in [0, 1]; inf where the task stands still.
    Source: derived, security-vector notes 3, theorem 6.

    >>> one = jnp.array([1.0])
    >>> float(harm_per_benefit(Gradients(one, 0.5 * one, one, one), 0.5))
    1.0
    """
    return _quotient(harm_rate(gradients, share), benign_rate(gradients, share))


def direct_price(
    rate_harm: Number,
    rate_benign: Number,
    norm_harm: Number,
    norm_benign: Number,
    erosion: Number,
    share: Number,
) -> Nats:
    """Harm by a unit of what benign data alone teach: the price by kappa_H and kappa_B.

    Formula: [share kappa_H |g_F|^2 + (1 - share) <g_F, g_B^on>] / [(1 - share) kappa_B
    |g_B|^2]. It is dF/dB times 1 + share <g_B, g_on> / ((1 - share) <g_B, g_B^on>),
    a factor that the notes set to 1 and theorem 5 (c) bounds. At kappa_H = 0 the
    erosion's share of the price remains. Shape: any, broadcast. No unit. Domain: share
    < 1; inf where benign data teach nothing. Source: derived, security-vector notes 3,
    theorem 6.

    >>> float(direct_price(0.5, 1.0, 1.0, 1.0, 0.0, 0.5))
    0.5
    """
    share = jnp.asarray(share) * 1.0
    harm = share * jnp.asarray(rate_harm) * jnp.asarray(norm_harm) ** 2
    above = harm + (1 - share) * jnp.asarray(erosion)
    below = (1 - share) * jnp.asarray(rate_benign) * jnp.asarray(norm_benign) ** 2
    return _quotient(above, below)


def indirect_benefit(gradients: Gradients, share: Number) -> Nats:
    """What harmful data add to useful learning, relative to what benign data do.

    Formula: share <g_B, g_on> / ((1 - share) <g_B, g_B^on>): `direct_price` = dF/dB *
    (1 + this). Shapes: -> [...]. No unit. Domain: share < 1. Source: derived,
    security-vector notes 3, theorem 6.

    >>> one = jnp.array([1.0])
    >>> float(indirect_benefit(Gradients(one, 0.5 * one, one, one), 0.5))
    0.5
    """
    share = jnp.asarray(share) * 1.0
    above = share * inner(gradients.benign_off, gradients.harm_on)
    below = (1 - share) * inner(gradients.benign_off, gradients.benign_on)
    return _quotient(above, below)


def harm_move_beside(steepness: Number, error_sum: Number, benign_move: Number) -> Nats:
    """An upper bound on |Delta_h| by SGD when benign data move the model meanwhile.

    Formula: -(1/D) log(1 - D^2 E e^(D rho)), E = step * (sum over the harmful samples
    used of their error at theta_0), rho >= |Delta_b| all along the way, `steepness` D
    bounding |J_j - J_y| on it: a benign drift of rho makes every error e^(D rho) times
    larger at most. Without drift it is the bound of training on harmful data alone.
    Shape: any, broadcast. inf where D^2 E e^(D rho) >= 1 or D rho > 60: shelf life is
    over. Source: derived, from security-vector notes 3, theorems 2 (e) and 3 (i).

    >>> print(f"{float(harm_move_beside(1.0, 0.5, 0.0)):.4f}")
    0.6931
    """
    exponent = jnp.asarray(steepness) * 1.0 * jnp.asarray(benign_move)
    fresh = exponent <= _SHELF_LIFE
    growth = jnp.exp(jnp.where(fresh, exponent, 0.0))
    drift = drift_ceiling(1.0, steepness, jnp.asarray(error_sum) * growth)
    return jnp.where(fresh, drift, jnp.inf)


def _quotient(above: Nats, below: Nats) -> Nats:
    """The quotient, inf where `below` is 0."""
    moves = below != 0
    return jnp.where(moves, above / jnp.where(moves, below, 1.0), jnp.inf)
