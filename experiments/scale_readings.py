"""The result of `elasticity_scale`, labelled: curves, and what is read off them."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from experiments.labels import Variable, labelled
from experiments.lifecycle import samples_axis
from experiments.rebound_measures import (
    Values,
    crossing,
    late_speed,
    speed,
    style_odds,
)
from experiments.reversal import FIXED, MATCHED, lengths

if TYPE_CHECKING:
    from experiments.elasticity_scale import Config

PACES = (MATCHED, FIXED)
NATS = "nats per response"
RATE = "nats per response and response"
_CELL = ("width", "seed", "volume", "pace")
_WAY = (*_CELL, "positives")


def scale_readings(config: "Config", out: dict[str, Values]) -> xr.Dataset:
    """The stored dataset; `out` as the task returned it, with an axis of widths first.

    Shapes: align [width, seed, volume, pace, moment, style], invert with an axis of
    positives before that of moments; rate, matched [width, seed, volume, pace].
    """
    seeds = np.asarray(config.every_seed)
    forward = samples_axis(config.positives[-1], config.every)
    backward = samples_axis(config.negatives, config.every)
    return labelled(
        _measured(config, out, forward, backward),
        {
            "width": _axis("width", config.widths, "width of the transformer", "1"),
            "seed": _axis("seed", seeds, "seed of world, network and data", "1"),
            "volume": _axis("volume", config.volumes, "pre-training", "steps"),
            "pace": _axis("pace", PACES, "how learning rates are chosen", "1"),
            "positives": lengths(config),
            "forward": _axis("forward", forward, "positives seen"),
            "backward": _axis("backward", backward, "negatives seen"),
        },
    )


def _axis(name: str, values: Any, text: str, units: str = "responses") -> Variable:
    return (name,), np.asarray(values), units, text


def _measured(
    config: "Config", out: dict[str, Values], forward: Values, backward: Values
) -> dict[str, Variable]:
    """What is measured of every cell."""
    align, invert = style_odds(out["align"]), style_odds(out["invert"])
    base = align[..., :1]
    finite = np.isfinite(align).all(-1) & np.isfinite(invert).all((-1, -2))
    return {
        "odds_forward": ((*_CELL, "forward"), align, NATS, "log-odds, way up"),
        "odds_back": ((*_WAY, "backward"), invert, NATS, "log-odds, way back"),
        "gained": (_WAY, invert[..., 0] - base, NATS, "log-odds gained by alignment"),
        "speed_forward": (
            _CELL, -speed(align, forward, config.window), RATE, "initial speed up",
        ),
        "speed_back": (
            _WAY, speed(invert, backward, config.window), RATE, "initial speed back",
        ),
        "speed_late": (
            _WAY, late_speed(invert, backward, config.late_from), RATE,
            "late speed of the way back",
        ),
        "returns": (
            _WAY, crossing(invert, backward, base), "responses",
            "negatives that bring the log-odds back to base, n*; inf: more than seen",
        ),
        "rate": (_CELL, out["rate"], "1", "learning rate of alignment and way back"),
        "matched": (
            _CELL, out["matched"], "1", "whether the speed asked for was reached",
        ),
        "diverged": (_CELL, (~finite).astype(int), "1", "whether a curve diverged"),
    }  # fmt: skip
