"""Elasticity against size: does a larger, longer trained model return more easily?

Transformers of several widths are pre-trained, sliced at several volumes, aligned, and
pushed back; once with the learning rate that gives every model the same speed of
alignment, once with one rate for all, which confounds size with the size of a step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.labels import labelled
from experiments.pytrees import stacked
from experiments.rebound_measures import Values, mixture_law, predicted_returns
from experiments.reversal import Reversal, curves, lengths, lived, phases, swept
from experiments.scale_evidence import remarks, scale_evidence
from experiments.scale_figure import scale_figure
from experiments.scale_readings import PACES, scale_readings
from simlab.judges import Exam
from simlab.sources import StyledSource
from theory.compression.saturation import forward_end


@dataclass(frozen=True)
class Config(Reversal):
    """Every choice of the experiment; sizes in responses, log-odds in nats."""

    seeds: int = 6  # worlds, networks and data
    # Most models of width 8 cannot reach the matched speed.
    widths: tuple[int, ...] = (16, 24, 40, 64)  # widths of the transformer
    volumes: tuple[int, ...] = (250, 500, 1000, 2000)  # steps of pre-training
    every: int = 64  # responses between two measurements
    reached: float = 0.95  # share of alignments that must reach the speed asked for

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("widths", "volumes"):
            values = getattr(self, name)
            if not values or sorted(set(values)) != list(values) or values[0] < 1:
                raise ValueError(f"{name}={values} must be one or more, >= 1, rising")
        if len(self.positives) < 2:
            raise ValueError(f"positives={self.positives}: an exponent needs 2 lengths")
        if not 0 < self.reached <= 1:
            raise ValueError(f"reached={self.reached} must be in (0, 1]: a share")
        for width in self.widths:  # the models check themselves
            phases(self, width, self.volumes)


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        seeds=3, widths=(8,), volumes=(100, 200), depth=1, heads=2, prompts=32,
        positives=(128, 512), negatives=512, late_from=256,
    ),
    "laptop": Config(),
    "accelerator": Config(
        seeds=8, widths=(16, 32, 64, 128, 256, 512), prompts=256,
        volumes=(1000, 2000, 4000, 8000, 16_000), positives=(512, 2048, 8192),
    ),
}  # fmt: skip


def predict(config: Config) -> xr.Dataset:
    """What saturation alone says at the matched speed: the same at every size (E9)."""
    law, start = mixture_law(config.share, config.speed)
    positives = np.asarray(config.positives, float)
    needed = predicted_returns(law, start, positives)
    gained = np.asarray(forward_end(start, law.kappa * positives), float) - start
    text = "n* a nat of alignment by E9, from the mixture and the matched speed"
    return labelled(
        {"law_price": (("positives",), needed / gained, "responses a nat", text)},
        {"positives": lengths(config)},
    )


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """The curves of every width, volume, pace, alignment and seed, and their readings.

    All volumes and paces of a width are one life.
    """
    found = [_at_width(config, bench, width) for width in config.widths]
    return scale_readings(config, stacked(found))


def _at_width(config: Config, bench: Bench, width: int) -> dict[str, Values]:
    """The curves of every seed at one width."""
    life = phases(config, width, config.volumes)

    def task(world: StyledSource, exam: Exam, key: jax.Array) -> dict[str, jax.Array]:
        return curves(lived(config, life, PACES, world, exam, key))

    out: dict[str, Values] = swept(
        config, bench, f"width {width}", life, task, len(config.volumes) * len(PACES)
    )
    return out


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """The slopes of the price of return in width and volume, from the stored data."""
    evidence = scale_evidence(config, data)
    return conclude(evidence, int(data["diverged"].sum()), remarks(config, data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Price of return, exponent and rate against size, at both paces."""
    return scale_figure(data, verdict)
