"""What a security vector may be: its rank, and the matrices on which it acts.

All vectors are fitted by one recipe on the same samples. Ranks act on all matrices of
all blocks; placements have the lab's rank.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Evidence, Verdict, conclude
from experiments.evidence import rises
from experiments.vector_arms import Arm, Spec
from experiments.vector_evidence import protects, told
from experiments.vector_figure import LOSSES, arms_figure
from experiments.vector_lab import ACCELERATOR, SMOKE, VectorLab
from experiments.vector_study import Study, studied

EVERYWHERE = "all"


@dataclass(frozen=True)
class Config(VectorLab):
    """Every choice; `rank` of the lab is the largest one."""

    rank: int = 8  # the largest rank
    ranks: tuple[int, ...] = (1, 2, 4, 8)  # on all matrices of all blocks
    placed: int = 4  # rank of vectors that act on some matrices

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ranks or not 1 <= min(self.ranks) <= max(self.ranks) <= self.rank:
            raise ValueError(f"ranks={self.ranks} must be in [1, rank={self.rank}]")
        if self.placed not in self.ranks:
            raise ValueError(f"placed={self.placed} must be one of ranks={self.ranks}")

    @property
    def placements(self) -> Mapping[str, tuple[str, ...]]:
        """Where vectors may act, by name."""
        return {
            "attention": ("query", "key", "value", "attention_out"),
            "query, value": ("query", "value"),
            "MLP": ("up", "down"),
            "first block": ("blocks.0",),
            "last block": (f"blocks.{self.depth - 1}",),
        }


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        **{**SMOKE, "depth": 2}, rank=4, ranks=(1, 4),
    ),
    "laptop": Config(),
    "accelerator": Config(
        **ACCELERATOR, rank=32,
        ranks=(1, 2, 4, 8, 16, 32),
    ),
}  # fmt: skip


def specs(config: Config) -> dict[str, Spec]:
    """Vectors by name: of every rank, and of every placement."""
    ranks = {ranked(rank): Spec(rank=rank) for rank in config.ranks}
    placed = {
        name: Spec(rank=config.placed, only=targets)
        for name, targets in config.placements.items()
    }
    return ranks | placed


def ranked(rank: int) -> str:
    """The name of a vector that acts everywhere.

    >>> ranked(2)
    'all, rank 2'
    """
    return f"{EVERYWHERE}, rank {rank}"


def predict(config: Config) -> xr.Dataset:
    """Nothing in advance: thresholds are in the configuration."""
    return xr.Dataset()


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """A vector and an arm for every rank and placement."""
    vectors = specs(config)
    arms = {"none": Arm(alpha=0.0, beta=0.0)} | {name: Arm(name) for name in vectors}
    return studied(config, bench, Study(vectors, arms))


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Is every rank enough, and does less room leave more unexplained?"""
    last, vectors = data.isel(moment=-1), specs(config)
    logs = np.log(data["vector_loss"].transpose("vector", "seed").values)
    by_name = dict(zip(vectors, logs, strict=True))
    everywhere = by_name[ranked(config.placed)]
    more = np.stack([by_name[name] - everywhere for name in config.placements])
    evidence: list[Evidence] = [
        protects(
            "at every rank, is harm not learned, and the rest?",
            config, last, [ranked(rank) for rank in config.ranks],
        ),
        rises(
            "do vectors that act on some matrices leave more harm unexplained than "
            f"one of the same rank {config.placed} on all?",
            more, config.level, "log nats",
        ),
    ]  # fmt: skip
    return conclude(evidence, int(data["diverged"].sum()), told(last, list(vectors)))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """What every rank and placement answers, and what it leaves unexplained."""
    return arms_figure(
        data, verdict, "Rank and placement of security vectors", causes=LOSSES
    )
