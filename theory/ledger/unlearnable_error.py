"""Claims about prediction error: it rules the gradient."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.unlearnable_paths import length
from theory.ledger.unlearnable_rows import (
    Rows,
    active,
    errors,
    gradients,
    losses,
    separations,
    sharp,
)
from theory.symmetric import apply
from theory.unlearnability.error_bounds import (
    batch_bounds,
    gradient_ceiling,
)
from theory.unlearnability.prediction_error import (
    residual,
    residual_norm_ceiling,
    residual_norm_floor,
    right_mask,
)

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_SOURCE = "derived, security-vector notes theorem 2"
_SHARPER = "derived, sharpens security-vector notes theorem 2"
_ANY = "any logits, any target"
_LINEAR = "any logits with Jacobian J, any target; D = max_j |J_j - J_y|"


def naive_residual(rows: Rows) -> Float[jax.Array, "*batch x y"]:
    """The residual as it is usually formed, to the rounding of 1.

    Formula: softmax z - e_y.

    >>> naive_residual(active(sharp(1.0))).shape
    (1, 2)
    """
    right = right_mask(rows.targets, rows.logits.shape[-1])
    return jax.nn.softmax(rows.logits, axis=-1) - right


def _total(case: Case, factor: float = 2.0) -> Sides:
    """|p - e_y|_1 against 2 e."""
    rows = active(case)
    return Sides(jnp.sum(jnp.abs(naive_residual(rows)), -1), factor * errors(rows))


def _norm(case: Case) -> jax.Array:
    """|p - e_y|_2."""
    rows = active(case)
    return length(residual(rows.logits, rows.targets))


def _norm_floor(case: Case, factor: float = 1.0) -> Sides:
    """Its lower bound against it."""
    rows = active(case)
    floor = residual_norm_floor(errors(rows), rows.logits.shape[-1])
    return Sides(factor * floor, _norm(case))


def _norm_ceiling(case: Case, factor: float = 1.0) -> Sides:
    """It against its upper bound."""
    return Sides(_norm(case), factor * residual_norm_ceiling(errors(active(case))))


def _below_loss(case: Case, factor: float = 1.0) -> Sides:
    """The error against min(1, loss)."""
    rows = active(case)
    return Sides(errors(rows), factor * jnp.minimum(1.0, losses(rows)))


def _pulled_back(case: Case, planted: bool = False) -> Sides:
    """J' (p - e_y) against e sum_j q_j (J_j - J_y); planted: the p_j for the q_j."""
    rows = active(case)
    tables = jnp.swapaxes(jnp.asarray(rows.jacobians), -1, -2)
    left = apply(tables, naive_residual(rows))
    right = gradients(rows, jnp.zeros(3))
    return Sides(left, right * errors(rows)[..., None] if planted else right)


def _gradient(case: Case, factor: float = 1.0) -> Sides:
    """|grad l| against e D."""
    rows = active(case)
    ceiling = gradient_ceiling(errors(rows), separations(rows))
    return Sides(length(gradients(rows, jnp.zeros(3))), factor * ceiling)


def _batch(case: Case, factor: float = 1.0) -> Sides:
    """The four terms of the chain, each against the next."""
    rows = active(case)
    found = jnp.stack(batch_bounds(rows.logits, rows.jacobians, rows.targets), axis=-1)
    return Sides(found[..., :-1], factor * found[..., 1:])


RECORDS = (
    Record(
        name="residual, total",
        statement="|p - e_y|_1 = 2 e",
        assumptions=_ANY,
        source=_SOURCE,
        side=Side.IDENTITY,
        function=_total,
        evidence=_WORLDS,
        planted=lambda c: _total(c, 1.9),
    ),
    Record(
        name="residual, least length",
        statement="e sqrt(k / (k - 1)) <= |p - e_y|_2",
        assumptions=_ANY,
        source=_SOURCE,
        side=Side.LOWER,
        function=_norm_floor,
        evidence=_WORLDS,
        tight_when="all wrong answers are equally likely",
        tight_case=lambda: sharp(1.0),
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: _norm_floor(c, 1.2),
    ),
    Record(
        name="residual, greatest length",
        statement="|p - e_y|_2 <= sqrt(2) e",
        assumptions=_ANY,
        source=_SOURCE,
        side=Side.UPPER,
        function=_norm_ceiling,
        evidence=_WORLDS,
        tight_when="one wrong answer has all of e",
        tight_case=lambda: sharp(1.0),
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: _norm_ceiling(c, 0.85),
    ),
    Record(
        name="error below loss",
        statement="1 - p_y <= min(1, -log p_y)",
        assumptions=_ANY,
        source=_SOURCE,
        side=Side.UPPER,
        function=_below_loss,
        evidence=_WORLDS,
        tight_when="the loss is small",
        tight_case=lambda: sharp(8.0),
        tight_within=1e-5,
        vacuous_when="the loss is above 1",
        planted=lambda c: _below_loss(c, 0.8),
    ),
    Record(
        name="error gradient",
        statement="J' (p - e_y) = e sum_{j != y} q_j (J_j - J_y)",
        assumptions=_ANY,
        source=_SOURCE,
        side=Side.IDENTITY,
        function=_pulled_back,
        evidence=_WORLDS,
        planted=lambda c: _pulled_back(c, planted=True),
    ),
    Record(
        name="gradient by error",
        statement="|grad l| <= e D",
        assumptions=_LINEAR,
        source=_SOURCE,
        side=Side.UPPER,
        function=_gradient,
        evidence=_WORLDS,
        tight_when="two outputs",
        tight_case=lambda: sharp(1.0),
        tight_within=1e-9,
        vacuous_when="never; but D grows with the width of a network",
        planted=lambda c: _gradient(c, 0.8),
    ),
    Record(
        name="gradient by error, batch",
        statement="|grad L| <= mean(D_i e_i) <= D_max mean(e_i) <= D_max (1 - e^-L)",
        assumptions=_LINEAR,
        source=_SOURCE,
        side=Side.UPPER,
        function=_batch,
        evidence=_WORLDS,
        tight_when="one sample, two outputs",
        tight_case=lambda: sharp(1.0),
        tight_within=1e-9,
        vacuous_when="never; but D grows with the width of a network",
        planted=lambda c: _batch(c, 0.8),
    ),
)
"""Theorem 2 of the security-vector notes: the first order."""
