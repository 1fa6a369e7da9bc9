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

IDLE = 2
"""Steps in a row that do not halve the gradient: rounding, or no optimum in reach."""


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
    """The same responses by differences of optima that are polished again.

    Formula: D(h) = (gamma_i(n + h e_j) - gamma_i(n - h e_j)) / (2 h) at a step h and at
    half of it, and (4 D(h/2) - D(h)) / 3, off by terms of order h^4, after Richardson.
    h = share sqrt(n n_j), n the sum of all sizes: rounding and remainder then matter
    alike for small and for large data sets. The optima are found with the Hessian of
    `at`, which keeps them on its branch, until rounding stops them; NaN where
    `tolerance` of |grad F| / n is not reached. Domain: n_j > share^2 n. Errors:
    ValueError where H is not positive definite.
    """
    sizes = np.asarray(springs.sizes)
    columns = []
    for unit, size in zip(np.eye(len(sizes)), sizes, strict=True):
        step = share * np.sqrt(total_size(springs) * size) * unit
        whole, half = (
            _difference(model, at, springs, part * step, tolerance) / (part * share)
            for part in (1.0, 0.5)
        )
        columns.append((4 * half - whole) / (6 * np.sqrt(total_size(springs) * size)))
    table = np.stack(columns, axis=-1)
    return Responses(table[:-1], table[-1])


def rate_change(
    model: Model, after: Flat, before: Flat, joints: Joints
) -> Float[np.ndarray, " set"]:
    """gamma_i(after) - gamma_i(before), nats per sequence.

    Formula: -sum_x sum_y mu_i(x) p_i(y|x) log(P_after / P_before): a mean of small
    numbers, not a difference of two large means.
    """
    return np.asarray(_rate_change(model, after, before, joints))


def decay_change(springs: Springs, after: Flat, before: Flat) -> float:
    """R(after) - R(before), nats per sequence times the unit of the sizes."""
    middle = (np.asarray(after) + np.asarray(before)) / 2 - np.asarray(springs.centre)
    return float(springs.decay * (np.asarray(after) - np.asarray(before)) @ middle)


def _difference(
    model: Model,
    at: Optimum,
    springs: Springs,
    step: Float[np.ndarray, " set"],
    tolerance: float,
) -> Float[np.ndarray, " set_and_decay"]:
    """How all rates, and the decay, differ between sizes one step up and one down."""
    after, before = (
        _nearby(model, at, springs._replace(sizes=sizes), tolerance)
        for sizes in (springs.sizes + step, springs.sizes - step)
    )
    moved = rate_change(model, after, before, springs.joints)
    return np.append(moved, decay_change(springs, after, before))


def _nearby(
    model: Model, begun: Optimum, springs: Springs, tolerance: float
) -> Float[np.ndarray, " parameters"]:
    """The optimum of slightly different springs; NaN if steps do not lead to one.

    An old Hessian gains many digits in one step and few in the next, by turns: only
    two steps in a row that do not halve the gradient end the way.
    """
    at, best, last, idle = begun.flat, begun.flat, np.inf, 0
    for _ in range(ROUNDS):
        pull = gradient(model, at, springs)
        norm = float(np.linalg.norm(pull))
        halved = norm <= CONTRACTION * last
        if norm < last:
            best, last = at, norm
        idle = 0 if halved else idle + 1
        if idle == IDLE:
            break
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
