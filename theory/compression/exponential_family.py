"""Exponential families: data sets pull the mean parameter with a force that is linear.

p_theta = h exp(theta . T - A(theta)); the data sets may be any laws, inside the family
or not. Only their means mu_i = E_{p_i} T matter to the joint optimum. Elasticity notes
2.8.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets, shares
from theory.information import kl
from theory.numerics import weighted_sum
from theory.symmetric import form, solve
from theory.typing import Array, Nats

Theta = Float[Array, "*#batch feature"]
"""Natural parameters, or a batch of them."""

Law = Float[Array, "*#batch leaf"]
"""Leaf weights of one data set or model."""


class Family(NamedTuple):
    """Statistics T [..., leaf, feature] and log h [..., leaf] of an exponential family.

    Domain: log h finite; no combination of the features is constant (a minimal family).
    """

    statistics: Float[Array, "*batch leaf feature"]
    log_base: Float[Array, "*batch leaf"]


def log_law(family: Family, theta: Theta) -> Float[jax.Array, "*batch leaf"]:
    """Log p_theta.

    Formula: log h + theta . T - A(theta), A = log sum_x h exp(theta . T). Shapes: theta
    [..., feature] -> [..., leaf]. Unit: nats. Source: standard.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> jnp.exp(log_law(family, jnp.zeros(1))).tolist()
    [0.5, 0.5]
    """
    products = jnp.asarray(family.statistics) * jnp.asarray(theta)[..., None, :]
    return jax.nn.log_softmax(family.log_base + jnp.sum(products, axis=-1), axis=-1)


def family_law(family: Family, theta: Theta) -> Float[jax.Array, "*batch leaf"]:
    """p_theta, the law of the family with those natural parameters.

    Formula: h exp(theta . T - A(theta)). Shapes: [..., feature] -> [..., leaf]. Source:
    standard.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> family_law(family, jnp.zeros(1)).tolist()
    [0.5, 0.5]
    """
    return jnp.exp(log_law(family, theta))


def feature_mean(family: Family, law: Law) -> Float[jax.Array, "*batch feature"]:
    """mu, the mean of the statistics under any law.

    Formula: sum_x p(x) T(x). Shapes: p [..., leaf] -> [..., feature]. Source: standard.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> feature_mean(family, jnp.array([0.75, 0.25])).tolist()
    [0.25]
    """
    return jnp.sum(jnp.asarray(law)[..., None] * family.statistics, axis=-2)


def family_rate(family: Family, theta: Theta, law: Law) -> Nats:
    """gamma, the compression rate of any law under p_theta.

    Formula: A(theta) - theta . mu - E_p log h = -sum_x p log p_theta. Shapes: p [...,
    leaf] -> [...]. Unit: nats a block. Source: standard; elasticity notes 2.8.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> print(f"{float(family_rate(family, jnp.zeros(1), jnp.array([1.0, 0.0]))):.4f}")
    0.6931
    """
    return weighted_sum(law, -log_law(family, theta))


def set_means(family: Family, data: DataSets) -> Float[jax.Array, "*batch set feature"]:
    """mu_i, the means of the statistics in every data set.

    Formula: sum_x p_i(x) T(x). Shapes: -> [..., set, feature]. Source: standard.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> set_means(family, DataSets(jnp.eye(2), jnp.ones(2))).tolist()
    [[0.0], [1.0]]
    """
    statistics = jnp.asarray(family.statistics)[..., None, :, :]
    return jnp.sum(jnp.asarray(data.laws)[..., None] * statistics, axis=-2)


def balanced_mean(family: Family, data: DataSets) -> Float[jax.Array, "*batch feature"]:
    """mu*, the mean at the joint optimum: where all forces cancel.

    Formula: grad A(theta*) = mu* = sum_i n_i mu_i / n. Shapes: -> [..., feature].
    Source: derived, elasticity notes 2.8.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> balanced_mean(family, DataSets(jnp.eye(2), jnp.array([3.0, 1.0]))).tolist()
    [0.25]
    """
    return jnp.sum(shares(data)[..., None] * set_means(family, data), axis=-2)


def fisher(family: Family, theta: Theta) -> Float[jax.Array, "*batch feature feature"]:
    """F, the Fisher information: the covariance of the statistics under p_theta.

    Formula: F = Hess A = E (T - mu)(T - mu)'. Shapes: [..., feature] -> [..., feature,
    feature]. Source: standard.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> fisher(family, jnp.zeros(1)).tolist()
    [[0.25]]
    """
    law = family_law(family, theta)
    centred = family.statistics - feature_mean(family, law)[..., None, :]
    weighted = law[..., None] * centred
    return jnp.einsum("...xi,...xj->...ij", weighted, centred, precision="highest")


def family_optimum(
    family: Family, data: DataSets, steps: int = 40
) -> Float[jax.Array, "*batch feature"]:
    """theta*, the natural parameters that compress all data sets together best.

    Formula: grad A(theta*) = mu*, by Newton's method, steps damped by 1 / (1 + the
    decrement) while that is large. Shapes: -> [..., feature]. Domain: mu* inside the
    convex hull of the statistics, else theta* is infinite; a minimal family. Source:
    standard.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> data = DataSets(jnp.eye(2), jnp.array([3.0, 1.0]))
    >>> print(f"{float(family_optimum(family, data)[0]):.4f}")
    -1.0986
    """
    goal = balanced_mean(family, data)

    def step(theta: jax.Array, _: None) -> tuple[jax.Array, None]:
        missing = goal - feature_mean(family, family_law(family, theta))
        move = solve(fisher(family, theta), missing)
        decrement = jnp.sqrt(jnp.maximum(jnp.sum(move * missing, axis=-1), 0.0))
        damping = jnp.where(decrement > 0.25, 1 + decrement, 1.0)[..., None]
        return theta + move / damping, None

    theta, _ = jax.lax.scan(step, jnp.zeros_like(goal), None, length=steps)
    return theta


def family_forces(
    family: Family, data: DataSets, theta: Theta
) -> Float[jax.Array, "*batch set feature"]:
    """The force of every data set on theta: Hooke's law in the mean parameter.

    Formula: f_i = -n_i grad gamma_i = n_i (mu_i - mu(theta)): linear at ANY distance,
    stiffness n_i; they cancel at theta*. Shapes: theta [..., feature] -> [..., set,
    feature]. Source: derived, elasticity notes 2.8.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> data = DataSets(jnp.eye(2), jnp.array([3.0, 1.0]))
    >>> family_forces(family, data, jnp.zeros(1)).tolist()
    [[-1.5], [0.5]]
    """
    mean = feature_mean(family, family_law(family, theta))
    stretches = set_means(family, data) - mean[..., None, :]
    return jnp.asarray(data.sizes)[..., None] * stretches


def family_energy(family: Family, data: DataSets, optimum: Theta, theta: Theta) -> Nats:
    """What all data cost under p_theta beyond the optimum of the family.

    Formula: sum_i n_i (gamma_i(theta) - gamma_i(theta*)) = n KL(p_theta* || p_theta),
    for every theta and for data outside the family. Shapes: -> [...]. Unit: nats a
    block times the unit of the sizes. Domain: `optimum` is theta*. Source: derived,
    elasticity notes 2.8.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> data, best = DataSets(jnp.eye(2), jnp.ones(2)), jnp.zeros(1)
    >>> float(family_energy(family, data, best, best))
    0.0
    """
    total = jnp.sum(jnp.asarray(data.sizes), axis=-1)
    return total * kl(family_law(family, optimum), family_law(family, theta))


def family_responses(
    family: Family, data: DataSets, optimum: Theta
) -> Float[jax.Array, "*batch set set"]:
    """K, how much more of one data set lowers the rate of another, in the family.

    Formula: K_ij = -d gamma_i/d n_j = (mu_i - mu*)' F^-1 (mu_j - mu*) / n: symmetric,
    positive semidefinite, K n = 0. Shapes: -> [..., set, set]. Unit: nats a block by
    unit of size. Domain: `optimum` is theta*. Source: derived, elasticity notes 2.8.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> data = DataSets(jnp.eye(2), jnp.ones(2))
    >>> family_responses(family, data, jnp.zeros(1)).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    means = set_means(family, data) - balanced_mean(family, data)[..., None, :]
    information = fisher(family, optimum)[..., None, :, :]
    total = jnp.sum(jnp.asarray(data.sizes), axis=-1)[..., None, None]
    moves = solve(information, means)
    return jnp.sum(means[..., :, None, :] * moves[..., None, :, :], axis=-1) / total


