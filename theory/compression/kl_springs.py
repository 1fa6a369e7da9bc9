"""Trust regions and regularisers as springs: one more data set, or Lambert's W.

A penalty toward a reference model q_0 by reverse KL is a data set of its own. The
forward KL of reinforcement learning bends the spring, with a solution by Lambert's W.
Elasticity notes 2.8.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets
from theory.compression.lambert import log_omega
from theory.information import cross_entropy, kl
from theory.numerics import divergence_terms, safe_log, xlogy_ratio
from theory.typing import Array, Nats

_NEWTON = 10  # monotone, quadratic at the end: 6 do for ratios of e^80 in float64

Number = float | int | Float[Array, "*#batch"]
"""A number, or a batch of them that broadcasts."""

Law = Float[Array, "*#batch leaf"]
"""Leaf weights of a data set or model."""


def ridge(data: DataSets, reference: Law, strength: Number) -> DataSets:
    """The data sets, and a reverse-KL penalty written as one more of them.

    Formula: argmin_q sum_i n_i KL(p_i || q) + lambda KL(q_0 || q) = (sum_i n_i p_i +
    lambda q_0) / (n + lambda): a trust region is a data set of size lambda. Shapes: q_0
    [..., leaf], lambda [...]; the new set is the last. Domain: lambda >= 0. Source:
    derived, elasticity notes 2.8.

    >>> data = DataSets(jnp.array([[1.0, 0.0]]), jnp.array([1.0]))
    >>> ridge(data, jnp.array([0.5, 0.5]), 3.0).sizes.tolist()
    [1.0, 3.0]
    """
    laws, sizes = jnp.asarray(data.laws), jnp.asarray(data.sizes) * 1.0
    row = jnp.asarray(reference)[..., None, :]
    size = (jnp.asarray(strength) * 1.0)[..., None]
    batch = jnp.broadcast_shapes(
        laws.shape[:-2], row.shape[:-2], sizes.shape[:-1], size.shape[:-1]
    )
    laws = jnp.broadcast_to(laws, (*batch, *laws.shape[-2:]))
    row = jnp.broadcast_to(row, (*batch, *row.shape[-2:]))
    sizes = jnp.broadcast_to(sizes, (*batch, sizes.shape[-1]))
    size = jnp.broadcast_to(size, (*batch, 1))
    return DataSets(
        jnp.concatenate([laws, row], axis=-2), jnp.concatenate([sizes, size], axis=-1)
    )


def smoothing(data: DataSets, pseudo: Number = 0.5) -> DataSets:
    """The data sets, and additive smoothing written as one more of them.

    Formula: q* = (sum_i n_i p_i + c) / (n + c M), c = 1/2 for Krichevsky-Trofimov and 1
    for Laplace: a spring of stiffness c M toward the uniform law of M leaves. Shapes: c
    [...]. Domain: c >= 0, sizes counted in responses. Source: derived, elasticity notes
    2.8.

    >>> data = DataSets(jnp.array([[1.0, 0.0]]), jnp.array([3.0]))
    >>> smoothing(data).sizes.tolist()
    [3.0, 1.0]
    """
    leaves = data.laws.shape[-1]
    uniform = jnp.full(leaves, 1.0 / leaves, jnp.result_type(data.laws))
    return ridge(data, uniform, jnp.asarray(pseudo) * leaves)


def regularised_change(
    sizes: Float[Array, "*#batch set"],
    rate_changes: Float[Array, "*#batch set"],
    regulariser_change: Number,
) -> Nats:
    """What is 0 to first order along any change of sizes, the regulariser counted.

    Formula: sum_i n_i d gamma_i + d R: a regulariser is one more spring, and without it
    the law of k is off. Shapes: [..., set] -> [...]. Source: derived, elasticity notes
    2.8.

    >>> sizes, moves = jnp.array([2.0, 1.0]), jnp.array([-1.0, 1.0])
    >>> float(regularised_change(sizes, moves, 1.0))
    0.0
    """
    return jnp.sum(jnp.asarray(sizes) * rate_changes, axis=-1) + regulariser_change


def forward_kl(law: Law, reference: Law, strength: Number) -> Float[jax.Array, "..."]:
    """The law that fits the data under a forward-KL penalty, as in RLHF.

    Formula: argmin_q -sum p log q + beta KL(q || q_0), which is q = p / (beta W(e^c p /
    (beta q_0))), and q_0 e^-c where p = 0; c makes q sum to 1. beta -> 0: q = p. Found
    by Newton on c from 1/beta - KL(p || q_0), left of the root, where log sum q is
    convex and falls. First derivatives are exact. Shapes: p, q_0 [..., leaf], beta
    [...] -> [..., leaf]. Domain: p << q_0, beta > 0. Source: derived, elasticity notes
    2.8.

    >>> q = forward_kl(jnp.array([0.9, 0.1]), jnp.array([0.5, 0.5]), 1.0)
    >>> print([f"{float(part):.4f}" for part in q])
    ['0.7135', '0.2865']
    """
    p, q0 = jnp.broadcast_arrays(jnp.asarray(law) * 1.0, reference)
    beta = (jnp.asarray(strength) * 1.0)[..., None]
    level, slope = _root(*jax.lax.stop_gradient((p, q0, beta)))
    # One more step, of which only the numerator has a derivative: that of the root.
    q = _at_level(p, q0, beta, level)
    excess = jnp.sum(q, axis=-1, keepdims=True) - 1
    return _at_level(p, q0, beta, level - excess / slope)


def _root(p: jax.Array, q0: jax.Array, beta: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The level c at which q sums to 1, and the slope of the sum there."""
    level = 1 / beta - jnp.sum(xlogy_ratio(p, p, q0), axis=-1, keepdims=True)

    def step(_: jax.Array, level: jax.Array) -> jax.Array:
        total, slope = _log_total(p, q0, beta, level)
        return level - total / slope

    level = jax.lax.fori_loop(0, _NEWTON, step, level)
    return level, _log_total(p, q0, beta, level)[1]


