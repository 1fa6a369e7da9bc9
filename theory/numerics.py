"""Logarithms that are safe at zero, in their values and in their gradients."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.typing import Array


def safe_log(x: Float[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """log(x) for x > 0 and -inf at x <= 0, with gradient 0 there instead of NaN.

    Formula: log x. Shape: any. Domain: x >= 0. Source: standard.

    >>> float(safe_log(jnp.array(0.0)))
    -inf
    """
    positive = jnp.asarray(x) > 0
    return jnp.where(positive, jnp.log(jnp.where(positive, x, 1.0)), -jnp.inf)


def xlogy_ratio(
    weight: Float[Array, "*shape"],
    above: Float[Array, "*shape"],
    below: Float[Array, "*shape"],
) -> Float[jax.Array, "*shape"]:
    """weight * log(above / below), with 0 log(0 / anything) = 0 and x log(x / 0) = inf.

    Formula: w log(a / b); 0 where w = 0 or a = 0; +inf where w, a > 0 = b.
    Gradients are finite wherever the value is. Shape: any, broadcast. Unit: nats.

    >>> float(xlogy_ratio(jnp.array(0.0), jnp.array(0.0), jnp.array(0.0)))
    0.0
    >>> float(xlogy_ratio(jnp.array(1.0), jnp.array(1.0), jnp.array(0.0)))
    inf
    """
    weight, above, below = jnp.broadcast_arrays(weight, above, below)
    counted = (weight > 0) & (above > 0)
    finite = counted & (below > 0)
    ratio = jnp.log(jnp.where(finite, above, 1.0)) - jnp.log(
        jnp.where(finite, below, 1.0)
    )
    value = jnp.where(finite, weight, 0.0) * ratio
    return jnp.where(counted & ~finite, jnp.inf, value)


def weighted_sum(
    weights: Float[Array, "*batch x"], values: Float[Array, "*batch x"]
) -> Float[jax.Array, "*batch"]:
    """sum_x w(x) v(x), where a context of zero weight counts 0 even if v is infinite.

    Formula: sum_x w v. Shapes: [..., x] -> [...]. Domain: w >= 0.

    >>> float(weighted_sum(jnp.array([0.0, 1.0]), jnp.array([jnp.inf, 2.0])))
    2.0
    """
    weights, values = jnp.broadcast_arrays(weights, values)
    counted = weights > 0
    return jnp.sum(
        jnp.where(counted, weights, 0.0) * jnp.where(counted, values, 0.0), axis=-1
    )


def clip_probability(x: Float[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """X clipped to [0, 1]: rounding may push a weight or a distance just outside.

    Formula: min(max(x, 0), 1). Shape: any. Source: derived, notes 12.

    >>> float(clip_probability(jnp.array(1.0 + 1e-7)))
    1.0
    """
    return jnp.clip(jnp.asarray(x), 0.0, 1.0)
