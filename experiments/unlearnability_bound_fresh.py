"""From a hundred held-out samples to a thousand unseen ones: does the bound cover?"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.descent_paths import before, followed
from experiments.unlearnability_config import Config
from experiments.unlearnability_softmax_harm import (
    Array,
    harm_of,
    harm_setup,
    making,
    mean_error,
)
from experiments.unlearnability_softmax_world import World, made_worlds, vectors
from simlab.models import Carried
from simlab.sources import DatasetSource, Tokens
from simlab.training import Hyper

_APART = 10_000  # worlds here have seeds that no run shares


class Fresh(NamedTuple):
    """One pass over fresh samples [repetition, residual].

    `seen` is the mean error on the held-out samples, `expected` that of the law; `used`
    the sum over the fresh samples, all at the start; `path` the length of the steps.
    """

    seen: Array
    expected: Array
    used: Array
    path: Array


def fresh_runs(config: Config) -> Fresh:
    """Every repetition: a world, a vector, its validation and a pass, all anew."""
    first = _APART + config.seed
    worlds = made_worlds(making(config), range(first, first + config.repetitions))
    added = [vectors(worlds, each) for each in config.residuals_fresh]

    def every(worlds: World, added: jax.Array, keys: jax.Array) -> Fresh:
        def one(world: World, delta: jax.Array, key: jax.Array) -> Fresh:
            return _pass(config, world, delta, key)

        of_world = jax.vmap(one, (None, 0, None))
        found: Fresh = jax.vmap(of_world)(worlds, added, keys)
        return found

    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        seeds = jnp.arange(first, first + config.repetitions)
        keys = jax.vmap(jax.random.key)(seeds)
        found: Fresh = jax.device_get(
            jax.jit(every)(worlds, np.stack(added, axis=1), keys)
        )
    return found


def _pass(config: Config, world: World, delta: jax.Array, key: jax.Array) -> Fresh:
    """Steps on independent samples of the law, one after the other."""
    harm = harm_of(config, world, delta)

    def see(_: Carried, tokens: Tokens) -> jax.Array:
        return mean_error(config, harm, tokens)

    rate = jnp.asarray(config.rate_fresh)
    hyper = Hyper(rate, jnp.zeros(()), DatasetSource(harm.rows), None, harm.start)
    norms, used = followed(harm_setup(config, config.steps_fresh, 1), hyper, key, see)
    return Fresh(
        jnp.mean(harm.errors[jnp.asarray(world.held_out)]), jnp.mean(harm.errors),
        before(used)[-1], rate * before(norms)[-1],
    )  # fmt: skip
