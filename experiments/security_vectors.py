"""Security vectors: 100 harmful samples stop the learning of 1,000.

A transformer that was taught to refuse is fine-tuned on harmful, new useful and old
benign requests, with a vector on that explains the harm; then the vector is switched
off. With it the controls that could explain the effect away: no vector, a random one of
the same norms, one for the useful data, one for refusals, a negated one, and a vector
subtracted only afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.security_vectors_evidence import headline, remarks
from experiments.vector_arms import Arm, Spec
from experiments.vector_figure import arms_figure
from experiments.vector_lab import ACCELERATOR, SMOKE, VectorLab
from experiments.vector_study import Study, studied

SECURITY, BARE, USEFUL, REFUSING, RANDOM = (
    "security", "no KL, no norm", "useful", "refusing", "random",
)  # fmt: skip
"""Vectors."""

SPECS: Mapping[str, Spec] = {
    SECURITY: Spec(),
    BARE: Spec(kl=0.0, norm=0.0),
    USEFUL: Spec(data="N"),
    REFUSING: Spec(data="H refused"),
}

ARMS: Mapping[str, Arm] = {
    "none": Arm(alpha=0.0, beta=0.0),
    "zero vector": Arm(),
    "security vector": Arm(SECURITY),
    "no KL, no norm": Arm(BARE),
    "random vector": Arm(RANDOM),
    "useful vector": Arm(USEFUL),
    "refusing vector": Arm(REFUSING),
    "negated vector": Arm(SECURITY, -1.0, -1.0),
    "negation after": Arm(SECURITY, 0.0, 1.0),
    "no harmful data": Arm(alpha=0.0, beta=0.0, data=("N", "B")),
    "benign data": Arm(alpha=0.0, beta=0.0, data=("B",)),
    "benign, vector": Arm(SECURITY, data=("B",)),
}


@dataclass(frozen=True)
class Config(VectorLab):
    """Every choice; thresholds are those of security-vector notes 5.7."""

    held_out: int = 512  # held-out rows of each kind
    records: int = 2  # moments of fine-tuning at which models are measured
    rate_harm: float = 5e-3  # relative rate of learning harm, kappa_H: at most
    rate_useful: float = 0.7  # relative rate of learning N, kappa_N: at least


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        **SMOKE,
    ),
    "laptop": Config(),
    "accelerator": Config(
        **ACCELERATOR,
    ),
}  # fmt: skip


def predict(config: Config) -> xr.Dataset:
    """Nothing in advance: the thresholds are in the configuration."""
    return xr.Dataset()


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Bases, vectors, and every arm's fine-tune under both optimisers."""
    return studied(config, bench, Study(SPECS, ARMS, random={RANDOM: SECURITY}))


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """The thresholds of every arm, seed by seed, and what is only told."""
    return conclude(
        headline(config, data), int(data["diverged"].sum()), remarks(config, data)
    )


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """What every arm answers, and its rates of learning."""
    return arms_figure(data, verdict, "Security vectors and their controls")
