"""A trade-off case read as a model beside a vector that explains its harmful data.

Log-linear logits z(x, .) = J(x) theta + b(x) with Jacobians of the world's tables. Off
has b = 0; the vector turns J_off into J_on and adds a b that leads from the model's
logits to those of the harmful data, all the way as the penalty grows. The proxy data
stand for the harmful ones, the capability data for the benign ones.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.laws import Law, joint
from theory.ledger.displacement import positive
from theory.ledger.record import Case
from theory.numerics import xlogy_ratio
from theory.typing import Array, Nats
from theory.unlearnability.error_bounds import separation
from theory.unlearnability.leakage import Gradients, Samples, mean_gradient
from theory.unlearnability.prediction_error import error_probability


class State(NamedTuple):
    """One state of the model, off or on: J [..., x, y, n] and b [..., x, y]."""

    jacobians: Float[Array, "*batch x y n"]
    offsets: Float[Array, "*batch x y"]


class Activated(NamedTuple):
    """The parameters theta [..., n] and both states."""

    point: Float[Array, "*batch n"]
    off: State
    on: State


def strength(case: Case) -> Nats:
    """How much of the harmful data the vector explains, penalty / (1 + penalty).

    >>> from theory.ledger.cases import golden
    >>> float(strength(golden(3.0)))
    0.75
    """
    penalty = jnp.asarray(case.penalty) * 1.0
    return penalty / (1 + penalty)


def harm_share(case: Case) -> Nats:
    """The share of harmful data in the mixture, between 1/4 and 1/2.

    >>> from theory.ledger.cases import golden
    >>> float(harm_share(golden(1.0)))
    0.375
    """
    return (1 + strength(case)) / 4


def activated(case: Case) -> Activated:
    """The model and its vector.

    Formula: J_off = 1 + p^_s(j|x) p_s(k|x), J_on - J_off = strength (p_f - p^_s)(j|x)
    (P - p_s)(k|x), theta = log P at the mean context, b = strength (log p^_s - J_on
    theta).

    >>> from theory.ledger.cases import golden
    >>> activated(golden(1.0)).point.shape
    (2,)
    """
    world, part = case.world, strength(case)[..., None, None]
    safe, harm, able = (jnp.asarray(law.outputs) for law in world)
    off = jnp.eye(harm.shape[-1]) + harm[..., :, None] * safe[..., None, :]
    turned = (able - harm)[..., :, None] * (case.policy - safe)[..., None, :]
    on = off + part[..., None] * turned
    point = jnp.log(positive(jnp.mean(jnp.asarray(case.policy), axis=-2)))
    logits = _logits(State(on, jnp.zeros_like(harm)), point)
    offset = part * (jnp.log(positive(harm)) - logits)
    return Activated(point, State(off, jnp.zeros_like(offset)), State(on, offset))


def _logits(state: State, point: Array) -> Float[jax.Array, "*batch x y"]:
    """J theta + b."""
    moved = jnp.asarray(state.jacobians) * jnp.asarray(point)[..., None, None, :]
    return jnp.sum(moved, axis=-1) + state.offsets


def answers(state: State, point: Float[Array, "*batch n"]) -> jax.Array:
    """The state's law of outputs in every context.

    >>> from theory.ledger.cases import golden
    >>> model = activated(golden(1.0))
    >>> answers(model.on, model.point).shape
    (1, 2)
    """
    return jax.nn.softmax(_logits(state, point), axis=-1)


def loss(law: Law, state: State, point: Float[Array, "*batch n"]) -> Nats:
    """The cross-entropy of the law under the state.

    >>> from theory.ledger.cases import golden
    >>> case = golden(1.0)
    >>> model = activated(case)
    >>> float(loss(case.world.proxy, model.on, model.point)) > 0
    True
    """
    weights = joint(law)
    outputs = answers(state, point)
    return jnp.sum(xlogy_ratio(weights, jnp.ones_like(outputs), outputs), axis=(-2, -1))


def samples(law: Law, state: State, point: Float[Array, "*batch n"]) -> Samples:
    """What the law's loss pulls on: one sample a context, its target the law's outputs.

    >>> from theory.ledger.cases import golden
    >>> case = golden(1.0)
    >>> model = activated(case)
    >>> samples(case.world.proxy, model.off, model.point).residuals.shape
    (1, 2)
    """
    residuals = answers(state, point) - jnp.asarray(law.outputs)
    return Samples(jnp.asarray(law.contexts), state.jacobians, residuals)


def gradients(case: Case) -> Gradients:
    """The four gradients of the case.

    >>> from theory.ledger.cases import golden
    >>> gradients(golden(1.0)).harm_on.shape
    (2,)
    """
    model = activated(case)
    laws = case.world.proxy, case.world.capability
    pulls = [
        mean_gradient(samples(law, state, model.point))
        for law in laws
        for state in (model.off, model.on)
    ]
    return Gradients(*pulls)


def force_on(case: Case) -> Nats:
    """D e of the active model on harmful data: the mean of D_i e_i over their answers.

    >>> from theory.ledger.cases import golden
    >>> float(force_on(golden(1e6))) < float(force_on(golden(1.0)))
    True
    """
    model, weights = activated(case), joint(case.world.proxy)
    logits = _logits(model.on, model.point)
    targets = jnp.arange(weights.shape[-1])
    errors = error_probability(logits[..., None, :], targets)
    apart = separation(jnp.asarray(model.on.jacobians)[..., None, :, :], targets)
    return jnp.sum(weights * errors * apart, axis=(-2, -1))
