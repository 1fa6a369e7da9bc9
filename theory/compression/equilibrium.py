"""Joint compression at its best: the optimum, its rates, and how they give way.

The model minimises L(q) = sum_i n_i gamma_i(q) over all laws q of the leaves. Its rates
at the optimum, `theory.compression.joint_rates`, are the gradient of L*(n), which is
concave and 1-homogeneous: hence Euler's identity sum_i n_i d gamma_i = 0, reciprocity
and stability, without any assumption on the laws.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets, shares
from theory.compression.rates import union
from theory.information import entropy
from theory.typing import Nats


def optimum(data: DataSets) -> Float[jax.Array, "*batch leaf"]:
    """q*, the one law of leaves that compresses all data sets together best.

    Formula: q* = sum_i n_i p_i / n. Shapes: -> [..., leaf]. Domain: one size > 0.
    Source: derived, elasticity notes 2.4.

    >>> optimum(DataSets(jnp.eye(2), jnp.array([3.0, 1.0]))).tolist()
    [0.75, 0.25]
    """
    return union(data)


def least_total(data: DataSets) -> Nats:
    """L*(n), the least total code length of all data sets under one model.

    Formula: L* = n H(q*) = sum_i n_i H(p_i) + n JS_pi(p_1..p_N). Shapes: -> [...].
    Unit: nats times the unit of the sizes. Concave and 1-homogeneous in n. Source:
    derived, elasticity notes 2.2 and 2.4.

    >>> data = DataSets(jnp.eye(2), jnp.array([1.0, 1.0]))
    >>> print(f"{float(least_total(data)):.4f}")
    1.3863
    """
    return jnp.sum(jnp.asarray(data.sizes), axis=-1) * entropy(optimum(data))


def deviations(data: DataSets) -> Float[jax.Array, "*batch set leaf"]:
    """p_i - q*, how far every data set is from the optimum.

    Formula: p_i - q* = sum_j pi_j (p_i - p_j): digits survive a share near 1. Shapes:
    -> [..., set, leaf]. Rows sum to 0. Source: derived, elasticity notes 2.4.

    >>> deviations(DataSets(jnp.eye(2), jnp.array([3.0, 1.0])))[0].tolist()
    [0.25, -0.25]
    """
    laws, weights = jnp.asarray(data.laws), shares(data)
    return sum(
        (
            weights[..., j, None, None] * (laws - laws[..., j : j + 1, :])
            for j in range(laws.shape[-2])
        ),
        start=jnp.zeros(()),
    )


def overlap_excess(data: DataSets) -> Float[jax.Array, "*batch set set"]:
    """S - 1, by how much pairs of data sets overlap beyond independence.

    Formula: S_ij - 1 = sum_x (p_i - q*)(p_j - q*) / q*, a Gram matrix: symmetric and
    positive semidefinite. Shapes: -> [..., set, set]. No unit. Where q* = 0 the limit
    of a vanishing size is taken: inf if both laws live there. Source: derived,
    elasticity notes 2.4.

    >>> overlap_excess(DataSets(jnp.eye(2), jnp.ones(2))).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    best = optimum(data)[..., None, :]
    held = best > 0
    inside = jnp.where(held, deviations(data), 0.0)
    outside = jnp.where(held, 0.0, data.laws)
    lost = jnp.sum(outside, axis=-1)
    unseen = jnp.where(outside > 0, 1.0, 0.0)
    meeting = _products(unseen, unseen) > 0
    value = (
        _products(inside, inside / jnp.where(held, best, 1.0))
        - lost[..., :, None]
        - lost[..., None, :]
    )
    return jnp.where(meeting, jnp.inf, value)


