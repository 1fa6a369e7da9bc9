"""Pareto leaf masses: how large the elastic response is, and why tails matter.

Masses X_1..X_m of one leaf in m exchangeable parts are independent with P(X > x) =
x^-alpha, x >= 1 (the least mass is the unit). Elasticity notes 2.5 and 2.6.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theory.typing import Array, Nats

Number = float | int | Float[Array, "*#batch"]
"""A number, or a batch of them that broadcasts."""

# Trapezoids in the logarithm of both variables. The integrands are analytic for
# imaginary parts below pi/2, so that the error is e^(-pi^2 / step) = 7e-18.
_STEP = 0.25
_TIMES = np.arange(-48.0, 5.0, _STEP)  # log t
_MASSES = np.arange(-50.0, 53.0, _STEP)  # log(x - 1)


def pareto_masses(
    uniforms: Float[Array, "*batch leaf"], alpha: Number
) -> Float[jax.Array, "*batch leaf"]:
    """Leaf weights with a Pareto law, from uniform numbers of the caller's.

    Formula: X = u^(-1/alpha), divided by the sum over leaves. Shapes: uniforms [...,
    leaf], alpha [...] -> [..., leaf]. Domain: u in (0, 1], alpha > 0. Source: our
    reading of assumption A.7 of Ji et al. 2025; elasticity notes 1.8.

    >>> pareto_masses(jnp.array([1.0, 0.25]), 1.0).round(6).tolist()
    [0.20000000298023224, 0.800000011920929]
    """
    tail = (jnp.asarray(alpha) * 1.0)[..., None]
    return jax.nn.softmax(-jnp.log(jnp.asarray(uniforms)) / tail, axis=-1)


def pareto_mean(alpha: Number) -> Nats:
    """The mean mass, in units of the least; no nats.

    Formula: E X = alpha / (alpha - 1). Shape: any. Domain: alpha > 1. Source: standard.

    >>> float(pareto_mean(2.0))
    2.0
    """
    tail = jnp.asarray(alpha) * 1.0
    return tail / (tail - 1)


def exponential_integral(order: Number, t: Number) -> Nats:
    """The generalised exponential integral of real order; no unit.

    Formula: E_alpha(t) = int_1^inf e^(-t x) x^-alpha dx, so that a Pareto mass has
    E e^(-t X) = e^-t - t E_alpha(t) =: phi(t) and E X e^(-t X) = alpha E_alpha(t) =
    -phi'(t). Shape: any, broadcast. Domain: order > 1, e^-48 <= t <= e^5. Source:
    standard; trapezoids in log(x - 1).

    >>> print(f"{float(exponential_integral(2.0, 1.0)):.5f}")
    0.14850
    """
    power, t = (jnp.asarray(order) * 1.0)[..., None], (jnp.asarray(t) * 1.0)[..., None]
    beyond = jnp.exp(jnp.asarray(_MASSES, t.dtype))
    weights = jnp.exp(-power * jnp.log1p(beyond)) * beyond
    return jnp.exp(-t[..., 0]) * _STEP * jnp.sum(weights * jnp.exp(-t * beyond), -1)


def _cross_moment(alpha: Number, parts: int) -> Nats:
    """E[X_1 X_2 / (X_1 + ... + X_m)] / E X = int phi'(t)^2 phi(t)^(m-2) dt / E X."""
    tail = jnp.asarray(alpha) * 1.0
    t = jnp.exp(jnp.asarray(_TIMES, tail.dtype))
    integral = exponential_integral(tail[..., None], t)
    transform = jnp.exp(-t) - t * integral
    slope = tail[..., None] * integral
    # E X is divided out early: its square overflows nothing, but costs digits.
    mean = pareto_mean(tail)[..., None]
    terms = slope * (slope / mean) * transform ** (parts - 2) * t
    return _STEP * jnp.sum(terms, axis=-1)


def pareto_concentration(alpha: Number, parts: int = 3) -> Nats:
    """How far m parts of Pareto masses keep to themselves, the constant c; no unit.

    Formula: c = E[X_1^2 / s] / E X = 1 - (m - 1) E[X_1 X_2 / s] / E X, s = X_1 + ... +
    X_m, E[X_1 X_2 / s] = int_0^inf phi'(t)^2 phi(t)^(m-2) dt. In [1/m, 1]: 1/m for
    equal masses, 1 for disjoint supports. Shape: any. Domain: alpha > 1, parts >= 2.
    Source: derived, elasticity notes 2.5 and 2.6.

    >>> print(f"{float(pareto_concentration(2.0)):.3f}")
    0.434
    """
    return 1 - (parts - 1) * _cross_moment(alpha, parts)


def rebound_size(alpha: Number, parts: int = 3) -> Nats:
    """N d gamma_a/dl of form B with Pareto masses, many leaves and k -> inf; nats.

    Formula: 1 - S_at = (m c - 1) / (m - 1) = 1 - m E[X_1 X_2 / s] / E X; (3 c - 1) / 2
    for m = 3. In [0, 1]: 1 as alpha -> 1 (disjoint supports), 0 as alpha -> inf (equal
    masses). Shape: any. Domain: alpha > 1, parts >= 2. Source: derived, elasticity
    notes 2.6.

    >>> print(f"{float(rebound_size(1.5)):.3f}")
    0.318
    """
    return 1 - parts * _cross_moment(alpha, parts)


def rebound_size_light(alpha: Number, parts: int = 3) -> Nats:
    """What `rebound_size` tends to for light tails; nats.

    Formula: Var X / (m (E X)^2) = 1 / (m alpha (alpha - 2)), because 1 - S_at =
    E[(X_1 - X_2)^2 / (2 s)] / E X. Shape: any. Domain: alpha > 2; within 4 % from
    alpha = 30. Source: derived.

    >>> print(f"{float(rebound_size_light(4.0)):.4f}")
    0.0417
    """
    tail = jnp.asarray(alpha) * 1.0
    return 1 / (parts * tail * (tail - 2))


def unrelated_size(alpha: Number) -> Nats:
    """N d gamma_2/dl of form A with independent Pareto masses, k -> inf; nats.

    Formula: -(E[X] E[1/X] - 1) = -1 / (alpha^2 - 1). Negative: unrelated data helps the
    smaller set, against the printed sign. Shape: any. Domain: alpha > 1. Source:
    derived, elasticity notes 2.5.

    >>> print(f"{float(unrelated_size(3.0)):.3f}")
    -0.125
    """
    tail = jnp.asarray(alpha) * 1.0
    return -1 / ((tail - 1) * (tail + 1))
