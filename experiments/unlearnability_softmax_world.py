"""Softmax-linear worlds of a refusing model, harm, and vectors that explain the harm.

z = h W with features h of unit length, so the separation D is sqrt(2) for every sample
and at every W: the one model of which all assumptions of the bounds hold exactly.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from experiments.pytrees import stacked
from simlab.models import Params
from simlab.sources import LogProbs, Tokens
from simlab.sources.protocol import Leaf
from theory.unlearnability import answer_loss, error_probability

_HALVINGS = 60  # of the logarithm of a scale: below its rounding
_SCALES = (1e-3, 1e4)  # of a vector and of a refusal, wherever they may lie

_Explained = tuple[Leaf, Leaf, Leaf]
"""Features, targets and a direction of weights, with a leading axis of worlds."""


@dataclass(frozen=True)
class SoftmaxLinear:
    """One output whose logits are linear in the fixed features of a context.

    Parameters: {"features": [contexts, width], "weights": [width, vocabulary]}; only
    the weights have a gradient.
    """

    vocabulary: int
    contexts: int
    width: int
    length: int = 1

    def init(self, key: jax.Array) -> Params:
        """Random features of unit length, and weights of zero."""
        features = jax.random.normal(key, (self.contexts, self.width))
        weights = jnp.zeros((self.width, self.vocabulary))
        return {"features": unit_rows(features), "weights": weights}

    def apply(
        self, params: Params, tokens: Int[jax.Array, "batch length"]
    ) -> Float[jax.Array, "batch length vocabulary"]:
        """H W, for the context alone."""
        features = jax.lax.stop_gradient(params["features"])
        rows = features[tokens[:, 0] - self.vocabulary]
        logits: jax.Array = rows @ params["weights"]
        return logits[:, None]


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["rows"], meta_fields=[]
)
@dataclass(frozen=True)
class Whole:
    """All rows of a data set, in order, as every batch: descent on their mean loss.

    Errors: ValueError for a batch of another size.
    """

    rows: Leaf

    def sample(self, key: jax.Array, count: int) -> Tokens:
        """The rows."""
        del key
        if count != len(self.rows):
            raise ValueError(f"batch={count} must be {len(self.rows)}: all rows")
        rows: jax.Array = self.rows
        return rows

    def log_context(self, tokens: Tokens) -> LogProbs:
        """Log 1/n: every context is one row."""
        return jnp.full(len(tokens), -jnp.log(len(self.rows)))

    def log_prob(self, tokens: Tokens) -> LogProbs:
        """Log 1 for a row's own output."""
        context = tokens[:, 0] - jnp.min(self.rows[:, 0])
        same = jnp.all(tokens == self.rows[context], axis=1)
        return jnp.where(same, 0.0, -jnp.inf)


class World(NamedTuple):
    """A refusing base, harmful samples, and the direction that explains them.

    Output 0 is the refusal. `held_out` are samples drawn from the law of the n, which
    is uniform. `direction` is fitted on other samples. Shapes: [*world, n, w],
    [*world, n], [*world, m], [*world, w, k] twice.
    """

    features: Float[np.ndarray, "*world n w"]
    targets: Int[np.ndarray, "*world n"]
    held_out: Int[np.ndarray, "*world m"]
    base: Float[np.ndarray, "*world w k"]
    direction: Float[np.ndarray, "*world w k"]


@dataclass(frozen=True)
class Making:
    """How worlds are made."""

    outputs: int  # k: a refusal, and one harmful answer for each feature
    samples: int  # n, harmful samples of the law
    fitted: int  # samples that the vector's direction is fitted on
    held_out: int  # m, samples to validate the vector on
    noise: float  # standard deviation of every feature about its class
    loss_off: float  # mean loss of the base on harm, nats


