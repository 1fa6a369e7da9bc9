"""Claims about what no policy can beat, with exact safety data."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.information import skew_divergence
from theory.laws import exact_proxy, output_conflict_true
from theory.ledger.cases import balanced, disjoint, golden
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff import limits
from theory.tradeoff.envelope import envelope
from theory.tradeoff.frontier import frontier
from theory.tradeoff.gaps import gap
from theory.tradeoff.loss_constraint import optimal_gaps
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _safety(case: Case) -> Nats:
    """G_s of the case's policy."""
    return gap(case.world.safety, case.policy)


def _capability(case: Case) -> Nats:
    """G_f of the case's policy."""
    return gap(case.world.capability, case.policy)


def _scalarised(case: Case) -> Nats:
    """Penalty * G_s(P) + G_f(P)."""
    return jnp.asarray(case.penalty) * _safety(case) + _capability(case)


def _roots(case: Case) -> Nats:
    """sqrt(G_s(P)) + sqrt(G_f(P))."""
    return jnp.sqrt(_safety(case)) + jnp.sqrt(_capability(case))


def _context_gaps(
    case: Case,
) -> tuple[Float[jax.Array, "*batch x"], Float[jax.Array, "*batch x"]]:
    """(G_s, G_f) of the best policy of every context taken as a world of its own."""
    p, q = case.world.safety.outputs, case.world.capability.outputs
    penalty = jnp.asarray(case.penalty)
    weight = (penalty / (1 + penalty))[..., None]
    weight = jnp.broadcast_to(weight, jnp.shape(case.world.safety.contexts))
    return skew_divergence(p, q, weight), skew_divergence(q, p, 1 - weight)


def _envelope(case: Case, power: float) -> Sides:
    """1 against the envelope with conflict tau^power."""
    conflict = output_conflict_true(case.world) ** power
    value = envelope(*_context_gaps(case), conflict)
    return Sides(jnp.ones_like(value), value)


def _true_optimum(case: Case) -> Sides:
    """F(G_s) against G_f, at the best policy with exact safety data."""
    best = optimal_gaps(exact_proxy(case.world), case.penalty)
    return Sides(frontier(case.world, best.safety), best.capability)


_VACUOUS = "disjoint contexts, or equal outputs on the overlap: 0"

