"""A small network with an additive vector: what tests of leakage differentiate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from theory.unlearnability import Gradients, Samples, mean_gradient

INPUTS, HIDDEN, OUTPUTS, COUNT = 3, 4, 5, 6
PARAMETERS = INPUTS * HIDDEN + HIDDEN * OUTPUTS


class Data(NamedTuple):
    inputs: jax.Array
    targets: jax.Array


class Toy(NamedTuple):
    """Parameters, a vector added to them when on, harmful and benign data."""

    point: jax.Array
    vector: jax.Array
    harm: Data
    benign: Data


def toy(seed: int, size: float = 1.0) -> Toy:
    """Numbers of one seed, the same in either precision; the vector times `size`."""
    with jax.enable_x64(False):
        keys = jax.random.split(jax.random.key(seed), 3)
        shapes = (2, PARAMETERS), (2, COUNT, INPUTS)
        drawn = [
            np.asarray(jax.random.normal(key, shape), float)
            for key, shape in zip(keys[:2], shapes, strict=True)
        ]
        targets = np.asarray(jax.random.randint(keys[2], (2, COUNT), 0, OUTPUTS))
    (point, vector), inputs = drawn
    sets = [Data(jnp.asarray(inputs[i]), jnp.asarray(targets[i])) for i in range(2)]
    return Toy(jnp.asarray(point), jnp.asarray(size * vector), sets[0], sets[1])


def logits(point: jax.Array, row: jax.Array) -> jax.Array:
    first = point[: INPUTS * HIDDEN].reshape(HIDDEN, INPUTS)
    second = point[INPUTS * HIDDEN :].reshape(OUTPUTS, HIDDEN)
    return second @ jnp.tanh(first @ row)


def answers(point: jax.Array, data: Data) -> jax.Array:
    return jax.nn.softmax(jax.vmap(lambda row: logits(point, row))(data.inputs))


def loss(point: jax.Array, data: Data) -> jax.Array:
    logs = jax.vmap(lambda row: jax.nn.log_softmax(logits(point, row)))(data.inputs)
    return -jnp.mean(jnp.take_along_axis(logs, data.targets[:, None], axis=-1))


def samples(point: jax.Array, data: Data) -> Samples:
    jacobians = jax.vmap(jax.jacobian(logits), in_axes=(None, 0))(point, data.inputs)
    residuals = answers(point, data) - jax.nn.one_hot(data.targets, OUTPUTS)
    return Samples(jnp.full(COUNT, 1 / COUNT), jacobians, residuals)


@jax.jit
def gradients(made: Toy) -> Gradients:
    pulls = [
        mean_gradient(samples(point, data))
        for data in (made.harm, made.benign)
        for point in (made.point, made.point + made.vector)
    ]
    return Gradients(*pulls)


@jax.jit
def flow(made: Toy, share: float, step: float) -> tuple[jax.Array, jax.Array]:
    """dF/dt and dB/dt of the off model, by central differences along the flow."""

    def mixed(point: jax.Array) -> jax.Array:
        active = point + made.vector
        return share * loss(active, made.harm) + (1 - share) * loss(active, made.benign)

    velocity = -jax.grad(mixed)(made.point)
    ahead, behind = made.point + step * velocity, made.point - step * velocity
    harm, benign = (
        (loss(ahead, data) - loss(behind, data)) / (2 * step)
        for data in (made.harm, made.benign)
    )
    return harm, benign
