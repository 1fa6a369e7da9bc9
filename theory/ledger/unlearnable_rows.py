"""A trade-off case read as a model with a security vector: rows of logits that move.

Every context is a harmful sample. Logits move linearly, z(x; theta) = z_0(x) + J(x)
theta with three parameters, so that the separations D are exact on any path. Active,
the model starts at the policy sharpened by the penalty: errors from 0.75 to e^-400.
Deactivated, the target's logit lacks a shift and J is another table.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from theory.ledger.cases import one_context
from theory.ledger.displacement import positive
from theory.ledger.record import Case
from theory.typing import Array, Nats
from theory.unlearnability.error_bounds import loss_gradient, separation
from theory.unlearnability.prediction_error import (
    answer_loss,
    error_probability,
    right_mask,
)

STEPS = 6  # of every training path: each of three contexts is used twice

Point = Float[Array, "... 3"]
"""The three parameters."""


class Rows(NamedTuple):
    """Samples of a model whose logits are linear in three parameters.

    `logits` [..., x, y] at the start, `jacobians` [..., x, y, 3], `targets` [..., x].
    """

    logits: Float[Array, "*batch x y"]
    jacobians: Float[Array, "*batch x y 3"]
    targets: Int[Array, "*batch x"]


def sharp(penalty: float) -> Case:
    """Golden A whose active model errs little: about (.18 / .82)^8 at penalty 8.

    >>> print(f"{float(errors(active(sharp(8.0)))[0]):.1e}")
    4.9e-06
    """
    return one_context([0.9, 0.1], [0.2, 0.8], penalty)


def active(case: Case) -> Rows:
    """The model with the vector.

    Formula: z_0 = penalty log policy, J = the three tables, y = the likeliest output of
    the safety data.

    >>> active(sharp(1.0)).jacobians.shape
    (1, 2, 3)
    """
    world = case.world
    tables = [world.safety.outputs, world.proxy.outputs, world.capability.outputs]
    penalty = jnp.asarray(case.penalty)[..., None, None]
    logits = penalty * jnp.log(positive(case.policy))
    targets = jnp.argmax(jnp.asarray(tables[0]), axis=-1)
    return Rows(logits, jnp.stack(jnp.broadcast_arrays(*tables), axis=-1), targets)


def deactivated(case: Case) -> Rows:
    """The model without the vector: the target's logit lacks 3 penalties.

    Formula: z_y - 3 penalty, and J squared entry by entry.

    >>> print(f"{float(losses(deactivated(sharp(8.0)))[0]):.1f}")
    11.8
    """
    rows = active(case)
    shift = 3 * jnp.asarray(case.penalty)[..., None, None]
    right = right_mask(rows.targets, rows.logits.shape[-1])
    logits = rows.logits - jnp.where(right, shift, 0.0)
    return Rows(logits, rows.jacobians**2, rows.targets)


def logits_at(rows: Rows, point: Point) -> Float[jax.Array, "... x y"]:
    """The logits at a point.

    Formula: z_0 + J theta.

    >>> logits_at(active(sharp(1.0)), jnp.zeros(3)).shape
    (1, 2)
    """
    moved = jnp.sum(rows.jacobians * jnp.asarray(point)[..., None, None, :], axis=-1)
    return jnp.asarray(rows.logits) + moved


def errors(rows: Rows) -> Float[jax.Array, "*batch x"]:
    """The prediction errors of the samples at the start.

    >>> errors(active(sharp(1.0))).shape
    (1,)
    """
    return error_probability(rows.logits, rows.targets)


def losses(rows: Rows) -> Float[jax.Array, "*batch x"]:
    """The losses of the samples at the start.

    >>> losses(active(sharp(1.0))).shape
    (1,)
    """
    return answer_loss(rows.logits, rows.targets)


def separations(rows: Rows) -> Float[jax.Array, "*batch x"]:
    """D of every sample.

    >>> separations(active(sharp(1.0))).shape
    (1,)
    """
    return separation(rows.jacobians, rows.targets)


def mean_loss(rows: Rows, point: Point) -> Nats:
    """The mean loss of the samples at a point.

    >>> mean_loss(active(sharp(1.0)), jnp.zeros(3)).shape
    ()
    """
    return jnp.mean(answer_loss(logits_at(rows, point), rows.targets), axis=-1)


def gradients(rows: Rows, point: Point) -> Float[jax.Array, "... x 3"]:
    """The gradients of the samples' losses at a point.

    >>> gradients(active(sharp(1.0)), jnp.zeros(3)).shape
    (1, 3)
    """
    return loss_gradient(logits_at(rows, point), rows.jacobians, rows.targets)


def mean_gradient(rows: Rows, point: Point) -> Float[jax.Array, "... 3"]:
    """The gradient of the mean loss at a point.

    >>> mean_gradient(active(sharp(1.0)), jnp.zeros(3)).shape
    (3,)
    """
    return jnp.mean(gradients(rows, point), axis=-2)


def rate(case: Case) -> Nats:
    """The step of training.

    Formula: eta = 1 / (1 + penalty).

    >>> float(rate(sharp(3.0)))
    0.25
    """
    return 1 / (1 + jnp.asarray(case.penalty))
