"""More context overlap, a worse frontier: overlap as a continuous knob.

Transformers aligned on safety data are fine-tuned on capability data of which the share
`overlap` lies on safety contexts, plus `penalty` times safety data. Every gap is exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments import case_one
from experiments.bench import Bench
from experiments.case_one_config import CaseOne, grid, penalties, setup, worlds
from experiments.claim import Verdict, conclude
from experiments.labels import labelled
from experiments.overlap_evidence import overlap_evidence, remarks
from experiments.overlap_figure import overlap_figure
from experiments.pytrees import picked
from experiments.validation import positive
from theory.tradeoff import frontier_proxy, optimal_gaps, optimum, supporting_penalty

NATS = case_one.NATS
_FINE = 41  # overlaps of a theory line
EIGHTHS = tuple(i / 8 for i in range(9))


@dataclass(frozen=True)
class Config(CaseOne):
    """A Case I sweep along the overlap, and what is read off it."""

    penalties: int = 5  # values of the penalty, log-spaced
    penalty_min: float = 0.1  # smallest penalty: the weight of safety data
    penalty_max: float = 10.0  # largest penalty
    proxies: tuple[float, ...] = (0.0,)  # proxy distances; 0 is exact safety data
    overlaps: tuple[float, ...] = EIGHTHS  # capability mass on safety contexts
    seeds: int = 8  # networks (initialisation and data) for each point
    safety_levels: tuple[float, ...] = (0.1, 0.3)  # gaps to read the frontier at
    resolution: float = 0.005  # least predicted change asked of G_f, nats per sequence

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "resolution", "it is in nats per sequence")
        if not self.safety_levels or min(self.safety_levels) <= 0:
            raise ValueError(
                f"safety_levels={self.safety_levels} must be one or more gaps > 0, in "
                "nats per sequence"
            )
        if len(self.overlaps) < 3:
            raise ValueError(
                f"overlaps={self.overlaps} must be 3 or more: a trend is asked for; "
                "tradeoff_penalty compares two"
            )


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        penalties=3, overlaps=(0.0, 0.25, 0.5, 1.0), seeds=3, contexts=4, depth=1,
        steps=400,
    ),
    "laptop": Config(),
    "accelerator": Config(
        penalties=9, penalty_min=0.03, penalty_max=30.0, seeds=32, contexts=16,
        vocabulary=6, width=64, steps=3200, batch=512,
    ),
}  # fmt: skip


def predict(config: Config) -> xr.Dataset:
    """The exact gaps and what zeta_target allows at the grid, and curves between."""
    cells = case_one.predicted(worlds(config), penalties(config), config.zeta_target)
    return xr.merge([cells, _at_levels(config), _curves(config)])


def _at_levels(config: Config) -> xr.Dataset:
    """The frontier at fixed proxy gaps, and the penalty whose best policy lies there.

    With mu_f = o mu_s + (1 - o) mu_perp and nothing shared but mu_s, the frontier is
    F_o(g) = o F_1(g): on the other contexts a policy is free to lose nothing.
    """
    with jax.enable_x64(True):
        world = picked(worlds(config).world, np.s_[:, :, None])
        levels = jnp.asarray(config.safety_levels)
        limits = jax.jit(frontier_proxy)(world, levels)
        penalty = jax.jit(supporting_penalty)(world, levels)
    cells = ("proxy", "overlap", "safety_level")
    return labelled(
        {
            "level_frontier": (cells, limits, NATS, "least capability gap allowed"),
            "level_penalty": (cells, penalty, "1", "penalty of the policy with it"),
        },
        {"safety_level": (("safety_level",), levels, NATS, "proxy gap held fixed")},
    )


def _curves(config: Config) -> xr.Dataset:
    """The best policy's gaps and the frontier at fixed gaps along a fine overlap."""
    overlaps = np.linspace(0, 1, _FINE)
    fine = worlds(replace(config, overlaps=tuple(overlaps.tolist())))
    with jax.enable_x64(True):
        world = picked(fine.world, np.s_[:, :, None])
        grid_ = jnp.asarray(penalties(config))
        best = jax.jit(optimal_gaps)(world, grid_)
        least = jax.jit(optimum)(world, grid_)
        levels = jnp.asarray(config.safety_levels)
        limits = jax.jit(frontier_proxy)(world, levels)
    along = ("proxy", "fine_overlap", "penalty")
    at_level = ("proxy", "fine_overlap", "safety_level")
    return labelled(
        {
            "fine_optimum": (along, least, NATS, "least penalised gap J"),
            "fine_proxy": (along, best.proxy, NATS, "proxy gap, best policy"),
            "fine_capability": (along, best.capability, NATS, "its capability gap"),
            "fine_frontier": (at_level, limits, NATS, "least capability gap allowed"),
        },
        {
            "fine_overlap": (("fine_overlap",), overlaps, "1", "overlap along a line"),
        },
    )


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Align one transformer a seed, fine-tune it over the grid, measure exactly."""
    return case_one.simulated(
        worlds(config), grid(config), setup(config), config.learning_rate, bench
    )


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Frontier, agreement, trend, concavity, and the sign of dG_f/do."""
    evidence = overlap_evidence(
        data, config.zeta_target, config.resolution, config.level
    )
    return conclude(evidence, int(data["diverged"].sum()), remarks(data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Penalised gap, capability gap and frontier along the overlap, and residuals."""
    return overlap_figure(data, verdict)
