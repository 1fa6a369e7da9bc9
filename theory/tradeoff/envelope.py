"""How bad the trade-off can ever be at one context: the universal upper envelope."""

import jax.numpy as jnp

from theory.tradeoff.shapes import Number
from theory.typing import Nats


def envelope(
    gap_safety: Number, gap_capability: Number, conflict: Number = 1.0
) -> Nats:
    """A sum that is at least 1 at every optimal policy of one context.

    Formula: exp(-G_s / tau) + exp(-G_f / tau) >= 1, tau = TV(p_s, p_f); tau = 1 is the
    form that holds whatever the outputs. At tau = 0 both gaps are 0 and the sum is 2.
    Shape: [...]. Domain: gaps >= 0 in nats, 0 <= tau <= 1. Valid at the minimiser of
    one context with exact safety data. Equality at tau = 1 iff the outputs are
    disjoint. Source: derived, notes (6.5).

    >>> print(f"{float(envelope(jnp.log(2.0), jnp.log(2.0))):.4f}")
    1.0000
    """
    scale = jnp.asarray(conflict)
    divisor = jnp.where(scale > 0, scale, 1.0)
    sides = (jnp.asarray(gap_safety), jnp.asarray(gap_capability))
    total = sum((jnp.exp(-side / divisor) for side in sides), jnp.zeros(()))
    return jnp.where(scale > 0, total, 2.0)


def envelope_capability(gap_safety: Number, conflict: Number = 1.0) -> Nats:
    """The largest capability gap that an ideal learner of one context can need.

    Formula: F(g) <= -tau log(1 - exp(-g / tau)), the curve on which `envelope` is 1;
    inf at g = 0, and 0 at tau = 0. Shape: [...]. Unit: nats. Domain: g >= 0, 0 <= tau
    <= 1. Valid at the minimiser of one context. Source: derived, notes (6.5).

    >>> print(f"{float(envelope_capability(jnp.log(2.0))):.4f}")
    0.6931
    """
    given, scale = jnp.broadcast_arrays(jnp.asarray(gap_safety), jnp.asarray(conflict))
    regular = (given > 0) & (scale > 0)
    ratio = jnp.where(regular, given, 1.0) / jnp.where(scale > 0, scale, 1.0)
    curve = -scale * jnp.log(-jnp.expm1(-ratio))
    return jnp.where(regular, curve, jnp.where(scale > 0, jnp.inf, 0.0))
