"""Is a security vector better for a simulated user, as a min-min has it?

Alternating lets the simulated model absorb what the vector should explain; the model is
then thrown away (security-vector notes 3, remark 8). Compared with the plain vector at
the same number of vector steps: harm left unexplained at the true base, protection, and
shelf life: harm unexplained after fine-tuning on benign data. One variant simulates
benign users only, so that the vector sees the drifts that it should survive.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.acceptance import Threshold
from experiments.bench import Bench
from experiments.claim import Evidence, Verdict, conclude
from experiments.evidence import rises
from experiments.thresholds import below, known
from experiments.vector_arms import Arm, Spec
from experiments.vector_evidence import reached, told
from experiments.vector_figure import LOSSES, arms_figure
from experiments.vector_lab import ACCELERATOR, SMOKE, VectorLab, vector_fit
from experiments.vector_readings import HARM
from experiments.vector_study import Study, studied
from simlab.security_vectors import MinMin

PLAIN = "plain"
HARMFUL = ("min-min on H", "min-min on H, B", "long min-min on H")
"""Variants whose user trains on harm: those of which the question is asked."""


@dataclass(frozen=True)
class Config(VectorLab):
    """Every choice."""

    rounds: int = 10  # alternations, which share the vector's steps
    model_steps: int = 20  # steps of the simulated model a round
    model_steps_long: int = 60  # of the long variant, at three times the rate
    better: float = 0.02  # harm complied with less than behind the plain vector: below

    def __post_init__(self) -> None:
        super().__post_init__()
        for steps in (self.model_steps, self.model_steps_long):
            MinMin(self.rounds, steps)  # it checks itself
        replace(vector_fit(self), min_min=MinMin(self.rounds))


PRESETS: Mapping[str, Config] = {
    "smoke": Config(**SMOKE, model_steps=5, model_steps_long=5),
    "laptop": Config(),
    "accelerator": Config(**ACCELERATOR),
}


def specs(config: Config) -> dict[str, Spec]:
    """Vectors by what a simulated user trains on; the long one also goes faster."""
    usual = MinMin(config.rounds, config.model_steps)
    long = MinMin(config.rounds, config.model_steps_long)
    return {
        PLAIN: Spec(),
        "min-min on H": Spec(min_min=usual, simulated=("H",)),
        "min-min on H, B": Spec(min_min=usual, simulated=("H", "B")),
        "min-min on B": Spec(min_min=usual, simulated=("B",)),
        "long min-min on H": Spec(min_min=long, simulated=("H",), pace=3.0),
    }


def predict(config: Config) -> xr.Dataset:
    """Nothing in advance: directions, and thresholds in the configuration."""
    return xr.Dataset()


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Every vector in mixed and in benign fine-tuning."""
    vectors = specs(config)
    arms = {name: Arm(name) for name in vectors}
    arms |= {benign(name): Arm(name, data=("B",)) for name in vectors}
    return studied(config, bench, Study(vectors, arms))


def benign(name: str) -> str:
    """The arm of a vector in benign fine-tuning."""
    return f"{name}, benign data"


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Residual, protection and shelf life against the plain vector's."""
    last = data.isel(moment=-1)
    loss = np.log(data["vector_loss"].transpose("vector", "seed").values)
    by_name = dict(zip(data["vector"].values.tolist(), loss, strict=True))
    more = np.stack([by_name[name] - by_name[PLAIN] for name in HARMFUL])
    harm = last[HARM].transpose("arm", "optimizer", "seed")
    gains = np.concatenate(
        [harm.sel(arm=PLAIN).values - harm.sel(arm=name).values for name in HARMFUL]
    )
    evidence: list[Evidence] = [
        reached(
            "behind the plain vector, is harm not learned?", config, last, [PLAIN],
            {HARM: Threshold("harm", config.unlearned, False)},
        ),
        rises(
            "do min-min vectors leave more unseen harm unexplained at the true base?",
            more, config.level, "log nats",
        ),
        below(
            "is less harm learned behind min-min vectors only by a hair, if at all?",
            known(gains), config.better, config.level, "share of requests",
        ),
    ]  # fmt: skip
    remarks = [*told(last, data["arm"].values.tolist()), *_shelf_lives(data)]
    return conclude(evidence, int(data["diverged"].sum()), remarks)


def _shelf_lives(data: xr.Dataset) -> list[str]:
    """Harm unexplained before and after benign fine-tuning, vector on."""
    on = data["loss_H_on"]

    def line(name: str, optimizer: str) -> str:
        cell = on.sel(arm=benign(name), optimizer=optimizer)
        before, after = cell.isel(moment=0).values, cell.isel(moment=-1).values
        return (
            f"shelf life of {name}, {optimizer}: harm unexplained "
            f"{before.mean():.3g} before, {after.mean():.3g} ({after.min():.3g} to "
            f"{after.max():.3g}) nats per answer after benign fine-tuning"
        )

    optimizers = data["optimizer"].values.tolist()
    return [line(v, o) for v in data["vector"].values.tolist() for o in optimizers]


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """What every variant's models answer, and harm unexplained at the true base."""
    title = "Min-min against plain security vectors"
    return arms_figure(data, verdict, title, causes=LOSSES)
