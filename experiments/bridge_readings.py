"""The result of `bridge_effective_volume`, labelled: what was measured and read off."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from experiments.bridge_equilibrium import KINDS
from experiments.bridge_measures import effective_volumes
from experiments.bridge_theory import SIZES, doses
from experiments.bridge_ways import OFF, ON, way_setups
from experiments.labels import Variable, labelled
from experiments.lifecycle import ORIGINAL, samples_axis
from experiments.rebound_measures import Values, style_odds

if TYPE_CHECKING:
    from experiments.bridge_effective_volume import Config

NATS = "nats per response"
WAY = ("optimizer", "pace", "dose", "moment", "seed")
DOSE = ("dose", "seed")


def readings(
    config: "Config", out: dict[str, Values], world: dict[str, Values]
) -> xr.Dataset:
    """The stored dataset; `out` as the task returned it [seed, ...], `world` the laws'.

    `rate` is kappa_H as measured, `rate_error` its standard error over blocks.
    """
    counts = samples_axis(config.harmful, config.every)
    ways = np.moveaxis(np.asarray(out["ways"], float), 0, -1)
    harm, odds = (
        ways[..., OFF, ORIGINAL, :],
        style_odds(ways[..., OFF, :, :].swapaxes(-1, -2)),
    )
    finite = np.isfinite(ways).all(axis=tuple(range(ways.ndim - 1)))
    text = "of the deactivated model"
    variables: dict[str, Variable] = {
        "harm": (WAY, harm, NATS, f"excess loss of the original style {text}"),
        "harm_on": (WAY, ways[..., ON, ORIGINAL, :], NATS, "that of the active model"),
        "odds": (WAY, odds, NATS, f"log-odds of the preferred style {text}"),
        "volume": (WAY, volumes(counts, harm), "responses", "n_eff by the excess loss"),
        "volume_odds": (WAY, volumes(counts, odds), "responses", "n_eff by log-odds"),
        "window": ((), config.window, "responses", "end of first order"),
        "factor": ((), config.factor, "1", "declared factor of agreement"),
        "diverged": (("seed",), (~finite).astype(int), "1", "1 for a NaN"),
        **_forces(out),
        **_laws(world),
    }
    return labelled(variables, _coordinates(config, counts))


def volumes(counts: Values, curves: Values) -> Values:
    """n_eff of curves [..., dose, moment, seed] against dose 0, of the same shape.

    NaN where a curve is.
    """
    falling = np.moveaxis(curves, -1, 0)
    found = effective_volumes(counts, falling[..., :1, :], falling)
    return np.moveaxis(np.where(np.isfinite(falling), found, np.nan), 0, -1)


def _forces(out: dict[str, Values]) -> dict[str, Variable]:
    """What the doses do to the first step."""
    rates, grid = (
        np.moveaxis(np.asarray(out[k]), 0, -1) for k in ("rate", "grid_rate")
    )

    def error(values: Values) -> Values:
        return np.asarray(values.std(1, ddof=1) / np.sqrt(values.shape[1]))

    each = {
        name: (DOSE, np.asarray(out[name]).T, units, text)
        for name, units, text in (
            ("gate", "1", "gate of a dose"),
            ("rate_odds", "1", "relative rate of the log-odds"),
            ("rate_sign", "1", "relative rate of a step by the gradient's signs"),
            ("suppression", "1", "first factor of kappa_H, |g_on| / |g_F|"),
            ("excess", NATS, "excess loss of the active model before the way back"),
        )
    }
    cosine = rates.mean(1) / each["suppression"][1]
    by_gate = ("scanned", "seed")
    return {
        "rate": (DOSE, rates.mean(1), "1", "kappa_H as measured"),
        "rate_error": (DOSE, error(rates), "1", "its standard error"),
        "alignment": (DOSE, cosine, "1", "second factor of kappa_H, the cosine"),
        "grid_rate": (by_gate, grid.mean(1), "1", "kappa_H along the gate"),
        "grid_error": (by_gate, error(grid), "1", "its standard error"),
        "grid_excess": (
            by_gate, np.asarray(out["grid_excess"]).T, NATS, "active model's excess",
        ),
        **each,
    }  # fmt: skip


def _laws(world: dict[str, Values]) -> dict[str, Variable]:
    by_size = ("kind", "dose", "size", "seed")
    return {
        "elastic": (by_size, world["elastic"], "1", "ratio of shifts over its limit"),
        "volume_laws": (by_size, world["volume"], "1", "n_eff over n_h, optimum"),
        "rate_stiff": (
            ("kind", *DOSE), world["rate_stiff"], "1", "kappa_H by the stiffness",
        ),
    }  # fmt: skip


def _coordinates(config: "Config", counts: Values) -> dict[str, Variable]:
    axes = (
        ("seed", np.asarray(config.every_seed), "1", "seed of world, network and data"),
        ("optimizer", list(way_setups(config)), "1", "optimiser of the way back"),
        ("pace", np.asarray(config.paces), "1", "factor on its learning rate"),
        ("moment", counts, "responses", "responses seen on the way back"),
        ("scanned", np.linspace(0, 1, config.gates), "1", "gate of the vector"),
        ("kind", list(KINDS), "1", "kind of harmful law, world of laws"),
        ("size", SIZES, "n_2", "harmful samples, world of laws"),
    )
    named = {name: ((name,), values, units, text) for name, values, units, text in axes}
    return {"dose": doses(config), **named}
