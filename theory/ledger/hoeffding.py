"""Claims about displaced logits: Hoeffding's bounds, small steps, the KL ball."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool

from theory.information import kl
from theory.laws import Law
from theory.ledger.cases import golden, one_context
from theory.ledger.displacement import (
    aligned,
    change,
    end,
    hoeffding,
    positive,
    radius,
    start,
)
from theory.ledger.record import Case, Record, Side, Sides
from theory.numerics import weighted_sum
from theory.tradeoff import parameter_ball as ball
from theory.tradeoff.frontier import frontier_proxy
from theory.tradeoff.gaps import gap
from theory.typing import Nats

NEAR = 1e-4  # the radius at which the leading order is looked at

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_ANY = "any two policies with finite logits, rho the spread of their difference"
_ALIGNED = "tabular logits, a start that fits the safety data perfectly"


def _safety(case: Case) -> Nats:
    """G_s(end) - G_s(start)."""
    return change(case.world.safety, case)


def _policies(case: Case) -> tuple[jax.Array, jax.Array]:
    """The policies at the start and at the end."""
    return jax.nn.softmax(start(case), axis=-1), jax.nn.softmax(end(case), axis=-1)


def _difference(case: Case) -> Nats:
    """G_s(end) - G_s(start), by subtraction."""
    before, after = _policies(case)
    return gap(case.world.safety, after) - gap(case.world.safety, before)


def _reversed_change(case: Case) -> Nats:
    """The change with its divergence the wrong way round."""
    before, after = _policies(case)
    weights = case.world.safety.contexts
    return (
        _safety(case)
        - weighted_sum(weights, kl(before, after))
        + weighted_sum(weights, kl(after, before))
    )


def _aligned_gap(case: Case) -> Nats:
    """G_s(end) where G_s(start) = 0."""
    case = aligned(case)
    return change(case.world.safety, case)


def _aligned_bound(case: Case) -> Nats:
    """sum_x mu_s rho^2 / 8."""
    return ball.aligned_hoeffding(case.world.safety.contexts, start(case), end(case))


def _ball_bound(case: Case) -> Nats:
    """max_x mu_s eps^2 / 4."""
    largest = jnp.max(jnp.asarray(case.world.safety.contexts), axis=-1)
    return ball.aligned_ball(largest, radius(case))


def _slope(case: Case) -> jax.Array:
    """The gradient g of L_f at the start."""
    return ball.logit_gradient(case.world.capability, _policies(case)[0])


def _near(case: Case) -> jax.Array:
    """The logits at NEAR down the gradient of L_f."""
    slope = _slope(case)
    length = ball.logit_norm(slope)
    unit = slope / jnp.where(length > 0, length, 1.0)[..., None, None]
    return start(case) - NEAR * unit


def _bending(case: Case) -> Nats:
    """g^T H_s g at the start."""
    return ball.curvature(case.world.safety, _policies(case)[0], _slope(case))


def _relative(found: Nats, predicted: Nats) -> Sides:
    """Found / predicted against 1, so that the tolerance is relative; 1 at 0."""
    regular = predicted > 0
    ratio = found / jnp.where(regular, predicted, 1.0)
    return Sides(jnp.where(regular, ratio, 1.0), jnp.ones_like(ratio))


def _cost(case: Case, factor: float) -> Sides:
    """G_s near an aligned start against a multiple of its leading order."""
    law = aligned(case).world.safety
    found = ball.gap_change(law.contexts, law.outputs, start(case), _near(case))
    slope = ball.logit_norm(_slope(case))
    return _relative(found, factor * ball.local_cost(slope, _bending(case), NEAR))


def _costly(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether the first step costs more than the rounding of its KL."""
    slope = ball.logit_norm(_slope(case))
    return ball.local_cost(slope, _bending(case), 1.0) > 1e-6


def _gain(case: Case, factor: float) -> Sides:
    """The gain of a small step against a multiple of its leading order."""
    law = case.world.capability
    found = -ball.gap_change(law.contexts, law.outputs, start(case), _near(case))
    slope = ball.logit_norm(_slope(case))
    return _relative(found, factor * ball.local_gain(slope, NEAR))


def _within_divergence(case: Case, factor: float) -> Sides:
    """F at a multiple of the KL from a start to the policy, and the policy's G_f."""
    world, aligned_policy = case.world, positive(case.world.safety.outputs)
    spent = gap(Law(world.safety.contexts, aligned_policy), case.policy)
    replayed = ball.self_generated(world, aligned_policy, world.safety.contexts)
    return Sides(
        frontier_proxy(replayed, factor * spent), gap(world.capability, case.policy)
    )


def _even(penalty: float) -> Case:
    """Two even outputs on both sides of the start, the task a little off."""
    return one_context([0.5, 0.5], [0.6, 0.4], penalty)._replace(
        policy=jnp.array([[0.5, 0.5]])
    )


def _descending() -> Case:
    """A small step straight down: safety and task agree, the start is even."""
    return one_context([0.0, 1.0], [0.0, 1.0], 1e4)._replace(
        policy=jnp.array([[0.5, 0.5]])
    )


def _replaying() -> Case:
    """Golden A with the frontier policy half way between the start and p_f."""
    case = golden(1.0)
    half = (positive(case.world.safety.outputs) + case.world.capability.outputs) / 2
    return case._replace(policy=half)


