"""Prediction error rules the gradient and the curvature: force and stiffness are O(e).

z(theta) has the Jacobian J = dz/dtheta, a row an output. What counts are differences of
rows: D = max_{j != y} |J_j - J_y| is blind to a shift of all logits.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from theory.numerics import safe_sqrt
from theory.typing import Array
from theory.unlearnability.prediction_error import (
    Logits,
    Number,
    Result,
    Targets,
    answer_loss,
    error_from_loss,
    error_probability,
    right_mask,
    wrong_law,
)

Jacobian = Float[Array, "*#batch k n"]
"""How every logit (a row) moves with every parameter."""


class BatchBounds(NamedTuple):
    """A batch's gradient norm and three bounds of it, each above the one before.

    `norm` is |grad L|, `separate` mean(D_i e_i), `joint` D_max mean(e_i), `by_loss`
    D_max (1 - exp(-L)) with L the mean loss.
    """

    norm: Result
    separate: Result
    joint: Result
    by_loss: Result


def contrasts(jacobian: Jacobian, target: Targets) -> Float[jax.Array, "*batch k n"]:
    """How the logit of every output moves against that of the target.

    Formula: J_j - J_y. Shapes: [..., k, n], [...] -> [..., k, n]. Source: derived,
    security-vector notes theorem 2.

    >>> contrasts(jnp.array([[1.0], [3.0]]), jnp.array(0)).tolist()
    [[0.0], [2.0]]
    """
    rows = jnp.asarray(jacobian) * 1.0
    right = right_mask(target, rows.shape[-2])[..., None]
    return rows - jnp.sum(jnp.where(right, rows, 0.0), axis=-2, keepdims=True)


def separation(jacobian: Jacobian, target: Targets) -> Result:
    """D, the most that a unit step can move a wrong logit against the right one.

    Formula: D = max_{j != y} |J_j - J_y|. Shapes: [..., k, n], [...] -> [...]. Unit:
    nats by unit of parameter. Source: derived, security-vector notes theorem 2.

    >>> print(f"{float(separation(jnp.eye(3), jnp.array(0))):.4f}")
    1.4142
    """
    squares = jnp.sum(contrasts(jacobian, target) ** 2, axis=-1)
    return safe_sqrt(jnp.max(squares, axis=-1))


def log_odds_gradient(
    logits: Logits, jacobian: Jacobian, target: Targets
) -> Float[jax.Array, "*batch n"]:
    """The gradient of log(e / (1 - e)): never longer than D, however small e is.

    Formula: grad a = sum_{j != y} q_j (J_j - J_y). Shapes: [..., k], [..., k, n], [...]
    -> [..., n]. Source: derived, security-vector notes theorem 2.

    >>> log_odds_gradient(jnp.zeros(2), jnp.eye(2), jnp.array(0)).tolist()
    [-1.0, 1.0]
    """
    law = wrong_law(logits, target)[..., None]
    return jnp.sum(law * contrasts(jacobian, target), axis=-2)


def loss_gradient(
    logits: Logits, jacobian: Jacobian, target: Targets
) -> Float[jax.Array, "*batch n"]:
    """The gradient of the loss: the prediction error times that of the log-odds.

    Formula: grad l = e sum_{j != y} q_j (J_j - J_y) = J' (p - e_y). Shapes: [..., k],
    [..., k, n], [...] -> [..., n]. Source: derived, security-vector notes theorem 2.

    >>> loss_gradient(jnp.zeros(2), jnp.eye(2), jnp.array(0)).tolist()
    [-0.5, 0.5]
    """
    error = error_probability(logits, target)[..., None]
    return error * log_odds_gradient(logits, jacobian, target)


def gradient_ceiling(error: Number, apart: Number) -> Result:
    """The greatest |grad l| at a prediction error e and separation D.

    Formula: |grad l| <= e D, equal for two outputs. Shape: any, broadcast. Source:
    derived, security-vector notes theorem 2.

    >>> float(gradient_ceiling(0.25, 2.0))
    0.5
    """
    return jnp.asarray(error) * jnp.asarray(apart) * 1.0


def gradient_ceiling_spectral(error: Number, jacobian_norm: Number) -> Result:
    """The greatest |grad l| at a prediction error and a spectral norm of J.

    Formula: |grad l| <= sqrt(2) |J| e; weaker than e D, since D <= sqrt(2) |J|. Shape:
    any, broadcast. Source: derived, security-vector notes theorem 2.

    >>> print(f"{float(gradient_ceiling_spectral(0.5, 1.0)):.4f}")
    0.7071
    """
    return jnp.sqrt(2.0) * jnp.asarray(jacobian_norm) * jnp.asarray(error)


def batch_bounds(
    logits: Float[Array, "*#batch i k"],
    jacobians: Float[Array, "*#batch i k n"],
    targets: Int[Array, "*#batch i"],
) -> BatchBounds:
    """The gradient norm of the mean loss of a batch, and three bounds of it.

    Formula: |grad L| <= mean(D_i e_i) <= D_max mean(e_i) <= D_max (1 - exp(-L)), by
    Jensen. Shapes: [..., i, k], [..., i, k, n], [..., i] -> four of [...]. Source:
    derived, security-vector notes theorem 2.

    >>> found = batch_bounds(jnp.zeros((1, 2)), jnp.eye(2)[None], jnp.array([0]))
    >>> " ".join(f"{float(value):.4f}" for value in found)
    '0.7071 0.7071 0.7071 0.7071'
    """
    gradient = jnp.mean(loss_gradient(logits, jacobians, targets), axis=-2)
    errors = error_probability(logits, targets)
    apart = separation(jacobians, targets)
    loss = jnp.mean(answer_loss(logits, targets), axis=-1)
    greatest = jnp.max(apart, axis=-1)
    return BatchBounds(
        norm=safe_sqrt(jnp.sum(gradient**2, axis=-1)),
        separate=jnp.mean(apart * errors, axis=-1),
        joint=greatest * jnp.mean(errors, axis=-1),
        by_loss=greatest * error_from_loss(loss),
    )


def logit_curvature(logits: Logits, direction: Logits, target: Targets) -> Result:
    """The curvature of the loss in the logits along a direction u.

    Formula: u' (diag p - p p') u = Var_p(u) = e (E_q[d^2] - e E_q[d]^2) with d = u -
    u_y: no cancellation as e -> 0. Shapes: [..., k], [..., k], [...] -> [...]. Source:
    derived, security-vector notes theorem 2.

    >>> float(logit_curvature(jnp.zeros(2), jnp.array([1.0, -1.0]), jnp.array(0)))
    1.0
    """
    error, law = error_probability(logits, target), wrong_law(logits, target)
    step = contrasts(jnp.asarray(direction)[..., None], target)[..., 0]
    mean, square = jnp.sum(law * step, axis=-1), jnp.sum(law * step**2, axis=-1)
    return error * (square - error * mean**2)


def curvature_ceiling(error: Number) -> Result:
    """The greatest eigenvalue that the Hessian in the logits can have.

    Formula: lambda_max(diag p - p p') <= min(1/2, 2 e - e^2). Shape: any. Source:
    derived, security-vector notes theorem 2.

    >>> float(curvature_ceiling(0.5))
    0.5
    """
    error = jnp.asarray(error) * 1.0
    return jnp.minimum(0.5, error * (2 - error))


def stiffness_ceiling(error: Number, apart: Number, bending: Number = 0.0) -> Result:
    """The greatest eigenvalue, in size, of the Hessian of the loss in the parameters.

    Formula: e D^2 + 2 e B with B = max_k |grad^2 z_k|: the Gauss-Newton part is
    Var_p(J u) <= sum_{j != y} p_j ((J_j - J_y) u)^2, the rest has |p - e_y|_1 = 2 e.
    Shape: any, broadcast. Source: derived, security-vector notes theorem 2; e D^2
    sharpens its |J|^2 (2 e - e^2) at small e.

    >>> float(stiffness_ceiling(0.25, 2.0))
    1.0
    """
    apart, bending = jnp.asarray(apart), jnp.asarray(bending)
    return jnp.asarray(error) * (apart**2 + 2 * bending)


def error_after(error: Number, apart: Number, distance: Number) -> Result:
    """The greatest prediction error after a move: how long a vector stays effective.

    Formula: e(theta + Delta) <= min(1, e exp(D |Delta|)), D on the whole segment; the
    vector serves while |Delta| << log(1/e) / D. Shape: any, broadcast. Source: derived,
    security-vector notes theorem 2.

    >>> print(f"{float(error_after(0.01, 2.0, 1.0)):.4f}")
    0.0739
    """
    grown = jnp.exp(jnp.asarray(apart) * jnp.asarray(distance) * 1.0)
    return jnp.minimum(1.0, jnp.asarray(error) * grown)


def error_after_log_odds(error: Number, apart: Number, distance: Number) -> Result:
    """The greatest prediction error after a move, sharper and below 1.

    Formula: e' / (1 - e') <= e / (1 - e) exp(D |Delta|), so e' <= e / (e + (1 - e)
    exp(-D |Delta|)); exact for two outputs that move straight. Shape: any, broadcast.
    Source: derived, from the gradient of the log-odds in security-vector notes theorem
    2, whose exp form it sharpens.

    >>> print(f"{float(error_after_log_odds(0.01, 2.0, 1.0)):.4f}")
    0.0695
    """
    error = jnp.asarray(error) * 1.0
    shrunk = jnp.exp(-jnp.asarray(apart) * jnp.asarray(distance) * 1.0)
    total = error + (1 - error) * shrunk
    safe = total > 0
    return jnp.where(safe, error / jnp.where(safe, total, 1.0), 0.0)
