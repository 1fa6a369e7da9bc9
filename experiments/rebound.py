"""Rebound: how fast an aligned model comes back, against how far it was aligned.

One transformer a seed is pre-trained, aligned on the preferred style, and from several
moments of its alignment trained on the other style alone. What the paper reports, what
saturation alone would do (E9) and what a spring would do are answered apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.labels import labelled
from experiments.pytrees import picked
from experiments.rebound_evidence import rebound_evidence, remarks
from experiments.rebound_figure import rebound_figure
from experiments.rebound_measures import mixture_law, predicted_returns
from experiments.rebound_readings import rebound_readings
from experiments.reversal import (
    MATCHED,
    Reversal,
    answers,
    curves,
    lengths,
    lived,
    phases,
    swept,
)
from experiments.validation import at_least
from simlab.judges import Exam
from simlab.models import Params
from simlab.sources import StyledSource


@dataclass(frozen=True)
class Config(Reversal):
    """Every choice of the experiment; sizes in responses, log-odds in nats."""

    seeds: int = 6  # worlds, networks and data
    positives: tuple[int, ...] = (256, 512, 1024, 2048, 4096)  # alignments' lengths
    width: int = 32  # width of the transformer
    volume: int = 4000  # steps of pre-training
    moments: tuple[int, ...] = (0, 128, 256, 512, 1024, 2048)  # when models answer
    correlation: float = 0.9  # rank correlation of speed and positives asked for
    slowing: float = 0.3  # late speed as a share of the early one: at most
    much_less: float = 0.3  # n*/n_pos at the longest alignment: "<<" means below
    factor: float = 1.5  # a law predicts n* if it is right within this factor
    spring: float = 0.25  # a spring's exponent is 1 within this margin

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, {"width": 2, "volume": 1})
        if len(self.positives) < 3:
            raise ValueError(f"positives={self.positives}: a trend needs 3 lengths")
        for name in ("correlation", "slowing", "much_less", "spring"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be in (0, 1)")
        if self.factor <= 1:
            raise ValueError(f"factor={self.factor} must be > 1: right within a factor")
        for moment in self.moments:
            if moment % self.every:
                raise ValueError(
                    f"moments={self.moments}: {moment} must be a multiple of "
                    f"every={self.every}, where models are measured"
                )
        phases(self, self.width, (self.volume,), self.moments)  # they check themselves


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        seeds=3, width=16, depth=1, heads=2, volume=1000, positives=(128, 256, 512),
        negatives=1024, late_from=768, moments=(0, 128, 1024), prompts=32,
    ),
    "laptop": Config(),
    "accelerator": Config(
        seeds=16, width=256, depth=4, volume=16_000, prompts=256,
        positives=(256, 512, 1024, 2048, 4096, 8192, 16_384),
    ),
}  # fmt: skip


def predict(config: Config) -> xr.Dataset:
    """What saturation alone says of a mixture that moves at the matched speed (E9)."""
    law, start = mixture_law(config.share, config.speed)
    needed = predicted_returns(law, start, np.asarray(config.positives))
    text = "responses back to base by E9 from the mixture's log-odds and matched speed"
    return labelled(
        {"mixture_returns": (("positives",), needed, "responses", text)},
        {"positives": lengths(config)},
    )


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Every seed's curves, and what its models answer by themselves."""
    life = phases(config, config.width, (config.volume,), config.moments)
    model = life[0].setup.model

    def task(world: StyledSource, exam: Exam, key: jax.Array) -> dict[str, jax.Array]:
        key_life, key_answers = jax.random.split(key)
        stages = lived(config, life, (MATCHED,), world, exam, key_life)
        base = picked(stages[0].kept, (0, 0))
        # One axis for all who answer, so that answering is compiled once.
        aligned = picked(stages[1].kept, (0, 0, 0))
        back = picked(stages[2].kept, (0, 0, 0, slice(None), 0))
        everyone = jax.tree.map(_listed, base, aligned, back)

        def answered(params: Params) -> tuple[jax.Array, jax.Array]:
            return answers(model, world, exam, key_answers, base, params)

        share, drift = jax.lax.map(answered, everyone)
        return {**curves(stages), "share": share, "drift": drift}

    return rebound_readings(config, swept(config, bench, "lives", life, task, 1))


def _listed(base: jax.Array, aligned: jax.Array, back: jax.Array) -> jax.Array:
    """A leaf of the base, the aligned models [slice] and those on their way back
    [slice, moment] along one axis, in this order.
    """
    return jnp.concatenate([base[None], aligned, back.reshape(-1, *base.shape)])


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """The start, the slowing, the share and the exponent of the way back."""
    evidence = rebound_evidence(config, data)
    return conclude(evidence, int(data["diverged"].sum()), remarks(config, data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Ways back, initial speed against displacement, n* against n_pos, answers."""
    return rebound_figure(data, verdict)
