"""Claims about a ball of tabular logits from its slopes and its bending."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from theory.ledger.cases import one_context
from theory.ledger.displacement import (
    attainable,
    change,
    moved,
    radius,
    share,
    start,
)
from theory.ledger.displacement import end as end_of
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff import parameter_ball as ball
from theory.tradeoff.gaps import gap
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_ANY = "tabular logits, any start and end of distance eps"
_STEP = "tabular logits, any start; valid at the step down the gradient"


def _steepness(case: Case) -> Nats:
    """||grad L_s|| at the start."""
    policy = jax.nn.softmax(start(case), axis=-1)
    return ball.gradient_norm(case.world.safety, policy)


def _steepest(case: Case) -> Nats:
    """M_s."""
    return ball.gradient_cap(case.world.safety)


def _rayleigh(case: Case) -> Nats:
    """The bending of L_s at the start along the displacement, made of length 1."""
    length = radius(case)
    unit = moved(case) / jnp.where(length > 0, length, 1.0)[..., None, None]
    policy = jax.nn.softmax(start(case), axis=-1)
    return ball.curvature(case.world.safety, policy, unit)


def _smooth(case: Case, slope: float) -> Nats:
    """What a multiple of the slope, and the bending, let the safety gap grow by."""
    bend = ball.curvature_cap(case.world.safety)
    return ball.gap_smooth(0.0, slope * _steepness(case), bend, radius(case))


def _reached(case: Case, factor: float) -> Nats:
    """The least G_f that a multiple of the steepest slope can reach."""
    law = case.world.capability
    before = gap(law, jax.nn.softmax(start(case), axis=-1))
    return ball.gap_reached(before, factor * ball.gradient_cap(law), radius(case))


def _descended(case: Case, part: Nats, factor: float = 1.0) -> Sides:
    """The change of G_f by the step that the bound speaks of, and the bound.

    The radius is a part of ||g|| / beta, beyond which the step is no longer.
    """
    law, before = case.world.capability, start(case)
    gradient = ball.logit_gradient(law, jax.nn.softmax(before, axis=-1))
    slope, bend = ball.logit_norm(gradient), ball.curvature_cap(law)
    length = ball.descent_length(slope, bend, part * slope / bend)
    step = length / jnp.where(slope > 0, slope, 1.0)
    after = before - step[..., None, None] * gradient
    found = ball.gap_change(law.contexts, law.outputs, before, after)
    bound = ball.gap_descended(0.0, slope, bend, part * slope / bend)
    return Sides(found, factor * bound)


def _convex(case: Case, factor: float) -> Sides:
    """G_f on the segment to the nearest logits of p_f, and the chord."""
    world = attainable(case).world
    law, reach = world.capability, ball.ball_reach(world, start(case))
    before, after = (
        gap(law, jax.nn.softmax(z, axis=-1)) for z in (start(case), end_of(case))
    )
    gone = factor * share(case) * reach
    return Sides(after, ball.gap_convex(before, gone, reach))


def _case(
    safety: list[float], policy: list[float], capability: list[float], penalty: float
) -> Callable[[], Case]:
    """One context and a chosen start."""

    def build() -> Case:
        case = one_context(safety, capability, penalty)
        return case._replace(policy=jnp.array([policy]))

    return build


_LOST = _case([1.0, 0.0], [0.01, 0.99], [0.0, 1.0], 1e4)
_OPPOSITE = _case([1.0, 0.0], [0.0, 1.0], [0.0, 1.0], 1.0)
_FAR = _case([1.0, 0.0], [1.0, 0.0], [0.0, 1.0], 9.0)
_SURE = _case([1.0, 0.0], [1.0, 0.0], [0.4, 0.6], 9.0)
_EVEN = _case([0.5, 0.5], [0.5, 0.5], [0.51, 0.49], 1.0)

RECORDS = (
    Record(
        name="gradient, largest",
        statement="||grad L_s|| <= sqrt(2) ||mu_s||_2",
        assumptions="tabular logits, any policy",
        source="derived, notes 8.1",
        side=Side.UPPER,
        function=lambda c: Sides(_steepness(c), _steepest(c)),
        evidence=_WORLDS,
        tight_when="sure outputs that the data forbid",
        tight_case=_OPPOSITE,
        tight_within=2e-3,
        vacuous_when="near the optimum, where the gradient vanishes",
        planted=lambda c: Sides(_steepness(c), _steepest(c) / 2),
    ),
    Record(
        name="curvature, largest",
        statement="d^T Hess L_s d <= (max_x mu_s / 2) ||d||^2",
        assumptions="tabular logits, any policy, any direction d",
        source="derived, notes 8.1",
        side=Side.UPPER,
        function=lambda c: Sides(_rayleigh(c), ball.curvature_cap(c.world.safety)),
        evidence=_WORLDS,
        tight_when="the commonest context split between two outputs, d between them",
        tight_case=_EVEN,
        tight_within=1e-9,
        vacuous_when="peaked outputs, or d at contexts that safety never sees",
        planted=lambda c: Sides(_rayleigh(c), ball.curvature_cap(c.world.safety) / 2),
    ),
    Record(
        name="ball, Lipschitz",
        statement="G_s(end) - G_s(start) <= sqrt(2) ||mu_s||_2 eps",
        assumptions=_ANY,
        source="derived, notes (8.1)",
        side=Side.UPPER,
        function=lambda c: Sides(
            change(c.world.safety, c),
            ball.gap_lipschitz(0.0, _steepest(c), radius(c)),
        ),
        evidence=_WORLDS,
        tight_when="eps -> 0 straight up from a start that safety forbids",
        tight_case=_LOST,
        tight_within=0.02,
        vacuous_when="an aligned start: the truth is eps^2",
        planted=lambda c: Sides(
            change(c.world.safety, c),
            ball.gap_lipschitz(0.0, _steepest(c) / 2, radius(c)),
        ),
    ),
    Record(
        name="ball, smooth",
        statement="G_s(end) - G_s(start) <= ||grad L_s|| eps + max mu_s eps^2 / 4",
        assumptions=_ANY,
        source="derived, notes (8.1)",
        side=Side.UPPER,
        function=lambda c: Sides(change(c.world.safety, c), _smooth(c, 1.0)),
        evidence=_WORLDS,
        tight_when="eps -> 0 straight up the gradient",
        tight_case=_LOST,
        tight_within=1e-3,
        vacuous_when="eps large: the truth grows linearly; a start beside the way up",
        planted=lambda c: Sides(change(c.world.safety, c), _smooth(c, 0.0)),
    ),
    Record(
        name="ball, limit of capability",
        statement="G_f(start) - sqrt(2) ||mu_f||_2 eps <= G_f(end), and 0 <= G_f(end)",
        assumptions=_ANY,
        source="derived, notes (8.2)",
        side=Side.LOWER,
        function=lambda c: Sides(
            _reached(c, 1.0),
            gap(c.world.capability, jax.nn.softmax(end_of(c), axis=-1)),
        ),
        evidence=_WORLDS,
        tight_when="straight down from a start that is sure of what the task forbids",
        tight_case=_FAR,
        tight_within=0.01,
        vacuous_when="M_f eps > G_f(start): 0",
        planted=lambda c: Sides(
            _reached(c, 0.5),
            gap(c.world.capability, jax.nn.softmax(end_of(c), axis=-1)),
        ),
    ),
    Record(
        name="ball, short descent",
        statement="G_f(theta_eps) - G_f(start) <= -eps ||g|| + max mu_f eps^2 / 4",
        assumptions=f"{_STEP}; eps <= ||g|| / beta",
        source="derived, notes (8.2)",
        side=Side.UPPER,
        function=lambda c: _descended(c, share(c)),
        evidence=_WORLDS,
        tight_when="eps -> 0; or two even outputs",
        tight_case=_EVEN,
        tight_within=1e-3,
        vacuous_when="g = 0: the start is already the task's best",
        planted=lambda c: _descended(c, share(c), 2.0),
    ),
    Record(
        name="ball, long descent",
        statement="G_f(theta_eps) - G_f(start) <= -||g||^2 / max mu_f",
        assumptions=f"{_STEP}; eps > ||g|| / beta",
        source="derived, notes (8.2)",
        side=Side.UPPER,
        function=lambda c: _descended(c, 1 + jnp.asarray(c.penalty)),
        evidence=_WORLDS,
        tight_when="two even outputs, g -> 0",
        tight_case=_EVEN,
        tight_within=1e-3,
        vacuous_when="g = 0; loose by 2 or more where mu_f is spread over contexts",
        planted=lambda c: _descended(c, 1 + jnp.asarray(c.penalty), 4.0),
    ),
    Record(
        name="ball, convex",
        statement="G_f(end) <= (1 - eps / R) G_f(start)",
        assumptions="tabular logits, any start; the end on the segment to p_f > 0",
        source="derived, notes (8.2)",
        side=Side.UPPER,
        function=lambda c: _convex(c, 1.0),
        evidence=_WORLDS,
        tight_when="eps << R from a start surer than the task: L_f is linear there",
        tight_case=_SURE,
        tight_within=0.05,
        vacuous_when="p_f forbids an output: R = inf",
        planted=lambda c: _convex(c, 2.0),
    ),
)
"""Section 8.1 of the notes."""
