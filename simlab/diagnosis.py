"""What a vector does to a model in training: errors, forces and answers, on and off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from simlab.judges import response_log_probs
from simlab.models import Adapted, Carried, Model, Params, gated
from simlab.objectives import distance
from simlab.sources import Tokens


class Answers(NamedTuple):
    """How a model takes given answers, over the last outputs of every row.

    `loss` in nats per answer; `error` the mean of 1 - P(y_t | y_<t) over tokens;
    `match` the share of prompts that it answers so when it decodes greedily.
    """

    loss: Float[Array, "*gate"]
    error: Float[Array, "*gate"]
    match: Float[Array, "*gate"]


class VectorExam(NamedTuple):
    """Held-out rows by name, the base before training, and the gate of deployment."""

    rows: Mapping[str, Tokens]
    base: Params
    deploy: Float[Array, ""] | np.floating | float


class Diagnosis(NamedTuple):
    """What is measured of a model that carries a vector; axis `gate`: off, on.

    Off is the gate of deployment, on that of training. `answers` by name of rows.
    `gram` [name, gate, name, gate]: inner products of the mean gradients in the base's
    parameters (nats per answer, squared, per parameter unit squared). `drift` is the
    distance of the base from where it began.
    """

    answers: Mapping[str, Answers]
    gram: Float[Array, "a gate a gate"]
    drift: Float[Array, ""]


@dataclass(frozen=True)
class Diagnose:
    """The `Measure` of fine-tuning with a vector; its exam is a `VectorExam`.

    Gradients are taken on `forces`, names among the exam's rows, in this order.
    """

    scored: int
    forces: tuple[str, ...] = ()

    def __call__(self, model: Model, params: Params, exam: Any, /) -> Diagnosis:
        """Answers off and on, forces off and on, and the drift."""
        assert isinstance(model, Adapted)
        gates = jnp.stack([jnp.asarray(exam.deploy, params.gate.dtype), params.gate])

        def each(question: Any, names: Sequence[str]) -> Any:
            # One after the other: one program for all, and the memory of one.
            rows = jnp.stack([exam.rows[name] for name in names])
            return jax.lax.map(
                lambda one: jax.lax.map(
                    lambda gate: question(model, gated(params, gate), one, self.scored),
                    gates,
                ),
                rows,
            )

        said = each(answered, tuple(exam.rows))
        answers = {
            name: jax.tree.map(lambda leaf, i=i: leaf[i], said)
            for i, name in enumerate(exam.rows)
        }
        drift = distance(params.base, exam.base)
        if not self.forces:
            return Diagnosis(answers, jnp.zeros((0, 2, 0, 2)), drift)
        return Diagnosis(answers, _gram(each(force, self.forces)), drift)


def answered(model: Model, params: Params, tokens: Tokens, scored: int) -> Answers:
    """Loss, error and greedy match of a model on given answers.

    Greedy decoding gives a whole answer exactly if every token of it is the likeliest
    after the tokens before it, so no decoding is needed.
    """
    log_probs = response_log_probs(model, params, tokens, scored)
    said = tokens[:, -scored:]
    chosen = jnp.take_along_axis(log_probs, said[..., None], axis=-1)[..., 0]
    match = jnp.all(jnp.argmax(log_probs, axis=-1) == said, axis=1)
    return Answers(
        -jnp.mean(jnp.sum(chosen, axis=1)),
        jnp.mean(-jnp.expm1(chosen)),
        jnp.mean(match.astype(chosen.dtype)),
    )


def force(model: Adapted, params: Carried, tokens: Tokens, scored: int) -> Params:
    """The gradient of the mean loss of an answer in the base's parameters."""

    def loss(base: Params) -> Float[Array, ""]:
        return answered(model, params._replace(base=base), tokens, scored).loss

    return jax.grad(loss)(params.base)


def _gram(forces: Params) -> Float[Array, "a gate a gate"]:
    """Inner products of gradients whose leaves have leading axes [name, gate]."""
    leaves = jax.tree.leaves(forces)
    names, gates = leaves[0].shape[:2]
    flat = [leaf.reshape(names * gates, -1) for leaf in leaves]
    products = jnp.sum(jnp.stack([one @ one.T for one in flat]), axis=0)
    return products.reshape(names, gates, names, gates)
