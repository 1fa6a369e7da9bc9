"""One seed of `resistance`: slices of three tasks, their answers, and all paths."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.labels import Variable, labelled
from experiments.lifecycle import pretraining, pure, toward, transformer, tuning
from experiments.pytrees import picked
from simlab.judges import Exam, generated, response_log_probs
from simlab.models import Params
from simlab.objectives import sequence_losses
from simlab.optimizers import Adam, Optimizer, Sgd
from simlab.phases import live
from simlab.sources import DatasetSource, StyledSource, Tokens
from simlab.training import Hyper, Setup, batch_at, run

if TYPE_CHECKING:
    from experiments.resistance import Config

PATHS = ((0, 1), (1, 2), (0, 2))
"""Slices (earlier, later) between which forward and inverse paths run."""

PAIRS = tuple(f"{earlier + 1}-{later + 1}" for earlier, later in PATHS)
DIRECTIONS = ("forward", "inverse")
SGD, ADAM = "sgd", "adam"
"""Optimisers of the paths; the slices themselves come from SGD."""


def path_setups(config: "Config") -> dict[str, Setup]:
    """What a path compiles, for each optimiser; one record a step."""
    kinds: dict[str, Optimizer] = {SGD: Sgd()}
    if config.adam:
        kinds[ADAM] = Adam(b2=0.999)
    steps = config.path // config.batch
    common = Setup(
        transformer(config, config.width),
        steps=steps,
        batch=config.batch,
        records=steps,
        warmup=0.0,
        enumerated=False,
        decay=False,
        scored=config.response,
    )
    return {name: replace(common, optimizer=kind) for name, kind in kinds.items()}


def paths_task(config: "Config", mix: tuple[float, ...]) -> Callable[..., Any]:
    """The task of a sweep: a seed's world, exam and key to what is stored."""
    styles = len(mix)
    phases = (
        pretraining(config, config.width, (config.volume,)),
        tuning(
            config, config.width, "fine-tune", config.slices[-1], config.batch,
            config.slices,
        ),
    )  # fmt: skip

    def task(world: StyledSource, exam: Exam, key: jax.Array) -> dict[str, jax.Array]:
        key_start, key_life, key_prompt, key_paths = jax.random.split(key, 4)
        mixes = [pure(task, styles) for task in range(styles - 1)]
        legs = (
            toward(world, [mix], [config.rate_pretrain]),
            toward(world, mixes, [config.rate] * len(mixes)),
        )
        start = phases[0].setup.model.init(key_start)
        _, tuned = live(phases, legs, start, exam, key_life)
        slices = picked(tuned.kept, (0, 0))
        asked = world.asked(key_prompt, config.answers)
        stored: dict[str, jax.Array] = jax.lax.map(
            lambda kept: _walked(config, kept, asked, key_paths), slices
        )
        return stored

    return task


def _walked(
    config: "Config", kept: Params, asked: Tokens, key: jax.Array
) -> dict[str, jax.Array]:
    """Answers and all paths of one task, from its slices on a leading axis."""
    model, response = transformer(config, config.width), config.response
    key_answer, key_train = jax.random.split(key)

    def answers(params: Params) -> tuple[Tokens, jax.Array]:
        rows = generated(model, params, key_answer, asked, response)
        said = response_log_probs(model, params, rows, response)
        return rows, -jnp.mean(jnp.sum(jnp.exp(said) * said, axis=-1))

    rows, entropies = jax.lax.map(answers, kept)
    earlier, later = (jnp.asarray(ends) for ends in zip(*PATHS, strict=True))
    # [direction, pair]: who is trained, and on whose answers.
    trained = jnp.stack([earlier, later])
    authors = jnp.stack([later, earlier])
    walks = {
        name: _each_walk(setup, _rate(config, name), kept, rows, key_train)
        for name, setup in path_setups(config).items()
    }
    done = {name: walk(trained, authors) for name, walk in walks.items()}
    return {
        "entropy": entropies,
        "raw": jnp.stack([raw for raw, _ in done.values()]) / response,
        "excess": jnp.stack([excess for _, excess in done.values()]) / response,
    }


def _rate(config: "Config", optimizer: str) -> float:
    return config.rate_adam if optimizer == ADAM else config.rate


def _each_walk(
    setup: Setup, rate: float, kept: Params, rows: Tokens, key: jax.Array
) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """Raw and excess loss a step [direction, pair, step], nats per response."""

    def walk(ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        trained, author = ends
        source = DatasetSource(rows[author])
        hyper = Hyper(
            jnp.float32(rate), jnp.float32(0), source, None, picked(kept, trained)
        )
        losses = run(setup, hyper, key).records.loss

        def owns(step: jax.Array) -> jax.Array:
            seen = batch_at(setup, source, key, step)
            return jnp.mean(
                sequence_losses(setup.model, picked(kept, author), seen, setup.scored)
            )

        # The author's own loss on the very rows of each step: the mean of the
        # difference is a divergence, and most of the noise of the rows is gone.
        return losses, losses - jax.lax.map(owns, jnp.arange(setup.steps))

    def each(trained: jax.Array, authors: jax.Array) -> tuple[jax.Array, jax.Array]:
        flat = jax.lax.map(walk, (trained.ravel(), authors.ravel()))
        first, second = (loss.reshape(*trained.shape, -1) for loss in flat)
        return first, second

    return each


def measured(config: "Config", raw: dict[str, np.ndarray]) -> xr.Dataset:
    """What the sweep gave, named: losses are means over a path, nats per token."""
    curve = ("seed", "task", "optimizer", "direction", "pair", "step")
    means = {name: np.asarray(raw[name]).mean(-1) for name in ("raw", "excess")}
    token = "nats per token"
    return labelled(
        {
            "raw": (
                curve[:-1], means["raw"], token,
                "training loss of a path, mean over it",
            ),
            "excess": (
                curve[:-1], means["excess"], token,
                "training loss less that of the rows' author",
            ),
            "curve": (
                curve, raw["excess"], token, "excess loss at every step of a path",
            ),
            "entropy": (
                ("seed", "task", "slice"), raw["entropy"], token,
                "entropy of a slice's answers",
            ),
        },
        _coordinates(config),
    )  # fmt: skip


def _coordinates(config: "Config") -> dict[str, Variable]:
    steps = np.arange(config.path // config.batch) * config.batch
    axes = (
        ("seed", config.every_seed, "1", "seed of world, network and data"),
        ("task", config.tasks, "1", "pre-training share of a task"),
        ("optimizer", list(path_setups(config)), "1", "optimiser of the paths"),
        ("direction", DIRECTIONS, "1", "way of a path"),
        ("pair", PAIRS, "1", "slices at the ends of a path"),
        ("step", steps, "responses", "responses seen on a path"),
        ("slice", config.slices, "responses", "responses after which a slice was kept"),
    )
    return {name: ((name,), values, units, text) for name, values, units, text in axes}
