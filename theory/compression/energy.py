"""Elastic energy: what a model that left the joint optimum has stored, and its release.

This is what sequential fine-tuning can test, for which no joint optimum holds.
Elasticity notes 2.9.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets
from theory.compression.equilibrium import optimum
from theory.information import kl
from theory.numerics import safe_sqrt
from theory.typing import Array, Nats

Vector = Float[Array, "*#batch n"]
"""A gradient, or a batch of them."""

Gradients = Float[Array, "*#batch set n"]
"""The gradient of every rate gamma_i at one model."""


def elastic_energy(data: DataSets, model: Float[Array, "*#batch leaf"]) -> Nats:
    """E, how much more all data cost under a model than under the joint optimum.

    Formula: E = sum_i n_i gamma_i(q) - L*(n) = n KL(q* || q), for EVERY model; computed
    as the KL. Shapes: q [..., leaf] -> [...]. Unit: nats a block times the unit of the
    sizes. inf where q forbids what a data set holds. Source: derived, elasticity notes
    2.9.

    >>> data = DataSets(jnp.eye(2), jnp.ones(2))
    >>> print(f"{float(elastic_energy(data, jnp.array([0.25, 0.75]))):.4f}")
    0.2877
    """
    total = jnp.sum(jnp.asarray(data.sizes), axis=-1)
    return total * kl(optimum(data), model)


def rate_gradients(
    data: DataSets, model: Float[Array, "*#batch leaf"]
) -> Float[jax.Array, "*batch set leaf"]:
    """The gradients of the rates in the logits of a tabular model.

    Formula: grad gamma_i = q - p_i. Shapes: q [..., leaf] -> [..., set, leaf]. Unit:
    nats a block by unit of logit. Source: standard.

    >>> data = DataSets(jnp.eye(2), jnp.ones(2))
    >>> rate_gradients(data, jnp.array([0.5, 0.5])).tolist()
    [[-0.5, 0.5], [0.5, -0.5]]
    """
    return jnp.asarray(model)[..., None, :] - jnp.asarray(data.laws)


def release_rate(
    gradients: Gradients, sizes: Float[Array, "*#batch set"], pull: Vector
) -> Nats:
    """dE/dt of gradient flow on some loss: the energy falls iff it points home.

    Formula: dE/dt = -(sum_i n_i grad gamma_i) . pull, where the model moves by -pull.
    Any model, any parameters. Shapes: gradients [..., set, n], sizes [..., set], pull
    [..., n] -> [...]. Unit: that of the energy by unit of time. Source: derived,
    elasticity notes 2.9.

    >>> pulls = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    >>> float(release_rate(pulls, jnp.array([3.0, 1.0]), pulls[0]))
    -3.0
    """
    uphill = jnp.sum(jnp.asarray(sizes)[..., None] * gradients, axis=-2)
    return -jnp.sum(uphill * pull, axis=-1)


def release_rate_tabular(
    data: DataSets,
    model: Float[Array, "*#batch leaf"],
    pull: Float[Array, "*#batch leaf"],
) -> Nats:
    """`release_rate` of a tabular model trained on a law, by its logits.

    Formula: dE/dt = -n (q - q*) . (q - p), p the law trained on. Shapes: q, p [...,
    leaf] -> [...]. Source: derived, elasticity notes 2.9.

    >>> data, away = DataSets(jnp.eye(2), jnp.ones(2)), jnp.array([0.75, 0.25])
    >>> float(release_rate_tabular(data, away, jnp.array([0.0, 1.0])))
    -0.75
    """
    total = jnp.sum(jnp.asarray(data.sizes), axis=-1)
    q = jnp.asarray(model)
    return -total * jnp.sum((q - optimum(data)) * (q - jnp.asarray(pull)), axis=-1)


def alignment_of_pulls(left: Vector, right: Vector) -> Float[jax.Array, "*batch"]:
    """The cosine of two gradients: positive iff training on one serves the other.

    Formula: u . v / (|u| |v|), 0 where one vanishes. Shapes: [..., n] -> [...]. No
    unit. Source: standard; the observable of elasticity notes 2.9.

    >>> pulls = jnp.array([[1.0, 1.0], [1.0, 0.0]])
    >>> print(f"{float(alignment_of_pulls(pulls[0], pulls[1])):.4f}")
    0.7071
    """
    left, right = _unit(jnp.asarray(left)), _unit(jnp.asarray(right))
    return jnp.sum(left * right, axis=-1)


def _unit(vector: Vector) -> Float[jax.Array, "*batch n"]:
    """The vector at length 1, or 0; scaled first, so that squares keep their range."""
    largest = jnp.max(jnp.abs(vector), axis=-1, keepdims=True)
    moving = largest > 0
    scaled = jnp.where(moving, vector, 0.0) / jnp.where(moving, largest, 1.0)
    length = safe_sqrt(jnp.sum(scaled**2, axis=-1, keepdims=True))
    return scaled / jnp.where(moving, length, 1.0)
