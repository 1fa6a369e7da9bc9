"""From the proxy gap to the true safety gap: transfer, floor, price, adequacy."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.information import kl, total_variation
from theory.laws import World, exact_proxy, joint
from theory.numerics import safe_log, weighted_sum
from theory.tradeoff.gaps import gap
from theory.tradeoff.loss_constraint import mixture_posterior, total_weight
from theory.tradeoff.overlap import weighted_overlap
from theory.tradeoff.shapes import Number, Policy, by_context
from theory.typing import Nats


def proxy_distance(world: World) -> Nats:
    """TV(D_s, D^_s), the total variation of true and proxy safety data.

    Formula: (1/2) sum_{x,y} |mu_s p_s - mu^_s p^_s|, in [0, 1]. Shape: [...]. Source:
    standard; role: notes (5.1).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> law, proxy = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> float(proxy_distance(World(law, proxy, law)))
    1.0
    """
    difference = jnp.abs(joint(world.safety) - joint(world.proxy))
    return jnp.sum(difference, axis=(-2, -1)) / 2


def proxy_distance_split(world: World) -> Nats:
    """An upper bound on TV(D_s, D^_s): contexts and outputs apart.

    Formula: TV(mu_s, mu^_s) + E_{mu_s} TV(p_s, p^_s). Shape: [...]. Source: derived,
    notes 5.1.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> law, proxy = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> float(proxy_distance_split(World(law, proxy, law)))
    1.0
    """
    contexts = total_variation(world.safety.contexts, world.proxy.contexts)
    outputs = total_variation(world.safety.outputs, world.proxy.outputs)
    return contexts + weighted_sum(world.safety.contexts, outputs)


def transfer(world: World, policy: Policy) -> Nats:
    """An upper bound on the true gap of any policy, by the measured log-ratio.

    Formula: G_s(P) <= G^_s(P) + (E_{D_s} - E_{D^_s})[r], r = log p_s - log P. Shapes:
    policy [..., x, y] -> [...]. Unit: nats. Valid for every policy; inf where the proxy
    holds what p_s forbids. Equality iff p_s = p^_s on the proxy's contexts. Source:
    derived, notes (5.1), first form.

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> float(transfer(World(law, law, law), law.outputs))
    0.0
    """
    held, proxy = joint(world.safety), joint(world.proxy)
    ratio = _log_ratio(world, policy)
    difference = jnp.where(held == proxy, 0.0, held - proxy)
    counted = difference != 0
    terms = jnp.where(counted, difference, 0.0) * jnp.where(counted, ratio, 0.0)
    value = gap(world.proxy, policy) + jnp.sum(terms, axis=(-2, -1))
    # inf - inf: the bound says nothing where the policy forbids proxy data.
    return jnp.where(jnp.isnan(value), jnp.inf, value)


def _log_ratio(world: World, policy: Policy) -> Float[jax.Array, "*batch x y"]:
    """The log-ratio r = log p_s - log P, 0 where both vanish."""
    best, other = jnp.broadcast_arrays(world.safety.outputs, policy)
    counted = (best > 0) | (other > 0)
    return safe_log(jnp.where(counted, best, 1.0)) - safe_log(
        jnp.where(counted, other, 1.0)
    )


def log_ratio_span(world: World, policy: Policy) -> Nats:
    """span(r), how far the log-ratio of the best and the given policy spreads.

    Formula: max r - min r, r = log p_s - log P, over the outcomes that D_s or D^_s
    holds. Shapes: policy [..., x, y] -> [...]. Unit: nats; inf where one of the two
    policies forbids such an outcome. Source: derived, notes (5.1).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> float(log_ratio_span(World(law, law, law), law.outputs))
    0.0
    """
    held = (joint(world.safety) > 0) | (joint(world.proxy) > 0)
    ratio = _log_ratio(world, policy)
    most = jnp.max(jnp.where(held, ratio, -jnp.inf), axis=(-2, -1))
    least = jnp.min(jnp.where(held, ratio, jnp.inf), axis=(-2, -1))
    span = most - least
    return jnp.where(jnp.isnan(span), jnp.inf, span)


def transfer_span(world: World, policy: Policy) -> Nats:
    """An upper bound on the true gap of any policy, by span times total variation.

    Formula: G_s(P) <= G^_s(P) + span(r) TV(D_s, D^_s). Shapes: policy [..., x, y] ->
    [...]. Unit: nats. Valid for every policy; vacuous (inf) where the span is. Source:
    derived, notes (5.1), second form.

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> float(transfer_span(World(law, law, law), law.outputs))
    0.0
    """
    distance = proxy_distance(world)
    span = log_ratio_span(world, policy)
    cost = distance * jnp.where(distance > 0, span, 0.0)
    return gap(world.proxy, policy) + cost


def transfer_bounded(gap_proxy: Number, largest_loss: Number, distance: Number) -> Nats:
    """An upper bound on the true gap when every log-loss lies in [0, B].

    Formula: G_s <= G^_s + 2 B TV(D_s, D^_s). Shape: [...]. Unit: nats. Valid for every
    model class and policy whose losses, and those of the class's best, lie in [0, B].
    Vacuous for language: 2 B TV exceeds B as soon as TV > 1/2. Source: derived, notes
    (5.1).

    >>> float(transfer_bounded(0.5, 2.0, 0.25))
    1.5
    """
    return jnp.asarray(gap_proxy) + 2 * jnp.asarray(largest_loss) * distance


def smoothed_loss_cap(smoothing: Number, outputs: int, length: int = 1) -> Nats:
    """B, the largest log-loss of a label-smoothed policy.

    Formula: B = T log(V / a) for P_a = (1 - a) P + a / V. Shape: smoothing [...] ->
    [...]. Unit: nats per sequence of `length` tokens. Domain: 0 < a <= 1. Source:
    derived, notes 5.1.

    >>> float(smoothed_loss_cap(1.0, 1))
    0.0
    """
    return length * (jnp.log(float(outputs)) - jnp.log(jnp.asarray(smoothing)))


def proxy_floor(world: World) -> Nats:
    """Delta_s, the safety gap that an imperfect proxy leaves at any penalty.

    Formula: Delta_s = E_{mu_s} KL(p_s || p^_s). Shape: [...]. Unit: nats. The limit of
    G_s(P*) at infinite penalty if supp mu_s lies inside supp mu^_s. Source: derived,
    notes (5.2).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> float(proxy_floor(World(law, law, law)))
    0.0
    """
    return gap(world.safety, world.proxy.outputs)


def safety_gap_bound(world: World, penalty: Number) -> Nats:
    """An upper bound on the TRUE safety gap of P*: floor plus dilution.

    Formula: G_s(P*) <= Delta_s + E_{mu_s} log(1 + mu_f / (penalty mu^_s)). Shapes:
    penalty [...] -> [...]. Unit: nats. Valid at the minimiser only, and where P* keeps
    p_s on undetermined contexts; inf where the proxy misses a shared context. Tight as
    the penalty grows. Source: derived, notes (5.2).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> print(f"{float(safety_gap_bound(World(law, law, law), 1.0)):.4f}")
    0.6931
    """
    mass = by_context(penalty) * world.proxy.contexts
    other = jnp.asarray(world.capability.contexts)
    odds = jnp.where(
        mass > 0,
        other / jnp.where(mass > 0, mass, 1.0),
        jnp.where(other > 0, jnp.inf, 0.0),
    )
    finite = jnp.isfinite(odds)
    dilution = jnp.where(finite, jnp.log1p(jnp.where(finite, odds, 0.0)), jnp.inf)
    return proxy_floor(world) + weighted_sum(world.safety.contexts, dilution)


def safety_gap_coarse(world: World, penalty: Number) -> Nats:
    """An upper bound on the TRUE safety gap of P*: floor plus weighted overlap.

    Formula: G_s(P*) <= Delta_s + log(1 + C_ov / penalty). Shapes: penalty [...] ->
    [...]. Unit: nats. Valid where `safety_gap_bound` is. Source: derived, notes (5.3).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> print(f"{float(safety_gap_coarse(World(law, law, law), 1.0)):.4f}")
    0.6931
    """
    return proxy_floor(world) + jnp.log1p(
        weighted_overlap(world) / jnp.asarray(penalty)
    )


def price(world: World, penalty: Number) -> Nats:
    """What the proxy costs in the TRUE penalised loss, exactly.

    Formula: penalty G_s(P*) + G_f(P*) - J_true = sum_x (mu_f + penalty mu_s) KL(P^true
    || P*), P^true the solution with exact safety data. Shapes: penalty [...] -> [...].
    Unit: nats. Non-negative; 0 iff the proxy is exact where it matters. Source:
    derived, notes (5.4).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> float(price(World(law, law, law), 1.0))
    0.0
    """
    true = exact_proxy(world)
    best, used = mixture_posterior(true, penalty), mixture_posterior(world, penalty)
    return weighted_sum(total_weight(true, penalty), kl(best, used))


def price_bound(world: World, penalty: Number) -> Nats:
    """An upper bound on the price of a proxy on the true contexts.

    Formula: penalty Delta_s, by joint convexity. Shapes: penalty [...] -> [...]. Unit:
    nats. Valid only if mu^_s = mu_s. Source: derived, notes 5.3.

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> float(price_bound(World(law, law, law), 2.0))
    0.0
    """
    return jnp.asarray(penalty) * proxy_floor(world)


def proxy_adequacy(world: World) -> Float[jax.Array, "*batch x"]:
    """Whether more proxy weight is safer at a context: it is iff this is at most 1.

    Formula: a(x) = E_{y ~ p_s}[p_f(y) / p^_s(y)]; the true gap at x is convex in w with
    slope a - 1 at w = 1. Shape: [..., x]. Domain: inf where p_s and p_f hold an output
    that p^_s forbids; outputs that only p_s holds are skipped (the gap is inf at every
    w). Exactly 1 for an exact proxy that covers p_f. Source: derived, notes (5.5).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.7, .3]])), Law(one, jnp.array([[0.5, 0.5]]))
    >>> proxy = Law(one, jnp.array([[0.95, 0.05]]))
    >>> print(f"{float(proxy_adequacy(World(safe, proxy, able))[0]):.3f}")
    3.368
    """
    best, able = jnp.asarray(world.safety.outputs), world.capability.outputs
    covered = jnp.asarray(world.proxy.outputs) > 0
    ratio = best * able / jnp.where(covered, world.proxy.outputs, 1.0)
    missed = jnp.where(best * able > 0, jnp.inf, 0.0)
    return jnp.sum(jnp.where(covered, ratio, missed), axis=-1)
