"""Case II for a small radius: what the first steps cost and gain, to leading order.

Numbers in, numbers out: the ingredients come from `logits` for a table, from
Hessian-vector products for a network.
"""

import jax.numpy as jnp

from theory.tradeoff.shapes import Number
from theory.typing import Nats


def local_cost(gradient_norm: Number, curvature: Number, radius: Number) -> Nats:
    """What a small ball costs in safety, to leading order.

    Formula: G_s = (eps^2 / 2) g^T H_s g / ||g||^2 + O(eps^3), g = grad L_f(theta_s),
    H_s the Fisher matrix on safety contexts, `curvature` = g^T H_s g. Shape: [...].
    Unit: nats. Valid for a perfectly aligned start; 0 where g = 0. Source: derived,
    notes (8.4).

    >>> float(local_cost(2.0, 4.0, 0.5))
    0.125
    """
    return jnp.asarray(radius) ** 2 / 2 * _rayleigh(gradient_norm, curvature)


def local_gain(gradient_norm: Number, radius: Number) -> Nats:
    """What a small ball gains in capability, to leading order.

    Formula: G_f(theta_s) - G_f(theta_eps) = eps ||g|| + O(eps^2). Shape: [...]. Unit:
    nats. Source: derived, notes (8.4).

    >>> float(local_gain(2.0, 0.5))
    1.0
    """
    return jnp.asarray(gradient_norm) * radius


def tangent_overlap(
    gradient_norm: Number, curvature: Number, top_eigenvalue: Number
) -> Nats:
    """omega, how much the task's direction is among those that safety minds most.

    Formula: omega = g^T H_s g / (||g||^2 lambda_max(H_s)), in [0, 1]; 0 is free
    fine-tuning, contexts disjoint in the tangent kernel. Shape: [...]. 0 where g or H_s
    is 0. Source: derived, notes (8.4).

    >>> float(tangent_overlap(2.0, 4.0, 2.0))
    0.5
    """
    bends = jnp.asarray(top_eigenvalue) > 0
    ratio = _rayleigh(gradient_norm, curvature) / jnp.where(bends, top_eigenvalue, 1.0)
    return jnp.where(bends, ratio, 0.0)


def _rayleigh(gradient_norm: Number, curvature: Number) -> Nats:
    """g^T H g / ||g||^2, 0 where g = 0."""
    moves = jnp.asarray(gradient_norm) > 0
    norm = jnp.where(moves, gradient_norm, 1.0)
    return jnp.where(moves, jnp.asarray(curvature) / norm / norm, 0.0)