RECORDS = (
    Record(
        name="gap, change",
        statement="G_s(end) - G_s(start) = E_{mu_s}[<P - p_s, delta> + KL(P || P')]",
        assumptions="any two policies with finite logits",
        source="derived, as notes (8.3)",
        side=Side.IDENTITY,
        function=lambda c: Sides(_difference(c), _safety(c)),
        evidence=_WORLDS,
        planted=lambda c: Sides(_difference(c), _reversed_change(c)),
    ),
    Record(
        name="Hoeffding, above",
        statement="G_s(end) - G_s(start) <= E_{mu_s}[rho TV(p_s, P_start) + rho^2 / 8]",
        assumptions=_ANY,
        source="derived, notes (8.3)",
        side=Side.UPPER,
        function=lambda c: Sides(_safety(c), hoeffding(c.world.safety, c).upper),
        evidence=_WORLDS,
        tight_when="rho small, the two extreme shifts carrying mass 1/2 each",
        tight_case=lambda: _even(10.0),
        tight_within=1e-4,
        vacuous_when="peaked outputs and large rho: the truth grows linearly",
        planted=lambda c: Sides(_safety(c), hoeffding(c.world.safety, c).upper / 2),
    ),
    Record(
        name="Hoeffding, below",
        statement="-E_{mu_s}[rho TV(p_s, P_start)] <= G_s(end) - G_s(start)",
        assumptions=_ANY,
        source="derived, notes (8.3)",
        side=Side.LOWER,
        function=lambda c: Sides(hoeffding(c.world.safety, c).lower, _safety(c)),
        evidence=_WORLDS,
        tight_when="rho -> 0 straight down, two outputs",
        tight_case=_descending,
        tight_within=1e-3,
        vacuous_when="rho large: below -G_s(start)",
        planted=lambda c: Sides(hoeffding(c.world.safety, c).lower / 2, _safety(c)),
    ),
    Record(
        name="aligned start, Hoeffding",
        statement="G_s(end) <= sum_x mu_s rho^2 / 8",
        assumptions=_ALIGNED,
        source="derived, notes 8.2",
        side=Side.UPPER,
        function=lambda c: Sides(_aligned_gap(c), _aligned_bound(c)),
        evidence=_WORLDS,
        tight_when="rho small, the two extreme shifts carrying mass 1/2 each",
        tight_case=lambda: _even(10.0),
        tight_within=1e-4,
        vacuous_when="peaked outputs and large rho",
        planted=lambda c: Sides(_aligned_gap(c), _aligned_bound(c) / 2),
    ),
    Record(
        name="aligned start, ball",
        statement="G_s(end) <= max_x mu_s eps^2 / 4",
        assumptions=_ALIGNED,
        source="derived, notes 8.2",
        side=Side.UPPER,
        function=lambda c: Sides(_aligned_gap(c), _ball_bound(c)),
        evidence=_WORLDS,
        tight_when="eps small, spent on two even outputs of the commonest context",
        tight_case=lambda: _even(10.0),
        tight_within=1e-4,
        vacuous_when="eps spent where safety has no data; peaked outputs",
        planted=lambda c: Sides(_aligned_gap(c), _ball_bound(c) / 4),
    ),
    Record(
        name="first step, cost",
        statement="G_s ~ (eps^2 / 2) g^T H_s g / ||g||^2",
        assumptions=f"{_ALIGNED}; eps = {NEAR} down g = grad L_f",
        source="derived, notes (8.4)",
        side=Side.SCALING,
        function=lambda c: _cost(c, 1.0),
        domain=_costly,
        tolerance=1e-3,
        evidence=f"{_WORLDS}; relative remainder below rho / 3 <= sqrt(2) eps / 3",
        tight_when="eps -> 0",
        tight_case=lambda: _even(1.0),
        tight_within=1e-6,
        planted=lambda c: _cost(c, 2.0),
    ),
    Record(
        name="first step, gain",
        statement="G_f(start) - G_f(theta_eps) ~ eps ||g||",
        assumptions=f"tabular logits, eps = {NEAR} down g = grad L_f, ||g|| > 0.01",
        source="derived, notes (8.4)",
        side=Side.SCALING,
        function=lambda c: _gain(c, 1.0),
        domain=lambda c: ball.logit_norm(_slope(c)) > 0.01,
        tolerance=5e-3,
        evidence=f"{_WORLDS}; relative remainder below beta eps / (2 ||g||)",
        tight_when="eps -> 0",
        tight_case=lambda: _even(1.0),
        tight_within=1e-3,
        planted=lambda c: _gain(c, 2.0),
    ),
    Record(
        name="KL ball",
        statement="F(E_rho KL(P_start || P)) <= G_f(P), F of the self-generated proxy",
        assumptions="any world, any policy; rho = mu_s, P_start = p_s with a floor",
        source="derived, notes 8.4",
        side=Side.LOWER,
        function=lambda c: _within_divergence(c, 1.0),
        evidence=_WORLDS,
        tight_when="mixtures of the start and p_f: Case I with its own outputs",
        tight_case=_replaying,
        tight_within=1e-9,
        vacuous_when="contexts disjoint, or the ball reaches p_f: 0",
        planted=lambda c: _within_divergence(c, 0.25),
    ),
)
"""Sections 8.2 to 8.4 of the notes."""
