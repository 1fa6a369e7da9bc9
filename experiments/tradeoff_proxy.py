"""What a bad proxy costs: floor, price, and where a ball of parameters beats it.

Transformers aligned on safety data are fine-tuned on capability data plus `penalty`
times proxy safety data, the proxy's distance being a continuous knob (Case I); and on
capability data alone in a ball around the aligned parameters (Case II).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments import case_one, proxy_crossing
from experiments.bench import Bench
from experiments.case_one_config import CaseOne, grid, penalties, setup, worlds
from experiments.claim import Verdict, conclude
from experiments.labels import labelled
from experiments.proxy_evidence import proxy_evidence, remarks
from experiments.proxy_figure import proxy_figure
from experiments.pytrees import picked
from experiments.validation import at_least, increasing, positive, shares
from theory.laws import World
from theory.tradeoff import optimal_gaps, optimum, price, price_reach

NATS = case_one.NATS
DISTANCES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0)
_FINE = 65  # distances of a theory line


@dataclass(frozen=True)
class Config(CaseOne):
    """A Case I sweep along the proxy's distance, and Case II's balls beside it."""

    penalties: int = 6  # values of the penalty, log-spaced
    penalty_min: float = 0.1  # smallest penalty: the weight of proxy safety data
    penalty_max: float = 100.0  # largest penalty
    proxies: tuple[float, ...] = DISTANCES  # proxy distances, rising from 0, exact
    overlaps: tuple[float, ...] = (1.0,)  # capability mass on safety contexts
    seeds: int = 8  # networks (initialisation and data) for each point
    margin: float = 0.05  # allowed off floor and price, nats per training sequence
    gains: tuple[float, ...] = (0.25, 0.5, 0.75)  # capability gains to compare at
    radii: int = 13  # balls of Case II, log-spaced
    radius_min: float = 0.03  # smallest ball of the transformer's parameters
    radius_max: float = 1.5  # largest of them
    radius_min_table: float = 0.3  # smallest ball of a table's logits
    radius_max_table: float = 12.0  # largest of them
    steps_table: int = 600  # optimiser steps of a table, each time
    rate_table: float = 0.1  # peak learning rate of a table
    steps_ball: int = 400  # projected steps inside a ball
    stride: float = 0.3  # peak length of a projected step, in radii
    crossing_margin: float = 0.1  # relative, of the exact prediction (tables)
    local_margin: float = 0.25  # relative, of the local one (transformer, least gain)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in (
            "margin", "radius_min", "radius_min_table", "rate_table", "stride",
            "crossing_margin", "local_margin",
        ):  # fmt: skip
            positive(self, name, "did you pass its logarithm?")
        increasing(self, "radius_min", "radius_max")
        increasing(self, "radius_min_table", "radius_max_table")
        at_least(self, {"radii": 3, "steps_table": 1, "steps_ball": 1})
        shares(self, "gains")
        if min(self.gains) == 0 or max(self.gains) == 1:
            raise ValueError(
                f"gains={self.gains} must lie between 0 and 1: shares of the aligned "
                "model's capability gap"
            )
        if list(self.gains) != sorted(self.gains):
            raise ValueError(f"gains={self.gains} must rise")
        if len(self.proxies) < 3:
            raise ValueError(
                f"proxies={self.proxies} must be 3 or more distances: a trend and a "
                "crossing are asked for"
            )
        if self.overlaps[-1] != 1:
            raise ValueError(
                f"overlaps={self.overlaps} must end at 1: without full overlap the "
                "aligned model's capability gap is not determined by the data"
            )


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        penalties=4, proxies=(0.0, 0.1, 0.3, 1.0), seeds=3, contexts=4, depth=1,
        steps=400, gains=(0.25, 0.5), radii=7,
    ),
    "laptop": Config(),
    "accelerator": Config(
        penalties=13, overlaps=(0.5, 1.0), seeds=16, contexts=16, vocabulary=6,
        width=64, steps=3200, batch=512, radii=25,
    ),
}  # fmt: skip


def knobs(config: Config) -> proxy_crossing.Knobs:
    """What the crossing needs of the configuration."""
    ends = (
        (config.radius_min_table, config.radius_max_table),
        (config.radius_min, config.radius_max),
    )
    return proxy_crossing.Knobs(
        gains=config.gains,
        radii=np.stack([np.geomspace(*pair, config.radii) for pair in ends]),
        steps_table=config.steps_table,
        rate_table=config.rate_table,
        steps_ball=config.steps_ball,
        stride=config.stride,
    )


def predict(config: Config) -> xr.Dataset:
    """Exact gaps, floor, price and their margins; Case II's gaps and the crossings."""
    grid_ = penalties(config)
    cells = case_one.predicted(worlds(config), grid_, config.zeta_target)
    distances = np.linspace(0, config.proxies[-1], _FINE)
    fine = worlds(replace(config, proxies=tuple(distances.tolist()), overlaps=(1.0,)))
    crossings = proxy_crossing.predicted(
        fine, distances, np.geomspace(grid_[0], grid_[-1], 97), knobs(config)
    )
    return xr.merge([cells, _prices(config), _along(fine.world, grid_), crossings])


