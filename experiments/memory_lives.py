"""Lives that can tell memory of pre-training from saturation of the log-odds.

All share one alignment to the preferred style. In the swapped lives two other styles
were pre-trained unequally, in either order, and a fourth one never. In the tracked
lives one other style was pre-trained, with a share that varies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
import xarray as xr
from jaxtyping import Float

from experiments.bench import Bench
from experiments.labels import labelled
from experiments.lifecycle import (
    Life,
    pretraining,
    pure,
    samples_axis,
    stacked_worlds,
    toward,
    transformer,
    tuning,
    with_start,
)
from experiments.validation import at_least, positive
from simlab.judges import Exam
from simlab.phases import Phase, live
from simlab.sources import StyledSource

STYLES = 4
"""The preferred style, two that are pre-trained, and one that never is."""

MODES = DOMINANT, RARE, UNSEEN = "dominant", "rare", "never seen"
"""What the styles that a model is pushed to were in its pre-training."""

ROLES = ((1, 2, 3), (2, 1, 3))
"""Which style plays which of the `MODES`, in either order of the swap."""

TRACKED = 1
"""The style whose share in pre-training varies in the tracked lives."""


@dataclass(frozen=True)
class Config(Life):
    """Every choice of the experiment; sizes in responses, log-odds in nats."""

    # Losses are sums over a response: this is 0.1 for its mean over 8 tokens.
    rate: float = 0.0125  # learning rate of SGD, alignment and ways back
    seeds: int = 6  # worlds, networks and data for each point
    width: int = 32  # width of the transformer
    volume: int = 4000  # steps of pre-training
    positives: int = 2048  # responses of the alignment
    back: int = 2048  # responses of every way back
    every: int = 32  # responses between two measurements
    window: int = 64  # responses over which a speed is taken
    share_preferred: float = 0.3  # share of the preferred style, swapped lives
    share_dominant: float = 0.6  # share of the dominant style there; rare: the rest
    tracked: tuple[float, ...] = (0.3, 0.5, 0.7, 0.9, 0.97)  # shares, tracked lives
    stretch: float = 2.0  # last nats of a way to neutral, also compared alone
    margin_cost: float = 0.1  # declared: a smaller logarithm of costs is no memory
    margin_pure: float = 0.1  # declared: a share this near to 0 or 1 is pure

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("stretch", "margin_cost"):
            positive(self, name, "it is in nats")
        if not 0 < self.margin_pure < 0.5:
            raise ValueError(f"margin_pure={self.margin_pure} must be in (0, 0.5)")
        at_least(self, {"width": 2, "volume": 1, "positives": 1, "every": 1})
        self._check_shares()
        for name in ("every", "positives"):
            if getattr(self, name) % self.batch:
                raise ValueError(
                    f"{name}={getattr(self, name)} must be a multiple of "
                    f"batch={self.batch}; did you count steps?"
                )
        for name in ("window", "back"):
            if getattr(self, name) % self.every:
                raise ValueError(
                    f"{name}={getattr(self, name)} must be a multiple of "
                    f"every={self.every}, where models are measured"
                )
        if not 2 * self.window <= self.back:
            raise ValueError(
                f"window={self.window} must fit twice into back={self.back}"
            )
        transformer(self, self.width)  # the model checks its own fields

    def _check_shares(self) -> None:
        rest = 1 - self.share_preferred - self.share_dominant
        if self.share_preferred <= 0 or not 0 < rest < self.share_dominant:
            raise ValueError(
                f"share_preferred={self.share_preferred} and "
                f"share_dominant={self.share_dominant} must leave a rare style less "
                "than the dominant one, and some"
            )
        if len(self.tracked) < 3 or list(self.tracked) != sorted(set(self.tracked)):
            raise ValueError(f"tracked={self.tracked} must be 3 or more, and rise")
        if not 0 < self.tracked[0] <= self.tracked[-1] < 1:
            raise ValueError(
                f"tracked={self.tracked} must lie in (0, 1); did you pass percent?"
            )


def swapped_mixes(config: Config) -> tuple[tuple[float, ...], ...]:
    """The shares of all styles in pre-training, in either order of the swap.

    >>> [[round(share, 2) for share in mix] for mix in swapped_mixes(Config())]
    [[0.3, 0.6, 0.1, 0.0], [0.3, 0.1, 0.6, 0.0]]
    """
    rare = 1 - config.share_preferred - config.share_dominant
    shares = (config.share_dominant, rare, 0.0)
    return tuple(
        (config.share_preferred, *(shares[roles.index(z)] for z in (1, 2, 3)))
        for roles in ROLES
    )


def tracked_mixes(config: Config) -> tuple[tuple[float, ...], ...]:
    """The shares of all styles in pre-training, a tracked life each."""
    return tuple((1 - share, share, 0.0, 0.0) for share in config.tracked)


def phases(config: Config) -> tuple[Phase, Phase, Phase]:
    """Pre-training, one alignment for all, and the ways back."""
    width, positives = config.width, config.positives
    return (
        pretraining(config, width, (config.volume,)),
        tuning(config, width, "align", positives, positives),
        tuning(config, width, "back", config.back, config.every),
    )


def lived(
    config: Config, world: StyledSource, exam: Exam, key: jax.Array
) -> dict[str, jax.Array]:
    """One seed: excess losses of every style, at the ends of phases and on the way.

    Shapes: base [mix, z], start [mix, toward, z], back [mix, toward, moment, z]; the
    mixes are the swapped ones, then the tracked ones.
    """
    key_start, key_data = jax.random.split(key)
    mixes = swapped_mixes(config) + tracked_mixes(config)
    others = [pure(z, STYLES) for z in range(1, STYLES)]
    legs = (
        toward(world, mixes, [config.rate_pretrain] * len(mixes)),
        toward(world, [pure(0, STYLES)], [config.rate]),
        toward(world, others, [config.rate] * len(others)),
    )
    start = transformer(config, config.width).init(key_start)
    _, aligned, back = live(phases(config), legs, start, exam, key_data)
    return {
        "base": aligned.start[:, 0, 0],
        "start": back.start[:, 0, 0, 0],
        "back": back.records.measured[:, 0, 0, 0],
    }


def simulated(config: Config, bench: Bench) -> xr.Dataset:
    """The log-odds of the preferred style over the others, of every seed's lives."""
    mixes = swapped_mixes(config) + tracked_mixes(config)
    before, align, back = (phase.setup for phase in phases(config))
    rows = before.steps * before.batch + align.steps * align.batch
    rows += (STYLES - 1) * back.steps * back.batch
    swept = bench.sweep(
        f"{len(mixes)} lives a seed",
        lambda world, exam, key: lived(config, world, exam, key),
        stacked_worlds(config, mixes[0]),
        steps=len(mixes) * rows // before.batch,
        tokens_per_step=before.batch * (1 + before.model.length),
    )
    return as_labelled(config, swept)


