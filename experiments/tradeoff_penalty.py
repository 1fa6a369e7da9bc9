"""Case I: fine-tuning with a penalty on proxy safety data traces an exact frontier.

Transformers aligned on the original safety data are fine-tuned on capability data plus
`penalty` times proxy safety data. Every gap is exact, by enumeration.
"""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from experiments import case_one
from experiments.bench import Bench
from experiments.case_one_config import CaseOne, grid, penalties, setup, worlds
from experiments.case_one_evidence import case_one_evidence, remarks
from experiments.case_one_figure import case_one_figure
from experiments.claim import Verdict, conclude

Config = CaseOne

PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        penalties=3, proxies=(0.0, 0.6), overlaps=(0.0, 1.0), seeds=3, contexts=4,
        depth=1, steps=400,
    ),
    "laptop": Config(),
    "accelerator": Config(
        penalties=17, proxies=(0.0, 0.1, 0.2, 0.4, 0.6), seeds=16, contexts=16,
        vocabulary=6, width=64, steps=3200, batch=512,
    ),
}  # fmt: skip


def predict(config: Config) -> xr.Dataset:
    """The exact gaps of the best policy, what zeta_target allows, and the frontier."""
    return case_one.predicted(worlds(config), penalties(config), config.zeta_target)


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Align one transformer a seed, fine-tune it over the grid, measure exactly."""
    return case_one.simulated(
        worlds(config), grid(config), setup(config), config.learning_rate, bench
    )


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Frontier, identity, agreement, floor and overlap, from the stored data."""
    evidence = case_one_evidence(data, config.zeta_target, config.level)
    return conclude(evidence, int(data["diverged"].sum()), remarks(data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """The paper's two panels over our exact curves, with residuals and certificates."""
    return case_one_figure(data, verdict)
