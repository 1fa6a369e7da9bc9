"""Case II by Lipschitz and smoothness constants: what a radius allows and forbids.

Numbers in, numbers out: valid for any parameters, networks included, if the constants
hold on the whole ball B(theta_s, radius).
"""

import jax.numpy as jnp

from theory.tradeoff.shapes import Number
from theory.typing import Nats


def gap_lipschitz(gap_start: Number, gradient_cap: Number, radius: Number) -> Nats:
    """An upper bound on a gap anywhere in the ball, by the steepest slope.

    Formula: G(theta) <= G(theta_s) + M eps, M = sup_B ||grad L||. Shape: [...]. Unit:
    nats. Valid for every point of the ball; loose by an order for an aligned start,
    where the truth is eps^2. Source: derived, notes (8.1).

    >>> float(gap_lipschitz(0.5, 2.0, 0.25))
    1.0
    """
    return jnp.asarray(gap_start) + jnp.asarray(gradient_cap) * radius


def gap_smooth(
    gap_start: Number, gradient_norm: Number, curvature_cap: Number, radius: Number
) -> Nats:
    """An upper bound on a gap anywhere in the ball, by slope at the start and bending.

    Formula: G(theta) <= G(theta_s) + ||grad L(theta_s)|| eps + beta eps^2 / 2, beta =
    sup_B ||Hess L||; only the square is left for a perfectly aligned start. Shape:
    [...]. Unit: nats. Valid for every point of the ball. Source: derived, notes (8.1).

    >>> float(gap_smooth(0.0, 0.0, 1.0, 2.0))
    2.0
    """
    radius = jnp.asarray(radius)
    slope = jnp.asarray(gradient_norm) * radius
    return jnp.asarray(gap_start) + slope + jnp.asarray(curvature_cap) * radius**2 / 2


def gap_reached(gap_start: Number, gradient_cap: Number, radius: Number) -> Nats:
    """A lower bound on a gap anywhere in the ball: the limit of Case II.

    Formula: G(theta) >= max(0, G(theta_s) - M eps). Shape: [...]. Unit: nats. Valid for
    every point of the ball; vacuous (0) where M eps > G(theta_s). Source: derived,
    notes (8.2).

    >>> float(gap_reached(1.0, 2.0, 0.25))
    0.5
    """
    lowered = jnp.asarray(gap_start) - jnp.asarray(gradient_cap) * radius
    return jnp.maximum(lowered, 0.0)


def descent_length(
    gradient_norm: Number, curvature_cap: Number, radius: Number
) -> Nats:
    """How far down the gradient to go within the ball for a certain gain.

    Formula: s = min(eps, ||g|| / beta). Shape: [...]. Domain: beta >= 0; eps where it
    is 0. Source: derived, notes (8.2).

    >>> float(descent_length(1.0, 2.0, 3.0))
    0.5
    """
    bends = jnp.asarray(curvature_cap) > 0
    free = jnp.asarray(gradient_norm) / jnp.where(bends, curvature_cap, 1.0)
    return jnp.where(bends, jnp.minimum(radius, free), radius)


def gap_descended(
    gap_start: Number, gradient_norm: Number, curvature_cap: Number, radius: Number
) -> Nats:
    """An upper bound on the best gap in the ball: one gradient step attains it.

    Formula: G(theta_eps) <= G(theta_s) - s ||g|| + beta s^2 / 2, s = min(eps, ||g|| /
    beta), that is G - eps ||g|| + beta eps^2 / 2 while eps <= ||g|| / beta and G -
    ||g||^2 / (2 beta) beyond. Shape: [...]. Unit: nats. Valid at the minimiser, and at
    theta_s - s g / ||g||. Source: derived, notes (8.2).

    >>> float(gap_descended(1.0, 1.0, 2.0, 3.0))
    0.75
    """
    length = descent_length(gradient_norm, curvature_cap, radius)
    return gap_smooth(gap_start, -jnp.asarray(gradient_norm), curvature_cap, length)


def gap_convex(gap_start: Number, radius: Number, reach: Number) -> Nats:
    """An upper bound on the best gap in the ball, for a convex loss.

    Formula: G(theta_eps) <= (1 - eps / R)_+ G(theta_s), R = ||theta_f - theta_s||.
    Shape: [...]. Unit: nats. Valid if L is convex on the segment; attained there. R =
    inf says nothing; R = 0 is 0. Source: derived, notes (8.2).

    >>> float(gap_convex(2.0, 1.0, 4.0))
    1.5
    """
    return jnp.asarray(gap_start) * _remaining(radius, reach)


def gap_convex_quadratic(gap_start: Number, radius: Number, reach: Number) -> Nats:
    """An upper bound on the best gap in the ball, for a quadratic loss.

    Formula: G(theta_eps) <= (1 - eps / R)_+^2 G(theta_s). Shape: [...]. Unit: nats.
    Attained on the segment. Source: derived, notes (8.2).

    >>> float(gap_convex_quadratic(2.0, 1.0, 2.0))
    0.5
    """
    return jnp.asarray(gap_start) * _remaining(radius, reach) ** 2


def _remaining(radius: Number, reach: Number) -> Nats:
    """(1 - eps / R)_+, 0 where R = 0."""
    away = jnp.asarray(reach) > 0
    share = jnp.asarray(radius) / jnp.where(away, reach, 1.0)
    return jnp.where(away, jnp.maximum(1 - share, 0.0), 0.0)
