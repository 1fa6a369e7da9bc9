"""The expected loss of a model on a law: its slope, and how it bends around parameters.

Expectations are sums over all sequences, in the precision of the parameters. Work in
double precision, inside `jax.enable_x64(True)`. Compiled with the model static, `slope`
and `bend` are one program for every law and network.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from simlab import landscape
from simlab.evaluation import prefix_logits, sequence_log_table
from simlab.models import Model, Params
from theory.laws import Law


class Geometry(NamedTuple):
    """What the local theory asks of one network: g, and H as an operator v -> H v.

    `params` are in double precision; `slope` g is the gradient of the capability loss,
    `fisher` H the Fisher matrix on the safety data's prefixes, of weights `weights`.
    """

    params: Params
    weights: jax.Array
    slope: jax.Array
    fisher: landscape.Operator


def geometry(model: Model, params: Params, safety: Law, able: Law) -> Geometry:
    """The geometry of one network between two laws, H never being formed.

    Errors: ValueError outside `jax.enable_x64(True)`.
    """
    precise = landscape.double(params)
    cut = jax.jit(landscape.prefix_laws, static_argnums=2)
    weights = cut(*safety, model.vocabulary).weights
    return Geometry(
        params=precise,
        weights=weights,
        slope=jax.jit(slope, static_argnums=0)(model, precise, able),
        fisher=landscape.fisher_operator(model, precise, weights),
    )


def expected_loss(model: Model, law: Law) -> landscape.Loss:
    """L(theta) = -sum_x mu(x) sum_y p(y|x) log P(y|x), nats per sequence.

    Its derivatives are those of the law's gap, which differs by a constant. Shapes: mu
    [x], p [x, vocabulary ** length]. Source: standard.
    """
    joint = jnp.asarray(law.contexts)[:, None] * law.outputs

    def loss(params: Params) -> jax.Array:
        return -jnp.sum(joint * sequence_log_table(prefix_logits(model, params)))

    return loss


def slope(model: Model, params: Params, law: Law) -> jax.Array:
    """The gradient of the loss on a law, flat: [parameters]."""
    return landscape.gradient(expected_loss(model, law), params)


def bend(model: Model, params: Params, law: Law, vector: landscape.Vector) -> jax.Array:
    """The Hessian of the loss on a law times a flat vector: [parameters]."""
    return landscape.hessian_vector(expected_loss(model, law), params, vector)
