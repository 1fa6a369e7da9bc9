"""A worker: what many a JAX script does, one run a block.

Every run closes over its own learning rate and compiles its own step; a Python loop
calls it. The model, its loss and its optimiser are those of the toy.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from experiments.benchmarks.serving import serve
from experiments.benchmarks.toy import RATES, Toy
from simlab import devices
from simlab.training import learning_rate_shape


def trained(toy: Toy, rows: jax.Array, rate: float, seed: int) -> None:
    """Trains one run on batches of these rows to its end."""
    setup = toy.setup
    model, optimizer = setup.model, setup.optimizer.build()

    def loss(params: optax.Params, tokens: jax.Array) -> jax.Array:
        logits = model.apply(params, tokens[:, :-1])
        return jnp.mean(
            optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:])
        )

    @jax.jit
    def step(
        params: optax.Params, moments: optax.OptState, key: jax.Array, number: int
    ) -> tuple[optax.Params, optax.OptState, jax.Array]:
        drawn = jax.random.randint(
            jax.random.fold_in(key, number), (toy.batch,), 0, len(rows)
        )
        value, gradient = jax.value_and_grad(loss)(params, rows[drawn])
        direction, moments = optimizer.update(gradient, moments)
        scale = rate * learning_rate_shape(setup, jnp.asarray(number))
        params = optax.apply_updates(
            params, jax.tree.map(lambda leaf: -scale * leaf, direction)
        )
        return params, moments, value

    key = jax.random.key(seed)
    params = model.init(key)
    moments = optimizer.init(params)
    for number in range(toy.steps):
        params, moments, value = step(params, moments, key, number)
    jax.block_until_ready((params, value))


def runs(toy: Toy, rows: jax.Array) -> Callable[[], object]:
    """A block: the next run of the sweep."""
    pairs = ((rate, seed) for seed in itertools.count() for rate in RATES)
    return lambda: trained(toy, rows, *next(pairs))


def main(document: str) -> None:
    """Serves the sweep of the toy that a JSON document describes, run by run."""
    devices.configure(cache=False, devices=1)  # one device with every core's threads
    toy, begin = Toy.read(json.loads(document)), time.perf_counter()
    rows: jax.Array = toy.data().rows
    jax.block_until_ready((rows, toy.setup.model.init(jax.random.key(0))))
    serve(runs(toy, rows), setup=time.perf_counter() - begin)


if __name__ == "__main__":
    main(sys.argv[1])
