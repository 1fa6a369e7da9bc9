"""Compression rates: what a model needs for the responses of each data set, in nats.

A *block* is one response in the pruned tree. The paper divides by the depth d and calls
that a rate per token; a response consumes d tokens at most, and fewer if it ends early
(`theory.compression.trees.leaf_tokens`), so this is a normalisation and no count. Both
are kept, and all laws of elasticity hold for either, for d is the same everywhere.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from theory.compression.codes import Lengths, expected_length
from theory.compression.datasets import DataSets, shares
from theory.information import cross_entropy, kl
from theory.numerics import weighted_sum
from theory.typing import Array
from theory.units import per_token, to_nats

Model = Float[Array, "*#batch leaf"]
"""Leaf weights that a model gives to the same tree."""

Rates = Float[jax.Array, "*batch set"]
"""A number for every data set."""

Count = float | int | Float[Array, "*#batch set"] | Int[Array, "*#batch set"]
"""A number of leaves, one for all data sets or one for each."""


def union(data: DataSets) -> Float[jax.Array, "*batch leaf"]:
    """The leaf weights of all the data sets together.

    Formula: q* = sum_i n_i p_i / n. Shapes: -> [..., leaf]. Domain: one size is > 0.
    Source: Ji et al. 2025, section 3.3; elasticity notes 1.5.

    >>> union(DataSets(jnp.eye(2), jnp.array([3.0, 1.0]))).tolist()
    [0.75, 0.25]
    """
    return jnp.sum(shares(data)[..., None] * data.laws, axis=-2)


def rates(data: DataSets, model: Model) -> Rates:
    """The compression rate of every data set under a model, a block.

    Formula: gamma_i = -sum_x p_i log q = H(p_i) + KL(p_i || q). Of the two printed
    variants only this cross-entropy fits joint compression. Shapes: q [..., leaf] ->
    [..., set]. Unit: nats a block; inf where q forbids what p_i holds. Source: Ji et
    al. 2025, section 3.3; elasticity notes 1.5.

    >>> data = DataSets(jnp.eye(2), jnp.ones(2))
    >>> print(f"{float(rates(data, jnp.array([0.5, 0.5]))[0]):.6f}")
    0.693147
    """
    return cross_entropy(data.laws, jnp.asarray(model)[..., None, :])


def excess_rates(data: DataSets, model: Model) -> Rates:
    """By how much each rate exceeds the least possible one, a block.

    Formula: gamma_i - H(p_i) = KL(p_i || q), never a difference of the two. Shapes:
    q [..., leaf] -> [..., set]. Unit: nats a block. Source: standard; elasticity
    notes 2.8.

    >>> excess_rates(DataSets(jnp.eye(2), jnp.ones(2)), jnp.array([1, 0.0])).tolist()
    [0.0, inf]
    """
    return kl(data.laws, jnp.asarray(model)[..., None, :])


def joint_rates(data: DataSets) -> Rates:
    """The rate of every data set under the law of all of them together, a block.

    Formula: gamma_i = -sum_x p_i log q*. Shapes: -> [..., set]. Unit: nats a block.
    Source: Ji et al. 2025, section 3.3; elasticity notes 1.5.

    >>> print(f"{float(joint_rates(DataSets(jnp.eye(2), jnp.ones(2)))[0]):.6f}")
    0.693147
    """
    return rates(data, union(data))


def total_rate(data: DataSets, model: Model) -> Float[jax.Array, "*batch"]:
    """The rate of all the data together under a model, a block.

    Formula: -sum_x q* log q = sum_i pi_i gamma_i, a data set of size 0 counting 0;
    H(q*) at q = q*. Shapes: q [..., leaf] -> [...]. Unit: nats a block. Source:
    derived, elasticity notes 2.4.

    >>> data = DataSets(jnp.eye(2), jnp.ones(2))
    >>> print(f"{float(total_rate(data, union(data))):.6f}")
    0.693147
    """
    return cross_entropy(union(data), model)


def union_excess(data: DataSets) -> Float[jax.Array, "*batch"]:
    """What one model for all the data loses against a model for each, a block.

    Formula: JS_pi = sum_i pi_i KL(p_i || q*) = H(q*) - sum_i pi_i H(p_i), between 0 and
    H(pi). Shapes: -> [...]. Unit: nats a block. Source: derived, elasticity notes 2.4.

    >>> print(f"{float(union_excess(DataSets(jnp.eye(2), jnp.ones(2)))):.6f}")
    0.693147
    """
    return weighted_sum(shares(data), excess_rates(data, union(data)))


def rates_per_token(data: DataSets, model: Model, depth: int) -> Rates:
    """The compression rate of every data set as the paper scales it.

    Formula: gamma_i / d. Shapes: q [..., leaf] -> [..., set]. Unit: nats a layer of the
    tree, called a token. Source: Ji et al. 2025, section 3.3; elasticity notes 1.5.

    >>> data = DataSets(jnp.full((1, 3), 1 / 3), jnp.ones(1))
    >>> print(f"{float(rates_per_token(data, jnp.full(3, 1 / 3), 2)[0]):.4f}")
    0.5493
    """
    return per_token(rates(data, model), depth)


def leaf_counts(data: DataSets) -> Int[jax.Array, "*batch set"]:
    """The number of leaves that each data set uses.

    Formula: M_i = #{x: p_i(x) > 0}. Shapes: -> [..., set]. Source: Ji et al. 2025,
    section 4; elasticity notes 1.7.

    >>> leaf_counts(DataSets(jnp.eye(2), jnp.ones(2))).tolist()
    [1, 1]
    """
    return jnp.sum(jnp.asarray(data.laws) > 0, axis=-1)


def normalised_rates(
    data: DataSets, model: Model, leaves: Count | None = None
) -> Rates:
    """The rate of every data set relative to the uniform code, a block.

    Formula: gamma_i - log M = KL(p_i || q) - KL(p_i || u) for u uniform on the M leaves
    of the axis; smaller is better compressed. `leaves` replaces M, say by
    `leaf_counts`. M depends on no model and no size: it changes no derivative. Shapes:
    q [..., leaf] -> [..., set]. Unit: nats a block. Source: Ji et al. 2025, Definition
    4.1, read a block; elasticity notes 1.7.

    >>> data = DataSets(jnp.array([[1.0, 0.0]]), jnp.ones(1))
    >>> print(f"{float(normalised_rates(data, jnp.array([1.0, 0.0]))[0]):.4f}")
    -0.6931
    """
    count = jnp.shape(data.laws)[-1] if leaves is None else leaves
    return rates(data, model) - jnp.log(jnp.asarray(count) * 1.0)


def normalised_rates_per_token(
    data: DataSets, model: Model, depth: int, leaves: Count | None = None
) -> Rates:
    """The rate of every data set relative to the uniform code, as the paper scales it.

    Formula: (gamma_i - log M) / d, both terms a block before the division. As printed,
    log M (about d bits) is taken from a rate that is already divided by d: read so, it
    compares a token with a block. Shapes: q [..., leaf] -> [..., set]. Unit: nats a
    layer. Source: derived from Ji et al. 2025, Definition 4.1; elasticity notes 1.7.

    >>> data = DataSets(jnp.array([[1.0, 0.0, 0.0]]), jnp.ones(1))
    >>> model = jnp.array([1.0, 0.0, 0.0])
    >>> print(f"{float(normalised_rates_per_token(data, model, 2)[0]):.4f}")
    -0.5493
    """
    return per_token(normalised_rates(data, model, leaves), depth)


def code_rates(data: DataSets, lengths: Lengths) -> Rates:
    """The rate of every data set under a code for the leaves, a block.

    Formula: log 2 sum_x p_i length(x), lengths in bits (Huffman's of the union, say).
    Shapes: [..., leaf] -> [..., set]. Unit: nats a block; never below H(p_i) for a
    prefix code. Source: Ji et al. 2025, section 3.3; elasticity notes 1.5.

    >>> data = DataSets(jnp.eye(2), jnp.ones(2))
    >>> print(f"{float(code_rates(data, jnp.array([1, 1]))[0]):.6f}")
    0.693147
    """
    return to_nats(expected_length(data.laws, jnp.asarray(lengths)[..., None, :]))
