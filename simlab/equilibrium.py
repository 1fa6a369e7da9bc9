"""Joint optima of several data sets and weight decay, polished to rounding.

A model is trained on data sets of sizes n_i and is pulled back to a centre by decay:

    F(theta) = sum_i n_i gamma_i(theta) + R(theta),  R = decay / 2 |theta - centre|^2,

with gamma_i its expected loss on data set i, nats per sequence, over laws that can be
listed. Parameters are flat vectors, in `ravel_pytree`'s order. Work in double
precision: inside `jax.enable_x64(True)`, on float64 arrays. Newton's method runs on the
host, with a dense Hessian: for networks of up to some thousand parameters. How optima
give way when sizes change is in `simlab.responses`.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float
from scipy import linalg

from simlab.enumeration import prefix_logits, sequence_log_table
from simlab.models import Model, Params

_Floats = jax.Array | np.ndarray

Flat = Float[_Floats, " parameters"]
"""Parameters, or a move of them, as one vector."""

Joints = Float[_Floats, "set x y"]
"""The laws mu_i(x) p_i(y|x) of several data sets."""

Factor = Any
"""A Cholesky factor as scipy gives and takes it."""

CONTRACTION = 0.5
"""The share of the gradient that a Newton step may leave: above, it is not near an
optimum, or has met rounding."""

SHORTEST = 2**-6
"""The shortest stretch of a path of springs that is worth trying."""

POLISHED_ANEW = 50
"""The most damped steps spent where a branch has ended."""


class Springs(NamedTuple):
    """What pulls at the parameters: data sets of some sizes, and decay.

    `sizes` are the n_i, of which any ratio counts; `decay` >= 0 is in their unit.
    """

    joints: Joints
    sizes: Float[_Floats, " set"]
    decay: float | Float[_Floats, ""]
    centre: Flat


class Optimum(NamedTuple):
    """A stationary point, as far as the polish came; n is the sum of all sizes.

    `gradient_norm` is |grad F| / n, in nats per sequence and unit of parameters.
    `curvature` is the least eigenvalue of the Hessian over n, positive at a strict
    local minimum, and `condition` the largest over the least. `factor` is the Cholesky
    factor of the Hessian of F, None where that is not positive definite. `connected`
    tells whether it was reached along a branch of minima from where it was looked for.
    """

    flat: Float[np.ndarray, " parameters"]
    gradient_norm: float
    curvature: float
    condition: float
    steps: int
    factor: Factor | None
    connected: bool = True


def unflattened(model: Model, flat: Flat) -> Params:
    """The model's parameters from a flat vector, in its precision."""
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, flat.dtype), shapes)
    return ravel_pytree(zeros)[1](jnp.asarray(flat))


@functools.partial(jax.jit, static_argnums=0)
def log_table(model: Model, flat: Flat) -> Float[jax.Array, "x y"]:
    """Log P(y|x) of every sequence."""
    table: jax.Array = sequence_log_table(
        prefix_logits(model, unflattened(model, flat))
    )
    return table


@functools.partial(jax.jit, static_argnums=0)
def rates(model: Model, flat: Flat, joints: Joints) -> Float[jax.Array, " set"]:
    """The expected loss on every data set, nats per sequence.

    Formula: gamma_i = -sum_x sum_y mu_i(x) p_i(y|x) log P(y|x).
    """
    table: jax.Array = log_table(model, flat)
    return -jnp.einsum("sxy,xy->s", jnp.asarray(joints, table.dtype), table)


def mean_loss(model: Model, flat: Flat, springs: Springs) -> Float[jax.Array, ""]:
    """F / n, what training minimises, nats per sequence of all data."""
    away = flat - jnp.asarray(springs.centre, flat.dtype)
    sizes = jnp.asarray(springs.sizes, flat.dtype)
    total: jax.Array = sizes @ rates(model, flat, springs.joints)
    return (total + springs.decay / 2 * (away @ away)) / jnp.sum(sizes)


def total_size(springs: Springs) -> float:
    """n, the sum of the sizes of all data sets."""
    return float(np.sum(springs.sizes))


def gradient(
    model: Model, flat: Flat, springs: Springs
) -> Float[np.ndarray, " parameters"]:
    """The gradient of F / n."""
    return np.asarray(_compiled()[1](model, flat, springs))


def descended(
    model: Model, start: Flat, springs: Springs, *, rate: float, steps: int
) -> Float[jax.Array, " parameters"]:
    """Where Adam leads from `start`: near enough for `polish`, in any precision.

    A pure function of arrays; the learning rate falls to zero by a half cosine.
    """
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def step(state: Any, _: None) -> tuple[Any, None]:
        flat, moments = state
        pull = jax.grad(mean_loss, 1)(model, flat, springs)
        update, moments = optimizer.update(pull, moments)
        return (flat + update, moments), None

    begun = jnp.asarray(start)
    (flat, _), _ = jax.lax.scan(
        step, (begun, optimizer.init(begun)), None, length=steps
    )
    return flat


