"""What every claim about Case I chooses: worlds, model, training, and the sweep."""

from dataclasses import dataclass

import numpy as np

from experiments import networks
from experiments.validation import at_least, increasing, positive, shares
from experiments.worlds import SequenceWorlds
from simlab.optimizers import Adam
from simlab.sweeps import Axis, Grid
from simlab.training import Setup

OVERLAPS = (0.0, 0.3, 0.7, 1.0)


@dataclass(frozen=True)
class CaseOne(networks.Networks):
    """Every choice of a Case I sweep; lengths in tokens, gaps in nats per sequence."""

    penalties: int = 9  # values of the penalty, log-spaced
    penalty_min: float = 1e-2  # smallest penalty: the weight of proxy safety data
    penalty_max: float = 1e2  # largest penalty
    proxies: tuple[float, ...] = (0.0, 0.2, 0.6)  # proxy distances: exact, near, far
    overlaps: tuple[float, ...] = OVERLAPS  # capability mass on safety contexts
    steps: int = 600  # optimiser steps of alignment, and again of fine-tuning
    batch: int = 96  # sequences of each data set a step
    records: int = 4  # moments at which a run is measured
    learning_rate: float = 6e-3  # peak learning rate of Adam
    zeta_target: float = 0.02  # certificate allowed, nats per sequence of training data

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("penalty_min", "learning_rate"):
            positive(self, name, "did you pass its logarithm?")
        positive(self, "zeta_target", "it is in nats per sequence")
        increasing(self, "penalty_min", "penalty_max")
        at_least(self, {"penalties": 2})
        shares(self, "proxies")
        shares(self, "overlaps")
        if self.proxies[0] != 0 or list(self.proxies) != sorted(self.proxies):
            raise ValueError(
                f"proxies={self.proxies} must rise from 0, the exact proxy that the "
                "others are compared with; did you leave it out?"
            )
        if list(self.overlaps) != sorted(self.overlaps):
            raise ValueError(f"overlaps={self.overlaps} must rise")
        setup(self)  # training checks its own fields


def setup(config: CaseOne) -> Setup:
    """What alignment and fine-tuning compile."""
    return Setup(
        networks.transformer(config),
        steps=config.steps,
        batch=config.batch,
        records=config.records,
        optimizer=Adam(b2=0.999),
    )


def worlds(config: CaseOne) -> SequenceWorlds:
    """The worlds of the grid, batched over [proxy, overlap]."""
    return networks.worlds(config, config.proxies, config.overlaps)


def penalties(config: CaseOne) -> tuple[float, ...]:
    """The penalties of the grid, log-spaced."""
    values = np.geomspace(config.penalty_min, config.penalty_max, config.penalties)
    return tuple(values.tolist())


def grid(config: CaseOne) -> Grid:
    """Every run; the seed varies fastest."""
    return Grid(
        (
            Axis("proxy", config.proxies, "1", "distance of the proxy safety data"),
            Axis("overlap", config.overlaps, "1", "context overlap"),
            Axis("penalty", penalties(config), "1", "penalty on proxy safety data"),
            Axis(
                "seed", networks.seeds(config), "1", "seed of initialisation and data"
            ),
        )
    )
