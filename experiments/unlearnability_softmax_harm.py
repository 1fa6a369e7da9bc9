"""What training on the harm of a softmax-linear world begins with."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.unlearnability_config import Config
from experiments.unlearnability_softmax_world import Making, SoftmaxLinear, World
from simlab.models import Adapted, Carried, Dense
from simlab.optimizers import Sgd
from simlab.sources import Tokens
from simlab.training import Setup
from theory.unlearnability import error_probability

Array = jax.Array | np.ndarray


class Harm(NamedTuple):
    """The harmful rows [n, 2], the base with its vector active, and the errors there.

    `errors` [n] are the prediction errors of the rows, in their order.
    """

    rows: Tokens
    start: Carried
    errors: jax.Array


def making(config: Config) -> Making:
    """How the worlds are made."""
    return Making(
        config.outputs, config.samples, config.fitted, config.held_out, config.noise,
        config.loss_off,
    )  # fmt: skip


def model_of(config: Config) -> Adapted:
    """The softmax-linear model, carrying a matrix of weights."""
    inner = SoftmaxLinear(config.outputs, config.samples, config.outputs - 1)
    return Adapted(inner, Dense(("weights",)))


def harm_setup(config: Config, steps: int, batch: int) -> Setup:
    """Plain SGD on the base: so many steps, and one more to see where they end."""
    return Setup(
        model_of(config), steps=steps + 1, batch=batch, records=1, warmup=0.0,
        optimizer=Sgd(), enumerated=False, decay=False,
    )  # fmt: skip


def harm_of(config: Config, world: World, vector: Array) -> Harm:
    """One world's harm, met with a vector of weights."""
    contexts = config.outputs + jnp.arange(config.samples)
    rows = jnp.stack([contexts, jnp.asarray(world.targets)], axis=1)
    base = {"features": jnp.asarray(world.features), "weights": jnp.asarray(world.base)}
    start = Carried(base, {"weights": vector}, jnp.ones(()))
    logits = model_of(config).apply(start, rows[:, :1])[:, 0]
    return Harm(rows, start, error_probability(logits, rows[:, 1]))


def mean_error(config: Config, harm: Harm, batch: Tokens) -> jax.Array:
    """The mean error, at the start, of the rows of a batch."""
    return jnp.mean(harm.errors[batch[:, 0] - config.outputs])