def as_labelled(config: Config, swept: dict[str, np.ndarray]) -> xr.Dataset:
    """What `lived` gave for all seeds [seed, ...], as log-odds with names.

    Formula: KL(p_other || q) - KL(p_preferred || q), which for a mixture of styles
    that no response shares is the log-odds of their shares. Source: elasticity notes 6,
    less the constant difference of the styles' entropies.
    """
    way = with_start(swept["start"], swept["back"])
    base = np.broadcast_to(swept["base"][:, :, None], way[..., 0, :].shape)

    def odds(excess: np.ndarray, mix: int, other: int) -> np.ndarray:
        """Of the leg toward `other` in one mix, [seed, ...]."""
        leg = excess[:, mix, other - 1]
        return np.asarray(leg[..., other] - leg[..., 0])

    def swapped(excess: np.ndarray) -> np.ndarray:
        rows = [[odds(excess, i, z) for z in roles] for i, roles in enumerate(ROLES)]
        return np.moveaxis(np.array(rows), 2, -1)

    def tracked(excess: np.ndarray, other: int) -> np.ndarray:
        lives = range(len(ROLES), excess.shape[1])
        rows = [odds(excess, i, other) for i in lives]
        return np.moveaxis(np.array(rows), 1, -1)

    legs = ("swap", "mode")
    nats, text = "nats per response", "log-odds of the preferred style over"
    finite = np.isfinite(way).all(axis=(1, 2, 3, 4))
    variables = {
        "base_swapped": ((*legs, "seed"), swapped(base), f"{text} a mode, base"),
        "swapped": ((*legs, "moment", "seed"), swapped(way), f"{text} a mode"),
        "base_tracked": (("share", "seed"), tracked(base, TRACKED), "that of the base"),
        "tracked": (
            ("share", "moment", "seed"), tracked(way, TRACKED), f"{text} the other",
        ),
        "tracked_unseen": (
            ("share", "moment", "seed"), tracked(way, 3), f"{text} the one never seen",
        ),
    }  # fmt: skip
    return labelled(
        {name: (dims, v, nats, words) for name, (dims, v, words) in variables.items()}
        | {"diverged": (("seed",), (~finite).astype(int), "1", "1 for a NaN")},
        coordinates(config),
    )


def coordinates(
    config: Config,
) -> dict[str, tuple[Sequence[str], object, str, str]]:
    """The axes of the dataset."""
    seeds = np.asarray(config.every_seed)
    samples: Float[np.ndarray, " moment"] = samples_axis(config.back, config.every)
    return {
        "swap": (("swap",), [0, 1], "1", "which style plays the dominant one"),
        "mode": (("mode",), list(MODES), "1", "role of the style pushed to"),
        "share": (("share",), list(config.tracked), "1", "share in pre-training"),
        "moment": (("moment",), samples, "responses", "seen on the way back"),
        "seed": (("seed",), seeds, "1", "world, initialisation and data"),
    }
