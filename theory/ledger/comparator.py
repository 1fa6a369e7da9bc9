"""Claims about a suboptimal learner of any class, by what two comparators lose."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.information import total_variation
from theory.laws import Law, World
from theory.ledger.cases import at_optimum, golden
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff.comparator import (
    Comparison,
    comparator_bounds,
    monotone_slack,
    monotone_slack_capability,
    represented_overlap,
    safety_gap_transferred,
    stitched_comparators,
    world_comparison,
    world_safety_gap,
)
from theory.tradeoff.gaps import Gaps, gap, gaps
from theory.tradeoff.loss_constraint import excess, mixture_posterior
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_ANY = "any world, any policy with this excess, penalty > 0"
_FAR = "zeta large: a policy far from the frontier, whose chord then costs nothing"


def _gaps(case: Case) -> Gaps:
    """The gaps of the case's policy."""
    return gaps(case.world, case.policy)


def _bounds(case: Case) -> Comparison:
    """The four bounds (7.1)."""
    return world_comparison(case.world, case.policy, case.penalty)


def _without_zeta(case: Case) -> Comparison:
    """The four bounds as if the policy were optimal: the planted error."""
    return comparator_bounds(
        stitched_comparators(case.world), _gaps(case).capability, 0.0, case.penalty
    )


def _without_span(case: Case) -> Nats:
    """(7.2) as if the proxy were exact: the planted error."""
    return safety_gap_transferred(
        stitched_comparators(case.world).safe_capability,
        excess(case.world, case.policy, case.penalty),
        case.penalty,
        0.0,
        0.0,
    )


def _far(penalty: float) -> Case:
    """Golden A with a policy that nobody would have trained."""
    case = golden(penalty)
    return case._replace(policy=jnp.array([[0.01, 0.99]]))


def _safe(penalty: float) -> Case:
    """Golden A with the safe comparator as the policy."""
    case = golden(penalty)
    return case._replace(policy=case.world.proxy.outputs)


def _exchanged() -> Case:
    """Golden A where the learner of penalty 1 is best at 2: `_later` is best at 1."""
    case = golden(1.0)
    return case._replace(policy=mixture_posterior(case.world, 2.0))


def _later(case: Case) -> Case:
    """A learner of twice the penalty: one that has not noticed, P* of the penalty."""
    best = mixture_posterior(case.world, case.penalty)
    return Case(case.world, best, 2 * jnp.asarray(case.penalty))


def _excess(case: Case) -> Nats:
    """Zeta of the case's policy at the case's penalty."""
    return excess(case.world, case.policy, case.penalty)


def _slack(case: Case, share: float) -> Nats:
    """The slack of the exchange, a share of the later learner's zeta counted."""
    later = _later(case)
    return monotone_slack(
        _excess(case), share * _excess(later), case.penalty, later.penalty
    )


def _slack_capability(case: Case, share: float) -> Nats:
    """The same for the capability loss, a share of the earlier zeta counted."""
    later = _later(case)
    return monotone_slack_capability(
        share * _excess(case), _excess(later), case.penalty, later.penalty
    )


