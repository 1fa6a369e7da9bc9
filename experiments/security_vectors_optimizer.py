"""Security vectors by optimiser: what protects under SGD need not under Adam.

A vector leaves a small gradient. SGD then hardly moves; Adam divides by the gradient's
size and moves all the same, unless its eps is large against it (security-vector notes
theorem 4). Seen three times: in a model that is solved, in the drift and erosion of a
transformer on pure harm, and in how long it stays safe by the dose of the vector.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.labels import Variable, labelled
from experiments.security_vectors_optimizer_evidence import arm_names, evidence
from experiments.security_vectors_optimizer_figure import optimizer_figure
from experiments.security_vectors_optimizer_flips import flip_readings, flips
from experiments.security_vectors_optimizer_remarks import remarks
from experiments.security_vectors_optimizer_table import (
    OPTIMIZERS,
    Table,
    table_predictions,
    table_readings,
)
from experiments.validation import at_least, positive
from experiments.vector_arms import ZERO, Arm, Spec
from experiments.vector_lab import ACCELERATOR, ADAM, SGD, SMOKE, VectorLab
from experiments.vector_readings import arm_readings, axes, fit_readings
from experiments.vector_study import Study, carried_out, raised_in

SECURITY = "security"


@dataclass(frozen=True)
class Config(VectorLab):
    """Every choice; harm alone is trained on. The table is the model of one margin."""

    table_margin: float = 3.0  # how far the harmful target starts below the others
    table_shifts: tuple[float, ...] = (0.0, 3.0, 6.0, 9.0, 12.0)  # vector's, nats
    table_classes: int = 2  # logits of the table
    table_rate: float = 5e-4  # learning rate of a logit
    table_steps: int = 160_000  # SGD's rate is raised where it would need more
    table_most: int = 400_000  # steps after which a table's run is cut off
    forgotten: float = 1.1  # Adam's steps to flip, last shift over one before: at most
    restored: float = 2.0  # the same of Adam with a large eps: at least
    batch: int = 32  # rows a step of a fit and of fine-tuning
    tune_steps: int = 1200  # steps of fine-tuning at a constant rate
    records: int = 6  # moments: drift is judged at the first and at the last
    held_out: int = 128  # held-out rows of each kind
    rate_sgd: float = 0.0025  # least learning rate of SGD in fine-tuning
    rate_adam: float = 1e-4  # least learning rate of Adam in fine-tuning
    paces: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)  # factors on both
    stable: float = 10.0  # SGD's drift is judged up to this factor, told beyond it
    suppressed: float = 0.3  # drift over that without vector: SGD below, Adam above
    rounding: float = 1e-3  # distance that float32 may add to a drift
    doses: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)  # alpha = beta of flips
    rate_flip_sgd: float = 5e-4  # learning rate of SGD until a flip
    rate_flip_adam: float = 6e-5  # learning rate of Adam until a flip
    flip_every: int = 10  # steps between two looks
    flip_most: int = 2400  # steps after which a run is cut off
    delayed: float = 5.0  # steps to flip, largest dose over none: at least

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("table_margin", "table_rate", "rate_flip_sgd", "rate_flip_adam",
                     "rounding", "suppressed"):  # fmt: skip
            positive(self, name, "did you pass its logarithm?")
        at_least(self, _LEAST)
        for name in ("table_shifts", "paces", "doses"):
            values = getattr(self, name)
            if len(values) < 3 or sorted(set(values)) != list(values) or values[0] < 0:
                raise ValueError(f"{name}={values} must be 3 or more that rise from 0")
        if self.paces[0] == 0:
            raise ValueError(f"paces={self.paces} must be > 0: factors on a rate")
        if self.stable < self.paces[0]:
            raise ValueError(f"stable={self.stable} leaves none of paces={self.paces}")
        if self.doses[0]:
            raise ValueError(f"doses={self.doses} must begin with 0: no vector")
        for name in ("forgotten", "restored", "delayed"):
            if not getattr(self, name) > 1:
                raise ValueError(f"{name}={getattr(self, name)} must be > 1: a ratio")
        if self.records < 2:
            raise ValueError(f"records={self.records} must be >= 2: two lengths")
        if self.table_most <= self.table_steps + 1:
            raise ValueError(
                f"table_most={self.table_most} must exceed table_steps="
                f"{self.table_steps}, the most that SGD may need, by 2"
            )
        if self.flip_most % self.flip_every:
            raise ValueError(
                f"flip_most={self.flip_most} must be a multiple of flip_every="
                f"{self.flip_every}"
            )


_LEAST = {"table_classes": 2, "table_steps": 1, "flip_every": 1, "flip_most": 1}

PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        **{**SMOKE, "seeds": 2, "tune_steps": 100, "records": 2},
        table_steps=20_000, paces=(1.0, 3.0, 10.0), doses=(0.0, 0.3, 0.5),
        flip_every=50, flip_most=400,
    ),
    "laptop": Config(),
    "accelerator": Config(
        **ACCELERATOR, batch=50, tune_steps=3000,
        doses=(0.0, 0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5), flip_most=12_000,
    ),
}  # fmt: skip


def table(config: Config) -> Table:
    """The solvable model."""
    return Table(
        config.table_margin, config.table_shifts, config.table_classes,
        config.table_rate, config.table_steps, config.table_most,
    )  # fmt: skip


def arms(config: Config) -> dict[str, Arm]:
    """Pure harm at every learning rate, without and with the vector."""
    plain, behind = arm_names(config)
    harm = {name: Arm(ZERO, 0.0, 0.0, ("H",)) for name in plain}
    harm |= {name: Arm(SECURITY, data=("H",)) for name in behind}
    paces = zip(harm.items(), 2 * config.paces, strict=True)
    return {name: replace(arm, pace=pace) for (name, arm), pace in paces}


def own_axes(config: Config, flippers: list[str]) -> dict[str, Variable]:
    """The coordinates of the table and of flips."""
    return {
        "shift": (("shift",), config.table_shifts, "nats", "rise of the target"),
        "dose": (("dose",), config.doses, "1", "gate of the vector in training"),
        "flipper": (("flipper",), flippers, "1", "optimiser until a flip"),
    }


def predict(config: Config) -> xr.Dataset:
    """What theorems 3' and 4 say of the table's steps."""
    return labelled(table_predictions(table(config)))


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """The table; the transformer's fine-tunes; its flips."""
    raised = raised_in(config, bench)
    study = Study({SECURITY: Spec()}, arms(config), optimizers=OPTIMIZERS)
    done = carried_out(config, bench, study, raised)
    rates = {SGD: config.rate_flip_sgd, ADAM: config.rate_flip_adam}
    found = {
        name: flips(
            config, bench, name, rate, config.doses, config.flip_every,
            config.flip_most, raised.bases, raised.rows, done.vectors[SECURITY],
        )
        for name, rate in rates.items()
    }  # fmt: skip
    return labelled(
        {
            **table_readings(table(config)),
            **arm_readings(config, done.tuned),
            **fit_readings(done.fitted),
            **flip_readings(config, found, config.flip_every),
        },
        axes(config, OPTIMIZERS, list(arms(config)), [SECURITY])
        | own_axes(config, list(found)),
    )


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """The table exactly; drifts and flips of the transformer over seeds."""
    diverged = int(data["diverged"].sum()) + int(data["flip_diverged"].sum())
    return conclude(evidence(config, data), diverged, remarks(config, data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Steps to flip a table, drift and erosion by learning rate, flips by dose."""
    return optimizer_figure(data, verdict)
