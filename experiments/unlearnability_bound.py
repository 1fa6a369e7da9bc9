"""The unlearnability bound: training on explained harm moves a model no further.

Theorems 2 and 3 of the security-vector notes, at every single step of SGD: in
softmax-linear models, where all assumptions hold, and link by link in transformers,
whose separations D are known only afterwards.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.labels import labelled
from experiments.unlearnability_bound_evidence import evidence, remarks
from experiments.unlearnability_bound_figure import unlearnability_figure
from experiments.unlearnability_bound_fresh import fresh_runs
from experiments.unlearnability_bound_network import network_runs
from experiments.unlearnability_bound_softmax import kept_steps, softmax_runs
from experiments.unlearnability_config import APART, Config
from experiments.unlearnability_readings import readings, shared_coordinates
from theory.unlearnability import (
    drift_ceiling,
    resistance_certificate,
    unseen_drift_ceiling,
)

PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        seeds=2, samples=60, residuals=(3e-6, 3e-5, 0.05), rates=(0.1,), steps=1000,
        moments=12, falls=(0.1,), repetitions=120, steps_fresh=200, network_seeds=2,
        digits=10, response=3, tune_samples=50, width=8, depth=1, pretrain_steps=100,
        align_steps=50, vector_steps=50, network_steps=12, network_batch=4, watched=2,
    ),
    "laptop": Config(),
    "accelerator": Config(
        seeds=16, repetitions=2000, network_seeds=8, width=48, network_steps=200,
    ),
}  # fmt: skip


def predict(config: Config) -> xr.Dataset:
    """The bounds before any sample is seen, every sample of mean error."""
    rates = np.asarray(config.rates)[:, None, None]
    residuals = np.asarray(config.residuals)[:, None]
    used = residuals * kept_steps(config)
    falls = np.asarray(config.falls)
    fresh = unseen_drift_ceiling(
        config.rate_fresh, APART, np.asarray(config.residuals_fresh), config.held_out,
        config.steps_fresh, config.failure,
    )  # fmt: skip
    variables = {
        "nominal_ceiling": (
            ("rate", "residual", "step"), drift_ceiling(rates, APART, used),
            "parameter units", "bound (i) of the path, S = T e",
        ),
        "nominal_certificate": (
            ("rate", "residual", "fall"),
            resistance_certificate(rates, APART, APART, residuals, falls),
            "steps", "least steps for a fall of the loss, off",
        ),
        "nominal_fresh": (
            ("residual_fresh",), fresh, "parameter units",
            "bound (v) of a path over unseen samples",
        ),
    }  # fmt: skip
    return labelled(variables, shared_coordinates(config))


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Softmax-linear models, fresh samples, transformers."""
    runs = softmax_runs(config, bench)
    return readings(config, runs, fresh_runs(config), network_runs(config, bench))


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Never crossed, near where it should be near, and able to fail."""
    diverged = int(data["diverged"].sum()) + int(data["network_diverged"].sum())
    return conclude(evidence(config, data), diverged, remarks(config, data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Paths and bounds, links of the chain, the loss off, and the certificate."""
    return unlearnability_figure(data, verdict)
