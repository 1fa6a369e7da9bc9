"""The vector as fewer harmful samples: n_h becomes kappa_H n_h.

In the quadratic picture of elasticity the retained data hold the model with a stiffness
K = sum_i n_i H_i, harmful data pull with a force n_h g and a stiffness n_h H. A vector
that multiplies both by kappa is a smaller data set. Security-vector notes, theorem 7.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets, with_size
from theory.compression.quadratic_springs import Springs
from theory.symmetric import Matrix, apply, form, solve
from theory.typing import Array, Nats
from theory.unlearnability.leakage import Gradient, Number


def effective_size(size: Number, rate: Number) -> Nats:
    """n_eff, how many unprotected harmful samples do what n_h do beside the vector.

    Formula: n_eff = kappa_H n_h. Under SGD only: Adam rescales every force. Shape: any,
    broadcast. Unit: that of the size. Source: derived, security-vector notes 3, theorem
    7.

    >>> print(f"{float(effective_size(1000.0, 6e-4)):.2f}")
    0.60
    """
    return jnp.asarray(size) * 1.0 * jnp.asarray(rate)


def equilibrium_shift(
    stiffness: Matrix,
    harm_stiffness: Matrix,
    harm_gradient: Gradient,
    size: Number,
) -> Float[jax.Array, "*batch n"]:
    """Delta, how far harmful samples move the joint equilibrium of the retained data.

    Formula: -(K + n_h H)^-1 n_h g; beside a vector n_h is `effective_size`. Shapes: K,
    H [..., n, n], g [..., n], size [...] -> [..., n]. Domain: quadratic losses, K
    positive definite, H semi-definite, size >= 0. Source: derived, security-vector
    notes 3, theorem 7.

    >>> one = jnp.eye(1)
    >>> equilibrium_shift(3 * one, one, jnp.array([-1.0]), 1.0).tolist()
    [0.25]
    """
    size = jnp.asarray(size) * 1.0
    joint = jnp.asarray(stiffness) + size[..., None, None] * harm_stiffness
    return solve(joint, -size[..., None] * jnp.asarray(harm_gradient))


def linear_shift(
    stiffness: Matrix, harm_gradient: Gradient, size: Number
) -> Float[jax.Array, "*batch n"]:
    """The same to first order in the size: the harmful set pulls, but does not stiffen.

    Formula: -n_h K^-1 g. In the norm of K never shorter than `equilibrium_shift`, and
    at most 1 + n_h h times longer, h the largest eigenvalue of K^-1 H. Shapes: K [...,
    n, n], g [..., n], size [...] -> [..., n]. Domain: K positive definite. Source:
    derived, security-vector notes 3, theorem 7.

    >>> linear_shift(4 * jnp.eye(1), jnp.array([-1.0]), 2.0).tolist()
    [0.5]
    """
    size = (jnp.asarray(size) * 1.0)[..., None]
    return -size * solve(jnp.asarray(stiffness), harm_gradient)


def stored_energy(stiffness: Matrix, move: Gradient) -> Nats:
    """What a move costs the retained data: half its squared length in their metric.

    Formula: (1/2) Delta' K Delta, the rise of sum_i n_i L_i. Shapes: -> [...]. Unit:
    nats times samples. Source: standard.

    >>> float(stored_energy(4 * jnp.eye(1), jnp.array([0.5])))
    0.5
    """
    return form(stiffness, move) / 2


def shift_ratio(first: Number, second: Number, harmful: Number) -> Nats:
    """How much further harmful data move the smaller of two data sets than the larger.

    Formula: (n_1 + n_h) / (n_2 + n_h) for two sets of equal stiffness, each against the
    same n_h: falls short of the elastic ratio n_1 / n_2 by the perturbing set's own
    stiffness, and reaches it as `effective_size` -> 0. Shape: any, broadcast. No unit.
    Domain: n_2 > 0. Source: derived, security-vector notes 3, theorem 7.

    >>> print(f"{float(shift_ratio(1e4, 1e2, 10.0)):.1f}")
    91.0
    """
    harmful = jnp.asarray(harmful) * 1.0
    return (jnp.asarray(first) + harmful) / (jnp.asarray(second) + harmful)


def ratio_deficit(first: Number, second: Number, harmful: Number) -> Nats:
    """How far that ratio is below n_1 / n_2, with its digits.

    Formula: n_h (n_1 - n_2) / (n_2 (n_2 + n_h)). Shape: any, broadcast. No unit.
    Domain: n_2 > 0. Source: derived, security-vector notes 3, theorem 7.

    >>> print(f"{float(ratio_deficit(1e4, 1e2, 10.0)):.1f}")
    9.0
    """
    first, second = jnp.asarray(first) * 1.0, jnp.asarray(second) * 1.0
    share = jnp.asarray(harmful) / (second + jnp.asarray(harmful))
    return share * (first - second) / second


def protected(data: DataSets, harmful: int, rate: Number) -> DataSets:
    """The data sets as a model beside the vector feels them: all of elasticity applies.

    Formula: n_harmful -> kappa_H n_harmful, the others as they are: with p, a, t the
    elastic ratio tends to -k, the sizes' own. Shapes: rate [...] -> [..., set]. Source:
    derived, security-vector notes 3, theorem 7.

    >>> protected(DataSets(jnp.eye(2), jnp.array([1.0, 8.0])), 1, 0.25).sizes.tolist()
    [1.0, 2.0]
    """
    sizes = jnp.asarray(data.sizes)[..., harmful]
    return with_size(data, harmful, effective_size(sizes, rate))


def protected_springs(springs: Springs, harmful: int, rate: Number) -> Springs:
    """The same for springs: one of them softened, force and stiffness alike.

    Formula: n_harmful -> kappa_H n_harmful. Shapes: rate [...] -> [..., set]. Source:
    derived, security-vector notes 3, theorem 7.

    >>> soft = Springs(jnp.array([[0.0], [1.0]]), jnp.array([3.0, 4.0]), jnp.eye(1))
    >>> protected_springs(soft, 1, 0.25).sizes.tolist()
    [3.0, 1.0]
    """
    data = protected(DataSets(springs.anchors, springs.sizes), harmful, rate)
    return springs._replace(sizes=data.sizes)


def anchor_gradient(
    metric: Matrix, point: Gradient, anchor: Float[Array, "*#batch n"]
) -> Float[jax.Array, "*batch n"]:
    """The gradient by sample of a spring with that anchor, g of `equilibrium_shift`.

    Formula: W (theta - m). Shapes: [..., n, n], [..., n] -> [..., n]. Source: derived,
    elasticity notes 2.8.

    >>> anchor_gradient(jnp.eye(1), jnp.array([1.0]), jnp.array([3.0])).tolist()
    [-2.0]
    """
    return apply(metric, jnp.asarray(point) - jnp.asarray(anchor))
