"""Logarithms and roots that are safe at zero, in their values and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theory.typing import Array

_NEAR = 1 / 3  # |v| below which atanh(v) - v is summed as a series
_TERMS = 16  # of the series: at |v| = 1/3 the rest is below 6e-17 of the sum


def safe_log(x: Float[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """log(x) for x > 0 and -inf at x <= 0, with gradient 0 there instead of NaN.

    Formula: log x. Shape: any. Domain: x >= 0. Source: standard.

    >>> float(safe_log(jnp.array(0.0)))
    -inf
    """
    positive = jnp.asarray(x) > 0
    return jnp.where(positive, jnp.log(jnp.where(positive, x, 1.0)), -jnp.inf)


def safe_sqrt(x: Float[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """sqrt(x) for x > 0 and 0 at x <= 0, with gradient 0 there instead of inf.

    Formula: x^(1/2). Shape: any. Domain: x >= 0. Source: standard.

    >>> float(jax.grad(safe_sqrt)(0.0))
    0.0
    """
    positive = jnp.asarray(x) > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def xlogy_ratio(
    weight: Float[Array, "*#shape"],
    above: Float[Array, "*#shape"],
    below: Float[Array, "*#shape"],
) -> Float[jax.Array, "*shape"]:
    """Weight * log(above / below), with 0 log(0 / anything) = 0 and x log(x / 0) = inf.

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


def atanh_excess(v: Float[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """atanh(v) - v to full relative precision, however small v is.

    Formula: v^3 (1/3 + v^2/5 + v^4/7 + ...) for |v| <= 1/3, the difference beyond.
    Shape: any. Domain: -1 < v < 1. Source: standard.

    >>> print(f"{float(atanh_excess(jnp.array(1e-4))):.6e}")
    3.333333e-13
    """
    v = jnp.asarray(v)
    near = jnp.abs(v) <= _NEAR
    small, large = jnp.where(near, v, 0.0), jnp.where(near, 0.5, v)
    return jnp.where(near, _atanh_series(small), jnp.arctanh(large) - large)


def _atanh_series(v: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """atanh(v) - v for |v| <= 1/3, summed in pairs: no term waits for all the others.

    Formula: v^3 (c_0 + c_1 v^2 + ...), c_k = 1 / (2 k + 3), neighbours joined as c_k +
    c_{k+1} u, then again with u^2, u^4, u^8 for u = v^2 (Estrin's scheme): 4 steps of
    depth where Horner's rule has 16, which lets a processor work on several at once.
    """
    power = square = v * v
    terms = [jnp.full_like(v, 1.0 / (2 * k + 3)) for k in range(_TERMS)]
    while len(terms) > 1:
        terms = [
            even + odd * power
            for even, odd in zip(terms[::2], terms[1::2], strict=True)
        ]
        power = power * power
    return v * square * terms[0]


def log1p_excess(x: Float[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """log(1 + x) - x to full relative precision, however small x is.

    Formula: 2 (atanh v - v) - x v with v = x / (2 + x). Shape: any. Domain: x > -1.
    Source: standard.

    >>> print(f"{float(log1p_excess(jnp.array(1e-4))):.5e}")
    -4.99967e-09
    """
    x = jnp.asarray(x)
    v = x / (2 + x)
    return 2 * atanh_excess(v) - x * v


def divergence_terms(
    p: Float[Array, "*#shape"],
    q: Float[Array, "*#shape"],
    difference: Float[Array, "*#shape"],
) -> Float[jax.Array, "*shape"]:
    """The terms of KL(p || q), each >= 0, given p, q and a precise p - q.

    Formula: p log(p/q) - p + q = s (v^2 + (1 + v)(atanh v - v)), where s = p + q and
    v = (p - q)/s. The right side is used for |v| <= 1/3: terms of order (p - q)^2 then
    keep their digits, and a sum of p or q that is off by eps costs eps^2 only. q where
    p = 0; inf where p > 0 = q. Gradients are finite wherever the value is. Shape: any,
    broadcast. Unit: nats. Source: derived.

    >>> p, q = jnp.array(0.5), jnp.array(0.25)
    >>> print(f"{float(divergence_terms(p, q, p - q)):.4f}")
    0.0966
    """
    p, q, difference = jnp.broadcast_arrays(p, q, difference)
    finite = (p > 0) & (q > 0)
    above, below = jnp.where(finite, p, 1.0), jnp.where(finite, q, 1.0)
    total = above + below
    # Where 1 / total^2 overflows, so would the gradient of v; digits matter no more.
    sizeable = total * total > 4 * float(np.finfo(total.dtype).tiny)
    near = sizeable & (jnp.abs(difference) <= _NEAR * total)
    v = jnp.where(near, difference / jnp.where(sizeable, total, 1.0), 0.0)
    close = total * (v * v + (1 + v) * _atanh_series(v))
    far = above * _log_ratio(above, below) - difference
    infinite = jnp.where(p > 0, jnp.inf, q)
    return jnp.where(finite, jnp.where(near, close, far), infinite)


@jax.custom_jvp
def _log_ratio(
    above: Float[jax.Array, "*shape"], below: Float[jax.Array, "*shape"]
) -> Float[jax.Array, "*shape"]:
    """log(above / below) for positive numbers, by one logarithm where that is safe.

    A quotient outside the range of the numbers is clipped to it: wrong only beyond
    ratios of e^708 in float64, e^87 in float32, that no two probabilities have.
    """
    range_ = np.finfo(above.dtype)
    ratio = jnp.clip(above / below, float(range_.tiny), float(range_.max))
    return jnp.log(ratio)


@_log_ratio.defjvp
def _log_ratio_slope(
    numbers: tuple[jax.Array, jax.Array], moves: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Slope: da / a - db / b, where the usual way by 1 / b^2 would overflow."""
    above, below = numbers
    return _log_ratio(above, below), moves[0] / above - moves[1] / below


def weighted_sum(
    weights: Float[Array, "*#batch x"], values: Float[Array, "*#batch x"]
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
