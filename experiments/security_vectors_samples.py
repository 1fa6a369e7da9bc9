"""How many harmful samples does a security vector need?

Vectors are fitted on more and more harmful samples, the same number of steps each, and
protect fine-tuning on 1,000. What bounds the drift is the error on samples that the
vector has not seen (security-vector notes 3, theorem 3 v), so that is what is measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.evidence import rises
from experiments.vector_arms import Arm, Spec
from experiments.vector_evidence import protects, told
from experiments.vector_figure import curves_figure
from experiments.vector_lab import ACCELERATOR, SMOKE, VectorLab
from experiments.vector_study import Study, studied


@dataclass(frozen=True)
class Config(VectorLab):
    """Every choice; `samples` of the lab are the largest number."""

    samples: int = 300  # the most harmful rows that a vector is fitted on
    counts: tuple[int, ...] = (5, 10, 30, 100, 300)  # harmful rows of each vector
    enough: int = 100  # from here on the thresholds should be reached

    def __post_init__(self) -> None:
        super().__post_init__()
        if sorted(set(self.counts)) != list(self.counts) or len(self.counts) < 2:
            raise ValueError(f"counts={self.counts} must be two or more, and rise")
        if self.counts[0] < 1 or self.counts[-1] > self.samples:
            raise ValueError(
                f"counts={self.counts} must be in [1, samples={self.samples}]"
            )
        if self.enough not in self.counts:
            raise ValueError(
                f"enough={self.enough} must be one of counts={self.counts}"
            )


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        **SMOKE, counts=(5, 100),
    ),
    "laptop": Config(),
    "accelerator": Config(
        **ACCELERATOR,
        samples=1000, counts=(5, 10, 20, 50, 100, 200, 500, 1000),
    ),
}  # fmt: skip


def predict(config: Config) -> xr.Dataset:
    """Nothing in advance: a direction, and thresholds in the configuration."""
    return xr.Dataset()


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """A vector and an arm a count, and one without a vector."""
    specs = {str(count): Spec(samples=count) for count in config.counts}
    arms = {"none": Arm(alpha=0.0, beta=0.0)} | {name: Arm(name) for name in specs}
    return studied(config, bench, Study(specs, arms))


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Does the unseen error fall, and are `enough` samples enough?"""
    logs = np.log(data["vector_loss"].transpose("vector", "seed").values)
    falls = rises(
        "does the loss on unseen harm fall from each number of samples to the next?",
        logs[:-1] - logs[1:], config.level, "log nats",
    )  # fmt: skip
    last = data.isel(moment=-1)
    counts = [str(n) for n in config.counts if n >= config.enough]
    enough = protects(
        f"from {config.enough} samples on, is harm not learned, and the rest?",
        config, last, counts,
    )  # fmt: skip
    remarks = told(last, data["arm"].values.tolist())
    return conclude([falls, enough], int(data["diverged"].sum()), remarks)


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Answers, unseen loss and rate of learning against the number of samples."""
    names = data["vector"].values.tolist()
    return curves_figure(
        data, verdict, "Samples that a security vector needs",
        np.array([float(name) for name in names]), names,
        "harmful samples of the vector", log=True,
    )  # fmt: skip
