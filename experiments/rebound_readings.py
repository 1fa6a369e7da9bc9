"""The result of `rebound`, labelled: what was measured, and what is read off it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from experiments.labels import Variable, labelled
from experiments.lifecycle import preferring, samples_axis
from experiments.rebound_measures import (
    LogLaw,
    Values,
    crossing,
    fitted_law,
    late_speed,
    predicted_returns,
    speed,
    style_odds,
)
from experiments.reversal import lengths
from theory.compression.saturation import forward_end, inverse_speed

if TYPE_CHECKING:
    from experiments.rebound import Config

NATS = "nats per response"
RATE = "nats per response and response"
LAWS = ("one log-odds", "several")
"""E9 itself, and E9 for each of some tokens' log-odds, their number fitted too."""


def rebound_readings(config: "Config", out: dict[str, Any]) -> xr.Dataset:
    """The stored dataset of a sweep over seeds; `out` as the task returned it."""
    align, invert = out["align"][:, 0, 0], out["invert"][:, 0, 0]
    forward = samples_axis(config.positives[-1], config.every)
    backward = samples_axis(config.negatives, config.every)
    seeds = np.asarray(config.every_seed)
    measured = {
        **_along(config, style_odds(align), style_odds(invert), forward, backward),
        **_energy(config, align, invert, backward),
        **_answers(config, out),
    }
    for name, units, text in _CHOICES:
        measured[name] = (("seed",), out[name][:, 0, 0], units, text)
    moments = np.asarray(config.moments)
    return labelled(
        measured,
        {
            "seed": (("seed",), seeds, "1", "seed of world, network and data"),
            "positives": lengths(config),
            "forward": (("forward",), forward, "responses", "positives seen"),
            "backward": (("backward",), backward, "responses", "negatives seen"),
            "moment": (("moment",), moments, "responses", "negatives seen"),
            "law": (("law",), list(LAWS), "1", "saturation's law, fitted forward"),
        },
    )  # fmt: skip


_CHOICES = (
    ("rate", "1", "learning rate of alignment and way back"),
    ("speed", RATE, "speed of alignment at that rate"),
    ("matched", "1", "whether it is the speed asked for"),
)


def _along(
    config: "Config", align: Values, invert: Values, forward: Values, backward: Values
) -> dict[str, Variable]:
    """The log-odds along both ways, speeds, returns, and what saturation predicts."""
    base = align[:, 0]
    finite = np.isfinite(align).all(-1) & np.isfinite(invert).all((-1, -2))
    laws = [
        [fitted_law(forward, way, most) for most in (1, config.response)]
        for way in np.where(finite[:, None], align, 0.0)
    ]
    by_seed, by_length = ("seed",), ("seed", "positives")
    return {
        "odds_forward": ((*by_seed, "forward"), align, NATS, "log-odds, way up"),
        "odds_back": ((*by_length, "backward"), invert, NATS, "log-odds, way back"),
        "speed_forward": (
            by_seed, -speed(align, forward, config.window), RATE, "initial speed up",
        ),
        "speed_back": (
            by_length, speed(invert, backward, config.window), RATE,
            "initial speed of the way back",
        ),
        "speed_late": (
            by_length, late_speed(invert, backward, config.late_from), RATE,
            "late speed of the way back",
        ),
        "returns": (
            by_length, crossing(invert, backward, base[:, None]), "responses",
            "negatives that bring the log-odds back to base, n*; inf: more than seen",
        ),
        "diverged": (by_seed, (~finite).astype(int), "1", "whether a curve diverged"),
        **_laws(config, laws, base),
    }  # fmt: skip


def _laws(
    config: "Config", laws: list[list[LogLaw]], base: Values
) -> dict[str, Variable]:
    """What the laws fitted to the way up say of the way back, seed by seed."""
    positives = np.asarray(config.positives, float)
    dims, lengths = ("seed", "law"), ("seed", "law", "positives")

    def each(function: Any) -> Values:
        return np.asarray(
            [
                [function(law, start) for law in row]
                for row, start in zip(laws, base, strict=True)
            ]
        )

    def start_speed(law: LogLaw, start: float) -> Values:
        end = forward_end(start / law.units, law.kappa * positives)
        return law.units * law.kappa * np.asarray(inverse_speed(end), float)

    return {
        "law_kappa": (
            dims, each(lambda law, _: law.kappa), "1", "effort of a response",
        ),
        "law_units": (
            dims, each(lambda law, _: law.units), "1", "log-odds that saturate apart",
        ),
        "law_error": (
            dims, each(lambda law, _: law.error), NATS, "misfit of the way up",
        ),
        "law_returns": (
            lengths, each(lambda law, z: predicted_returns(law, z, positives)),
            "responses", "n* by saturation, fitted to the way up alone",
        ),
        "law_speed_back": (
            lengths, each(start_speed), RATE, "initial speed back by saturation",
        ),
    }  # fmt: skip


def _energy(
    config: "Config", align: Values, invert: Values, backward: Values
) -> dict[str, Variable]:
    """The excess loss on pre-training responses: elastic energy per response (E8)."""
    shares = np.asarray(preferring(config.share))
    energy = (invert - align[:, None, :1]) @ shares
    dims = ("seed", "positives")
    return {
        "energy": (
            dims, energy[..., 0], NATS,
            "rise of the pre-training loss of a response by alignment",
        ),
        "release": (
            dims, speed(energy, backward, config.window), RATE,
            "initial fall of that loss on the way back",
        ),
    }  # fmt: skip


def _answers(config: "Config", out: dict[str, Any]) -> dict[str, Variable]:
    """What models answered by themselves: base, aligned models, those on their way."""
    lengths, moments = len(config.positives), len(config.moments)
    aligned, back = ("seed", "positives"), ("seed", "positives", "moment")
    named: dict[str, Variable] = {}
    for name, units, text in (
        ("share", "1", "share of own answers in the preferred style"),
        ("drift", NATS, "KL(q || base) over own answers"),
    ):
        values = out[name]
        way = values[:, 1 + lengths :].reshape(-1, lengths, moments)
        named[f"{name}_base"] = ("seed",), values[:, 0], units, text
        named[f"{name}_aligned"] = aligned, values[:, 1 : 1 + lengths], units, text
        named[f"{name}_back"] = back, way, units, text
    return named
