"""Case I: fine-tuning with a penalty on proxy safety data traces an exact frontier.

Transformers aligned on the original safety data are fine-tuned on capability data plus
`penalty` times proxy safety data. Every gap is exact, by enumeration.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments import case_one
from experiments.bench import Bench
from experiments.case_one_evidence import case_one_evidence, remarks
from experiments.case_one_figure import case_one_figure
from experiments.claim import Verdict, conclude
from experiments.validation import at_least, increasing, positive, shares
from experiments.worlds import SequenceWorlds, sequence_worlds
from simlab.models import Activation, Positions, Transformer
from simlab.sweeps import Axis, Grid
from simlab.training import Adam, Setup


@dataclass(frozen=True)
class Config:
    """Every choice of the experiment; lengths in tokens, gaps in nats per sequence."""

    penalties: int = 9  # values of the penalty, log-spaced
    penalty_min: float = 1e-2  # smallest penalty: the weight of proxy safety data
    penalty_max: float = 1e2  # largest penalty
    proxies: tuple[float, ...] = (0.0, 0.2, 0.6)  # proxy distances: exact, near, far
    overlaps: tuple[float, ...] = (
        0.0,
        0.3,
        0.7,
        1.0,
    )  # capability mass on safety contexts
    seeds: int = 4  # networks (initialisation and data) for each point
    seed: int = 0  # the first of those seeds
    contexts: int = 6  # contexts; the first half are safety contexts
    vocabulary: int = 3  # output tokens
    length: int = 3  # tokens of a sequence
    concentration: float = 1.0  # Dirichlet concentration of the random chains
    world_seed: int = 0  # which random world
    width: int = 16  # width of the transformer
    depth: int = 2  # blocks of the transformer
    heads: int = 2  # attention heads of a block
    positions: Positions = Positions.ROTARY  # how a token knows its place
    activation: Activation = Activation.GELU  # nonlinearity of a block
    steps: int = 600  # optimiser steps of alignment, and again of fine-tuning
    batch: int = 96  # sequences of each data set a step
    records: int = 4  # moments at which a run is measured
    learning_rate: float = 6e-3  # peak learning rate of Adam
    zeta_target: float = 0.02  # certificate allowed, nats per sequence of training data
    level: float = 0.99  # confidence of each statistical answer

    def __post_init__(self) -> None:
        for name in ("penalty_min", "learning_rate", "concentration"):
            positive(self, name, "did you pass its logarithm?")
        positive(self, "zeta_target", "it is in nats per sequence")
        increasing(self, "penalty_min", "penalty_max")
        at_least(self, _LEAST)
        shares(self, "proxies")
        shares(self, "overlaps")
        if self.proxies[0] != 0 or list(self.proxies) != sorted(self.proxies):
            raise ValueError(
                f"proxies={self.proxies} must rise from 0, the exact proxy that the "
                "others are compared with; did you leave it out?"
            )
        if list(self.overlaps) != sorted(self.overlaps):
            raise ValueError(f"overlaps={self.overlaps} must rise")
        if not 0.5 < self.level < 1:
            raise ValueError(
                f"level={self.level} must be in (0.5, 1): a confidence; did you pass "
                "the error level?"
            )
        setup(self)  # the model and the training check their own fields


_LEAST = {
    "penalties": 2, "seeds": 1, "seed": 0, "contexts": 2, "vocabulary": 2, "length": 1,
    "width": 2, "depth": 1, "heads": 1, "world_seed": 0,
}  # fmt: skip


def setup(config: Config) -> Setup:
    """What alignment and fine-tuning compile."""
    model = Transformer(
        vocabulary=config.vocabulary,
        contexts=config.contexts,
        length=config.length,
        width=config.width,
        depth=config.depth,
        heads=config.heads,
        positions=config.positions,
        activation=config.activation,
    )
    return Setup(
        model,
        steps=config.steps,
        batch=config.batch,
        records=config.records,
        optimizer=Adam(b2=0.999),
    )


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        penalties=3, overlaps=(0.0, 0.5, 1.0), seeds=3, contexts=4, steps=400,
    ),
    "laptop": Config(),
    "accelerator": Config(
        penalties=17, proxies=(0.0, 0.1, 0.2, 0.4, 0.6), seeds=16, contexts=16,
        vocabulary=6, width=64, steps=3200, batch=512,
    ),
}  # fmt: skip


def worlds(config: Config) -> SequenceWorlds:
    """The worlds of the grid, batched over [proxy, overlap]."""
    return sequence_worlds(
        config.world_seed,
        contexts=config.contexts,
        vocabulary=config.vocabulary,
        length=config.length,
        concentration=config.concentration,
        distances=config.proxies,
        overlaps=config.overlaps,
    )


def penalties(config: Config) -> tuple[float, ...]:
    """The penalties of the grid, log-spaced."""
    values = np.geomspace(config.penalty_min, config.penalty_max, config.penalties)
    return tuple(values.tolist())


def grid(config: Config) -> Grid:
    """Every run; the seed varies fastest."""
    seeds = range(config.seed, config.seed + config.seeds)
    return Grid(
        (
            Axis("proxy", config.proxies, "1", "distance of the proxy safety data"),
            Axis("overlap", config.overlaps, "1", "context overlap"),
            Axis("penalty", penalties(config), "1", "penalty on proxy safety data"),
            Axis("seed", tuple(seeds), "1", "seed of initialisation and data"),
        )
    )


def predict(config: Config) -> xr.Dataset:
    """The exact gaps of the best policy, what zeta_target allows, and the frontier."""
    return case_one.predicted(worlds(config), penalties(config), config.zeta_target)


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Align one transformer a seed, fine-tune it over the grid, measure exactly."""
    return case_one.simulated(
        worlds(config), grid(config), setup(config), config.learning_rate, bench
    )


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Frontier, identity, agreement, floor and overlap, from the stored data."""
    evidence = case_one_evidence(data, config.zeta_target, config.level)
    return conclude(evidence, int(data["diverged"].sum()), remarks(data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """The paper's two panels over our exact curves, with residuals and certificates."""
    return case_one_figure(data, verdict)