def overlap_matrix(data: DataSets) -> Float[jax.Array, "*batch set set"]:
    """S, how much pairs of data sets overlap as seen from the optimum.

    Formula: S_ij = sum_x p_i(x) p_j(x) / q*(x); 1 is independence, 0 disjointness;
    sum_j n_j S_ij = n. Shapes: -> [..., set, set]. No unit. Source: derived, elasticity
    notes 2.4.

    >>> overlap_matrix(DataSets(jnp.eye(2), jnp.ones(2))).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    return 1 + overlap_excess(data)


def responses(data: DataSets) -> Float[jax.Array, "*batch set set"]:
    """K, how much more of one data set lowers the rate of another.

    Formula: K_ij = -d gamma_i/d n_j = -d^2 L*/dn_i dn_j = (S_ij - 1) / n: symmetric
    (reciprocity), positive semidefinite (own response never positive), K n = 0
    (Euler). Shapes: -> [..., set, set]. Unit: nats per unit of size. Source: derived,
    elasticity notes 2.3 and 2.4.

    >>> responses(DataSets(jnp.eye(2), jnp.ones(2))).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    total = jnp.sum(jnp.asarray(data.sizes), axis=-1)
    return overlap_excess(data) / total[..., None, None]


def rate_slopes(data: DataSets, moved: int) -> Float[jax.Array, "*batch set"]:
    """How every rate at the joint optimum moves with one size, d gamma_i / d n_moved.

    Formula: -K_i,moved = (1 - S_i,moved) / n; per unit of l where n_a = 1. Shapes: ->
    [..., set]. Unit: nats per unit of size. Source: derived, elasticity notes 2.4.

    >>> rate_slopes(DataSets(jnp.eye(2), jnp.ones(2)), 1).tolist()
    [0.5, -0.5]
    """
    return -responses(data)[..., moved]


def ratio(data: DataSets, of: int, against: int, moved: int) -> Nats:
    """The exact elastic ratio: how one rate moves a unit of another's move.

    Formula: d gamma_of / d gamma_against along n_moved = K_of,moved / K_against,moved;
    with p, a, t it is -k (1 - S_at) / [(1 - S_at) - l (S_tt - 1)], so -k as l -> 0.
    Shapes: -> [...]. No unit. Domain: inf where `against` stands still, also if both
    do. Source: derived, elasticity notes 2.2 and 2.4.

    >>> parts = jnp.array([[0.2, 0.4, 0.4], [0, 1, 0], [0, 0, 1.0]])
    >>> data = DataSets(parts, jnp.array([100.0, 1.0, 1e-4]))
    >>> print(f"{float(ratio(data, 1, 0, 2)):.2f}")
    -100.02
    """
    excess = overlap_excess(data)
    above, below = excess[..., of, moved], excess[..., against, moved]
    moves = below != 0
    return jnp.where(moves, above / jnp.where(moves, below, 1.0), jnp.inf)


def critical_share(data: DataSets, of: int = 1, moved: int = 2) -> Nats:
    """l*, the size n_moved / n_of below which the third data set still gains.

    Formula: l* = (1 - S_at) / (S_tt - 1) at the optimum of the sizes given: gamma_p
    falls with n_t iff n_t / n_a < l*. Where it flips is `theory.compression.flip_size`.
    Shapes: -> [...]. No unit. Domain: exactly three data sets; inf where S_tt = 1 (t is
    the optimum: nothing moves). Raises ValueError otherwise. Source: derived,
    elasticity notes 2.4.

    >>> thirds = jnp.array([[1 / 3] * 3, [0, 1, 0], [0, 0, 1.0]])
    >>> data = DataSets(thirds, jnp.array([1e4, 1.0, 1e-2]))
    >>> print(f"{float(critical_share(data)):.3f}")
    0.500
    """
    count = data.laws.shape[-2]
    if count != 3:
        raise ValueError(f"{count} data sets, must be 3: the others share one response")
    excess = overlap_excess(data)
    own = excess[..., moved, moved]
    moves = own > 0
    return jnp.where(
        moves, -excess[..., of, moved] / jnp.where(moves, own, 1.0), jnp.inf
    )


def _products(
    left: Float[jax.Array, "*batch m x"], right: Float[jax.Array, "*batch m x"]
) -> Float[jax.Array, "*batch m m"]:
    """All sums over leaves of a left row times a right row, in full precision."""
    return jnp.einsum("...ix,...jx->...ij", left, right, precision="highest")
