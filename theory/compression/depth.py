"""Model size: a smaller model sees a coarser tree, and a coarser tree gives way less.

Pruning sums leaves, and the optimum of the pruned class is the pruned optimum. So every
formula of the equilibrium holds with the coarse laws, and by data processing the whole
matrix of responses can only grow, in the order of positive semidefinite matrices, when
leaves are split.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from theory.compression.datasets import DataSets
from theory.compression.equilibrium import overlap_excess, responses
from theory.typing import Array, Nats


def merged(
    data: DataSets, groups: Int[Array, " leaf"], count: int | None = None
) -> DataSets:
    """The same data sets seen by a smaller model, which tells only groups apart.

    Formula: p_i(g) = sum_{x in g} p_i(x). Shapes: laws [..., set, leaf], groups [leaf]
    in 0..count-1 -> laws [..., set, count]. `count` is needed under jit. Source: Ji et
    al. 2025, section 3 (pruned trees); derived, elasticity notes 2.7.

    >>> data = DataSets(jnp.eye(3), jnp.ones(3))
    >>> merged(data, jnp.array([0, 0, 1])).laws.tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    count = int(jnp.max(jnp.asarray(groups))) + 1 if count is None else count
    by_leaf = jnp.moveaxis(jnp.asarray(data.laws), -1, 0)
    summed = jax.ops.segment_sum(by_leaf, jnp.asarray(groups), num_segments=count)
    return DataSets(jnp.moveaxis(summed, 0, -1), data.sizes)


def own_responses(data: DataSets) -> Float[jax.Array, "*batch set"]:
    """How strongly every data set answers to more of itself, n K_jj.

    Formula: n K_jj = chi2(p_j || q*), non-decreasing with depth, per block. Divided by
    the depth it need not be. Shapes: -> [..., set]. No unit. Source: derived,
    elasticity notes 2.7.

    >>> own_responses(DataSets(jnp.eye(2), jnp.ones(2))).tolist()
    [1.0, 1.0]
    """
    own: jax.Array = jnp.diagonal(overlap_excess(data), axis1=-2, axis2=-1)
    return own


def reinforced_response(data: DataSets, of: int = 1, reinforced: int = 0) -> Nats:
    """How alignment suffers when pre-training data are repeated, n d gamma_a / dl.

    Formula: D_t = D_p gives n d gamma_a/dl = k chi2(p_p || q*), non-decreasing with
    depth: more pre-training data undoes alignment, and larger models more. With a third
    data set 1 - S_ap, which need not. Shapes: -> [...]. Unit: nats. Domain: exactly two
    data sets for the closed form. Source: derived, elasticity notes 2.7.

    >>> data = DataSets(jnp.eye(2), jnp.array([3.0, 1.0]))
    >>> float(reinforced_response(data))
    1.0
    """
    sizes = jnp.asarray(data.sizes)
    count = sizes.shape[-1]
    if count != 2:
        raise ValueError(f"{count} data sets, must be 2: reinforced and aligned")
    own = overlap_excess(data)[..., reinforced, reinforced]
    return sizes[..., reinforced] / sizes[..., of] * own


def response_gain(
    data: DataSets, groups: Int[Array, " leaf"], count: int | None = None
) -> Float[jax.Array, "*batch set set"]:
    """By how much the responses grow when groups of leaves are told apart.

    Formula: K(leaves) - K(groups), positive semidefinite: x'Kx never falls with depth,
    for any x; single cross responses may. Shapes: -> [..., set, set]. Unit: nats per
    unit of size. Domain: sizes that cover every leaf used. Source: derived, elasticity
    notes 2.7 (there for the diagonal).

    >>> data = DataSets(jnp.eye(2), jnp.ones(2))
    >>> response_gain(data, jnp.array([0, 0])).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    return responses(data) - responses(merged(data, groups, count))
