"""The safety basin: how far aligned parameters can move, against Case II's radius.

Transformers aligned on safety data are moved along random layer-scaled directions (the
basin as it is usually probed), along the task's gradient and along the direction that
safety minds most; and they are fine-tuned inside balls. Every gap is exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments import safety_basin_scans as scans
from experiments.bench import Bench
from experiments.case_one import aligned
from experiments.claim import Verdict, conclude
from experiments.networks import Networks, seeds, transformer, worlds
from experiments.safety_basin_evidence import basin_evidence, remarks
from experiments.safety_basin_figure import basin_figure
from experiments.validation import at_least, increasing, positive
from experiments.worlds import SequenceWorlds
from simlab.optimizers import Adam, Normalised
from simlab.sweeps import Axis, Grid
from simlab.training import Setup


@dataclass(frozen=True)
class Config(Networks):
    """Every choice of the experiment; distances are L2 norms over all parameters."""

    contexts: int = 4  # contexts; the first half are safety contexts
    seeds: int = 8  # networks that are aligned and probed
    threshold: float = 0.1  # safety gap at a basin's edge, nats per sequence
    halvings: int = 7  # smaller thresholds, each half of the one before
    order_points: int = 4  # smallest thresholds, at which orders are fitted
    directions: int = 8  # random layer-scaled directions for each network
    offsets: int = 40  # points scanned on each side of a line
    plane: int = 12  # points scanned on each side of each axis of a plane
    halvings_plane: int = 3  # halvings of the threshold at which an area is judged
    stretch: float = 4.0  # reach of a line, in predicted half widths
    stretch_plane: float = 2.0  # reach of a plane, in predicted half widths
    overlap: float = 0.5  # capability mass on safety contexts
    unsafe_mass: float = 0.1  # safety data's own probability of unsafe outputs, at most
    radii: int = 11  # balls of Case II, log-spaced
    radius_min: float = 4e-3  # smallest radius
    radius_max: float = 0.4  # largest radius
    steps_align: int = 1600  # optimiser steps of alignment
    steps: int = 300  # projected steps inside a ball
    records: int = 2  # moments at which a run is measured
    learning_rate: float = 6e-3  # peak learning rate of Adam, alignment
    stride: float = 0.3  # peak length of a projected step, in radii
    aligned_target: float = 0.03  # start's gap allowed, in smallest thresholds
    margin: float = 0.1  # declared relative error of a half width, smallest threshold
    margin_area: float = 0.2  # declared relative error of an area
    margin_ball: float = 0.25  # declared relative error of Case II's radius
    margin_order: float = 0.25  # declared error of the order 1 at which errors vanish

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("threshold", "radius_min", "learning_rate", "stride"):
            positive(self, name, "did you pass its logarithm?")
        positive(self, "aligned_target", "it is a share of the smallest threshold")
        for name in ("margin", "margin_area", "margin_ball", "margin_order"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(
                    f"{name}={getattr(self, name)} must be in (0, 1): a relative error;"
                    " did you pass percent?"
                )
        increasing(self, "radius_min", "radius_max")
        at_least(self, _LEAST)
        for name in ("order_points", "halvings_plane"):
            if self.halvings < getattr(self, name):
                raise ValueError(
                    f"halvings={self.halvings} must be >= {name}={getattr(self, name)}:"
                    " theory is held to small thresholds, not to all"
                )
        for name in ("stretch", "stretch_plane"):
            if not getattr(self, name) > 1:
                raise ValueError(
                    f"{name}={getattr(self, name)} must be > 1 to see the edges"
                )
        if not 0 < self.overlap <= 1:
            raise ValueError(f"overlap={self.overlap} must be in (0, 1]")
        if not 0 < self.unsafe_mass < 1:
            raise ValueError(f"unsafe_mass={self.unsafe_mass} must be in (0, 1)")
        for aligning in (True, False):
            setup(self, aligning)


_LEAST = {
    "order_points": 3, "directions": 1, "offsets": 8, "plane": 4, "radii": 3,
    "halvings_plane": 0,
}  # fmt: skip


def setup(config: Config, aligning: bool) -> Setup:
    """What alignment compiles (Adam), and descent in a ball (Euclidean steps)."""
    return Setup(
        transformer(config),
        steps=config.steps_align if aligning else config.steps,
        records=config.records,
        optimizer=Adam(b2=0.999) if aligning else Normalised(),
        expected=True,
    )


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        seeds=4, directions=3, halvings=5, offsets=24, plane=8, radii=7,
        depth=1, steps_align=800, steps=150,
    ),
    "laptop": Config(),
    "accelerator": Config(
        contexts=16, vocabulary=4, width=64, seeds=32, directions=32, plane=24,
        radii=21, steps_align=6000, steps=800,
    ),
}  # fmt: skip


def world(config: Config) -> SequenceWorlds:
    """The one world of the claim."""
    return worlds(config, (0.0,), (config.overlap,))


def thresholds(config: Config) -> tuple[float, ...]:
    """Safety gaps at which basins are cut, rising by factors of two."""
    return tuple(
        config.threshold / 2**halved for halved in range(config.halvings, -1, -1)
    )


def balls(config: Config) -> Grid:
    """Every run of Case II; the seed varies fastest."""
    radii = np.geomspace(config.radius_min, config.radius_max, config.radii).tolist()
    return Grid(
        (
            Axis("radius", tuple(radii), "1", "radius of the ball"),
            Axis("seed", seeds(config), "1", "seed of initialisation and directions"),
        )
    )


def predict(config: Config) -> xr.Dataset:
    """How often outputs may be unsafe inside a basin, from the laws alone."""
    return scans.predicted(world(config), thresholds(config), config.unsafe_mass)


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Align one transformer a seed, scan lines and a plane, fine-tune inside balls."""
    probe = scans.Probe(
        directions=config.directions,
        threshold=config.threshold,
        stretch=config.stretch,
        stretch_plane=config.stretch_plane,
        nearest=config.threshold / 2**config.halvings,
        offsets=config.offsets,
        plane=config.plane,
        unsafe_mass=config.unsafe_mass,
    )
    made, runs = world(config), balls(config)
    starts = aligned(
        made, seeds(config), setup(config, True), config.learning_rate, bench
    )
    return scans.measured(
        made, runs, starts, setup(config, False), config.stride, probe, bench
    )


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Bounds at every point, widths, order, areas and Case II, from the stored data."""
    margins = {
        "width": config.margin,
        "area": config.margin_area,
        "ball": config.margin_ball,
        "order": config.margin_order,
    }
    evidence = basin_evidence(
        data,
        margins,
        aligned_target=config.aligned_target,
        order_points=config.order_points,
        halvings_plane=config.halvings_plane,
        level=config.level,
    )
    return conclude(evidence, int(data["diverged"].sum()), remarks(data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Profiles, a plane, widths against Case II's radius, and errors of the theory."""
    return basin_figure(data, verdict)
