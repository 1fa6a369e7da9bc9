"""Case II: a ball around the aligned parameters against the penalty of Case I.

Transformers aligned on safety data are fine-tuned on capability data inside an L2 ball
of all parameters (projected descent), and, for comparison, with a penalty on exact
safety data. Losses are expectations: what is measured is the landscape, not noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments import case_one, case_two
from experiments.bench import Bench
from experiments.case_two_evidence import case_two_evidence, remarks
from experiments.case_two_figure import case_two_figure
from experiments.claim import Verdict, conclude
from experiments.networks import Networks, seeds, transformer, worlds
from experiments.validation import at_least, increasing, positive
from experiments.worlds import SequenceWorlds
from simlab.optimizers import Adam, Normalised
from simlab.sweeps import Axis, Grid
from simlab.training import Setup


@dataclass(frozen=True)
class Config(Networks):
    """Every choice of the experiment; radii are L2 norms over all parameters."""

    # Local laws hold for penalties far above every ratio p_f / p_s: milder chains.
    concentration: float = 4.0  # Dirichlet concentration of the random chains
    seeds: int = 8  # networks for each point
    radii: int = 13  # balls, log-spaced
    radius_min: float = 3e-3  # smallest radius
    radius_max: float = 3.0  # largest radius
    penalties: int = 9  # values of Case I's penalty, log-spaced
    penalty_min: float = 0.1  # smallest penalty
    penalty_max: float = 100.0  # largest penalty
    overlap: float = 1.0  # capability mass on safety contexts
    steps_align: int = 4000  # optimiser steps of alignment
    steps: int = 400  # projected steps inside a ball
    steps_penalty: int = 2000  # optimiser steps under a penalty
    records: int = 4  # moments at which a run is measured
    learning_rate: float = 6e-3  # peak learning rate of Adam, alignment
    learning_rate_penalty: float = 2e-3  # peak learning rate of Adam, penalty
    stride: float = 0.3  # peak length of a projected step, in radii
    local: int = 4  # smallest radii and largest penalties that local laws are held to
    margin: float = 0.1  # declared for local laws: relative, at zero gain

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("radius_min", "penalty_min", "learning_rate", "stride", "margin"):
            positive(self, name, "did you pass its logarithm?")
        positive(self, "learning_rate_penalty", "did you pass its logarithm?")
        increasing(self, "radius_min", "radius_max")
        increasing(self, "penalty_min", "penalty_max")
        at_least(self, {"radii": 3, "penalties": 3, "local": 3})
        if not 0 < self.overlap <= 1:
            raise ValueError(
                f"overlap={self.overlap} must be in (0, 1]; without overlap a task "
                "costs no safety; did you pass percent?"
            )
        if self.local > min(self.radii, self.penalties):
            raise ValueError(
                f"local={self.local} must be <= radii={self.radii} and "
                f"penalties={self.penalties}"
            )
        for steps in (self.steps_align, self.steps, self.steps_penalty):
            setup(self, adam=True, steps=steps)  # training checks its own fields


def setup(config: Config, adam: bool, steps: int | None = None) -> Setup:
    """What a sweep compiles: Adam to fit and to penalise, plain descent in a ball."""
    return Setup(
        transformer(config),
        steps=steps or config.steps,
        records=config.records,
        optimizer=Adam(b2=0.999) if adam else Normalised(),
        expected=True,
    )


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        radii=6, penalties=5, penalty_min=1.0, seeds=4, contexts=4, depth=1,
        steps_align=2000, steps=200, steps_penalty=1000, local=3,
    ),
    "laptop": Config(),
    "accelerator": Config(
        radii=25, penalties=17, seeds=16, contexts=12, width=64, depth=4, heads=4,
        vocabulary=4, steps_align=8000, steps_penalty=4000,
    ),
}  # fmt: skip


def world(config: Config) -> SequenceWorlds:
    """One world, exact safety data: a batch of one proxy and one overlap."""
    return worlds(config, (0.0,), (config.overlap,))


def radii(config: Config) -> Grid:
    """Every run in a ball; the seed varies fastest."""
    values = np.geomspace(config.radius_min, config.radius_max, config.radii)
    return Grid(
        (
            Axis("radius", tuple(values.tolist()), "1", "radius of the ball"),
            Axis("seed", seeds(config), "1", "seed of the initialisation"),
        )
    )


def penalties(config: Config) -> tuple[float, ...]:
    """The penalties of the comparison."""
    values = np.geomspace(config.penalty_min, config.penalty_max, config.penalties)
    return tuple(values.tolist())


def penalty_grid(config: Config) -> Grid:
    """Every run under a penalty; the seed varies fastest."""
    return Grid(
        (
            Axis("proxy", (0.0,), "1", "distance of the proxy safety data"),
            Axis("overlap", (config.overlap,), "1", "context overlap"),
            Axis("penalty", penalties(config), "1", "penalty on safety data"),
            Axis("seed", seeds(config), "1", "seed of the initialisation"),
        )
    )


def predict(config: Config) -> xr.Dataset:
    """The exact frontier that both cases are held to."""
    return case_two.predicted(world(config), penalties(config), config.local)


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Align one transformer a seed; fine-tune it in every ball, under every penalty."""
    made, model = world(config), transformer(config)
    starts = case_one.aligned(
        made,
        seeds(config),
        setup(config, adam=True, steps=config.steps_align),
        config.learning_rate,
        bench,
    )
    balls = setup(config, adam=False)
    tuned = case_two.ball_runs(made, radii(config), starts, balls, config.stride, bench)
    penalised = case_one.fine_tuned(
        made,
        penalty_grid(config),
        starts,
        setup(config, adam=True, steps=config.steps_penalty),
        config.learning_rate_penalty,
        bench,
        "penalty",
    )
    return xr.merge(
        [
            case_two.measured(made, radii(config), starts, balls, tuned),
            case_two.landscapes(made, starts, model),
            case_two.penalised(penalised),
        ],
        join="exact",
    )


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Limits, bounds, local laws and the steeper trade-off, from the stored data."""
    evidence = case_two_evidence(data, config.margin, config.level)
    diverged = int(data["diverged"].sum() + data["penalty_diverged"].sum())
    return conclude(evidence, diverged, remarks(data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Frontiers, bounds against the radius, local laws and the factor kappa."""
    return case_two_figure(data, verdict)
