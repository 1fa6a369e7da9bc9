"""Claims about prediction error: it rules the curvature and the shelf life."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.unlearnable_paths import length
from theory.ledger.unlearnable_rows import (
    active,
    errors,
    separations,
    sharp,
)
from theory.symmetric import apply
from theory.unlearnability.error_bounds import (
    contrasts,
    curvature_ceiling,
    error_after,
    error_after_log_odds,
    logit_curvature,
    stiffness_ceiling,
)
from theory.unlearnability.prediction_error import (
    error_probability,
    right_mask,
    wrong_law,
)

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_SOURCE = "derived, security-vector notes theorem 2"
_SHARPER = "derived, sharpens security-vector notes theorem 2"
_ANY = "any logits, any target"
_LINEAR = "any logits with Jacobian J, any target; D = max_j |J_j - J_y|"


def _logit_curvature(case: Case, factor: float = 1.0) -> Sides:
    """The curvature along the law of wrong answers minus e_y, against its bound."""
    rows = active(case)
    right = right_mask(rows.targets, rows.logits.shape[-1])
    direction = wrong_law(rows.logits, rows.targets) - right
    curvature = logit_curvature(rows.logits, direction, rows.targets)
    size = jnp.sum(direction**2, axis=-1)
    return Sides(curvature, factor * curvature_ceiling(errors(rows)) * size)


def _stiffness(case: Case, factor: float = 1.0) -> Sides:
    """The curvature along a move of the parameters, against e D^2."""
    rows, move = active(case), _move(case)
    moved = apply(rows.jacobians, move)
    curvature = logit_curvature(rows.logits, moved, rows.targets)
    ceiling = stiffness_ceiling(errors(rows), separations(rows))
    return Sides(curvature, factor * ceiling * jnp.sum(move**2, axis=-1))


def _move(case: Case) -> Float[jax.Array, "*batch x 3"]:
    """A move of the parameters that weakens every sample: twice the mean contrast."""
    rows = active(case)
    weights = jnp.asarray(case.policy)[..., None]
    return 2 * jnp.sum(weights * contrasts(rows.jacobians, rows.targets), axis=-2)


def _after(case: Case) -> jax.Array:
    """The error of every sample after its move."""
    rows, move = active(case), _move(case)
    logits = rows.logits + apply(rows.jacobians, move)
    return error_probability(logits, rows.targets)


def _shelf_life(case: Case, factor: float = 1.0) -> Sides:
    """The error after the move against e exp(D |Delta|)."""
    rows = active(case)
    distance = factor * length(_move(case))
    return Sides(_after(case), error_after(errors(rows), separations(rows), distance))


def _shelf_life_sharp(case: Case, factor: float = 1.0) -> Sides:
    """The error after the move against its bound by log-odds."""
    rows = active(case)
    distance = factor * length(_move(case))
    ceiling = error_after_log_odds(errors(rows), separations(rows), distance)
    return Sides(_after(case), ceiling)


RECORDS = (
    Record(
        name="curvature by error",
        statement="u' (diag p - p p') u <= min(1/2, 2 e - e^2) |u|^2",
        assumptions=_ANY,
        source=_SOURCE,
        side=Side.UPPER,
        function=_logit_curvature,
        evidence=_WORLDS,
        tight_when="two outputs, small e",
        tight_case=lambda: sharp(8.0),
        tight_within=1e-5,
        vacuous_when="e above 0.3: the universal 1/2",
        planted=lambda c: _logit_curvature(c, 0.7),
    ),
    Record(
        name="stiffness by error",
        statement="u' J' (diag p - p p') J u <= e D^2 |u|^2",
        assumptions=_LINEAR,
        source=_SHARPER,
        side=Side.UPPER,
        function=_stiffness,
        evidence=_WORLDS,
        tight_when="two outputs, small e, u along their contrast",
        tight_case=lambda: sharp(8.0),
        tight_within=1e-5,
        vacuous_when="never; but D grows with the width of a network",
        planted=lambda c: _stiffness(c, 0.3),
    ),
    Record(
        name="shelf life",
        statement="e(theta + Delta) <= min(1, e exp(D |Delta|))",
        assumptions=_LINEAR + " on the segment",
        source=_SOURCE,
        side=Side.UPPER,
        function=_shelf_life,
        evidence=_WORLDS,
        tight_when="two outputs that move straight, small e",
        tight_case=lambda: sharp(8.0),
        tight_within=1e-3,
        vacuous_when="|Delta| above log(1/e) / D",
        planted=lambda c: _shelf_life(c, 0.3),
    ),
    Record(
        name="shelf life, log-odds",
        statement="e' <= e / (e + (1 - e) exp(-D |Delta|))",
        assumptions=_LINEAR + " on the segment",
        source=_SHARPER,
        side=Side.UPPER,
        function=_shelf_life_sharp,
        evidence=_WORLDS,
        tight_when="two outputs that move straight",
        tight_case=lambda: sharp(1.0),
        tight_within=1e-9,
        vacuous_when="never: below 1 for e below 1",
        planted=lambda c: _shelf_life_sharp(c, 0.3),
    ),
)
"""Theorem 2 of the security-vector notes: the second order, and the shelf life."""
