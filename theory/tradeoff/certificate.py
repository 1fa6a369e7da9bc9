"""What a certified excess says: the range of every gap of a policy whose zeta is known.

A trained network is a policy P with penalty G^_s(P) + G_f(P) <= J + zeta. Everything
below follows from that one inequality, whatever the network and however it was trained.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from theory.laws import World, joint
from theory.tradeoff.bisection import last_below, widest_logarithm
from theory.tradeoff.bounds import Interval
from theory.tradeoff.gaps import gap
from theory.tradeoff.loss_constraint import (
    excess,
    mixture_posterior,
    optimal_gaps,
    optimum,
    total_weight,
)
from theory.tradeoff.shapes import Number, by_context
from theory.typing import Nats

_GONE = np.geomspace(1e-6, 0.999, 200)  # where the least over s is looked for


class Reach(NamedTuple):
    """The ranges of the proxy gap and of the capability gap."""

    proxy: Interval
    capability: Interval


def reach(world: World, penalty: Number, zeta: Number) -> Reach:
    """The range of G^_s and of G_f over all policies with excess at most zeta.

    Formula: penalty G^_s(P) + G_f(P) <= J + zeta together with G_f(P) >= F^(G^_s(P))
    leaves {g: F^(g) + penalty g <= J + zeta}, an interval because F^ is convex. Its
    ends are frontier points P*_l with zeta(P*_l) = zeta, one l on each side of the
    penalty (zeta(P*_l) grows with |log l - log penalty|), and the same two points end
    the range of G_f. Where the whole side of the frontier costs less than zeta, the
    lower end is 0 and the upper end spends all on one gap: (J + zeta) / penalty for
    G^_s, J + zeta for G_f.
    Lower ends are attained. Upper ends are attained while they lie on the frontier, and
    beyond it if some context belongs to that data set only; otherwise they are bounds.
    Shapes: penalty, zeta [...] -> four of [...]. Unit: nats. Domain: penalty > 0, zeta
    >= 0. Valid for every policy. No gradient passes. Source: derived from notes (4.3)
    and (6.1).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.9, .1]])), Law(one, jnp.array([[.2, .8]]))
    >>> exact = reach(World(safe, safe, able), 1.0, 0.0)
    >>> print(f"{float(exact.proxy.lower):.3f} {float(exact.proxy.upper):.3f}")
    0.293 0.293
    """
    penalty, zeta, world = jax.lax.stop_gradient(
        (jnp.asarray(penalty), jnp.asarray(zeta), world)
    )
    budget = optimum(world, penalty) + zeta
    falls = _frontier_end(world, penalty, zeta, -1.0)
    rises = _frontier_end(world, penalty, zeta, 1.0)
    return Reach(
        proxy=Interval(
            lower=jnp.where(rises.open, 0.0, gap(world.proxy, rises.policy)),
            upper=jnp.where(
                falls.open, budget / penalty, gap(world.proxy, falls.policy)
            ),
        ),
        capability=Interval(
            lower=jnp.where(falls.open, 0.0, gap(world.capability, falls.policy)),
            upper=jnp.where(rises.open, budget, gap(world.capability, rises.policy)),
        ),
    )


class _End(NamedTuple):
    """Where zeta runs out on one side of the frontier; `open` if it never does."""

    policy: jax.Array
    open: jax.Array


def _frontier_end(
    world: World, penalty: jax.Array, zeta: jax.Array, side: float
) -> _End:
    """The frontier policy P*_l of excess zeta, l above (side 1) or below (-1)."""

    def policy_at(distance: jax.Array) -> jax.Array:
        return mixture_posterior(world, penalty * jnp.exp(side * distance))

    def spent(distance: jax.Array) -> jax.Array:
        return excess(world, policy_at(distance), penalty)

    shape = jnp.broadcast_shapes(
        penalty.shape,
        zeta.shape,
        jnp.shape(world.proxy.contexts)[:-1],
        jnp.shape(world.capability.contexts)[:-1],
    )
    start = jnp.zeros(shape, jnp.result_type(world.proxy.outputs, penalty, zeta))
    widest = start + widest_logarithm(start.dtype)
    limit = jnp.broadcast_to(zeta, shape)
    _, above = last_below(spent, limit, start, widest)
    return _End(policy=policy_at(above), open=spent(widest) <= limit)


def concentration(world: World, penalty: Number) -> Nats:
    """C, the most that the true safety data stress an outcome beyond the training data.

    Formula: C = max over the support of D_s of D_s(x, y) / (M(x) P*(y|x)), where M P* =
    mu_f p_f + penalty mu^_s p^_s. Shapes: penalty [...] -> [...]. Domain: penalty > 0;
    inf where D_s holds what neither the proxy nor the capability data hold. Source:
    derived.

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> float(concentration(World(law, law, law), 1.0))
    0.5
    """
    held = joint(world.safety)
    trained = joint(world.capability) + jnp.asarray(penalty)[..., None, None] * joint(
        world.proxy
    )
    ratio = held / jnp.where(trained > 0, trained, 1.0)
    ratio = jnp.where(trained > 0, ratio, jnp.where(held > 0, jnp.inf, 0.0))
    return jnp.max(ratio, axis=(-2, -1))


def safety_transfer(world: World, penalty: Number, zeta: Number) -> Interval:
    """The range of the TRUE safety gap of a policy whose excess is at most zeta.

    Formula: with C of `concentration` and m = sum_x M(x),
    G_s(P*) - C sqrt(m zeta / 2) <= G_s(P) <= G_s(P*) + C (zeta + sqrt(m zeta / 2)).
    Proof: r = log P*/P has E_{D_s} r = G_s(P) - G_s(P*) and E_{M P*} r = zeta. The
    negative part obeys E_{P*} r^- = sum_{P > P*} P* log(P/P*) <= sum (P - P*)^+ =
    TV(P*, P) <= sqrt(KL(P*||P) / 2), and by Jensen sum_x M sqrt(KL/2) <= sqrt(m zeta /
    2) =: t. So E_{M P*} r^- <= t, E_{M P*} r^+ <= zeta + t, and D_s <= C M P* carries
    both to D_s. The lower end is cut at 0. Shapes: penalty, zeta [...] -> two of [...].
    Unit: nats. Domain: penalty > 0, zeta >= 0; vacuous, (0, inf), where C = inf. Valid
    for every policy. Source: derived from notes (4.3).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> float(safety_transfer(World(law, law, law), 1.0, 1.0).upper)
    1.0
    """
    stress = concentration(world, penalty)
    bounded = jnp.isfinite(stress)
    factor = jnp.where(bounded, stress, 0.0)
    best = jnp.where(bounded, optimal_gaps(world, penalty).safety, 0.0)
    spread = total_weight(world, penalty).sum(axis=-1) * jnp.asarray(zeta) / 2
    drift = jnp.where(spread > 0, jnp.sqrt(jnp.where(spread > 0, spread, 1.0)), 0.0)
    upper = best + factor * (jnp.asarray(zeta) + drift)
    return Interval(
        lower=jnp.maximum(jnp.where(bounded, best - factor * drift, 0.0), 0.0),
        upper=jnp.where(bounded, upper, jnp.inf),
    )


def certified_cap(odds: Number, slack: Number) -> Nats:
    """The most that a gap can be, in any world, for a policy of certificate zeta.

    Formula: min over s in (0, 1) of log(1 + odds / s) + slack / (1 - s). With odds =
    o_f / penalty and slack = zeta / penalty it caps G^_s(P); with odds = penalty o_s
    and slack = zeta it caps G_f(P); at zeta = 0 it is (4.5). Proof for G^_s, l = s
    penalty: l G^_s + G_f >= J(l) and penalty G^_s + G_f <= J(penalty) + zeta; subtract,
    use that J is concave with slope G^_s(P*_l) at l, then (4.5) at l. For G_f swap the
    roles. Any s gives a bound, so the least over a grid is one. Shapes: broadcast.
    Unit: nats. Domain: odds, slack >= 0. Valid for every policy. Source: derived from
    notes (4.3), (4.5) and (4.6).

    >>> print(f"{float(certified_cap(1.0, 0.02)):.3f}")
    0.908
    """
    gone = jnp.asarray(_GONE)  # 1 - s
    odds, slack = by_context(odds), by_context(slack)
    return jnp.min(jnp.log1p(odds / (1 - gone)) + slack / gone, axis=-1)
