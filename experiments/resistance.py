"""Is going back to an earlier slice of fine-tuning easier than going on to a later one?

A model is fine-tuned on a task and kept at three slices. Slice k answers held-out
prompts, which makes a data set D_k. Forward trains an earlier slice on a later one's
answers, inverse a later slice on an earlier one's. The paper compares training losses.
A training loss holds the entropy of whoever wrote the answers, and slices differ in it;
what is left without it, on the very same rows, is the excess loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.lifecycle import Life, stacked_worlds, transformer
from experiments.resistance_evidence import resistance_evidence, resistance_remarks
from experiments.resistance_figure import resistance_figure
from experiments.resistance_paths import PATHS, measured, path_setups, paths_task
from experiments.validation import at_least, positive, shares


@dataclass(frozen=True)
class Config(Life):
    """Every choice of the experiment; sizes in responses, losses in nats a token."""

    seeds: int = 8  # worlds, networks and data for each point
    tasks: tuple[float, ...] = (0.2, 0.08, 0.02)  # pre-training share of each task
    width: int = 32  # width of the transformer
    volume: int = 1000  # steps of pre-training
    slices: tuple[int, int, int] = (512, 1024, 1536)  # responses after which it is kept
    answers: int = 1024  # answers of every slice
    path: int = 512  # responses of every path
    rate: float = 0.05  # learning rate of SGD, in fine-tuning and on the paths
    adam: bool = True  # walk the paths under Adam too
    rate_adam: float = 5e-4  # learning rate of Adam on the paths

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "rate_adam", "did you pass its logarithm?")
        at_least(self, {"width": 2, "volume": 1, "answers": 1, "path": 1})
        shares(self, "tasks")
        if not self.tasks or not 0 < sum(self.tasks) < 1 or min(self.tasks) == 0:
            raise ValueError(
                f"tasks={self.tasks} must be > 0 and sum to less than 1: what is left "
                "of pre-training is its own style"
            )
        if not 0 < self.slices[0] < self.slices[1] < self.slices[2]:
            raise ValueError(f"slices={self.slices} must be > 0 and rise")
        for count in (*self.slices, self.path):
            if count % self.batch:
                raise ValueError(
                    f"batch={self.batch} must divide {count} responses, where a phase "
                    "ends; did you count steps?"
                )
        transformer(self, self.width)  # the model checks its own fields
        path_setups(self)


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        seeds=3, tasks=(0.2, 0.05), width=16, depth=1, volume=300,
        slices=(256, 512, 768), answers=256, path=256, adam=False,
    ),
    "laptop": Config(),
    "accelerator": Config(
        seeds=32, width=256, volume=8000, slices=(2048, 4096, 6144), answers=4096,
        path=2048,
    ),
}  # fmt: skip


def mix(config: Config) -> tuple[float, ...]:
    """The shares of the styles in pre-training: the tasks', then its own."""
    return (*config.tasks, 1 - sum(config.tasks))


def predict(config: Config) -> xr.Dataset:
    """Nothing but the paper's own comparisons, for the record.

    Ji et al. 2025, section 5.1, Table 1: Alpaca rows, training losses of Llama models,
    nats a token presumably. No theory here says by how much the two paths differ.
    """
    del config
    models = ["Llama2-7B", "Llama2-13B", "Llama3-8B"]
    printed = [
        [(0.202, 0.159), (0.214, 0.195), (0.235, 0.167)],
        [(0.196, 0.177), (0.241, 0.215), (0.235, 0.184)],
        [(0.257, 0.254), (0.323, 0.227), (0.323, 0.234)],
    ]
    attributes = {
        "units": "nats per token",
        "long_name": "training loss printed in Table 1 of Ji et al. 2025, Alpaca",
    }
    names = {"units": "1", "long_name": "model of the paper"}
    return xr.Dataset(
        {"printed": (("paper_model", "pair", "direction"), printed, attributes)},
        coords={"paper_model": ("paper_model", models, names)},
    )


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Pre-train, fine-tune, let every slice answer, walk every path; one sweep."""
    inputs = stacked_worlds(config, mix(config))
    walks = 2 * len(PATHS) * len(path_setups(config))
    tuning = config.slices[-1] + walks * config.path
    steps = config.volume + len(config.tasks) * tuning // config.batch
    raw = bench.sweep(
        "lives and paths",
        paths_task(config, mix(config)),
        inputs,
        steps=steps,
        tokens_per_step=config.batch_pretrain * (config.prompt + config.response),
    )
    return measured(config, raw)


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """The excess loss decides; the paper's raw comparison has an answer of its own."""
    diverged = int((~data["excess"].notnull().all(("task", "pair"))).sum())
    return conclude(
        resistance_evidence(data, config.level),
        diverged,
        resistance_remarks(data, config.level),
    )


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Forward against inverse, raw and without entropy, and what divides the two."""
    return resistance_figure(data, verdict)
