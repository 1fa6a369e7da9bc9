"""What can carry a security vector: matrices, biases, prefixes, directions.

Every carrier is fitted by the same two recipes, with KL and norm and with neither; the
direction of persona steering is not fitted but a difference of means, at several
strengths. Each is compared at its own best.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Evidence, Verdict, conclude
from experiments.evidence import rises
from experiments.pytrees import picked, stacked
from experiments.vector_arms import Arm, Spec
from experiments.vector_evidence import protects, score, told
from experiments.vector_figure import arms_figure
from experiments.vector_lab import (
    ACCELERATOR,
    SMOKE,
    VectorLab,
    transformer,
    vector_fit,
)
from experiments.vector_study import Raised, Study, joined, raised_in, studied
from simlab.models import Bias, Carrier, LowRank, Prefix, Steering, mean_difference
from simlab.models.carriers import Vector

LOW_RANK, BIAS, PREFIX, STEERING = "low rank", "bias", "prefix", "steering"
PERSONA = "difference of means"
KEPT, BARE = "KL, norm", "neither"
RECIPES: Mapping[str, Spec] = {KEPT: Spec(), BARE: Spec(kl=0.0, norm=0.0)}


@dataclass(frozen=True)
class Config(VectorLab):
    """Every choice."""

    kinds: tuple[str, ...] = (LOW_RANK, BIAS, PREFIX, STEERING)  # carriers compared
    prefix: int = 4  # trainable keys and values before every block
    layer: int = 0  # the block after which a difference of means is added
    strengths: tuple[float, ...] = (1.0, 2.0, 4.0)  # of the difference of means

    def __post_init__(self) -> None:
        super().__post_init__()
        known = (LOW_RANK, BIAS, PREFIX, STEERING)
        if LOW_RANK not in self.kinds or not set(self.kinds) <= set(known):
            raise ValueError(
                f"kinds={self.kinds} must be among {known}, with {LOW_RANK!r} to "
                "compare with"
            )
        if self.prefix < 1 or not 0 <= self.layer < self.depth:
            raise ValueError(
                f"prefix={self.prefix} must be >= 1 and layer={self.layer} in "
                f"[0, {self.depth - 1}]"
            )
        if not self.strengths or min(self.strengths) <= 0:
            raise ValueError(f"strengths={self.strengths} must be > 0")


PRESETS: Mapping[str, Config] = {
    "smoke": Config(**SMOKE, kinds=(LOW_RANK, STEERING), strengths=(1.0,)),
    "laptop": Config(),
    "accelerator": Config(**ACCELERATOR, strengths=(0.5, 1.0, 2.0, 4.0, 8.0)),
}


def carriers(config: Config) -> dict[str, Carrier]:
    """The fitted carriers by name."""
    every: dict[str, Carrier] = {
        LOW_RANK: LowRank(rank=config.rank),
        BIAS: Bias(),
        PREFIX: Prefix(config.prefix),
        STEERING: Steering(tuple(range(config.depth))),
    }
    return {name: every[name] for name in config.kinds}


def predict(config: Config) -> xr.Dataset:
    """Nothing in advance: thresholds are in the configuration."""
    return xr.Dataset()


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """A study a carrier, all on the same bases."""
    raised = raised_in(config, bench)
    return joined(
        [
            _carried(config, bench, raised, name, carrier)
            for name, carrier in carriers(config).items()
        ]
    )


def _carried(
    config: Config, bench: Bench, raised: Raised, name: str, carrier: Carrier
) -> xr.Dataset:
    arms = {recipe: Arm(recipe) for recipe in RECIPES}
    extra: dict[str, Any] = {}
    if isinstance(carrier, Steering):
        extra[PERSONA] = _persona(config, raised, carrier)
        arms |= {
            f"{PERSONA}, {strength:g}": Arm(PERSONA, strength, strength)
            for strength in config.strengths
        }
    fit = vector_fit(config, carrier)
    return studied(
        config, bench, Study(RECIPES, arms), fit=fit, raised=raised, extra=extra,
        label=f"{name}: ",
    )  # fmt: skip


def _persona(config: Config, raised: Raised, carrier: Steering) -> Vector:
    """mean(h | complied) - mean(h | refused) after one block, zero elsewhere [seed]."""
    model = transformer(config)

    def of_seed(seed: int) -> Vector:
        rows = picked(raised.rows, seed)
        base = jax.tree.map(jnp.asarray, picked(raised.bases, seed))
        trait, plain = (jnp.asarray(rows.fit[name]) for name in ("H", "H refused"))
        vector = mean_difference(model, base, trait, plain, carrier, config.response)
        here = f"blocks.{config.layer}.residual"
        return {k: v if k == here else 0.0 * v for k, v in vector.items()}

    return stacked([jax.device_get(of_seed(seed)) for seed in range(config.seeds)])


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Does the low-rank vector protect, and better than the best of any other?"""
    last = data.isel(moment=-1)
    arms = data["arm"].values.tolist()
    scores = dict(zip(arms, score(last), strict=True))
    best = {
        kind: _best([scores[arm] for arm in arms if arm.startswith(kind)])
        for kind in _kinds(arms)
    }
    gaps = [best[LOW_RANK] - best[kind] for kind in best if kind != LOW_RANK]
    evidence: list[Evidence] = [
        protects(
            "behind a low-rank vector, is harm not learned, and the rest?",
            config, last, [f"{LOW_RANK}: {KEPT}"],
        ),
        rises(
            "is the low-rank vector's worst share (no harm, refusals, N, benign) above "
            "that of every other carrier at its best?",
            np.concatenate(gaps), config.level, "share of requests",
        ),
    ]  # fmt: skip
    return conclude(evidence, int(data["diverged"].sum()), told(last, arms))


def _kinds(arms: list[str]) -> list[str]:
    """Carriers, the difference of means apart, as arms begin with them."""
    persona = f"{STEERING}: {PERSONA}"
    kinds = [persona if a.startswith(persona) else a.split(":")[0] for a in arms]
    fitted = [f"{k}: " if k == STEERING else k for k in kinds]
    return list(dict.fromkeys(fitted))


def _best(each: list[np.ndarray]) -> np.ndarray:
    """The scores [optimizer, seed] of the setting with the best mean, by optimiser."""
    table = np.stack(each)
    chosen = table.mean(-1).argmax(0)
    return np.asarray(table[chosen, np.arange(table.shape[1])])


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """What every carrier's models answer, and rates of learning."""
    return arms_figure(data, verdict, "Carriers of security vectors")
