"""The figure of `security_vectors_optimizer`: table, drift, erosion, flips."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.security_vectors_optimizer_evidence import NONE, VECTOR
from experiments.vector_lab import ADAM, SGD
from experiments.vector_readings import HARM, REFUSED
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)


def optimizer_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels; bars are standard errors over seeds."""
    with style():
        figure = canvas(10.0, 8.0)
        (table, drift), (erosion, flips) = figure.subplots(2, 2)
        _table(table, data)
        _drift(drift, data)
        _erosion(erosion, data)
        _flips(flips, data)
        figure.suptitle(
            f"Security vectors by optimiser — {verdict.outcome.value}\n"
            "pure harm, vector on in training and off in deployment; marks: mean and "
            f"standard error over n = {data.sizes['seed']} seeds, lines: theory",
            fontsize=11,
        )
    return figure


def _colors(data: xr.Dataset) -> dict[str, int]:
    return {name: i for i, name in enumerate(data["optimizer"].values.tolist())}


def _table(axes: Axes, data: xr.Dataset) -> None:
    """Distance run until the flip, rate times steps, by the vector's shift."""
    shifts = data["shift"].values
    for name, i in _colors(data).items():
        one = data.sel(optimizer=name)
        rate = one["table_rate"].values
        measured_points(
            axes, shifts, rate * one["table_steps"].values, color=PALETTE[i],
            marker=MARKERS[i], label=name,
        )  # fmt: skip
        if name == SGD:
            theory_line(
                axes, shifts, rate * one["table_most"].values, color=PALETTE[i],
                label="theorem 3'",
            )  # fmt: skip
        elif name != ADAM:
            theory_line(
                axes, shifts, rate * one["table_least"].values, color=PALETTE[i],
                dash=":", label="theorem 4: no sooner",
            )  # fmt: skip
            slow = data["table_slow"].values
            theory_line(
                axes, shifts, rate * slow, color=PALETTE[i], dash="--",
                label="theorem 3' at rate η / eps",
            )  # fmt: skip
    axes.set(
        yscale="log",
        ylim=(0.1, None),
        xlabel="shift of the vector (nats)",
        ylabel="rate x steps until the flip",
        title="One margin, solved and trained",
    )
    axes.legend()


def _by_pace(data: xr.Dataset, name: str, prefix: str) -> tuple[np.ndarray, xr.Dataset]:
    arms = [arm for arm in data["arm"].values.tolist() if arm.startswith(prefix)]
    paces = np.array([float(arm.removeprefix(prefix)) for arm in arms])
    return paces, data.sel(optimizer=name, arm=arms).transpose("arm", "seed", ...)


def _joined(
    axes: Axes, paces: np.ndarray, values: np.ndarray, i: int, dash: str, *, label: str
) -> None:
    """Marks [pace, seed] joined by a line, which the legend shows with its dashes."""
    axes.plot(
        paces, values.mean(1), color=PALETTE[i], ls=dash, lw=0.8, marker=MARKERS[i],
        markerfacecolor="white", label=label,
    )  # fmt: skip
    measured_points(
        axes, paces, values.mean(1), y_error=standard_error(values), color=PALETTE[i],
        marker=MARKERS[i],
    )  # fmt: skip


def _drift(axes: Axes, data: xr.Dataset) -> None:
    """Drift with the vector over that without, by learning rate, at two moments."""
    for name, i in _colors(data).items():
        paces, behind = _by_pace(data, name, VECTOR)
        without = _by_pace(data, name, NONE)[1]
        for moment, shift, dash in ((1, 0.96, ":"), (-1, 1.04, "-")):
            ratio = (
                behind["drift"].isel(moment=moment).values
                / without["drift"].isel(moment=moment).values
            )
            steps = float(data["moment"].values[moment])
            _joined(
                axes, paces * shift, ratio, i, dash, label=f"{name}, {steps:g} steps"
            )
    axes.set(
        xscale="log",
        ylim=(0, 1.35),
        xlabel="learning rate over the least one",
        ylabel="drift with the vector / without",
        title="How far the vector lets a model drift",
    )
    axes.axhline(1.0, color="0.4", lw=1, ls="--")
    axes.legend(fontsize=7.5, loc="upper left", ncols=2)


def _erosion(axes: Axes, data: xr.Dataset) -> None:
    """What models behind the vector answer in the end."""
    for name, i in _colors(data).items():
        paces, behind = _by_pace(data, name, VECTOR)
        for key, text, dash in (
            (REFUSED, "refused", "-"),
            (HARM, "complied with", "--"),
        ):
            shares = behind[key].isel(moment=-1).values
            _joined(
                axes, paces * 1.03 ** (i - 1), shares, i, dash, label=f"{name}, {text}"
            )
    steps = float(data["moment"].values[-1])
    axes.set(
        xscale="log",
        ylim=(-0.04, 1.04),
        xlabel="learning rate over the least one",
        ylabel="share of held-out harmful requests",
        title=f"Behind the vector, after {steps:g} steps",
    )
    axes.legend(fontsize=7.5, loc="center left")


def _flips(axes: Axes, data: xr.Dataset) -> None:
    """Steps to the flip by dose, one mark a seed, and the law of one margin."""
    doses = data["dose"].values
    largest = float(np.max(data["flip_steps"].where(np.isfinite(data["flip_steps"]))))
    top = 3 * largest
    for i, name in enumerate(data["flipper"].values.tolist()):
        one = data.sel(flipper=name).transpose("dose", "seed", ...)
        steps = one["flip_steps"].values
        places = np.broadcast_to(doses[:, None] + 0.012 * (i - 0.5), steps.shape)
        seen = np.isfinite(steps)
        axes.plot(
            places[seen], steps[seen], MARKERS[i], color=PALETTE[i], mfc="white",
            label=f"{name}, a mark a seed",
        )  # fmt: skip
        axes.plot(
            places[~seen], np.full((~seen).sum(), top), "^", color=PALETTE[i],
            label=f"{name}, not within the run",
        )  # fmt: skip
        law = np.median(one["flip_law"].values, 1) * np.median(steps[0])
        if np.isfinite(law).all():
            theory_line(
                axes, doses, law, color=PALETTE[i], dash=("-", "--")[i],
                label=f"one margin with these losses, {name}",
            )  # fmt: skip
    axes.set(
        yscale="log",
        xlabel="dose of the vector in training",
        ylabel="steps until half of harm is complied with",
        title="How long a transformer stays safe",
    )
    axes.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