def mean_displacement(
    family: Family, data: DataSets, added: DataSets
) -> Float[jax.Array, "*batch feature"]:
    """How far further data sets pull the mean at the joint optimum.

    Formula: n_t (mu_t - mu*) / (n + n_t), n_t and mu_t those of the added data
    together. Shapes: -> [..., feature]. Source: derived, elasticity notes 2.8.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> data = DataSets(jnp.eye(2)[:1], jnp.array([3.0]))
    >>> added = DataSets(jnp.eye(2)[1:], jnp.array([1.0]))
    >>> mean_displacement(family, data, added).tolist()
    [0.25]
    """
    held = jnp.sum(jnp.asarray(data.sizes), axis=-1)[..., None]
    new = jnp.sum(jnp.asarray(added.sizes), axis=-1)[..., None]
    stretch = balanced_mean(family, added) - balanced_mean(family, data)
    return new / (held + new) * stretch


def local_stiffness(
    family: Family, data: DataSets, optimum: Theta, move: Theta
) -> Nats:
    """The energy of a small move of theta: n springs of the Fisher information.

    Formula: (n/2) m' F m, what `family_energy` tends to as m -> 0. Shapes: m [...,
    feature] -> [...]. Unit: nats a block times the unit of the sizes. Domain: `optimum`
    is theta*. Source: derived, elasticity notes 2.8.

    >>> family = Family(jnp.array([[0.0], [1.0]]), jnp.zeros(2))
    >>> data = DataSets(jnp.eye(2), jnp.ones(2))
    >>> float(local_stiffness(family, data, jnp.zeros(1), jnp.array([2.0])))
    1.0
    """
    total = jnp.sum(jnp.asarray(data.sizes), axis=-1)
    return total * form(fisher(family, optimum), move) / 2
