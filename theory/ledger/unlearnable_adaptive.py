"""Claims about Adam: small gradients alone do not make small steps."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.ledger.cases import one_context
from theory.ledger.record import Case, Record, Side, Sides, Status
from theory.ledger.unlearnable_drift import apart
from theory.ledger.unlearnable_paths import length
from theory.ledger.unlearnable_rows import (
    STEPS,
    active,
    errors,
    mean_gradient,
    sharp,
)
from theory.numerics import safe_sqrt
from theory.typing import Nats
from theory.unlearnability.adaptive import (
    adam_ceiling_at,
    adam_drift_ceiling,
    adam_harm_beside,
    adam_small_step_ceiling,
    adam_step,
    moving_average,
)
from theory.unlearnability.drift import drift_ceiling
from theory.unlearnability.merge import fine_tuned
from theory.unlearnability.rules import adam

RATE = 0.1  # eta of every path here
FLOOR = 0.1  # eps, large: here Adam's steps shrink with the gradients again
SHORT = (0.5, 0.6)  # decays with a memory of few steps, so that their bound is met

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_SOURCE = "derived, security-vector notes theorem 4"
_HISTORY = "one coordinate, any gradients so far, bias-corrected moving averages"


def history(case: Case) -> Float[jax.Array, "*batch x step"]:
    """The gradients of one coordinate a context, as many as outputs.

    Formula: penalty p_s - p_f.

    >>> history(sharp(1.0)).shape
    (1, 2)
    """
    penalty = jnp.asarray(case.penalty)[..., None, None]
    return penalty * case.world.safety.outputs - case.world.capability.outputs


def worst_history() -> Case:
    """Two gradients whose second step is the longest, g_1 / g_2 = beta_1 / beta_2.

    >>> ratio = history(worst_history())[0, 0] / history(worst_history())[0, 1]
    >>> print(f"{float(ratio):.4f}")
    0.8333
    """
    first, second = SHORT
    share = (1 + 3 * first / second) / (1 + first / second) / 4
    return one_context([share, 1 - share], [0.5, 0.5], 2.0)


def _scale_free(case: Case, floor: float = 0.0) -> Sides:
    """Adam's step after gradients a millionth as large, against the original's."""
    gradients = history(case)
    return Sides(
        adam_step(1e-6 * gradients, floor=floor), adam_step(gradients, floor=floor)
    )


def _moves(case: Case) -> jax.Array:
    """Whether any gradient is above the rounding of what it was subtracted from."""
    return jnp.max(jnp.abs(history(case)), axis=-1) > 1e-9


def _ceiling(case: Case, factor: float = 1.0) -> Sides:
    """The size of the last step against the longest there is."""
    gradients = history(case)
    first, second = SHORT
    step = adam_step(gradients, floor=0.0, first=first, second=second)
    ceiling = adam_ceiling_at(gradients.shape[-1], first, second)
    return Sides(jnp.abs(step), factor * jnp.broadcast_to(ceiling, step.shape))


def _small(case: Case, factor: float = 1.0) -> Sides:
    """The size of the last step against the largest gradient by eps."""
    gradients = history(case)
    greatest = jnp.max(jnp.abs(gradients), axis=-1)
    ceiling = adam_small_step_ceiling(1.0, FLOOR, greatest)
    return Sides(jnp.abs(adam_step(gradients, floor=FLOOR)), factor * ceiling)


def _beside(case: Case, factor: float = 1.0) -> Sides:
    """The harmful part of a step in mixed batches against its bound.

    The harmful gradients are the policy's outputs, a hundredth as large, the benign
    ones the history.
    """
    benign, harm = history(case), 0.01 * jnp.asarray(case.policy)
    root = safe_sqrt(moving_average((benign + harm) ** 2, 0.999))
    part = moving_average(harm, 0.9) / jnp.where(root > 0, root, 1.0)
    spread = safe_sqrt(moving_average(benign**2, 0.999))
    ceiling = adam_harm_beside(1.0, jnp.max(harm, axis=-1), spread)
    return Sides(jnp.where(root > 0, part, 0.0), factor * ceiling)


def drifted(case: Case, floor: float) -> Nats:
    """How far full-batch Adam of rate RATE moves the active model's parameters.

    >>> print(f"{float(drifted(sharp(8.0), 0.0)):.2f}")
    0.99
    """
    rows = active(case)
    start = jnp.zeros((*rows.logits.shape[:-2], 3))
    rule = adam(RATE, floor)
    return length(fine_tuned(lambda x: mean_gradient(rows, x), start, rule, STEPS))


def _drift(case: Case, factor: float = 1.0) -> Sides:
    """Adam's drift, eps large, against theorem 3 at eta / eps."""
    error = factor * jnp.mean(errors(active(case)), axis=-1)
    ceiling = adam_drift_ceiling(RATE, FLOOR, apart(case), error, STEPS)
    return Sides(drifted(case, FLOOR), ceiling)


