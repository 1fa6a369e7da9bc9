"""What perfectly trained networks would give: the best policies with a little noise."""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.case_one import measured
from experiments.case_one_config import CaseOne, grid, penalties, worlds
from simlab.landscape import prefix_laws
from simlab.training import Record
from theory.tradeoff import mixture_posterior


def ideal_sweep(config: CaseOne, noise: float = 0.02, draw: int = 0) -> xr.Dataset:
    """A Case I sweep whose models are P* up to normal noise in their logits."""
    made, runs = worlds(config), grid(config)
    first, second = jax.random.split(jax.random.key(draw))
    with jax.enable_x64(True):
        world = jax.tree.map(lambda leaf: jnp.asarray(leaf)[:, :, None], made.world)
        best = mixture_posterior(world, jnp.asarray(penalties(config)))
        logits, aligned = (
            jnp.log(prefix_laws(world.safety.contexts, table, made.vocabulary).rows)
            for table in (best, world.safety.outputs[:1, :1, 0])
        )
        logits = logits[:, :, :, None] + noise * jax.random.normal(
            first, (*runs.shape, *logits.shape[3:])
        )
        aligned = aligned[0] + noise * jax.random.normal(
            second, (config.seeds, *aligned.shape[2:])
        )
        logits = logits.reshape(runs.size, 1, *logits.shape[4:])
    return measured(made, runs, _record(aligned[:, None]), _record(logits))


def _record(logits: jax.Array) -> Record:
    """The record of runs whose last logits are these."""
    nothing = np.zeros(logits.shape[:2])
    return Record(nothing, nothing, nothing, nothing, nothing, np.asarray(logits))


def outcomes(verdict) -> dict[str, str]:
    """The answer to every question of a verdict."""
    return {item.question: item.outcome.value for item in verdict.evidence}


def answer(verdict, words: str) -> str:
    """The one answer to the question that has these words."""
    found = [
        value for question, value in outcomes(verdict).items() if words in question
    ]
    assert len(found) == 1, (words, outcomes(verdict))
    return found[0]
