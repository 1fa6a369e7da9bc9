"""A security vector as fewer harmful samples: do n_h beside it do what kappa_H n_h do?

Aligned transformers are trained on the style that alignment had pushed away, once plain
and once beside a vector that explains this style, at gates that let through a declared
share kappa_H of the harmful rate. The effective volume of n_h samples beside the vector
is the number that takes the plain model as far. Elasticity speaks of volumes, security
vectors of rates: theorem 7 of their notes says that one is the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.bridge_equilibrium import equilibria
from experiments.bridge_evidence import bridge_evidence, remarks
from experiments.bridge_figure import bridge_figure
from experiments.bridge_readings import readings
from experiments.bridge_theory import predicted
from experiments.bridge_ways import fitting, phases, way_setups, ways_task
from experiments.claim import Verdict, conclude
from experiments.lifecycle import Life, preferring, stacked_worlds
from experiments.validation import at_least, positive


@dataclass(frozen=True)
class Config(Life):
    """Every choice of the experiment; sizes in responses, losses in nats a response.

    Rates, the vector and the window were chosen on a world of another seed than the
    judged ones. A first run on the worlds 0 to 5 gave way to this one on worlds of
    their own: it asked about Adam at the least kappa_H alone, where noise left it open,
    and lacked the large batch. No margin was changed.
    """

    seeds: int = 6  # worlds, networks and data
    seed: int = 10  # the first of those seeds
    share: float = 0.3  # share of the preferred style in pre-training
    width: int = 32  # width of the transformer
    volume: int = 2000  # steps of pre-training
    positives: int = 2048  # responses of the alignment
    rate: float = 0.0125  # learning rate of SGD in the alignment
    rank: int = 8  # rank of the vector in every projection
    fit_steps: int = 800  # steps of the vector's fit
    fit_batch: int = 64  # rows a step of the fit, harmful and reference each
    fit_rows: int = 4096  # harmful rows that the vector is fitted to
    kl: float = 0.03  # weight of KL(off || on) on preferred responses
    norm: float = 1e-3  # weight of the vector's squared norm
    rate_vector: float = 1e-2  # learning rate of Adam in the fit
    gates: int = 33  # gates between 0 and 1 at which kappa_H is scanned
    blocks: int = 8  # blocks of fresh rows that give kappa_H its noise
    block_rows: int = 128  # rows of a block
    targets: tuple[float, ...] = (0.5, 0.2, 0.1, 0.05, 0.02)  # kappa_H of the doses
    harmful: int = 16_384  # responses of a way back
    batch_way: int = 64  # responses a step of a way back
    every: int = 512  # responses between two measurements
    rate_way: float = 2e-4  # learning rate of SGD on the way back, pace 1
    rate_adam: float = 1e-5  # learning rate of Adam on the way back, pace 1
    large_eps: float = 1.0  # epsilon of a control, above every gradient; 0: none
    large_batch: int = 512  # responses a step of a control, less noise; 0: none
    paces: tuple[float, float] = (1.0, 16.0)  # learning rates: first order, whole curve
    window: int = 4096  # responses of first order: n_eff is read at its end, pace 1
    factor: float = 1.5  # n_eff is kappa_H n_h if it is so within this factor
    noise: float = 3.0  # kappa_H counts if it is so many standard errors above 0
    margin: float = 1.0  # nats a token prefers its style by, in the solvable model
    scale: float = 100.0  # size of the large retained set over that of the small one

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, _LEAST)
        for name in ("rate_way", "rate_adam", "rate_vector", "noise", "margin"):
            positive(self, name, "did you pass its logarithm?")
        if not 0 < self.share < 1:
            raise ValueError(f"share={self.share} must be in (0, 1): both styles known")
        if self.factor <= 1 or self.scale <= 1:
            raise ValueError(f"factor={self.factor}, scale={self.scale} must be > 1")
        if self.large_eps < 0:
            raise ValueError(
                f"large_eps={self.large_eps} must be >= 0; 0 leaves it out"
            )
        self._check_doses()
        self._check_lengths()
        phases(self), fitting(self), way_setups(self)  # they check themselves

    def _check_doses(self) -> None:
        if len(self.targets) < 2 or list(self.targets) != sorted(
            set(self.targets), reverse=True
        ):
            raise ValueError(f"targets={self.targets} must be 2 or more, and fall")
        if not 0 < self.targets[-1] <= self.targets[0] <= 1 / self.factor:
            raise ValueError(
                f"targets={self.targets} must be above 0 and at most 1/factor="
                f"{1 / self.factor:.3g}: a dose must differ from none by the margin"
            )
        if len(self.paces) != 2 or not 0 < self.paces[0] < self.paces[1]:
            raise ValueError(f"paces={self.paces} must be two, > 0, the slow one first")

    def _check_lengths(self) -> None:
        for name in ("every", "positives"):
            batch = self.batch_way if name == "every" else self.batch
            if getattr(self, name) % batch:
                raise ValueError(
                    f"{name}={getattr(self, name)} must be a multiple of {batch}, the "
                    "responses of a step; did you count steps?"
                )
        for name in ("window", "harmful"):
            if getattr(self, name) % self.every:
                raise ValueError(
                    f"{name}={getattr(self, name)} must be a multiple of "
                    f"every={self.every}, where models are measured"
                )
        if self.large_batch and (self.every % self.large_batch or self.large_batch < 1):
            raise ValueError(
                f"large_batch={self.large_batch} must divide every={self.every}; 0 "
                "leaves it out"
            )
        if self.window > self.harmful:
            raise ValueError(
                f"window={self.window} must be at most harmful={self.harmful}"
            )


_LEAST = {
    "width": 2, "volume": 1, "positives": 1, "rank": 1, "fit_steps": 1, "fit_batch": 1,
    "fit_rows": 1, "gates": 2, "blocks": 2, "block_rows": 1, "harmful": 1,
    "batch_way": 1, "every": 1, "window": 1,
}  # fmt: skip

PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        seeds=3, width=16, depth=1, heads=2, volume=500, positives=1024, prompts=32,
        fit_steps=200, fit_rows=1024, gates=9, blocks=4, targets=(0.5, 0.1),
        harmful=4096, window=2048, batch_way=256, rate_way=8e-4, rate_adam=4e-5,
        large_eps=0.0, large_batch=0,
    ),
    "laptop": Config(),
    "accelerator": Config(
        seeds=16, width=128, depth=4, volume=8000, prompts=256, block_rows=512,
        fit_steps=2000, fit_rows=16_384, targets=(0.5, 0.2, 0.1, 0.05, 0.02, 0.01),
        harmful=65_536, every=2048, batch_way=256, rate_way=2e-4, large_batch=2048,
        window=16_384,
    ),
}  # fmt: skip


def predict(config: Config) -> xr.Dataset:
    """What the solvable model and the springs say of an effective volume."""
    return predicted(config)


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Every seed's ways back, their effective volumes, and the law world's optima."""
    life, fit = phases(config), fitting(config)
    mix = preferring(config.share)
    ways = len(way_setups(config)) * len(config.paces) * (1 + len(config.targets))
    before = life[0].setup
    rows = (
        before.steps * before.batch
        + config.positives
        + 2 * fit.steps * fit.batch
        + ways * config.harmful
    )
    out = bench.sweep(
        "ways back",
        ways_task(config, mix),
        stacked_worlds(config, mix),
        steps=rows // before.batch,
        tokens_per_step=before.batch * (1 + before.model.length),
    )
    return readings(config, out, equilibria(config))


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """First order under SGD and under Adam; all that lies beyond is a remark."""
    evidence = bridge_evidence(config, data)
    return conclude(evidence, int(data["diverged"].sum()), remarks(config, data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Ways back against n_h and kappa_H n_h, what remains of them, and springs."""
    return bridge_figure(data, verdict)
