"""Several data sets and their sizes: what a jointly trained model compresses."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.typing import Array


class DataSets(NamedTuple):
    """Data sets over the leaves of one (pruned) token tree, and how large they are.

    `laws` [..., set, leaf] are leaf weights, rows sum to 1; `sizes` [..., set] are
    n_i >= 0 in responses, or in any unit: only their ratios matter to an optimum.
    Source: Ji et al. 2025, section 3; elasticity notes 2.
    """

    laws: Float[Array, "*batch set leaf"]
    sizes: Float[Array, "*batch set"]


def shares(data: DataSets) -> Float[jax.Array, "*batch set"]:
    """The share of every data set.

    Formula: pi_i = n_i / n, n = sum_j n_j. Shapes: [..., set] -> [..., set]. Domain:
    one size is > 0. Source: elasticity notes 2.4.

    >>> shares(DataSets(jnp.eye(2), jnp.array([3.0, 1.0]))).tolist()
    [0.75, 0.25]
    """
    sizes = jnp.asarray(data.sizes)
    return sizes / jnp.sum(sizes, axis=-1, keepdims=True)


def with_size(data: DataSets, index: int, size: float | Array) -> DataSets:
    """The same data sets, one of another size.

    Shapes: size [...] broadcasts against the batch. Source: elasticity notes 2.

    >>> with_size(DataSets(jnp.eye(2), jnp.ones(2)), 1, 5.0).sizes.tolist()
    [1.0, 5.0]
    """
    sizes = jnp.asarray(data.sizes) * 1.0
    sizes = jnp.broadcast_to(
        sizes, jnp.broadcast_shapes(sizes.shape, (*jnp.shape(size), sizes.shape[-1]))
    )
    return DataSets(data.laws, sizes.at[..., index].set(size))
