"""What a certified excess says of the price of a proxy: its range for any policy."""

import jax.numpy as jnp

from theory.laws import World, joint
from theory.tradeoff.bounds import Interval
from theory.tradeoff.loss_constraint import total_weight
from theory.tradeoff.proxy import price
from theory.tradeoff.shapes import Number
from theory.typing import Nats


def price_reach(world: World, penalty: Number, zeta: Number) -> Interval:
    """The range of the price that a policy pays whose excess is at most zeta.

    The policy's price is penalty G_s(P) + G_f(P) - J_true, what it loses against the
    best policy of the TRUE safety data; that of P* is `price`. Formula: with rho =
    (mu_f p_f + penalty mu_s p_s) / (mu_f p_f + penalty mu^_s p^_s) between a and A,
    m = sum_x M(x) and t = sqrt(m zeta / 2),
    price - (A - a) t <= price(P) <= price + A zeta + (A - a) t.
    Proof: D = M P* is the denominator and r = log P*/P, so price(P) - price = E_D[rho
    r], E_D r = zeta(P) <= zeta, and E_D r^- <= sqrt(m zeta(P) / 2) as for
    `safety_transfer`. E_D[rho r] lies between a E r^+ - A E r^- and A E r^+ - a E r^-,
    and E r^+ = zeta(P) + E r^-. It is never negative: the lower end is cut at 0. With
    an exact proxy rho = 1, and the range is [0, zeta], attained.
    Shapes: penalty, zeta [...] -> two of [...]. Unit: nats. Domain: penalty > 0, zeta
    >= 0; vacuous, (0, inf), where the true data hold what neither the proxy nor the
    capability data hold. Valid for every policy. Source: derived from notes (4.3) and
    (5.4).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> print(f"{float(price_reach(World(law, law, law), 1.0, 0.25).upper):.2f}")
    0.25
    """
    least, most = _true_to_trained(world, penalty)
    bounded = jnp.isfinite(most)
    most = jnp.where(bounded, most, 0.0)
    best = jnp.where(bounded, price(world, penalty), 0.0)
    spread = total_weight(world, penalty).sum(axis=-1) * jnp.asarray(zeta) / 2
    drift = jnp.where(spread > 0, jnp.sqrt(jnp.where(spread > 0, spread, 1.0)), 0.0)
    width = most - least
    # An exact proxy has no width: nothing drifts, however large zeta is.
    drift = jnp.where(width > 0, width * jnp.where(width > 0, drift, 0.0), 0.0)
    upper = best + most * jnp.asarray(zeta) + drift
    return Interval(
        lower=jnp.maximum(jnp.where(bounded, best - drift, 0.0), 0.0),
        upper=jnp.where(bounded, upper, jnp.inf),
    )


def _true_to_trained(world: World, penalty: Number) -> tuple[Nats, Nats]:
    """The ends of rho, the true training mixture over the one trained on.

    Outcomes that neither mixture holds count in neither end; inf where the true one
    holds what the trained one does not.
    """
    able = joint(world.capability)
    strength = jnp.asarray(penalty)[..., None, None]
    true = able + strength * joint(world.safety)
    trained = able + strength * joint(world.proxy)
    held = trained > 0
    ratio = true / jnp.where(held, trained, 1.0)
    missed = jnp.where(true > 0, jnp.inf, 0.0)
    return (
        jnp.min(jnp.where(held, ratio, jnp.inf), axis=(-2, -1)),
        jnp.max(jnp.where(held, ratio, missed), axis=(-2, -1)),
    )