def _along(world: World, grid_: Sequence[float]) -> xr.Dataset:
    """The best policy's true gap along the distance, at overlap 1."""
    with jax.enable_x64(True):
        values = jax.jit(optimal_gaps)(world, jnp.asarray(grid_)[:, None, None]).safety
    dims = ("penalty", "distance")
    return labelled(
        {"fine_safety": (dims, values[..., 0], NATS, "true gap, best policy")}
    )


def _prices(config: Config) -> xr.Dataset:
    """The exact price of every proxy, and J for the true safety data."""
    with jax.enable_x64(True):
        world = picked(worlds(config).world, np.s_[:, :, None])
        grid_ = jnp.asarray(penalties(config))
        paid = jax.jit(price)(world, grid_)
        fine = jnp.geomspace(grid_[0] / 3, grid_[-1] * 3, 97)
        curve = jax.jit(price)(world, fine)
        allowed = jax.jit(price_reach)(world, grid_, config.zeta_target * (1 + grid_))
        true = jax.jit(optimum)(world._replace(proxy=world.safety), grid_)
    dims = ("proxy", "overlap", "penalty")
    return labelled(
        {
            "price": (dims, paid, NATS, "what the best policy pays for its proxy"),
            "curve_price": (("proxy", "overlap", "fine"), curve, NATS, "along a line"),
            "price_low": (dims, allowed.lower, NATS, "least price in reach"),
            "price_high": (dims, allowed.upper, NATS, "largest price in reach"),
            "optimum_true": (dims, true, NATS, "J for the true safety data"),
        }
    )


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Case I over the distances, then both cases at overlap 1 for the crossing."""
    made, runs, chosen = worlds(config), grid(config), setup(config)
    starts = case_one.aligned(
        made, case_one.seeds_of(runs), chosen, config.learning_rate, bench
    )
    swept = case_one.fine_tuned(made, runs, starts, chosen, config.learning_rate, bench)
    full = replace(config, overlaps=(1.0,))
    crossed = proxy_crossing.simulated(
        worlds(full), grid(full), starts, chosen, knobs(config), bench
    )
    return xr.merge([swept, crossed])


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Frontier, floor, price, trend in the distance, and the crossings."""
    evidence = proxy_evidence(
        data,
        zeta_target=config.zeta_target,
        margin=config.margin,
        crossing_margins=(config.crossing_margin, config.local_margin),
        level=config.level,
    )
    return conclude(evidence, int(data["diverged"].sum()), remarks(data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Floor, price, the cost at fixed gain with its crossings, and residuals."""
    return proxy_figure(data, verdict)