def _pairs(case: Case) -> Float[jax.Array, "x z"]:
    """The representation that cannot tell contexts 2 i and 2 i + 1 apart."""
    contexts = jnp.shape(case.world.safety.contexts)[-1]
    seen = jnp.arange((contexts + 1) // 2)
    return (jnp.arange(contexts)[:, None] // 2 == seen) * 1.0


def _told_apart() -> Case:
    """Three contexts; the two that merge are both safety's more than the task's."""
    outputs = jnp.full((3, 2), 0.5)
    safe = Law(jnp.array([0.6, 0.4, 0.0]), outputs)
    able = Law(jnp.array([0.2, 0.1, 0.7]), outputs)
    return at_optimum(World(safe, safe, able), 1.0)


def _distances(case: Case) -> tuple[Nats, Nats]:
    """TV(phi#mu_s, phi#mu_f) and TV(mu_s, mu_f)."""
    world = case.world
    return (
        1 - represented_overlap(world, _pairs(case)),
        total_variation(world.safety.contexts, world.capability.contexts),
    )


RECORDS = (
    Record(
        name="comparator, proxy gap by safe",
        statement="G^_s(P) <= (G_f(stitched p^_s) - G_f(P) + zeta) / penalty",
        assumptions=_ANY,
        source="derived, notes (7.1)",
        side=Side.UPPER,
        function=lambda c: Sides(_gaps(c).proxy, _bounds(c).proxy_safe),
        evidence=_WORLDS,
        tight_when=f"{_FAR}; never at P*: the chord of a strictly convex frontier",
        tight_case=lambda: _far(1e6),
        tight_within=1e-4,
        vacuous_when="p_f holds what p^_s forbids on a shared context: inf",
        planted=lambda c: Sides(_gaps(c).proxy, _without_zeta(c).proxy_safe),
    ),
    Record(
        name="comparator, proxy gap by able",
        statement="G^_s(P) <= G^_s(stitched p_f) + zeta / penalty",
        assumptions=_ANY,
        source="derived, notes (7.1)",
        side=Side.UPPER,
        function=lambda c: Sides(_gaps(c).proxy, _bounds(c).proxy_able),
        evidence=_WORLDS,
        tight_when="penalty -> 0 at P*",
        tight_case=lambda: golden(1e-6),
        tight_within=1e-4,
        vacuous_when="penalty >> 1: the learner is far safer; p_f forbids p^_s: inf",
        planted=lambda c: Sides(_gaps(c).proxy, _without_zeta(c).proxy_able),
    ),
    Record(
        name="comparator, capability gap by able",
        statement="G_f(P) <= penalty G^_s(stitched p_f) + zeta",
        assumptions=_ANY,
        source="derived, notes (7.1)",
        side=Side.UPPER,
        function=lambda c: Sides(_gaps(c).capability, _bounds(c).capability_able),
        evidence=_WORLDS,
        tight_when="penalty -> 0 at the safe comparator",
        tight_case=lambda: _safe(1e-6),
        tight_within=1e-4,
        vacuous_when="penalty >> 1; p_f forbids what p^_s holds: inf",
        planted=lambda c: Sides(_gaps(c).capability, _without_zeta(c).capability_able),
    ),
    Record(
        name="comparator, capability gap by safe",
        statement="G_f(P) <= G_f(stitched p^_s) + zeta",
        assumptions=_ANY,
        source="derived, notes (7.1)",
        side=Side.UPPER,
        function=lambda c: Sides(_gaps(c).capability, _bounds(c).capability_safe),
        evidence=_WORLDS,
        tight_when="penalty -> inf at P*",
        tight_case=lambda: golden(1e6),
        tight_within=1e-4,
        vacuous_when="penalty << 1; p_f holds what p^_s forbids: inf",
        planted=lambda c: Sides(_gaps(c).capability, _without_zeta(c).capability_safe),
    ),
    Record(
        name="comparator, true safety gap",
        statement="G_s(P) <= (G_f(stitched p^_s) + zeta) / penalty + span(r) TV",
        assumptions=f"{_ANY}; r = log p_s - log P, TV = TV(D_s, D^_s)",
        source="derived, notes (7.2)",
        side=Side.UPPER,
        function=lambda c: Sides(
            _gaps(c).safety, world_safety_gap(c.world, c.policy, c.penalty)
        ),
        evidence=_WORLDS,
        tight_when=f"an exact proxy and {_FAR}",
        tight_case=lambda: _far(1e6),
        tight_within=1e-4,
        vacuous_when="text: TV of two corpora is about 1 and the span unbounded",
        planted=lambda c: Sides(_gaps(c).safety, _without_span(c)),
    ),
    Record(
        name="exchange, proxy gap",
        statement="G^_s(P_2) <= G^_s(P_1) + (zeta_1 + zeta_2) / (l_2 - l_1)",
        assumptions="any world, any P_1 at l_1 = penalty; P_2 = P* of l_1, l_2 = 2 l_1",
        source="derived, notes 7",
        side=Side.UPPER,
        function=lambda c: Sides(
            gap(c.world.proxy, _later(c).policy), _gaps(c).proxy + _slack(c, 1.0)
        ),
        evidence=_WORLDS,
        tight_when="each is optimal at the other's penalty",
        tight_case=_exchanged,
        tight_within=1e-9,
        vacuous_when="l_2 -> l_1 with zeta > 0",
        planted=lambda c: Sides(
            gap(c.world.proxy, _later(c).policy), _gaps(c).proxy + _slack(c, 0.0)
        ),
    ),
    Record(
        name="exchange, capability gap",
        statement="G_f(P_1) <= G_f(P_2) + (l_2 zeta_1 + l_1 zeta_2) / (l_2 - l_1)",
        assumptions="any world, any P_1 at l_1 = penalty; P_2 = P* of l_1, l_2 = 2 l_1",
        source="derived, as notes 7",
        side=Side.UPPER,
        function=lambda c: Sides(
            _gaps(c).capability,
            gap(c.world.capability, _later(c).policy) + _slack_capability(c, 1.0),
        ),
        evidence=_WORLDS,
        tight_when="each is optimal at the other's penalty",
        tight_case=_exchanged,
        tight_within=1e-9,
        vacuous_when="l_2 -> l_1 with zeta > 0",
        planted=lambda c: Sides(
            _gaps(c).capability,
            gap(c.world.capability, _later(c).policy) + _slack_capability(c, 0.0),
        ),
    ),
    Record(
        name="overlap behind a representation",
        statement="TV(phi#mu_s, phi#mu_f) <= TV(mu_s, mu_f)",
        assumptions="any world; phi merges contexts in pairs",
        source="derived, notes 7",
        side=Side.UPPER,
        function=lambda c: Sides(*_distances(c)),
        evidence=_WORLDS,
        tight_when="phi merges contexts of one kind of data only",
        tight_case=_told_apart,
        tight_within=1e-9,
        vacuous_when="disjoint contexts: 1, whatever the representation",
        planted=lambda c: Sides(*_distances(c)[::-1]),
    ),
)
"""Section 7 of the notes."""