def _as_descent(case: Case) -> Sides:
    """Adam's drift, eps = 0, against the bound that gradient descent obeys."""
    total = STEPS * jnp.mean(errors(active(case)), axis=-1)
    return Sides(drifted(case, 0.0), drift_ceiling(RATE, apart(case), total))


RECORDS = (
    Record(
        name="Adam forgets scale",
        statement="step(c g_1, .., c g_t) = step(g_1, .., g_t) for c > 0, eps = 0",
        assumptions=_HISTORY,
        source=_SOURCE,
        side=Side.IDENTITY,
        function=_scale_free,
        domain=_moves,
        evidence=_WORLDS,
        planted=lambda c: _scale_free(c, 1e-6),
    ),
    Record(
        name="Adam, longest step",
        statement="|step| <= eta C sqrt((1 - r^t)(1 - b2^t)) / (1 - b1^t) <= eta C",
        assumptions=_HISTORY + "; r = b1^2 / b2 < 1, here b1 = .5, b2 = .6",
        source=_SOURCE,
        side=Side.UPPER,
        function=_ceiling,
        evidence=_WORLDS,
        tight_when="g_s ~ (b1 / b2)^(t - s)",
        tight_case=worst_history,
        tight_within=1e-9,
        vacuous_when="never; but it says nothing of small gradients",
        planted=lambda c: _ceiling(c, 0.8),
    ),
    Record(
        name="Adam, small gradients",
        statement="|step| <= (eta / eps) max_s |g_s|",
        assumptions=_HISTORY + ", eps > 0",
        source=_SOURCE,
        side=Side.UPPER,
        function=_small,
        evidence=_WORLDS,
        tight_when="constant gradients far below eps",
        tight_case=lambda: one_context([0.5, 0.5], [0.5, 0.5], 1.0001),
        tight_within=1e-3,
        vacuous_when="gradients above eps",
        planted=lambda c: _small(c, 0.1),
    ),
    Record(
        name="Adam, harm beside benign",
        statement="eta |m_h| / sqrt(v) <= eta h / (b - h)",
        assumptions=_HISTORY + "; h = max |g_h|, b = sqrt(v) of the benign gradients",
        source=_SOURCE,
        side=Side.UPPER,
        function=_beside,
        evidence=_WORLDS,
        tight_when="constant opposite gradients",
        tight_case=lambda: one_context([0.5, 0.5], [0.5, 0.5], 0.5),
        tight_within=1e-9,
        vacuous_when="b <= h: inf",
        planted=lambda c: _beside(c, 0.5),
    ),
    Record(
        name="Adam, drift by error",
        statement="drift <= -(1/D) log(1 - (eta/eps) D^2 T e(theta_0))",
        assumptions="full batches; D bounds the separation on the path, eps > 0",
        source=_SOURCE,
        side=Side.UPPER,
        function=_drift,
        evidence=_WORLDS,
        tight_when="D e far below eps, two outputs",
        tight_case=lambda: sharp(8.0),
        tight_within=1e-3,
        vacuous_when="(eta/eps) D^2 T e >= 1: inf",
        planted=lambda c: _drift(c, 0.2),
    ),
    Record(
        name="drift by error under Adam",
        statement="drift <= -(1/D) log(1 - eta D^2 sum_t e_t(theta_0))",
        assumptions="plausible: what holds of gradient descent; Adam with eps = 0",
        source="derived, security-vector notes theorem 4: residual loss alone bounds "
        "nothing under Adam; true of gradient descent, or at eta / eps",
        side=Side.FALSE,
        status=Status.FALSE,
        function=_as_descent,
        evidence="a counter-example, evaluated in every run of the tests",
        counter_example=lambda: sharp(8.0),
    ),
)
"""Theorem 4 of the security-vector notes."""
