"""The arena: every defence against every attacker, on worlds whose limits are exact.

A transformer in which harm is latent is aligned, guarded by a defence, fine-tuned by a
user whose data hold useful and harmful rows, and deployed; its safety and capability
gaps are exact, and so is the frontier that no policy can cross.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.arena_attacks import ATTACKS, REFERENCE
from experiments.arena_config import (
    PRESETS,
    Config,
    arms,
    judged,
    laboratory,
    tuning,
    world_size,
)
from experiments.arena_evidence import arena_evidence, remarks
from experiments.arena_figure import arena_figure
from experiments.arena_readings import chosen_settings, predicted, read, tuned
from experiments.arena_runs import Bout, Entrant, fought, prepared
from experiments.arena_worlds import (
    BaseTraining,
    Beginning,
    Begun,
    arena_sources,
    worlds_of,
)
from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.pytrees import picked
from simlab.defences import Lab

__all__ = ["PRESETS", "Config", "draw", "judge", "predict", "simulate"]


def predict(config: Config) -> xr.Dataset:
    """The exact frontier of every judged world."""
    return predicted(worlds_of(world_size(config), judged(config)), judged(config))


class _Stage(NamedTuple):
    """What tuning and fighting share."""

    config: Config
    lab: Lab
    begun: Begun
    keys: jax.Array
    bench: Bench

    def fought(self, entrants: list[Entrant], attacks: list[str], name: str) -> Any:
        """Logits of every entrant under every attack: [entrant, attack, stop, ...]."""
        met = tuple(ATTACKS[attack] for attack in self.config.attacks)
        guards = prepared(
            self.lab, entrants, self.begun, self.keys, self.bench, f"{name}: prepare"
        )
        bouts = [
            Bout(place, self.config.attacks.index(attack))
            for place in range(len(entrants))
            for attack in attacks
        ]
        logits = fought(
            self.lab, bouts, entrants, guards, met, self.begun, self.keys, self.bench,
            f"{name}: train",
        )  # fmt: skip
        return logits.reshape(len(entrants), len(attacks), *logits.shape[1:])


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Bases, the tuning of every defence, and every defence against every attack."""
    lab, fighters, first = laboratory(config), arms(config), config.tuning_seeds
    seeds = (*tuning(config), *judged(config))
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
    laws = worlds_of(world_size(config), seeds)
    begun = bases(config, lab, seeds, keys, bench)
    start = np.asarray(begun.logits)
    stage = _Stage(config, lab, begun, keys, bench)
    trials = [
        Entrant(arm, setting, seed)
        for arm in fighters
        for setting in arm.settings
        for seed in range(first)
    ]
    logits = stage.fought(trials, [REFERENCE], "tune")[:, 0]
    trial = tuned(fighters, trials, logits, start, laws, config.lost)
    entrants = [
        Entrant(arm, setting, seed)
        for arm, setting in zip(fighters, chosen_settings(trial), strict=True)
        for seed in range(first, len(seeds))
    ]
    logits = stage.fought(entrants, list(config.attacks), "fight")
    logits = logits.reshape(len(fighters), config.seeds, *logits.shape[1:])
    own = picked(laws, slice(first, None))
    return xr.merge([trial, read(config, logits, start[first:], own)], join="exact")


def bases(
    config: Config, lab: Lab, seeds: tuple[int, ...], keys: jax.Array, bench: Bench
) -> Begun:
    """An aligned base and everyone's data for every seed."""
    sources = arena_sources(world_size(config), worlds_of(world_size(config), seeds))
    pool = max(ATTACKS[name].samples for name in config.attacks)
    training = BaseTraining(config.base_steps)
    begin = Beginning(lab.model, lab.instructions, training, config.known, pool)
    begun: Begun = bench.sweep(
        "bases",
        lambda source, key: begin(source, key),
        (sources, keys),
        steps=2 * training.steps,
        tokens_per_step=training.batch * lab.model.length,
    )
    return begun


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """The frontier, the controls, and the worst case against none and random."""
    return conclude(
        arena_evidence(config, data), int(data["diverged"].sum()), remarks(config, data)
    )


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Gaps and frontier, the worst case of every defence, and every attack."""
    return arena_figure(data, verdict)