def made_worlds(making: Making, seeds: range) -> World:
    """Worlds in double precision, on the host, one for each seed."""
    with jax.enable_x64(False):  # another precision draws other numbers
        drawn = [jax.device_get(_drawn(making, jax.random.key(seed))) for seed in seeds]
    features, targets, fit_features, fit_targets, held_out = stacked(drawn)
    features, fit_features = (
        unit_rows(np.asarray(each, np.float64)) for each in (features, fit_features)
    )
    direction = _class_means(making, fit_features, fit_targets)
    refusal = np.zeros_like(direction)
    refusal[..., 0] = (making.outputs - 1) ** -0.5
    base = _reached((features, targets, refusal), making.loss_off, answer_loss)
    return World(features, targets, held_out, base, direction)


def vectors(world: World, residual: float) -> Float[np.ndarray, "*world w k"]:
    """What explains the harm of a world up to a mean prediction error.

    Added to the base it leaves the scaled direction alone: the refusal is erased.
    """
    explained = world.features, world.targets, world.direction
    on = _reached(explained, residual, error_probability)
    return np.asarray(on - world.base)


def unit_rows(rows: Float[Leaf, "*batch w"]) -> Leaf:
    """Every row divided by its length."""
    return rows / (rows**2).sum(-1, keepdims=True) ** 0.5


@functools.partial(jax.jit, static_argnames="making")
def _drawn(making: Making, key: jax.Array) -> tuple[jax.Array, ...]:
    """Features and targets of the harm, of the fit, and places of the validation."""
    key_harm, key_fit, key_held = jax.random.split(key, 3)

    def samples(key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
        key_target, key_noise = jax.random.split(key)
        classes = making.outputs - 1
        kind = jax.random.randint(key_target, (count,), 0, classes)
        noise = jax.random.normal(key_noise, (count, classes))
        return jax.nn.one_hot(kind, classes) + making.noise * noise, 1 + kind

    held = jax.random.randint(key_held, (making.held_out,), 0, making.samples)
    return *samples(key_harm, making.samples), *samples(key_fit, making.fitted), held


def _class_means(
    making: Making,
    features: Float[np.ndarray, "world m w"],
    targets: Int[np.ndarray, "world m"],
) -> Float[np.ndarray, "world w k"]:
    """The mean feature of every harmful answer; nothing for the refusal."""
    chosen = targets[..., None] == np.arange(making.outputs)
    counts = np.maximum(chosen.sum(1), 1)
    sums = np.einsum("smw,smk->swk", features, chosen)
    return np.asarray(sums / counts[:, None, :])


def _reached(
    world: _Explained, wanted: float, measure: Callable[..., jax.Array]
) -> Float[np.ndarray, "world w k"]:
    """The multiple of a direction at which a mean over samples is as wanted.

    Errors: ValueError where no multiple is.
    """
    with jax.enable_x64(True):
        scale, mean = (np.asarray(each) for each in _bisected(world, wanted, measure))
    if not np.allclose(mean, wanted, rtol=1e-6, atol=0):
        raise ValueError(
            f"no multiple of the direction has a mean of {wanted}: with this noise "
            "some sample lies beyond its class"
        )
    scaled: np.ndarray = scale[:, None, None] * world[-1]
    return scaled


@functools.partial(jax.jit, static_argnames="measure")
def _bisected(
    world: _Explained, wanted: float, measure: Callable[..., jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """The scale of every world, and the mean there."""
    features, targets, direction = world

    def mean(log_scale: jax.Array) -> jax.Array:
        weights = jnp.exp(log_scale)[:, None, None] * direction
        return jnp.mean(measure(features @ weights, targets), axis=-1)

    low, high = (jnp.full(len(features), jnp.log(end)) for end in _SCALES)
    rising = mean(high) > mean(low)

    def half(_: jax.Array, ends: tuple[jax.Array, jax.Array]) -> Any:
        middle = (ends[0] + ends[1]) / 2
        early = (mean(middle) < wanted) == rising
        return jnp.where(early, middle, ends[0]), jnp.where(early, ends[1], middle)

    low, high = jax.lax.fori_loop(0, _HALVINGS, half, (low, high))
    found = (low + high) / 2
    return jnp.exp(found), mean(found)
