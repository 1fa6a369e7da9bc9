"""Claims about the solvable model: when a deactivated model flips, flow and steps."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.unlearnable_rows import active, losses, sharp
from theory.typing import Nats
from theory.unlearnability.drift import (
    resistance_certificate_descent,
    resistance_certificate_saturating,
)
from theory.unlearnability.flip_times import (
    flip_time,
    flip_time_by_loss,
    flip_time_classes,
    loss_on,
    margin_at,
    margin_at_classes,
    step_gain,
)
from theory.unlearnability.prediction_error import error_from_loss

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_SOURCE = "derived, security-vector notes theorem 3'"
_FLOW = "one margin, logistic loss, gradient flow; times to e^30"


class Margins(NamedTuple):
    """What the solvable model needs: m, at least 0.01, and s, at most 30."""

    margin: Nats
    shift: Nats


def margins(case: Case) -> Margins:
    """M = the loss at the first context, at most 20; s = half the penalty.

    >>> print(f"{float(margins(sharp(8.0)).shift):.1f}")
    4.0
    """
    margin = jnp.clip(losses(active(case))[..., 0], 0.01, 20.0)
    return Margins(margin, jnp.minimum(jnp.asarray(case.penalty) / 2, 30.0))


def _classes(case: Case) -> float:
    """V: as many as outputs."""
    return float(jnp.shape(case.policy)[-1])


def _flips(case: Case, late: float = 1.0) -> Sides:
    """The margin at the flip time, against 0."""
    margin, shift = margins(case)
    end = margin_at(late * flip_time(margin, shift), margin, shift)
    return Sides(end, jnp.zeros_like(end))


def _flips_classes(case: Case, late: float = 1.0) -> Sides:
    """The same with V symmetric classes."""
    (margin, shift), classes = margins(case), _classes(case)
    time = late * flip_time_classes(margin, shift, classes)
    end = margin_at_classes(time, margin, shift, classes)
    return Sides(end, jnp.zeros_like(end))


def _by_loss(case: Case, factor: float = 1.0) -> Sides:
    """Log T from the shift against log T from the loss that the vector leaves."""
    margin, shift = margins(case)
    by_loss = flip_time_by_loss(margin, factor * loss_on(margin, shift))
    return Sides(jnp.log(flip_time(margin, shift)), jnp.log(by_loss))


def _certified(case: Case, factor: float = 1.0) -> Sides:
    """Both certificates at D = D_off = 1 and a fall of m, against the flip time."""
    margin, shift = margins(case)
    loss = loss_on(margin, shift)
    error, fall = error_from_loss(loss), factor * margin
    steps = (
        resistance_certificate_saturating(1.0, 1.0, 1.0, error, fall),
        resistance_certificate_descent(1.0, 1.0, 1.0, loss, fall),
    )
    time = flip_time(margin, shift)
    return Sides(jnp.stack(steps, axis=-1), time[..., None])


def _gain(case: Case) -> tuple[Nats, Nats]:
    """The time of the flow that one step of rate eta gains, and eta <= 1."""
    margin, shift = margins(case)
    start = shift - margin
    step = 1 / (1 + jnp.asarray(case.penalty))
    move = step * jax.nn.sigmoid(-start)
    return move + jnp.exp(start) * jnp.expm1(move), step


def _step_floor(case: Case, factor: float = 1.0) -> Sides:
    """1 against the time gained, in units of eta."""
    gained, step = _gain(case)
    return Sides(factor * jnp.ones_like(gained), gained / step)


def _step_ceiling(case: Case, factor: float = 1.0) -> Sides:
    """The time gained in units of eta, beyond 1, against eta e^eta / 8."""
    gained, step = _gain(case)
    return Sides(gained / step, 1 + factor * (step_gain(step) - 1))


RECORDS = (
    Record(
        name="flip time",
        statement="w(m + e^s (1 - e^-m)) = 0",
        assumptions=_FLOW,
        source=_SOURCE,
        side=Side.IDENTITY,
        function=_flips,
        evidence=_WORLDS,
        planted=lambda c: _flips(c, 1.1),
    ),
    Record(
        name="flip time, classes",
        statement="w((e^s (1 - e^-m) + (V - 1) m) / V) = 0",
        assumptions="V symmetric classes, all logits trained, gradient flow",
        source=_SOURCE,
        side=Side.IDENTITY,
        function=_flips_classes,
        evidence=_WORLDS,
        planted=lambda c: _flips_classes(c, 1.1),
    ),
    Record(
        name="flip time by loss",
        statement="m + e^s (1 - e^-m) = m + (e^m - 1) / (e^L_0 - 1)",
        assumptions=_FLOW,
        source=_SOURCE,
        side=Side.IDENTITY,
        function=_by_loss,
        evidence=_WORLDS,
        planted=lambda c: _by_loss(c, 0.9),
    ),
    Record(
        name="flip time, certificates",
        statement="max(m + (1 - e)/e (1 - e^-m), m / e) <= m + (1 - e)/e (e^m - 1)",
        assumptions=_FLOW + "; e the error of the active model at the start",
        source=_SOURCE + " against theorem 3",
        side=Side.LOWER,
        function=_certified,
        evidence=_WORLDS,
        tight_when="m -> 0",
        tight_case=lambda: sharp(8.0),
        tight_within=0.011,
        vacuous_when="never; short by a factor e^m",
        planted=lambda c: _certified(c, 1.5),
    ),
    Record(
        name="flip by steps, least gain",
        statement="eta <= Delta + e^u (e^Delta - 1), Delta = eta / (1 + e^u)",
        assumptions="one margin, logistic loss, one gradient step",
        source="derived, extends security-vector notes theorem 3' to steps",
        side=Side.LOWER,
        function=_step_floor,
        evidence=_WORLDS,
        tight_when="eta -> 0",
        tight_case=lambda: sharp(50.0),
        tight_within=1e-2,
        vacuous_when="never",
        planted=lambda c: _step_floor(c, 1.05),
    ),
    Record(
        name="flip by steps, greatest gain",
        statement="Delta + e^u (e^Delta - 1) <= eta (1 + eta e^eta / 8)",
        assumptions="one margin, logistic loss, one gradient step",
        source="derived, extends security-vector notes theorem 3' to steps",
        side=Side.UPPER,
        function=_step_ceiling,
        evidence=_WORLDS,
        tight_when="eta -> 0, u = 0",
        tight_case=lambda: sharp(50.0),
        tight_within=1e-2,
        vacuous_when="eta above 1",
        planted=lambda c: _step_ceiling(c, 0.5),
    ),
)
"""Theorem 3' of the security-vector notes."""
