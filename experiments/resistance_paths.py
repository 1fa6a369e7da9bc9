"""One seed of `resistance`: slices of three tasks, their answers, and all paths."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.lifecycle import Life, pretraining, pure, toward, transformer, tuning
from simlab.judges import Exam, generated, response_log_probs
from simlab.models import Params
from simlab.objectives import sequence_losses
from simlab.phases import live
from simlab.sources import DatasetSource, StyledSource, Tokens
from simlab.training import Adam, Hyper, Optimizer, Setup, Sgd, batch_at, run

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
        slices = jax.tree.map(lambda leaf: leaf[0, 0], tuned.kept)
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

    def of_slice(index: jax.Array) -> Params:
        return jax.tree.map(lambda leaf: leaf[index], kept)

    def walk(ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        trained, author = ends
        source = DatasetSource(rows[author])
        hyper = Hyper(
            jnp.float32(rate), jnp.float32(0), source, None, of_slice(trained)
        )
        losses = run(setup, hyper, key).records.loss

        def owns(step: jax.Array) -> jax.Array:
            seen = batch_at(setup, source, key, step)
            return jnp.mean(
                sequence_losses(setup.model, of_slice(author), seen, setup.scored)
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
    data: dict[str, Any] = {
        name: (curve[:-1], values, _about(text, token))
        for name, values, text in (
            ("raw", means["raw"], "training loss of a path, mean over it"),
            ("excess", means["excess"], "training loss less that of the rows' author"),
        )
    }
    data["curve"] = (
        curve,
        np.asarray(raw["excess"]),
        _about("excess loss at every step of a path", token),
    )
    data["entropy"] = (
        ("seed", "task", "slice"),
        np.asarray(raw["entropy"]),
        _about("entropy of a slice's answers", token),
    )
    return xr.Dataset(data, coords=_coordinates(config))


def _coordinates(config: "Config") -> dict[str, Any]:
    seeds = _seeds(config)
    steps = np.arange(config.path // config.batch) * config.batch
    return {
        "seed": ("seed", seeds, _about("seed of world, network and data", "1")),
        "task": (
            "task", list(config.tasks), _about("pre-training share of a task", "1"),
        ),
        "optimizer": (
            "optimizer", list(path_setups(config)),
            _about("optimiser of the paths", "1"),
        ),
        "direction": ("direction", list(DIRECTIONS), _about("way of a path", "1")),
        "pair": ("pair", list(PAIRS), _about("slices at the ends of a path", "1")),
        "step": ("step", steps, _about("responses seen on a path", "responses")),
        "slice": (
            "slice", list(config.slices),
            _about("responses after which a slice was kept", "responses"),
        ),
    }  # fmt: skip


def _seeds(life: Life) -> list[int]:
    return list(range(life.seed, life.seed + life.seeds))


def _about(text: str, units: str) -> dict[str, str]:
    return {"units": units, "long_name": text}