RECORDS = (
    Record(
        name="frontier",
        statement="F(G_s(P)) <= G_f(P)",
        assumptions="any world, any policy",
        source="derived, notes (6.1)",
        side=Side.LOWER,
        function=lambda c: Sides(frontier(c.world, _safety(c)), _capability(c)),
        evidence=_WORLDS,
        tight_when="P = P* with exact safety data",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="G_s(P) beyond the limit of zero penalty: 0",
        planted=lambda c: Sides(frontier(c.world, _safety(c) / 4), _capability(c)),
    ),
    Record(
        name="frontier, attained",
        statement="F(G_s(P*)) = G_f(P*)",
        assumptions="any world, exact safety data, at the minimiser, penalty > 0",
        source="derived, notes (6.1)",
        side=Side.IDENTITY,
        function=_true_optimum,
        evidence=_WORLDS,
        planted=lambda c: Sides(frontier(c.world, _safety(c)), _true_optimum(c).right),
    ),
    Record(
        name="scalarised limit, exact",
        statement="J_true <= penalty G_s(P) + G_f(P)",
        assumptions="any world, any policy, penalty > 0",
        source="derived, notes (6.3)",
        side=Side.LOWER,
        function=lambda c: Sides(
            limits.exact_limit(c.world, c.penalty), _scalarised(c)
        ),
        evidence=_WORLDS,
        tight_when="P = P* with exact safety data",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when=_VACUOUS,
        planted=lambda c: Sides(
            limits.exact_limit(c.world, c.penalty), _scalarised(c) / 4
        ),
    ),
    Record(
        name="scalarised limit, closed form",
        statement="2 penalty sum_x [mu_s mu_f / (penalty mu_s + mu_f)] tau^2 <= J_true",
        assumptions="any world, penalty > 0",
        source="derived, notes (6.3)",
        side=Side.LOWER,
        function=lambda c: Sides(
            limits.scalarised_limit(c.world, c.penalty),
            limits.exact_limit(c.world, c.penalty),
        ),
        evidence=_WORLDS,
        tight_when="tau -> 0 with a balanced likelihood ratio",
        tight_case=lambda: balanced(0.01),
        tight_within=1e-3,
        vacuous_when=_VACUOUS,
        planted=lambda c: Sides(
            2 * limits.scalarised_limit(c.world, c.penalty),
            limits.exact_limit(c.world, c.penalty),
        ),
    ),
    Record(
        name="harmonic limit",
        statement="sum_x HM(mu_s, mu_f) tau^2 <= G_s(P) + G_f(P)",
        assumptions="any world, any policy",
        source="derived, notes (6.3) at penalty 1",
        side=Side.LOWER,
        function=lambda c: Sides(
            limits.harmonic_limit(c.world), _safety(c) + _capability(c)
        ),
        evidence=_WORLDS,
        tight_when="tau -> 0 with a balanced likelihood ratio, P = P*",
        tight_case=lambda: balanced(0.01),
        tight_within=1e-3,
        vacuous_when=_VACUOUS,
        planted=lambda c: Sides(
            8 * limits.harmonic_limit(c.world), _safety(c) + _capability(c)
        ),
    ),
    Record(
        name="minimum limit",
        statement="sum_x min(mu_s, mu_f) tau^2 <= sum_x HM(mu_s, mu_f) tau^2",
        assumptions="any world",
        source="derived, notes (6.3) at penalty 1",
        side=Side.LOWER,
        function=lambda c: Sides(
            limits.minimum_limit(c.world), limits.harmonic_limit(c.world)
        ),
        evidence=_WORLDS,
        tight_when="mu_s = mu_f on the overlap",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when=_VACUOUS,
        planted=lambda c: Sides(
            2 * limits.minimum_limit(c.world), limits.harmonic_limit(c.world)
        ),
    ),
    Record(
        name="root limit",
        statement="sqrt(2) (sum_x nu tau) / sqrt(o) <= sqrt(G_s(P)) + sqrt(G_f(P))",
        assumptions="any world, any policy; nu = min(mu_s, mu_f), o = sum_x nu",
        source="derived, notes (6.4)",
        side=Side.LOWER,
        function=lambda c: Sides(limits.root_limit(c.world), _roots(c)),
        evidence=_WORLDS,
        tight_when="tau -> 0 with a balanced likelihood ratio, P = P*",
        tight_case=lambda: balanced(0.01),
        tight_within=1e-3,
        vacuous_when=_VACUOUS,
        planted=lambda c: Sides(3 * limits.root_limit(c.world), _roots(c)),
    ),
    Record(
        name="root frontier",
        statement="max(0, sqrt(2) (sum_x nu tau)/sqrt(o) - sqrt(g))^2 <= F(g)",
        assumptions="any world, g >= 0 (here G_s of the policy)",
        source="derived, notes (6.4)",
        side=Side.LOWER,
        function=lambda c: Sides(
            limits.root_frontier(c.world, _safety(c)), frontier(c.world, _safety(c))
        ),
        evidence=_WORLDS,
        tight_when="tau -> 0 with a balanced likelihood ratio",
        tight_case=lambda: balanced(0.01),
        tight_within=1e-3,
        vacuous_when="g beyond 2 (sum_x nu tau)^2 / o: 0",
        planted=lambda c: Sides(
            limits.root_frontier(c.world, _safety(c) / 16),
            frontier(c.world, _safety(c)),
        ),
    ),
    Record(
        name="envelope",
        statement="1 <= exp(-G_s/tau) + exp(-G_f/tau)",
        assumptions="one context (here every one by itself), at the minimiser",
        source="derived, notes (6.5)",
        side=Side.LOWER,
        function=lambda c: _envelope(c, 1.0),
        evidence=_WORLDS,
        tight_when="likelihood ratio in {0, 1, inf}",
        tight_case=lambda: disjoint(1.0),
        tight_within=1e-9,
        vacuous_when="never, but says nothing of small gaps",
        planted=lambda c: _envelope(c, 4.0),
    ),
    Record(
        name="envelope, any outputs",
        statement="1 <= exp(-G_s) + exp(-G_f)",
        assumptions="one context (here every one by itself), at the minimiser",
        source="derived, notes (6.5)",
        side=Side.LOWER,
        function=lambda c: _envelope(c, 0.0),
        evidence=_WORLDS,
        tight_when="disjoint outputs",
        tight_case=lambda: disjoint(1.0),
        tight_within=1e-9,
        vacuous_when="never, but says nothing of small gaps",
        planted=lambda c: Sides(jnp.array(1.0), _envelope(c, 0.0).right / 1.5),
    ),
)
"""Section 6 of the notes."""
