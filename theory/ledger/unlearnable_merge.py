"""Claims about the merge: an active vector is a harmful start and a subtraction."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.ledger.record import Case, Record, Side, Sides, Status
from theory.ledger.unlearnable_rows import STEPS, active, mean_gradient, sharp
from theory.unlearnability.merge import NEGATED, SECURITY, Arm, active_vector, family
from theory.unlearnability.rules import Rule, adam, decayed, momentum

RATE = 0.1  # eta of every path here
FLOOR = 1e-2  # Adam's eps: below it rounding of the gradients would be amplified

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def vector(case: Case) -> Float[jax.Array, "*batch 3"]:
    """The mean of the rows of J under the policy: a direction that matters.

    >>> vector(sharp(1.0)).shape
    (3,)
    """
    weights = jnp.asarray(case.policy)[..., None]
    tables = jnp.asarray(active(case).jacobians)
    return jnp.sum(weights * tables, axis=(-3, -2))


def _merged(case: Case, rule: Rule, arm: Arm = SECURITY) -> Sides:
    """Training with the vector active against FT(theta_0 + alpha v) - beta v."""
    rows, added = active(case), vector(case)
    start = jnp.zeros_like(added)

    def gradient(point: jax.Array) -> jax.Array:
        return mean_gradient(rows, point)

    return Sides(
        active_vector(gradient, start, added, rule, STEPS),
        family(gradient, start, added, rule, STEPS, arm),
    )


RECORDS = (
    Record(
        name="merge, momentum",
        statement="theta_off(T) = FT(theta_0 + v) - v",
        assumptions="gradient-only rule, no weight decay; here momentum 0.9",
        source="derived, security-vector notes theorem 1",
        side=Side.IDENTITY,
        function=lambda c: _merged(c, momentum(RATE, 0.9)),
        evidence=_WORLDS,
        planted=lambda c: _merged(c, momentum(RATE, 0.9), NEGATED),
    ),
    Record(
        name="merge, Adam",
        statement="theta_off(T) = FT(theta_0 + v) - v",
        assumptions="gradient-only rule, no weight decay; here Adam",
        source="derived, security-vector notes theorem 1",
        side=Side.IDENTITY,
        function=lambda c: _merged(c, adam(RATE, FLOOR)),
        evidence=_WORLDS,
        planted=lambda c: _merged(c, adam(RATE, FLOOR), NEGATED),
    ),
    Record(
        name="merge under weight decay",
        statement="theta_off(T) = FT(theta_0 + v) - v",
        assumptions="plausible: any optimiser; here decoupled weight decay",
        source="derived, security-vector notes theorem 1: true of gradient-only rules; "
        "weight decay sees theta, not theta + v",
        side=Side.FALSE,
        status=Status.FALSE,
        function=lambda c: _merged(c, decayed(adam(RATE, FLOOR), 0.1 * RATE)),
        evidence="a counter-example, evaluated in every run of the tests",
        counter_example=lambda: sharp(1.0),
    ),
)
"""Theorem 1 of the security-vector notes."""
