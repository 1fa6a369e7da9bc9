"""Claims about the quadratic model of both cases, asked of a model of every world."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.laws import Law
from theory.ledger.cases import golden
from theory.ledger.record import Case, Record, Side, Sides
from theory.numerics import safe_sqrt
from theory.tradeoff.quadratic import (
    Quadratic,
    QuadraticGaps,
    ball_move,
    local_quadratic,
    loss_move,
    mean_log_odds,
    quadratic_excess,
    quadratic_gaps,
    quadratic_optimum,
)
from theory.tradeoff.quadratic_spectrum import (
    quadratic_root_limit,
    spectral_optimum,
    spectrum,
)
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def model_of(case: Case) -> Quadratic:
    """The quadratic model of the case's world."""
    return local_quadratic(case.world)


def _move(case: Case) -> Float[jax.Array, "*batch n"]:
    """Where the case's policy lies in the model: any move will do."""
    world = case.world
    policy = Law(world.capability.contexts, case.policy)
    return mean_log_odds(policy) - mean_log_odds(world.safety)


def _penalised(case: Case, found: QuadraticGaps) -> Nats:
    """Penalty * G_s + G_f of a move."""
    return jnp.asarray(case.penalty) * found.safety + found.capability


def at_policy(case: Case) -> QuadraticGaps:
    """The gaps of the policy's move."""
    return quadratic_gaps(model_of(case), _move(case))


def _reach(case: Case) -> Nats:
    """R, how far theta_f is from theta_s."""
    return safe_sqrt(jnp.sum(model_of(case).displacement ** 2, axis=-1))


def _radius(case: Case) -> Nats:
    """The length of Case I's move."""
    move = loss_move(model_of(case), case.penalty)
    return safe_sqrt(jnp.sum(move**2, axis=-1))


def _in_ball(case: Case, factor: float = 1.0) -> QuadraticGaps:
    """The gaps of Case II at a multiple of the length of Case I's move."""
    model = model_of(case)
    return quadratic_gaps(model, ball_move(model, factor * _radius(case)))


def _remaining(case: Case) -> Nats:
    """(1 - radius/R)^2 G_f(theta_s): what the straight way leaves."""
    reach = _reach(case)
    share = 1 - _radius(case) / jnp.where(reach > 0, reach, 1.0)
    start = quadratic_gaps(model_of(case), jnp.zeros_like(model_of(case).displacement))
    return jnp.maximum(share, 0.0) ** 2 * start.capability


def _roots(case: Case, factor: float = 1.0) -> Sides:
    """The root of G_s(theta_f) against sqrt(G_s) + sqrt(ratio G_f) of any move."""
    limit, ratio = quadratic_root_limit(model_of(case))
    found = at_policy(case)
    roots = safe_sqrt(found.safety) + safe_sqrt(ratio * found.capability)
    return Sides(factor * limit, roots)


def moves(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether there is a gradient to speak of."""
    return _reach(case) > 1e-6


RECORDS = (
    Record(
        name="quadratic, eigenpairs",
        statement="J = (penalty/2) d'A (B + penalty A)^-1 B d = (1/2) sum_i c_i^2 "
        "penalty a_i / (1 + penalty a_i)",
        assumptions="quadratic losses, B positive definite, penalty > 0",
        source="derived, notes (9.1)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            quadratic_optimum(model_of(c), c.penalty),
            spectral_optimum(spectrum(model_of(c)), c.penalty),
        ),
        evidence=_WORLDS,
        planted=lambda c: Sides(
            quadratic_optimum(model_of(c), c.penalty),
            spectral_optimum(spectrum(model_of(c)), 1 / jnp.asarray(c.penalty)),
        ),
    ),
    Record(
        name="quadratic, compensation",
        statement="penalty G_s(m) + G_f(m) = J + (1/2) |m - m*|^2 in B + penalty A",
        assumptions="quadratic losses, ANY move m, penalty > 0",
        source="derived, notes 9.1 and (9.1)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _penalised(c, at_policy(c)),
            quadratic_optimum(model_of(c), c.penalty)
            + quadratic_excess(model_of(c), _move(c), c.penalty),
        ),
        evidence=_WORLDS,
        planted=lambda c: Sides(
            _penalised(c, at_policy(c)),
            quadratic_optimum(model_of(c), c.penalty)
            + 2 * quadratic_excess(model_of(c), _move(c), c.penalty),
        ),
    ),
    Record(
        name="quadratic, Case II dominated",
        statement="J <= penalty G_s + G_f of Case II, here as far out as Case I goes",
        assumptions="quadratic losses, exact safety data, penalty > 0",
        source="derived, notes 9.1",
        side=Side.LOWER,
        function=lambda c: Sides(
            quadratic_optimum(model_of(c), c.penalty), _penalised(c, _in_ball(c))
        ),
        evidence=_WORLDS,
        tight_when="one direction, or d an eigenvector of A and B",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="d in the null space of A: J = 0",
        planted=lambda c: Sides(
            quadratic_optimum(model_of(c), c.penalty), _penalised(c, _in_ball(c)) / 1.5
        ),
    ),
    Record(
        name="quadratic, root limit",
        statement="sqrt(G_s(theta_f)) <= sqrt(G_s(m)) + sqrt(max_i a_i G_f(m))",
        assumptions="quadratic losses, ANY move m",
        source="derived, notes 9.2, generalised",
        side=Side.LOWER,
        function=_roots,
        evidence=_WORLDS,
        tight_when="one direction, on the segment from theta_s to theta_f: an equality",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="d in the null space of A: 0",
        planted=lambda c: _roots(c, 1.5),
    ),
    Record(
        name="quadratic ball, capability order",
        statement="G_f of Case II at twice the radius <= G_f at the radius",
        assumptions="quadratic losses",
        source="derived, notes 9.2 and 11.2",
        side=Side.UPPER,
        function=lambda c: Sides(_in_ball(c, 2.0).capability, _in_ball(c).capability),
        evidence=_WORLDS,
        tight_when="radius beyond R: both 0; nearly, as the radius -> 0",
        tight_case=lambda: golden(1e6),
        tight_within=1e-4,
        vacuous_when="never",
        planted=lambda c: Sides(_in_ball(c).capability, _in_ball(c, 2.0).capability),
    ),
    Record(
        name="quadratic ball, straight way",
        statement="G_f of Case II <= (1 - radius/R)^2 G_f(theta_s)",
        assumptions="quadratic losses, radius <= R",
        source="derived, notes (8.2), last form",
        side=Side.UPPER,
        function=lambda c: Sides(_in_ball(c).capability, _remaining(c)),
        domain=moves,
        evidence=_WORLDS,
        tight_when="d an eigenvector of B",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="radius 0: the start",
        planted=lambda c: Sides(_in_ball(c).capability, _remaining(c) / 2),
    ),
)
"""Sections 9.1 and 9.2 of the notes."""
