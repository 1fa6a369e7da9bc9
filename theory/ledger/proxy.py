"""Claims about the true safety gap when training saw only a proxy."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.information import kl, mixture
from theory.laws import Law, joint, with_proxy
from theory.ledger.cases import disjoint, foreign_proxy, golden
from theory.ledger.record import Case, Record, Side, Sides
from theory.numerics import safe_log
from theory.tradeoff import proxy
from theory.tradeoff.gaps import gap
from theory.tradeoff.limits import exact_limit
from theory.tradeoff.loss_constraint import optimal_gaps
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _true_gap(case: Case) -> Nats:
    """G_s of the case's policy."""
    return gap(case.world.safety, case.policy)


def _proxy_gap(case: Case) -> Nats:
    """G^_s of the case's policy."""
    return gap(case.world.proxy, case.policy)


def _optimal_true_gap(case: Case) -> Nats:
    """G_s(P*)."""
    return optimal_gaps(case.world, case.penalty).safety


def _largest_loss(case: Case) -> Nats:
    """B: the largest log-loss of the policy and of p_s on data of either kind."""
    world = case.world
    held = (joint(world.safety) > 0) | (joint(world.proxy) > 0)
    losses = -jnp.minimum(safe_log(world.safety.outputs), safe_log(case.policy))
    return jnp.max(jnp.where(held, losses, 0.0), axis=(-2, -1))


def _bounded(case: Case, factor: float) -> Nats:
    """G^_s + factor * 2 B TV."""
    distance = proxy.proxy_distance(case.world)
    loss = jnp.where(distance > 0, _largest_loss(case), 0.0)
    return proxy.transfer_bounded(_proxy_gap(case), factor * loss, distance)


def _scalarised(case: Case) -> Nats:
    """Penalty * G_s(P*) + G_f(P*), with the true safety data."""
    best = optimal_gaps(case.world, case.penalty)
    return jnp.asarray(case.penalty) * best.safety + best.capability


def _on_true_contexts(case: Case) -> Case:
    """The case with the proxy's outputs asked at the safety contexts."""
    world = case.world
    moved = with_proxy(world, Law(world.safety.contexts, world.proxy.outputs))
    return case._replace(world=moved)


def _slope_at_one(case: Case) -> Float[jax.Array, "*batch x"]:
    """d/dw KL(p_s || w p^_s + (1-w) p_f) at w = 1, by automatic differentiation."""
    world = case.world

    def divergence(weight: jax.Array) -> jax.Array:
        mixed = mixture(world.proxy.outputs, world.capability.outputs, weight)
        return kl(world.safety.outputs, mixed)

    one = jnp.ones_like(jnp.asarray(world.safety.contexts))
    slope: jax.Array = jax.jvp(divergence, (one,), (one,))[1]
    return slope


def _covered(case: Case) -> Bool[jax.Array, "*batch x"]:
    """Whether p^_s holds all that p_s or p_f does, none of it below 1e-6."""
    world = case.world
    used = (jnp.asarray(world.safety.outputs) > 0) | (
        jnp.asarray(world.capability.outputs) > 0
    )
    return jnp.all(~used | (jnp.asarray(world.proxy.outputs) > 1e-6), axis=-1)