def _stretch(p: jax.Array, q0: jax.Array, beta: jax.Array) -> jax.Array:
    """log(p / (beta q_0)), -inf where p = 0; leaves outside q_0 count as p = 0."""
    held = (p > 0) & (q0 > 0)
    ratio = safe_log(jnp.where(held, p, 0.0)) - jnp.log(jnp.where(held, q0, 1.0))
    return ratio - jnp.log(beta)


def _log_total(
    p: jax.Array, q0: jax.Array, beta: jax.Array, level: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Log sum_x q at a level c, and its slope -E[1 / (1 + u)], kept as [..., 1]."""
    logs, y = _log_at_level(p, q0, beta, level)
    total = jax.nn.logsumexp(logs, axis=-1, keepdims=True)
    slope = -jnp.sum(jnp.exp(logs - total) * jax.nn.sigmoid(-y), axis=-1, keepdims=True)
    return total, slope


def _log_at_level(
    p: jax.Array, q0: jax.Array, beta: jax.Array, level: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Log q and log u at a level c: u = log(q/q_0) + c = W(e^c p / (beta q_0))."""
    stretch = _stretch(p, q0, beta)
    y = log_omega(stretch + level)
    far = y > 0
    finite = jnp.where(far, stretch, 0.0) - jnp.where(far, y, 0.0)
    return safe_log(q0) + jnp.where(far, finite, jnp.exp(jnp.minimum(y, 0)) - level), y


def _at_level(
    p: jax.Array, q0: jax.Array, beta: jax.Array, level: jax.Array
) -> jax.Array:
    """Q at a level c; where p = 0 it starts at q_0 e^-c and grows as p / beta."""
    logs, _ = _log_at_level(p, q0, beta, level)
    return jnp.where(p > 0, jnp.exp(logs), q0 * jnp.exp(-level) + p / beta)


def forward_kl_far(
    law: Law, reference: Law, strength: Number
) -> Float[jax.Array, "*batch leaf"]:
    """What `forward_kl` tends to under a strong penalty: a linear spring again.

    Formula: q = q_0 + (p - q_0) / beta + O(1 / beta^2). Shapes: [..., leaf], beta [...]
    -> [..., leaf]. Domain: beta > 0, p / q_0 << beta. Source: derived, elasticity notes
    2.8.

    >>> forward_kl_far(jnp.array([1.0, 0.0]), jnp.array([0.5, 0.5]), 4.0).tolist()
    [0.625, 0.375]
    """
    share = 1 / (jnp.asarray(strength) * 1.0)[..., None]
    return jnp.asarray(reference) + share * (jnp.asarray(law) - reference)


def forward_objective(law: Law, reference: Law, strength: Number, model: Law) -> Nats:
    """What `forward_kl` minimises.

    Formula: J(q) = -sum p log q + beta KL(q || q_0). Shapes: [..., leaf], beta [...] ->
    [...]. Unit: nats a block. Source: elasticity notes 2.8.

    >>> half = jnp.array([0.5, 0.5])
    >>> print(f"{float(forward_objective(half, half, 1.0, half)):.4f}")
    0.6931
    """
    return cross_entropy(law, model) + jnp.asarray(strength) * kl(model, reference)


def forward_excess(law: Law, strength: Number, best: Law, model: Law) -> Nats:
    """What a model loses against the solution q* of `forward_kl`: two Bregman terms.

    Formula: J(q) - J(q*) = beta KL(q || q*) + sum p (q/q* - 1 - log(q/q*)) >= 0, for
    EVERY q. Shapes: [..., leaf], beta [...] -> [...]. Unit: nats a block. Domain:
    `best` is q*, positive where p is. Source: derived.

    >>> half = jnp.array([0.5, 0.5])
    >>> float(forward_excess(half, 1.0, half, half))
    0.0
    """
    p, best, model = jnp.broadcast_arrays(law, best, model)
    held = (p > 0) & (best > 0)
    below = jnp.where(held, best, 1.0)
    terms = divergence_terms(below, jnp.where(held, model, 1.0), below - model)
    terms = jnp.where(held, p, 0.0) / below * jnp.where(held, terms, 0.0)
    return jnp.asarray(strength) * kl(model, best) + jnp.sum(terms, axis=-1)
