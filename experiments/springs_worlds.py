"""The worlds of the springs' claim, what pulls in them, and the best of all models."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.labels import labelled
from experiments.worlds import sequence_chains
from simlab.equilibrium import Springs
from simlab.models import Model
from theory.chains import sequence_table
from theory.compression import DataSets, critical_share, responses

NATS = "nats per sequence"
SETS = ("pre-training", "alignment", "perturbation")
CELL = ("seed", "ratio", "share")


class Pull(NamedTuple):
    """A model and the decay that pulls it back to its start.

    `decay` counts for each unit of pre-training and alignment data where it `grows`,
    else once. `embedding` is the factor on the embeddings at the start.
    """

    name: str
    model: Model
    decay: float
    grows: bool
    embedding: float


class Probe(NamedTuple):
    """The worlds, the sizes, and how optima and responses are found."""

    ratios: tuple[float, ...]
    shares: tuple[float, ...]
    seeds: tuple[int, ...]
    contexts: int
    vocabulary: int
    length: int
    concentration: float
    steps: int
    learning_rate: float
    polish_steps: int
    tolerance: float
    step: float


def joint_laws(probe: Probe) -> np.ndarray:
    """mu(x) p(y|x) of pre-training, alignment and perturbation, [seed, set, x, y].

    Form B: the pre-training data are three Markov chains a context in equal parts, the
    alignment data are the second of them and the perturbation is the third.
    """
    worlds = []
    for seed in probe.seeds:
        chains = sequence_chains(
            seed,
            contexts=probe.contexts,
            vocabulary=probe.vocabulary,
            concentration=probe.concentration,
        )
        with jax.enable_x64(True):
            parts = [
                np.asarray(sequence_table(chain, probe.length)) for chain in chains
            ]
        worlds.append(np.stack([np.mean(parts, axis=0), *parts[1:]]))
    return np.stack(worlds) / probe.contexts


def predicted(probe: Probe) -> xr.Dataset:
    """Responses d gamma_i / d n_j of the best of all models, and the critical share."""
    laws = joint_laws(probe)
    k, share = np.meshgrid(probe.ratios, probe.shares, indexing="ij")
    sizes = np.stack([k, np.ones_like(k), share], axis=-1)
    with jax.enable_x64(True):
        flat = laws.reshape(*laws.shape[:2], -1)[:, None, None]
        data = DataSets(jnp.asarray(flat), jnp.asarray(sizes))
        table = np.asarray(-jax.jit(responses)(data))
        critical = np.asarray(jax.jit(critical_share)(data))
    return labelled(
        {
            "tabular": (
                (*CELL, "set", "moved"), table, NATS, "response of the best model",
            ),
            "critical_share": (
                CELL, np.broadcast_to(critical, table.shape[:3]), "1",
                "share up to which pre-training gains, best model",
            ),
        }
    )  # fmt: skip


def springs_of(
    probe: Probe, pull: Pull, world: np.ndarray, centre: Any, k: float, share: float
) -> Springs:
    """Data of sizes k : 1 : share, and decay towards `centre`."""
    decay = pull.decay * (k + 1 if pull.grows else 1.0)
    return Springs(world, np.array([k, 1.0, share]), np.float64(decay), centre)
