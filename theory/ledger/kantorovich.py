"""Claims about small gains: what either case pays, and the Kantorovich factor."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from theory.laws import Law, World, exact_proxy
from theory.ledger.cases import at_optimum, golden, one_context
from theory.ledger.quadratic import at_policy, model_of, moves
from theory.ledger.record import Case, Record, Side, Sides
from theory.numerics import safe_log, safe_sqrt
from theory.symmetric import eigen
from theory.tradeoff.ball_path import ball_path_rate, ball_path_start
from theory.tradeoff.dynamics import proxy_rate_quadratic
from theory.tradeoff.kantorovich import (
    Forms,
    ball_cost,
    forms_of_matrix,
    kantorovich_ceiling,
    kantorovich_factor,
    loss_cost,
    safety_cost,
    tabular_forms,
)
from theory.tradeoff.quadratic import (
    QuadraticGaps,
    ball_move,
    capability_gradient,
    loss_move,
    quadratic_gaps,
)
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_SMALL = 1e-4  # radius times b_max / ||g||, at which moves count as small
# Relative error of the cost at that radius: the direction is off by e = _SMALL, so G_s
# by 2 e sqrt(condition of A) <= 7 e at ridge 0.05, and gain^2 by 3 e.
_MARGIN = 2e-3


def _forms(case: Case) -> Forms:
    """The three forms of the model's gradient and safety curvature."""
    model = model_of(case)
    return forms_of_matrix(capability_gradient(model), model.safety_curvature)


def _ceiling(case: Case) -> Nats:
    """The Kantorovich bound from the extreme eigenvalues of A."""
    values = eigen(model_of(case).safety_curvature)[0]
    return kantorovich_ceiling(values[..., -1], values[..., 0])


def _cheapest(case: Case) -> Nats:
    """Case I's local cost of the gain of the policy's move, 0 for a loss."""
    gain = jnp.maximum(at_policy(case).gain, 0.0)
    return safety_cost(gain, loss_cost(_forms(case)))


def _small_ball(case: Case) -> Nats:
    """Safety over squared gain of a small ball, relative to its prediction."""
    model, forms = model_of(case), _forms(case)
    steepest = eigen(model.capability_curvature)[0][..., -1]
    radius = _SMALL * safe_sqrt(forms.norm_squared) / steepest
    found = quadratic_gaps(model, ball_move(model, radius))
    return _relative(found, ball_cost(forms))


def _small_penalised(case: Case) -> Nats:
    """The same of Case I at a penalty so large that its move is small."""
    model, forms = model_of(case), _forms(case)
    steepest = eigen(model.capability_curvature)[0][..., -1]
    flattest = eigen(model.safety_curvature)[0][..., 0]
    penalty = steepest / (flattest * _SMALL)
    return _relative(quadratic_gaps(model, loss_move(model, penalty)), loss_cost(forms))


def _relative(found: QuadraticGaps, cost: Nats) -> Nats:
    """G_s / (cost gain^2); 1 where nothing moves, which no record asks about."""
    predicted = safety_cost(found.gain, cost)
    finite = jnp.isfinite(predicted) & (predicted > 0)
    return jnp.where(finite, found.safety / jnp.where(finite, predicted, 1.0), 1.0)


def _slanted() -> Case:
    """A gradient midway between the extreme eigenvectors of A: kappa at its ceiling."""
    thirds = np.full((2, 3), 1 / 3)
    half = np.array([0.5, 0.5])
    able = Law(half, np.array([[0.4, 0.0, 0.6], [0.0, 0.8, 0.2]]))
    safe = Law(half, thirds)
    return at_optimum(World(safe, safe, able), 1.0)


def _tabular(case: Case) -> Forms:
    """The three forms of the world itself, in tabular logits."""
    return tabular_forms(case.world)