RECORDS = (
    Record(
        name="transfer, measured",
        statement="G_s(P) <= G^_s(P) + (E_{D_s} - E_{D^_s})[log p_s - log P]",
        assumptions="any world, any policy",
        source="derived, notes (5.1)",
        side=Side.UPPER,
        function=lambda c: Sides(_true_gap(c), proxy.transfer(c.world, c.policy)),
        evidence=_WORLDS,
        tight_when="p_s = p^_s on the proxy's contexts",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="the proxy holds what p_s or the policy forbids: inf",
        planted=lambda c: Sides(_true_gap(c), _proxy_gap(c)),
    ),
    Record(
        name="transfer, span",
        statement="G_s(P) <= G^_s(P) + span(log p_s - log P) TV(D_s, D^_s)",
        assumptions="any world, any policy",
        source="derived, notes (5.1)",
        side=Side.UPPER,
        function=lambda c: Sides(_true_gap(c), proxy.transfer_span(c.world, c.policy)),
        evidence=_WORLDS,
        tight_when="an exact proxy; else a log-ratio aligned with D_s - D^_s",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="p_s or the policy forbids data of either kind: inf",
        planted=lambda c: Sides(_true_gap(c), _proxy_gap(c)),
    ),
    Record(
        name="transfer, bounded",
        statement="G_s(P) <= G^_s(P) + 2 B TV(D_s, D^_s)",
        assumptions="all log-losses of P and of the best policy lie in [0, B]",
        source="derived, notes (5.1)",
        side=Side.UPPER,
        function=lambda c: Sides(_true_gap(c), _bounded(c, 1.0)),
        evidence=_WORLDS,
        tight_when="an exact proxy",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="TV > 1/2 for language, where B = T log(V/a)",
        planted=lambda c: Sides(_true_gap(c), _bounded(c, 0.0)),
    ),
    Record(
        name="proxy distance, split",
        statement="TV(D_s, D^_s) <= TV(mu_s, mu^_s) + E_{mu_s} TV(p_s, p^_s)",
        assumptions="any world",
        source="derived, notes 5.1",
        side=Side.UPPER,
        function=lambda c: Sides(
            proxy.proxy_distance(c.world), proxy.proxy_distance_split(c.world)
        ),
        evidence=_WORLDS,
        tight_when="equal contexts, or equal outputs",
        tight_case=lambda: foreign_proxy(1.0),
        tight_within=1e-9,
        vacuous_when="contexts and outputs both differ much: exceeds 1",
        planted=lambda c: Sides(
            proxy.proxy_distance(c.world), 0.5 * proxy.proxy_distance_split(c.world)
        ),
    ),
    Record(
        name="safety gap, floor",
        statement="G_s(P*) <= Delta_s + E_{mu_s} log(1 + mu_f / (penalty mu^_s))",
        assumptions="any world, at the minimiser; P* keeps p_s without data",
        source="derived, notes (5.2)",
        side=Side.UPPER,
        function=lambda c: Sides(
            _optimal_true_gap(c), proxy.safety_gap_bound(c.world, c.penalty)
        ),
        evidence=_WORLDS,
        tight_when="penalty -> inf; or disjoint outputs and an exact proxy",
        tight_case=lambda: foreign_proxy(1e6),
        tight_within=1e-3,
        vacuous_when="p_s holds what p^_s forbids, or a shared context is missed: inf",
        planted=lambda c: Sides(
            _optimal_true_gap(c), 0.5 * proxy.safety_gap_bound(c.world, c.penalty)
        ),
    ),
    Record(
        name="safety gap, coarse",
        statement="G_s(P*) <= Delta_s + log(1 + C_ov / penalty)",
        assumptions="any world, at the minimiser; P* keeps p_s without data",
        source="derived, notes (5.3)",
        side=Side.UPPER,
        function=lambda c: Sides(
            _optimal_true_gap(c), proxy.safety_gap_coarse(c.world, c.penalty)
        ),
        evidence=_WORLDS,
        tight_when="disjoint outputs and an exact proxy; or penalty -> inf",
        tight_case=lambda: disjoint(1.0),
        tight_within=1e-9,
        vacuous_when="p_s holds what p^_s forbids, or a shared context is missed: inf",
        planted=lambda c: Sides(
            _optimal_true_gap(c), 0.4 * proxy.safety_gap_coarse(c.world, c.penalty)
        ),
    ),
    Record(
        name="price of the proxy",
        statement="penalty G_s(P*) + G_f(P*) = J_true + sum_x M_true KL(P^true || P*)",
        assumptions="any world, at the minimiser, penalty > 0",
        source="derived, notes (5.4)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _scalarised(c),
            exact_limit(c.world, c.penalty) + proxy.price(c.world, c.penalty),
        ),
        evidence=_WORLDS,
        planted=lambda c: Sides(_scalarised(c), exact_limit(c.world, c.penalty)),
    ),
    Record(
        name="price of the proxy, upper",
        statement="sum_x M_true KL(P^true || P*) <= penalty Delta_s",
        assumptions="mu^_s = mu_s (the case's proxy is moved there)",
        source="derived, notes 5.3",
        side=Side.UPPER,
        function=lambda c: Sides(
            proxy.price(_on_true_contexts(c).world, c.penalty),
            proxy.price_bound(c.world, c.penalty),
        ),
        evidence=_WORLDS,
        tight_when="penalty -> inf",
        tight_case=lambda: foreign_proxy(1e4),
        tight_within=1e-2,
        vacuous_when="p_s holds what p^_s forbids: inf",
        planted=lambda c: Sides(
            proxy.price(_on_true_contexts(c).world, c.penalty),
            proxy.price_bound(c.world, c.penalty) / 4,
        ),
    ),
    Record(
        name="proxy adequacy",
        statement="d/dw KL(p_s || w p^_s + (1-w) p_f) at 1 = E_{p_s}[p_f/p^_s] - 1",
        assumptions="p^_s holds all that p_s or p_f does at the context",
        source="derived, notes (5.5)",
        side=Side.IDENTITY,
        function=lambda c: Sides(_slope_at_one(c), proxy.proxy_adequacy(c.world) - 1),
        domain=_covered,
        evidence=_WORLDS,
        planted=lambda c: Sides(_slope_at_one(c), 1 - proxy.proxy_adequacy(c.world)),
    ),
)
"""Section 5 of the notes."""
