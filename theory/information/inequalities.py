"""What the total variation says about divergences, and the other way round."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theory.information.divergences import (
    Number,
    Vector,
    binary_entropy,
    two_point_kl,
)
from theory.information.mixtures import column, mixture
from theory.numerics import (
    clip_probability,
    divergence_terms,
    log1p_excess,
    safe_sqrt,
    xlogy_ratio,
)
from theory.typing import Nats


def pinsker_kl(tv: Number) -> Nats:
    """The least KL that Pinsker's inequality leaves to a pair at this distance.

    Formula: KL >= 2 TV^2. Shape: any. Unit: nats. Domain: tv in [0, 1]. Tight as
    tv -> 0. Source: standard.

    >>> float(pinsker_kl(0.5))
    0.5
    """
    return 2 * (jnp.asarray(tv) * 1.0) ** 2


def pinsker_tv(kl: Number) -> Nats:
    """The largest total variation that Pinsker's inequality leaves at this KL.

    Formula: TV <= sqrt(KL / 2). Shape: any. Domain: kl >= 0 in nats; says nothing
    beyond 2. Gradient 0 at 0, where the true one is infinite. Source: standard.

    >>> float(pinsker_tv(0.5))
    0.5
    """
    return safe_sqrt(jnp.asarray(kl) * 0.5)


def bretagnolle_huber_kl(tv: Number) -> Nats:
    """The least KL that the Bretagnolle-Huber inequality leaves at this distance.

    Formula: KL >= -log(1 - TV^2). Shape: any. Unit: nats. Domain: tv in [0, 1]; inf
    at 1. Better than Pinsker only above tv = 0.893. Source: standard, notes 11.4
    item 4.

    >>> print(f"{float(bretagnolle_huber_kl(0.5)):.6f} {bretagnolle_huber_kl(1.0)}")
    0.287682 inf
    """
    squared = clip_probability(jnp.asarray(tv) * 1.0) ** 2
    below_one = squared < 1
    return jnp.where(below_one, -jnp.log1p(-jnp.where(below_one, squared, 0)), jnp.inf)


def bretagnolle_huber_tv(kl: Number) -> Nats:
    """The largest total variation that Bretagnolle-Huber leaves at this KL.

    Formula: TV <= sqrt(1 - exp(-KL)). Shape: any. Domain: kl >= 0 in nats, inf
    allowed; always <= 1. Gradient 0 at 0. Source: standard.

    >>> float(bretagnolle_huber_tv(jnp.inf))
    1.0
    """
    return safe_sqrt(-jnp.expm1(-jnp.asarray(kl) * 1.0))


def best_kl(tv: Number) -> Nats:
    """The better of two lower bounds on the KL at this total variation.

    Formula: max(2 TV^2, -log(1 - TV^2)). Shape: any. Unit: nats. Domain: tv in [0, 1].
    Source: standard, notes 11.4 item 4.

    >>> float(best_kl(0.5))
    0.5
    """
    return jnp.maximum(pinsker_kl(tv), bretagnolle_huber_kl(tv))


def best_tv(kl: Number) -> Nats:
    """The better of two upper bounds on the total variation at this KL, at most 1.

    Formula: min(sqrt(KL / 2), sqrt(1 - exp(-KL))). Shape: any. Domain: kl >= 0 in
    nats, inf allowed. Source: standard, notes 9.5.

    >>> float(best_tv(jnp.inf))
    1.0
    """
    return jnp.minimum(pinsker_tv(kl), bretagnolle_huber_tv(kl))


def jensen_shannon_half_lower(tv: Number) -> Nats:
    """The least JS_{1/2} of any pair at this total variation; attained.

    Formula: log 2 - h((1-t)/2) = kl((1-t)/2, 1/2), attained by ((1+-t)/2, (1-+t)/2).
    Shape: any. Unit: nats. Domain: t in [0, 1]. Source: standard, notes 11.4 item 3.

    >>> print(f"{float(jensen_shannon_half_lower(1.0)):.6f}")
    0.693147
    """
    tv = clip_probability(jnp.asarray(tv) * 1.0)
    return two_point_kl((1 - tv) / 2, jnp.full_like(tv, 0.5), -tv / 2)


def jensen_shannon_least(tv: Number, weight: Number) -> Nats:
    """The least JS_w of any two-point pair at this total variation.

    Formula: min over b in [0, 1-t] of JS_w((b+t, 1-b-t), (b, 1-b)). JS_w is convex in
    b, so its slope, written without cancellation, is bisected to the last digit; the
    value is then within rounding of the minimum. Shape: any, broadcast. Unit: nats.
    Domain: t, w in [0, 1], clipped. Gradients by the envelope theorem. That no pair on
    more points is lower is checked, not proved. Source: derived, notes 11.4 item 3.

    >>> print(f"{float(jensen_shannon_least(0.5, 0.5)):.6f}")
    0.130812
    >>> print(f"{float(jensen_shannon_half_lower(0.5)):.6f}")
    0.130812
    """
    t, w = jnp.broadcast_arrays(jnp.asarray(tv) * 1.0, jnp.asarray(weight) * 1.0)
    t, w = clip_probability(t), clip_probability(w)
    return _two_point_js(_least_place(t, w), t, w)


def _least_place(
    t: Float[jax.Array, "*batch"], w: Float[jax.Array, "*batch"]
) -> Float[jax.Array, "*batch"]:
    """The u at which JS_w((b+t, 1-b-t), (b, 1-b)) is least, b = (1-t) sigmoid(u).

    The minimum may be exponentially close to either end, hence the search in u.
    """
    t, w = jax.lax.stop_gradient(t), jax.lax.stop_gradient(w)
    up, down = (1 - w) * t, w * t

    def slope(place: jax.Array) -> jax.Array:
        heads = (1 - t) * jax.nn.sigmoid(place) + down
        tails = (1 - t) * jax.nn.sigmoid(-place) + up
        # First-order terms cancel identically, so only the excesses are summed.
        above = log1p_excess(up / heads) - log1p_excess(-up / tails)
        below = log1p_excess(-down / heads) - log1p_excess(down / tails)
        return w * above + (1 - w) * below

    def halve(_: object, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, ...]:
        low, high = ends
        middle = (low + high) / 2
        rising = slope(middle) > 0
        return jnp.where(rising, low, middle), jnp.where(rising, middle, high)

    precision = np.finfo(t.dtype)
    far = jnp.full_like(t, -0.8 * np.log(float(precision.tiny)))
    low, high = jax.lax.fori_loop(0, precision.nmant + 8, halve, (-far, far))
    return jnp.asarray(jax.lax.stop_gradient((low + high) / 2))


def _two_point_js(
    place: Float[jax.Array, "*batch"],
    t: Float[jax.Array, "*batch"],
    w: Float[jax.Array, "*batch"],
) -> Float[jax.Array, "*batch"]:
    """JS_w((b+t, 1-b-t), (b, 1-b)), b = (1-t) sigmoid(place), without cancellation."""
    heads, tails = ((1 - t) * jax.nn.sigmoid(side) for side in (place, -place))
    up, down = (1 - w) * t, w * t
    # If b + w t is 0, then so are w t and the divergence that would be infinite.
    first = divergence_terms(
        jnp.where(heads + down > 0, heads + t, 0), heads + down, up
    )
    first += divergence_terms(tails, tails + up, -up)
    second = divergence_terms(heads, heads + down, -down)
    second += divergence_terms(
        jnp.where(tails + up > 0, tails + t, 0), tails + up, down
    )
    return w * first + (1 - w) * second


def binary_data_processing_kl(p: Vector, q: Vector, weight: Number) -> Nats:
    """A lower bound on KL(p || w p + (1-w) q): only ask whether p or q is larger.

    Formula: kl(alpha, alpha - (1-w) TV), alpha = p(S), S = {p > q}; always at least
    2 (1-w)^2 TV^2. Shapes: p, q [..., k], weight [...] -> [...]. Unit: nats. Domain:
    w in [0, 1]. Valid for every pair. Source: derived, notes 11.4 item 2.

    >>> p, q = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    >>> print(f"{float(binary_data_processing_kl(p, q, 0.5)):.6f}")
    0.693147
    """
    p, q = jnp.broadcast_arrays(p, q)
    larger = p > q
    merged_p, merged_q = (
        jnp.stack([jnp.where(side, law, 0).sum(-1) for side in (larger, ~larger)], -1)
        for law in (p, q)
    )
    difference = (1 - column(weight)) * (merged_p - merged_q)
    mixed = mixture(merged_p, merged_q, weight)
    return jnp.sum(divergence_terms(merged_p, mixed, difference), axis=-1)


def entropy_continuity(tv: Number, k: Number) -> Nats:
    """The most by which conditional entropies of k outcomes differ at this distance.

    Formula: |H(Y|X)_D - H(Y|X)_D'| <= e log(k-1) + h(e), e = min(TV(D, D'), 1 - 1/k);
    log k from 1 - 1/k on. Shape: any, broadcast. Unit: nats. Domain: tv in [0, 1] the
    distance of the *joint* laws, k >= 1 outcomes of Y. Source: standard (Alhejji and
    Smith), notes 11.4 item 6.

    >>> print(f"{float(entropy_continuity(0.9, 2)):.6f}")
    0.693147
    """
    outcomes = jnp.asarray(k) * 1.0
    distance = jnp.minimum(clip_probability(jnp.asarray(tv) * 1.0), 1 - 1 / outcomes)
    others = jnp.maximum(outcomes - 1, 1.0)
    return xlogy_ratio(distance, others, jnp.ones_like(others)) + binary_entropy(
        distance
    )