def _covered(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether every context of the task has safety data."""
    able = jnp.asarray(case.world.capability.contexts) > 0
    return jnp.all(~able | (jnp.asarray(case.world.safety.contexts) > 0), axis=-1)


def _path_rate(case: Case) -> Nats:
    """How fast safety falls where Case II passes through the policy, summed."""
    target = case.world.capability.outputs
    return jnp.sum(ball_path_rate(case.policy, target, case.penalty), axis=-1)


def _path_rate_misaligned(case: Case) -> Nats:
    """The same if safety were judged by p_s, not by the start of the path."""
    policy, target = jnp.asarray(case.policy), case.world.capability.outputs
    start = ball_path_start(policy, target, case.penalty)
    moved = safe_log(jnp.where(policy > 0, policy, 1.0)) - safe_log(
        jnp.where(policy > 0, start, 1.0)
    )
    return jnp.sum((policy - case.world.safety.outputs) * moved, axis=(-2, -1))


RECORDS = (
    Record(
        name="Case I, local frontier",
        statement="max(0, gain)^2 / (2 g'A^-1 g) <= G_s(m)",
        assumptions="quadratic G_s, convex L_f, ANY move m",
        source="derived, notes 9.3 (Cauchy-Schwarz)",
        side=Side.LOWER,
        function=lambda c: Sides(_cheapest(c), at_policy(c).safety),
        domain=moves,
        evidence=_WORLDS,
        tight_when="small moves along A^-1 g",
        tight_case=lambda: golden(1e5),
        tight_within=1e-4,
        vacuous_when="no gain",
        planted=lambda c: Sides(4 * _cheapest(c), at_policy(c).safety),
    ),
    Record(
        name="Kantorovich, at least one",
        statement="1 <= kappa = (g'A g)(g'A^-1 g) / |g|^4",
        assumptions="A positive definite, g != 0",
        source="derived, notes (9.2)",
        side=Side.LOWER,
        function=lambda c: Sides(jnp.array(1.0), kantorovich_factor(_forms(c))),
        domain=moves,
        evidence=_WORLDS,
        tight_when="g an eigenvector of A",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: Sides(jnp.array(1.1), kantorovich_factor(_forms(c))),
    ),
    Record(
        name="Kantorovich, at most",
        statement="kappa <= (Lmax + Lmin)^2 / (4 Lmax Lmin)",
        assumptions="A positive definite, g != 0",
        source="standard (Kantorovich), notes (9.2)",
        side=Side.UPPER,
        function=lambda c: Sides(kantorovich_factor(_forms(c)), _ceiling(c)),
        domain=moves,
        evidence=_WORLDS,
        tight_when="g midway between the extreme eigenvectors of A",
        tight_case=_slanted,
        tight_within=1e-9,
        vacuous_when="A nearly singular: the ceiling is about Lmax / (4 Lmin)",
        planted=lambda c: Sides(
            kantorovich_factor(_forms(c)), jnp.sqrt(_ceiling(c)) * 0.99
        ),
    ),
    Record(
        name="Case II, small moves",
        statement="G_s ~ gain^2 g'A g / (2 |g|^4) as the radius -> 0",
        assumptions="quadratic losses; radius = 1e-4 |g| / b_max",
        source="derived, notes 9.3",
        side=Side.SCALING,
        function=lambda c: Sides(_small_ball(c), jnp.array(1.0)),
        domain=moves,
        evidence=_WORLDS,
        tolerance=_MARGIN,
        planted=lambda c: Sides(
            _small_ball(c) * kantorovich_factor(_forms(c)), jnp.array(1.0)
        ),
    ),
    Record(
        name="Case I, small moves",
        statement="G_s ~ gain^2 / (2 g'A^-1 g) as the penalty -> inf",
        assumptions="quadratic losses; penalty = 1e4 b_max / a_min",
        source="derived, notes 9.3",
        side=Side.SCALING,
        function=lambda c: Sides(_small_penalised(c), jnp.array(1.0)),
        domain=moves,
        evidence=_WORLDS,
        tolerance=_MARGIN,
        planted=lambda c: Sides(
            _small_penalised(c) / kantorovich_factor(_forms(c)), jnp.array(1.0)
        ),
    ),
    Record(
        name="Kantorovich, tabular",
        statement="1 <= kappa of tabular logits, started from p_s",
        assumptions="any world; inf with support conflict",
        source="derived, notes (9.2)",
        side=Side.LOWER,
        function=lambda c: Sides(jnp.array(1.0), kantorovich_factor(_tabular(c))),
        evidence=_WORLDS,
        tight_when="one context of two outputs: g is an eigenvector of H",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: Sides(jnp.array(2.0), kantorovich_factor(_tabular(c))),
    ),
    Record(
        name="Case I, local cost and decay",
        statement="g'H^+ g = 2 c, c the rate of G_s = c / penalty^2",
        assumptions="tabular logits, safety data at every context of the task",
        source="derived, notes 9.3 and (4.7)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            jnp.asarray(_tabular(c).inverse),
            2 * proxy_rate_quadratic(exact_proxy(c.world)),
        ),
        domain=_covered,
        evidence=_WORLDS,
        planted=lambda c: Sides(
            jnp.asarray(_tabular(c).inverse), proxy_rate_quadratic(exact_proxy(c.world))
        ),
    ),
    Record(
        name="Case II, safety along the path",
        statement="0 <= (P - p_s)'(diag P - P P' + c I)^-1 (z - z_s): G_s never falls "
        "as the ball grows",
        assumptions="tabular logits, aligned start (here that of the path through P)",
        source="derived (Chebyshev's sum inequality)",
        side=Side.LOWER,
        function=lambda c: Sides(jnp.array(0.0), _path_rate(c)),
        evidence=_WORLDS,
        tight_when="P = p_f: the end of the path",
        tight_case=lambda: one_context([0.5, 0.5], [0.5, 0.5], 1.0),
        tight_within=0.0,
        vacuous_when="contexts without capability data: nothing moves",
        planted=lambda c: Sides(jnp.array(0.0), _path_rate_misaligned(c)),
    ),
)
"""Section 9.3 of the notes."""