def polish(
    model: Model, start: Flat, springs: Springs, *, tolerance: float, steps: int
) -> Optimum:
    """The local minimum of F in whose valley `start` lies, by damped Newton steps.

    Levenberg's damping: (H + damping) step = -gradient, which falls while the quadratic
    model is true. Below `tolerance` of the gradient norm undamped steps go on until
    rounding stops them. A polish that fails within `steps` says so by its
    `gradient_norm`, or by a `factor` of None.
    """
    value, slope, curve = (functools.partial(f, model) for f in _compiled())
    at, damping = np.asarray(start, np.float64), 1e-3
    for step in range(steps + 1):
        pull, hessian = (np.asarray(f(at, springs)) for f in (slope, curve))
        norm = float(np.linalg.norm(pull))
        if norm <= tolerance or step == steps or not np.isfinite(norm):
            break
        at, damping = _descended(value, at, springs, pull, hessian, damping)
    reached = _measured(model, at, springs, step)
    if norm > tolerance or reached.factor is None:
        return reached
    finer = _newton(model, reached, springs, tolerance)
    return finer._replace(steps=finer.steps + step)


def followed(
    model: Model, begun: Optimum, old: Springs, new: Springs, *, tolerance: float
) -> Optimum:
    """The optimum of new springs on the branch of an optimum `begun` of old ones.

    Undamped Newton steps from optimum to optimum, the shares of data and decay moving
    from old to new in as many stretches as it takes for every step to halve the
    gradient. Where the branch ends the last of its optima is polished instead, which
    may find another branch: then `connected` is False. `steps` counts all.
    """
    at, done, stretch, steps = begun, 0.0, 1.0, 0
    while done < 1 and stretch > SHORTEST and begun.factor is not None:
        reached = min(done + stretch, 1.0)
        found = _newton(model, at, _between(old, new, reached), tolerance)
        steps += found.steps
        if found.factor is not None:
            at, done, stretch = found, reached, 2 * stretch
        else:
            stretch /= 2
    if done < 1:
        at = polish(model, at.flat, new, tolerance=tolerance, steps=POLISHED_ANEW)
        at, steps = at._replace(connected=False), steps + at.steps
    return at._replace(steps=steps)


def _descended(
    value: Any,
    at: Float[np.ndarray, " n"],
    springs: Springs,
    pull: Float[np.ndarray, " n"],
    hessian: Float[np.ndarray, "n n"],
    damping: float,
) -> tuple[Float[np.ndarray, " n"], float]:
    """One accepted step and the damping of the next."""
    begun = float(value(at, springs))
    while damping < 1e12:
        factor = _factor(hessian + damping * np.eye(len(at)))
        if factor is not None:
            move = -linalg.cho_solve(factor, pull)
            hoped = -float(pull @ move + move @ hessian @ move / 2)
            gained = begun - float(value(at + move, springs))
            # Gains at the reach of rounding say nothing: Newton is trusted there.
            true = gained / hoped if hoped > 1e-13 else 1.0
            if true > 0.1:
                return at + move, damping * (0.2 if true > 0.7 else 1.0)
        damping *= 4
    return at, damping


def _newton(
    model: Model, begun: Optimum, springs: Springs, tolerance: float
) -> Optimum:
    """Newton's method from a neighbouring optimum, given up when it does not contract.

    Below the tolerance steps go on until rounding stops them. `factor` is None where
    the tolerance was not reached.
    """
    curve = _compiled()[2]
    at, last, steps = begun.flat, np.inf, 0
    best = at
    while True:
        pull = gradient(model, at, springs)
        norm = float(np.linalg.norm(pull))
        if norm < last:
            best = at
        if not norm <= CONTRACTION * last:
            break
        last = norm
        # Not the factor of `begun`: other springs, and a sum of other sizes.
        factor = _factor(np.asarray(curve(model, at, springs)))
        if factor is None:
            break
        at, steps = at - linalg.cho_solve(factor, pull), steps + 1
    if not last <= tolerance:
        return Optimum(best, last, np.nan, np.nan, steps, None)
    return _measured(model, best, springs, steps)


def _measured(
    model: Model, at: Float[np.ndarray, " n"], springs: Springs, steps: int
) -> Optimum:
    """A point with its gradient, curvature and factor."""
    norm = float(np.linalg.norm(gradient(model, at, springs)))
    hessian = np.asarray(_compiled()[2](model, at, springs))
    if not np.isfinite(hessian).all():
        return Optimum(at, norm, np.nan, np.nan, steps, None)
    values = linalg.eigvalsh(hessian)
    least, condition = float(values[0]), float(values[-1] / values[0])
    factor = _factor(hessian * total_size(springs))
    return Optimum(at, norm, least, condition, steps, factor)


def _between(old: Springs, new: Springs, share: float) -> Springs:
    """Shares of data and decay on the straight line between two sets of springs."""
    parts = [
        np.append(np.asarray(each.sizes), each.decay) / total_size(each)
        for each in (old, new)
    ]
    mixed = ((1 - share) * parts[0] + share * parts[1]) * total_size(new)
    return new._replace(sizes=mixed[:-1], decay=mixed[-1])


def _factor(matrix: Float[np.ndarray, "n n"]) -> Factor | None:
    try:
        return linalg.cho_factor(matrix, lower=True)
    except (linalg.LinAlgError, ValueError):  # indefinite, or not finite
        return None


@functools.cache
def _compiled() -> tuple[Any, Any, Any]:
    """The mean loss, its gradient and its Hessian, compiled once for each model."""
    value, slope, curve = (
        jax.jit(kind, static_argnums=0)
        for kind in (mean_loss, jax.grad(mean_loss, 1), jax.hessian(mean_loss, 1))
    )
    return value, slope, curve
