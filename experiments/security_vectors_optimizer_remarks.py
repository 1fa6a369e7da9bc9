"""What `security_vectors_optimizer` tells and does not judge."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from experiments.security_vectors_optimizer_evidence import arm_names, suppression
from experiments.thresholds import answer, with_interval
from experiments.trends import trending
from experiments.vector_lab import ADAM, LARGE_EPS
from experiments.vector_readings import HARM, REFUSED

if TYPE_CHECKING:
    from experiments.security_vectors_optimizer import Config


def remarks(config: "Config", data: xr.Dataset) -> list[str]:
    """Tables of steps and drifts, erosion, misalignment, and the law of one margin."""
    return [
        *_table(data),
        *_drifts(config, data),
        *_erosion(config, data),
        *_misaligned(config, data),
        *_flips(config, data),
        REPLICATION,
    ]


def _table(data: xr.Dataset) -> Iterator[str]:
    shifts = ", ".join(f"{shift:g}" for shift in data["shift"].values)
    for name in data["optimizer"].values.tolist():
        one = data.sel(optimizer=name)
        cells = zip(one["table_steps"].values, one["table_rate"].values, strict=True)
        told = ", ".join(f"{steps:.0f} (rate {rate:.2g})" for steps, rate in cells)
        yield f"solvable model, {name}: steps to flip at shifts {shifts}: {told}"
    slow = ", ".join(f"{steps:.0f}" for steps in data["table_slow"].values)
    yield (
        f"solvable model, theorem 3' at rate eta / eps, to which {LARGE_EPS} tends as "
        f"gradients fall below eps: {slow} steps"
    )


def _drifts(config: "Config", data: xr.Dataset) -> Iterator[str]:
    first, last = data["moment"].values[[1, -1]]
    for name in data["optimizer"].values.tolist():
        ratios = suppression(config, data, name)
        told = "; ".join(
            f"x{pace:g} {with_interval(ratios[0, i], config.level)} and "
            f"{with_interval(ratios[1, i], config.level)}"
            for i, pace in enumerate(config.paces)
        )
        yield (
            f"drift with the vector over that without after {first:g} and {last:g} "
            f"steps, {name}, by factor on the rate: {told}"
        )


def _erosion(config: "Config", data: xr.Dataset) -> Iterator[str]:
    """Does more rate, or more time, undo safety behind the vector?"""
    behind = arm_names(config)[1]
    for name in data["optimizer"].values.tolist():
        one = data.sel(optimizer=name, arm=behind)

        def at(key: str, moment: int, one: xr.Dataset = one) -> np.ndarray:
            return np.asarray(one[key].isel(moment=moment).transpose("arm", "seed"))

        told = "; ".join(
            f"{text} {_shares(at(key, 1))} and {_shares(at(key, -1))}"
            for key, text in ((REFUSED, "refused"), (HARM, "complied with"))
        )
        yield (
            f"behind the vector, {name}, at the first and at the last moment, by "
            f"rising rate: {told} %"
        )
        if name == ADAM:
            lost = trending("", 1 - at(REFUSED, -1)[None], config.level, "1")
            harm = trending("", at(HARM, -1)[None], config.level, "1")
            yield (
                "erosion with Adam's learning rate (as in the replication): refusals "
                f"fall: {answer(lost)} ({lost.detail}); harm is complied with: "
                f"{answer(harm)} ({harm.detail})"
            )


def _shares(values: np.ndarray) -> str:
    return "/".join(f"{100 * mean:.3g}" for mean in values.mean(axis=1))


def _misaligned(config: "Config", data: xr.Dataset) -> Iterator[str]:
    """Adam drifts behind the vector; how much of that distance teaches harm?"""
    without, behind = arm_names(config)
    start = data.isel(optimizer=0, moment=0).sel(arm=behind[0])
    cosine, norm, rate = (
        with_interval(start[f"{key}_H"].values, config.level)
        for key in ("cosine", "suppression", "kappa")
    )
    yield (
        "forces of harm before the first step, on against off: norm ratio "
        f"{norm}, cosine {cosine}, relative rate of learning {rate}"
    )
    for name in data["optimizer"].values.tolist():
        one = data.sel(optimizer=name)
        fall = one["loss_H"].isel(moment=0) - one["loss_H"].isel(moment=-1)
        slopes = (fall / one["drift"].isel(moment=-1)).transpose("arm", "seed")
        told = "/".join(
            f"{slopes.sel(arm=b).mean():.3g} against {slopes.sel(arm=a).mean():.3g}"
            for a, b in zip(without, behind, strict=True)
        )
        yield (
            f"fall of the deployed harmful loss by distance moved, {name}, with the "
            f"vector against without, by rising rate: {told} nats per answer"
        )


def _flips(config: "Config", data: xr.Dataset) -> Iterator[str]:
    for name in data["flipper"].values.tolist():
        one = data.sel(flipper=name).transpose("dose", "seed", ...)
        steps, law = one["flip_steps"].values, one["flip_law"].values
        with np.errstate(invalid="ignore"):
            delays = steps / steps[0]
        told = "; ".join(
            f"{dose:g}: {_median(steps[i])} ({_median(delays[i], 'x')}, one "
            f"margin {_median(law[i], 'x')})"
            for i, dose in enumerate(data["dose"].values)
        )
        yield (
            f"steps to flip by dose, {name} (median of seeds, delay over no vector, "
            f"and what theorem 3' says of one margin with these losses): {told}"
        )
    error = with_interval(
        data["flip_error"].isel(flipper=0, dose=-1).values, config.level
    )
    yield (
        f"at the largest of these doses the mean error 1 - p in training is {error}: "
        "the transformer is outside the domain of theorem 3', which knows one margin"
    )


def _median(values: np.ndarray, unit: str = "") -> str:
    middle = float(np.median(values))
    return f"{unit}{middle:.3g}" if np.isfinite(middle) else "none seen"


REPLICATION = (
    "replication (Rosati et al. 2024, RepNoise, Tables 1 and 2), harmfulness behind a "
    "security vector, 10k samples, Adam at 3e-5 / 6e-5 / 8e-5: .08 / .37 / .66; "
    "another model and judge: not comparable to ours in size"
)
"""Numbers of others."""
