"""Claims about vectors that are trained beside a simulated user: min-min."""

import jax
import jax.numpy as jnp

from theory.ledger.cases import one_context
from theory.ledger.displacement import positive
from theory.ledger.record import Case, Record, Side, Sides
from theory.typing import Nats
from theory.unlearnability.min_min import (
    adaptation_gap,
    effort_needed,
    joint_margin,
    reset_margin,
    residual_loss,
)

_WORLDS = "Hypothesis and 16,384 random worlds, float64, every run of the tests"
_MARGIN = "one margin, an additive vector, gradient flow on log(1 + e^-u)"


def _start(case: Case) -> Nats:
    """u_0: log-odds of the first two outputs in the first context."""
    row = jnp.log(positive(case.policy))[..., 0, :]
    start = row[..., 0] - row[..., 1]
    return jnp.broadcast_to(start, jnp.broadcast_shapes(*_shapes(case)))


def _shapes(case: Case) -> tuple[tuple[int, ...], ...]:
    """The batches of what the claims read of a case."""
    outputs = jnp.shape(case.world.proxy.outputs)[:-2]
    return jnp.shape(case.policy)[:-2], outputs, jnp.shape(case.penalty)


def _effort(case: Case) -> Nats:
    """The vector's effort, the penalty."""
    return jnp.broadcast_to(
        jnp.asarray(case.penalty) * 1.0, jnp.broadcast_shapes(*_shapes(case))
    )


def _user(case: Case) -> Nats:
    """a, the simulated user's step over the vector's, in [0, 4]."""
    return 4 * jnp.asarray(case.world.proxy.outputs)[..., 0, 0]


def _work(case: Case, of_reset: bool = False) -> Sides:
    """The speed of r by effort, differentiated, and sigma(-u)."""
    start, effort, user = _start(case), _effort(case), _user(case)

    def reset(effort: jax.Array) -> jax.Array:
        return reset_margin(start, effort, user)

    _, speed = jax.jvp(reset, (effort,), (jnp.ones_like(effort),))
    margin = reset_margin if of_reset else joint_margin
    return Sides(speed, jax.nn.sigmoid(-margin(start, effort, user)))


def _residuals(case: Case, unreset: bool = False) -> Sides:
    """What plain training leaves and what min-min leaves, or seems to before reset."""
    start, effort, user = _start(case), _effort(case), _user(case)
    margin = joint_margin if unreset else reset_margin
    plain = reset_margin(start, effort, 0.0)
    return Sides(residual_loss(plain), residual_loss(margin(start, effort, user)))


def _gap(case: Case, factor: float = 1.0) -> Sides:
    """The loss after reset minus before, and its closed form."""
    start, effort, user = _start(case), _effort(case), _user(case)
    after = residual_loss(reset_margin(start, effort, user))
    before = residual_loss(joint_margin(start, effort, user))
    return Sides(after - before, factor * adaptation_gap(start, effort, user))


def _inverse(case: Case, alone: bool = False) -> Sides:
    """A margin, and the one that the effort it needs gives."""
    start, user = _start(case), _user(case)
    margin = start + 5 / (1 + 1 / _effort(case))
    spent = effort_needed(start, margin, jnp.zeros_like(user) if alone else user)
    return Sides(margin, reset_margin(start, spent, user))


RECORDS = (
    Record(
        name="min-min, work of the vector",
        statement="dr/d effort = sigma(-u): what the simulated user has learnt, the "
        "vector need not",
        assumptions=_MARGIN,
        source="derived, security-vector notes remark 8",
        side=Side.IDENTITY,
        function=_work,
        evidence=_WORLDS,
        planted=lambda c: _work(c, of_reset=True),
    ),
    Record(
        name="min-min, no better than plain",
        statement="log(1 + e^-r(plain)) <= log(1 + e^-r(min-min)) at theta_0, equal "
        "effort of the vector",
        assumptions=_MARGIN,
        source="derived, security-vector notes remark 8",
        side=Side.UPPER,
        function=_residuals,
        evidence=_WORLDS,
        tight_when="the simulated user does not move",
        tight_case=lambda: one_context([0.9, 0.1], [0.2, 0.8], 1.0, [0.0, 1.0]),
        tight_within=1e-12,
        vacuous_when="never",
        planted=lambda c: _residuals(c, unreset=True),
    ),
    Record(
        name="min-min, adaptation gap",
        statement="log(1 + e^-r) - log(1 + e^-u) = log(1 + sigma(-u)(e^(u - r) - 1))",
        assumptions=_MARGIN,
        source="derived, security-vector notes remark 8",
        side=Side.IDENTITY,
        function=_gap,
        evidence=_WORLDS,
        planted=lambda c: _gap(c, 0.5),
    ),
    Record(
        name="min-min, effort",
        statement="effort(r) = x + e^u_0 (e^((1 + a) x) - 1) / (1 + a), x = r - u_0",
        assumptions=_MARGIN,
        source="derived, security-vector notes remark 8",
        side=Side.IDENTITY,
        function=_inverse,
        evidence=_WORLDS,
        planted=lambda c: _inverse(c, alone=True),
    ),
)
"""Remark 8 of the security-vector notes."""
