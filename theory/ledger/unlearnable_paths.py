"""Training paths of the model with a security vector: samples in turn, and all at once.

A few steps of exact gradients: what the drift bounds are asked about.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.ledger.record import Case
from theory.ledger.unlearnable_rows import (
    STEPS,
    Rows,
    active,
    gradients,
    mean_gradient,
    rate,
)
from theory.numerics import safe_sqrt
from theory.typing import Nats


class Path(NamedTuple):
    """Where training ends and how long its way was."""

    end: Float[jax.Array, "*batch 3"]
    length: Nats


def length(vector: Float[jax.Array, "*batch n"]) -> Nats:
    """The Euclidean length, with gradient 0 at 0.

    >>> float(length(jnp.array([3.0, 4.0])))
    5.0
    """
    return safe_sqrt(jnp.sum(vector**2, axis=-1))


def single_steps(case: Case, rows: Rows) -> Path:
    """The path of single-sample steps, the samples taken in turn.

    >>> from theory.ledger.unlearnable_rows import sharp
    >>> single_steps(sharp(1.0), active(sharp(1.0))).end.shape
    (3,)
    """
    samples = rows.logits.shape[-2]
    point, way = _start(rows), jnp.zeros(())
    for step in range(STEPS):
        sample = step % samples
        gradient = gradients(rows, point)[..., sample, :]
        point, way = _moved(case, point, way, gradient)
    return Path(point, way)


def descended(case: Case) -> Path:
    """The path of full-batch gradient descent on the active model.

    >>> from theory.ledger.unlearnable_rows import sharp
    >>> descended(sharp(1.0)).end.shape
    (3,)
    """
    rows = active(case)
    point, way = _start(rows), jnp.zeros(())
    for _ in range(STEPS):
        point, way = _moved(case, point, way, mean_gradient(rows, point))
    return Path(point, way)


def _start(rows: Rows) -> jax.Array:
    """Theta_0 = 0 for every case."""
    return jnp.zeros((*rows.logits.shape[:-2], 3))


def _moved(
    case: Case, point: jax.Array, way: jax.Array, gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The point after one step, and the way gone so far."""
    step = rate(case)[..., None] * gradient
    return point - step, way + length(step)
