"""Does a model come back to what it was pre-trained on, or does any log-odds saturate?

Transformers are pre-trained on mixtures of styles, aligned to one of them, and pushed
to another by plain SGD at one fixed rate. The way back is compared between a dominant
and a rare style, each style playing both (swapped lives), and over shares of one style
in pre-training (tracked lives). Both comparisons are free of the styles' distances.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.labels import labelled
from experiments.memory_evidence import memory_evidence, remarks
from experiments.memory_figure import memory_figure
from experiments.memory_lives import Config, simulated
from theory.compression.saturation import inverse_effort

PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        seeds=3, width=16, depth=1, heads=2, volume=200, rate=0.05, positives=1024,
        back=1024, prompts=64, tracked=(0.3, 0.7, 0.97),
    ),
    "laptop": Config(),
    "accelerator": Config(
        seeds=16, width=256, volume=16000, batch_pretrain=256, heads=8, back=4096,
        prompts=512,
    ),
}  # fmt: skip


def predict(config: Config) -> xr.Dataset:
    """What a nat of log-odds costs by saturation, from any start; and its window."""
    start = np.linspace(0.25, 16.0, 64)
    cost = np.asarray(inverse_effort(start, 0.0), float) / start
    return labelled(
        {
            "saturated_cost": (
                ("start",), cost, "effort per nat", "a nat's cost by saturation",
            ),
            "window": ((), config.window, "responses", "over which a speed is taken"),
            "stretch": ((), config.stretch, "nats", "last part of a way to neutral"),
        },
        {"start": (("start",), start, "nats", "log-odds where a way back begins")},
    )  # fmt: skip


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Every seed's lives: log-odds of the base and along every way back."""
    return simulated(config, bench)


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """The swap against saturation, the plateau between the two pure mechanisms."""
    evidence = memory_evidence(config, data)
    return conclude(evidence, int(data["diverged"].sum()), remarks(config, data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Ways back, costs, and where they slow, with what the pure mechanisms say."""
    return memory_figure(data, int(data["window"]), verdict)
