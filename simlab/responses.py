"""How a joint optimum gives way when one of its data sets grows: two ways to know."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import linalg

from simlab.equilibrium import (
    CONTRACTION,
    Flat,
    Joints,
    Optimum,
    Springs,
    gradient,
    log_table,
    rates,
    total_size,
)
from simlab.models import Model

ROUNDS = 40
"""The most steps with an old Hessian on the way to a new optimum."""


class Responses(NamedTuple):
    """How loss and decay move when data set j grows.

    `rates` [set, moved] are d gamma_i / d n_j, `decay` [moved] is dR / d n_j, both in
    nats per sequence; the unit of R is that times the unit of the sizes.
    """

    rates: Float[np.ndarray, "set moved"]
    decay: Float[np.ndarray, " moved"]


def implicit_responses(model: Model, at: Optimum, springs: Springs) -> Responses:
    """Responses by the implicit function theorem.

    Formula: d theta/d n_j = -H^-1 g_j, hence d gamma_i/d n_j = -g_i^T H^-1 g_j and
    dR/d n_j = -decay (theta - centre)^T H^-1 g_j, with g_i = grad gamma_i and H the
    Hessian of F. Errors: ValueError where H is not positive definite. Source: derived,
    elasticity notes 2.3.
    """
    pulls = np.asarray(_slopes(model, at.flat, springs.joints))
    moves = -_solved(at, pulls.T)
    decay = springs.decay * (at.flat - np.asarray(springs.centre))
    return Responses(pulls @ moves, decay @ moves)


def stepped_responses(
    model: Model, at: Optimum, springs: Springs, *, share: float, tolerance: float
) -> Responses:
    """The same responses by central differences of optima that are polished again.

    Formula: (gamma_i(n + step e_j) - gamma_i(n - step e_j)) / (2 step), off by terms of
    order step^2, with step = share sqrt(n n_j), n the sum of all sizes: rounding and
    remainder then matter alike for small and for large data sets. The optima are found
    with the Hessian of `at`, which keeps them on its branch, until rounding stops them;
    NaN where `tolerance` of |grad F| / n is not reached. Domain: n_j > share^2 n.
    Errors: ValueError where H is not positive definite.
    """
    joints, sizes = np.asarray(springs.joints), np.asarray(springs.sizes)
    columns = []
    for unit, size in zip(np.eye(len(sizes)), sizes, strict=True):
        step = share * np.sqrt(total_size(springs) * size)
        after, before = (
            _nearby(
                model, at, springs._replace(sizes=sizes + sign * step * unit), tolerance
            )
            for sign in (1, -1)
        )
        decay = decay_change(springs, after, before)
        moved = rate_change(model, after, before, joints)
        columns.append(np.append(moved, decay) / (2 * step))
    table = np.stack(columns, axis=-1)
    return Responses(table[:-1], table[-1])


def rate_change(
    model: Model, after: Flat, before: Flat, joints: Joints
) -> Float[np.ndarray, " set"]:
    """gamma_i(after) - gamma_i(before) as a sum of log-ratios, exact however small.

    Nats per sequence.
    """
    return np.asarray(_rate_change(model, after, before, joints))


def decay_change(springs: Springs, after: Flat, before: Flat) -> float:
    """R(after) - R(before), nats per sequence times the unit of the sizes."""
    middle = (np.asarray(after) + np.asarray(before)) / 2 - np.asarray(springs.centre)
    return float(springs.decay * (np.asarray(after) - np.asarray(before)) @ middle)


def _nearby(
    model: Model, begun: Optimum, springs: Springs, tolerance: float
) -> Float[np.ndarray, " parameters"]:
    """The optimum of slightly different springs; NaN if steps do not lead to one."""
    at, best, last = begun.flat, begun.flat, np.inf
    for _ in range(ROUNDS):
        pull = gradient(model, at, springs)
        norm = float(np.linalg.norm(pull))
        if not norm <= CONTRACTION * last:
            break
        best, last = at, norm
        at = at - _solved(begun, total_size(springs) * pull)
    return best if last <= tolerance else np.full_like(best, np.nan)


def _solved(at: Optimum, right: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """H^-1 times what is given."""
    if at.factor is None:
        raise ValueError(
            f"the Hessian is not positive definite (least eigenvalue {at.curvature:.1e}"
            "): no strict local minimum, no response"
        )
    return np.asarray(linalg.cho_solve(at.factor, right))


@functools.partial(jax.jit, static_argnums=0)
def _slopes(
    model: Model, flat: Flat, joints: Joints
) -> Float[jax.Array, "set parameters"]:
    """The gradient of every rate."""
    slopes: jax.Array = jax.jacrev(rates, 1)(model, flat, joints)
    return slopes


@functools.partial(jax.jit, static_argnums=0)
def _rate_change(
    model: Model, after: Flat, before: Flat, joints: Joints
) -> Float[jax.Array, " set"]:
    log_ratio = log_table(model, after) - log_table(model, before)
    return -jnp.einsum("sxy,xy->s", jnp.asarray(joints), log_ratio)
