"""When does alignment suffer and pre-training recover? The two forms of the theorem.

Form A: three unrelated data sets p, a, t. Form B: p is the union of m equal parts, a is
distributed as one of them, t as another. Form B has the published signs for a small
perturbation; form A has the opposite ones, or none.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets, with_size
from theory.compression.equilibrium import rate_slopes
from theory.laws import Number
from theory.tradeoff.bisection import last_below
from theory.typing import Array, Nats

_FAR = 40.0  # logarithms of size searched for a flip: from e^-40 to e^40 of the others


class Slopes(NamedTuple):
    """d gamma / dl of pre-training, alignment and perturbation data, nats, [...]."""

    pretraining: Nats
    alignment: Nats
    perturbation: Nats


class Overlaps(NamedTuple):
    """S_tt, of a part with itself, and S_at, of two parts, [...]."""

    own: Nats
    cross: Nats


def form_a(laws: Float[Array, "*#batch 3 leaf"], k: Number, share: Number) -> DataSets:
    """Form A: three unrelated data sets p, a, t of sizes k : 1 : l.

    Formula: n = (k, 1, l). Shapes: laws [..., 3, leaf], k and share [...]. Source: Ji
    et al. 2025, Theorem 4.2 (the ACL text).

    >>> form_a(jnp.eye(3), 100.0, 0.5).sizes.tolist()
    [100.0, 1.0, 0.5]
    """
    k, share = jnp.broadcast_arrays(jnp.asarray(k) * 1.0, jnp.asarray(share) * 1.0)
    return DataSets(laws, jnp.stack([k, jnp.ones_like(k), share], axis=-1))


def form_b(parts: Float[Array, "*#batch m leaf"], k: Number, share: Number) -> DataSets:
    """Form B: p is the mean of the parts, a the last but one, t the last.

    Formula: p_p = (1/m) sum_i D_i, p_a = D_{m-1}, p_t = D_m, n = (k, 1, l). Shapes:
    parts [..., m, leaf], k and share [...] -> laws [..., 3, leaf]. Domain: m >= 2.
    Source: Ji et al. 2025, Theorem 4.2 (version 6).

    >>> form_b(jnp.eye(2), 10.0, 0.5).laws.tolist()
    [[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]
    """
    parts = jnp.asarray(parts)
    union = jnp.mean(parts, axis=-2, keepdims=True)
    return form_a(jnp.concatenate([union, parts[..., -2:, :]], axis=-2), k, share)


def disjoint_copies(
    laws: Float[Array, "*batch set leaf"],
) -> Float[jax.Array, "*batch set leaves"]:
    """The same laws, each on leaves of its own.

    Shapes: [..., set, leaf] -> [..., set, set * leaf]. Source: standard.

    >>> disjoint_copies(jnp.ones((2, 1))).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    laws = jnp.asarray(laws)
    apart = laws[..., :, None, :] * jnp.eye(laws.shape[-2])[:, :, None]
    return apart.reshape(*laws.shape[:-1], -1)


def disjoint_slopes_a(k: Number, share: Number) -> Slopes:
    """Form A on disjoint supports: pre-training and alignment lose alike.

    Formula: gamma_p' = gamma_a' = 1/(k+1+l), gamma_t' = 1/(k+1+l) - 1/l: the ratio is
    +1, not -k, and the rate of t diverges at l = 0. Shapes: [...]. Unit: nats per
    block. Domain: k, l > 0. Source: derived, elasticity notes 2.5.

    >>> float(disjoint_slopes_a(7.0, 2.0).pretraining)
    0.10000000149011612
    """
    diluted = 1 / (jnp.asarray(k) * 1.0 + 1 + share)
    diluted, share = jnp.broadcast_arrays(diluted, jnp.asarray(share) * 1.0)
    return Slopes(diluted, diluted, diluted - 1 / share)


def disjoint_slopes_b(k: Number, share: Number, parts: Number = 3.0) -> Slopes:
    """Form B on disjoint supports: the theorem's signs up to l = 1/(m-1).

    Formula: gamma_a' = 1/(k+1+l), gamma_p' = -(1 - (m-1) l) / ((k+1+l)(k+ml)), gamma_t'
    = 1/(k+1+l) - m/(k+ml). Shapes: [...]. Unit: nats per block. Domain: k > 0, l >= 0,
    m >= 2. Source: derived, elasticity notes 2.5 (m = 3).

    >>> float(disjoint_slopes_b(6.0, 1.0, 3.0).pretraining)
    0.013888888992369175
    """
    m, l_ = jnp.asarray(parts) * 1.0, jnp.asarray(share) * 1.0
    total, held = jnp.asarray(k) + 1 + l_, jnp.asarray(k) + m * l_
    recovered = -(1 - (m - 1) * l_) / (total * held)
    diluted, recovered = jnp.broadcast_arrays(1 / total, recovered)
    return Slopes(recovered, diluted, diluted - m / held)


def disjoint_ratio_b(k: Number, share: Number, parts: Number = 3.0) -> Nats:
    """The elastic ratio of form B on disjoint supports.

    Formula: d gamma_a / d gamma_p = -(k + m l) / (1 - (m-1) l). Shapes: [...]. Domain:
    inf at the flip l = 1/(m-1). Source: derived, elasticity notes 2.5 (m = 3).

    >>> float(disjoint_ratio_b(100.0, 0.0))
    -100.0
    """
    m, l_ = jnp.asarray(parts) * 1.0, jnp.asarray(share) * 1.0
    return _over(-(jnp.asarray(k) + m * l_), 1 - (m - 1) * l_)


def concentration(parts: Float[Array, "*batch m leaf"]) -> Nats:
    """c, how far the parts of the pre-training data keep to themselves.

    Formula: c = (1/m) sum_x sum_i D_i(x)^2 / sum_j D_j(x), the plug-in of E[X^2/s]/mu
    for exchangeable masses; 1/m iff all parts are equal, 1 iff they are disjoint.
    Shapes: [..., m, leaf] -> [...]. No unit. Source: derived, elasticity notes 2.5.

    >>> float(concentration(jnp.eye(4)))
    1.0
    """
    parts = jnp.asarray(parts)
    total = jnp.sum(parts, axis=-2)
    squares = jnp.sum(parts**2, axis=-2)
    held = total > 0
    ratio = jnp.where(held, squares, 0.0) / jnp.where(held, total, 1.0)
    return jnp.sum(ratio, axis=-1) / parts.shape[-2]


def exchangeable_overlaps(concentration: Number, parts: Number) -> Overlaps:
    """S_tt and S_at of m exchangeable parts, seen from their union.

    Formula: S_tt = m c, S_at = m (1-c)/(m-1), so 1 - S_at = (S_tt - 1)/(m-1) >= 0.
    Exact for the averages over parts and over pairs of parts of ANY family; for single
    parts in the limit of many leaves. Shapes: [...]. Domain: c in [1/m, 1], m >= 2, k
    -> infinity. Source: derived, elasticity notes 2.5.

    >>> [float(part) for part in exchangeable_overlaps(1.0, 3.0)]
    [3.0, 0.0]
    """
    c, m = jnp.asarray(concentration) * 1.0, jnp.asarray(parts) * 1.0
    return Overlaps(m * c, m * (1 - c) / (m - 1))


def exchangeable_critical_share(parts: Number) -> Nats:
    """l* of m exchangeable parts: above it the pre-training rate gets worse.

    Formula: l* = 1/(m-1), whatever the law of the masses, k -> infinity. Shapes: [...].
    Domain: m >= 2. Source: derived, elasticity notes 2.5.

    >>> float(exchangeable_critical_share(3.0))
    0.5
    """
    return 1 / (jnp.asarray(parts) * 1.0 - 1)


def exchangeable_ratio(k: Number, share: Number, parts: Number) -> Nats:
    """The elastic ratio of m exchangeable parts.

    Formula: -k / (1 - (m-1) l), k -> infinity. Shapes: [...]. Domain: inf at the flip.
    Source: derived, elasticity notes 2.5.

    >>> float(exchangeable_ratio(100.0, 0.25, 3.0))
    -200.0
    """
    m, l_ = jnp.asarray(parts) * 1.0, jnp.asarray(share) * 1.0
    return _over(-jnp.asarray(k) * 1.0, 1 - (m - 1) * l_)


def form_a_average(data: DataSets) -> Nats:
    """How form A moves alignment at l = 0, averaged over exchanging p and a.

    Formula: n d gamma_a/dl = t(outside p and a) - (1/2) sum_x t k (k-1)(a-p)^2 / ((kp +
    a)(ka + p)), so <= 0 for k >= 1 and EVERY t on their support: unrelated data help
    the alignment set and harm the pre-training set k times less. The published signs
    are the opposite. Shapes: laws [..., 3, leaf] -> [...]; the third size is not used.
    Unit: nats. Source: derived, elasticity notes 2.5.

    >>> laws = jnp.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    >>> print(f"{float(form_a_average(form_a(laws, 100.0, 0.01))):.4f}")
    -2.0452
    """
    laws, sizes = jnp.asarray(data.laws), jnp.asarray(data.sizes)
    p, a, t = laws[..., 0, :], laws[..., 1, :], laws[..., 2, :]
    k = (sizes[..., 0] / sizes[..., 1])[..., None]
    first, second = k * p + a, k * a + p
    held = (first > 0) & (second > 0)
    above = jnp.where(held, a - p, 0.0) / jnp.where(held, first, 1.0)
    below = jnp.where(held, a - p, 0.0) / jnp.where(held, second, 1.0)
    helped = jnp.sum(t * k * (k - 1) * above * below, axis=-1) / 2
    return jnp.sum(jnp.where(held, 0.0, t), axis=-1) - helped


def smoothing_constant(masses: Float[Array, "*batch leaf"]) -> Nats:
    """What unrelated data do to a small data set when masses are independent.

    Formula: n d gamma_a / dl -> -(E[X] E[1/X] - 1) <= 0 in form A, for large k and many
    leaves of iid mass X: here on masses given; 1/(alpha^2-1) for Pareto(alpha). Shapes:
    [..., leaf] -> [...]. Unit: nats. Domain: masses > 0, of any sum. Source: derived,
    elasticity notes 2.5.

    >>> float(smoothing_constant(jnp.array([1.0, 2.0])))
    -0.125
    """
    masses = jnp.asarray(masses)
    return 1 - jnp.mean(masses, axis=-1) * jnp.mean(1 / masses, axis=-1)


def flip_size(data: DataSets, of: int = 0, moved: int = 2) -> Nats:
    """The size n_moved up to which a rate falls, and beyond which it rises.

    Formula: the root of d gamma_of / d n_moved. There is one at most: the slope has the
    sign of E_of[(u - n)/(u + n_moved)], u the others' weight over p_moved and n their
    size, and the Cauchy kernel is totally positive. 0 if the rate only rises, inf if it
    only falls. Shapes: -> [...]. Unit: that of the sizes. No gradient passes. Domain:
    some other size > 0; searched over e^+-40 of their sum. Source: derived, after
    elasticity notes 2.4.

    >>> data = form_b(jnp.eye(3), 10.0, 0.1)
    >>> print(f"{float(flip_size(data)):.4f}")
    0.5000
    """
    sizes = jnp.asarray(data.sizes)
    others = jnp.sum(sizes, axis=-1) - sizes[..., moved]

    def slope(log_share: jax.Array) -> jax.Array:
        grown = with_size(data, moved, others * jnp.exp(log_share))
        return rate_slopes(grown, moved)[..., of]

    zero = jnp.zeros_like(slope(jnp.zeros_like(others)))
    low, high = zero - _FAR, zero + _FAR
    below, above = last_below(slope, zero, low, high)
    found = jax.lax.stop_gradient(others) * jnp.exp((below + above) / 2)
    rising, falling = slope(low) > 0, slope(high) <= 0
    return jnp.where(falling, jnp.inf, jnp.where(rising, 0.0, found))


def _over(
    above: Float[jax.Array, "*#batch"], below: Float[jax.Array, "*#batch"]
) -> Float[jax.Array, "*batch"]:
    """The quotient, inf where the number below is 0."""
    moves = below != 0
    return jnp.where(moves, above / jnp.where(moves, below, 1.0), jnp.inf)
