"""The figure of `elasticity_springs`: ratio, responses, shares and what is left."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.springs_evidence import (
    ALIGNMENT,
    PERTURBATION,
    PRETRAINING,
    balance,
    ratio_share,
)
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)


def springs_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels over one grid; bars are standard errors over seeds."""
    with style():
        figure = canvas(10.0, 8.0)
        (left, right), (below_left, below_right) = figure.subplots(2, 2)
        _ratio(left, data.isel(share=0))
        _responses(right, data.isel(share=0))
        _shares(below_left, data)
        _balance(below_right, data.isel(share=0))
        figure.suptitle(
            f"The elasticity theorem in networks — {verdict.outcome.value}\n"
            "lines: best of all models; markers: polished optima, mean and standard "
            f"error over n = {data.sizes['seed']} worlds",
            fontsize=11,
        )
    return figure


def _ratio(axes: Axes, first: xr.Dataset) -> None:
    """Ratio/k against k, with decay (strong) and without (faint)."""
    for i, name in enumerate(first["model"].values):
        one = first.sel(model=name)
        for counted in (True, False):
            _marks(
                axes,
                one["ratio"],
                ratio_share(one, counted),
                i,
                f"{name}{', decay not counted' * (not counted)}",
                faded=not counted,
            )
    x = first["ratio"].values * 1.0
    theory_line(axes, x, np.ones_like(x), color="0.3", label="theorem, l -> 0")
    axes.set(
        xscale="log",
        xlabel="k, size of the pre-training data (alignment data = 1)",
        ylabel="- d gamma_a / (k d gamma_p)",
        title="Ratio of the responses over k",
    )
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_ylim(top=3.0)
    axes.legend(fontsize=7)


def _responses(axes: Axes, first: xr.Dataset) -> None:
    """Sizes of both responses, with their tabular curves."""
    x = first["ratio"].values * 1.0
    table = abs(first["tabular"]).sel(moved=PERTURBATION).mean("seed")
    for name, dash in ((ALIGNMENT, "-"), (PRETRAINING, "--")):
        line = table.sel(set=name).transpose("ratio").values
        theory_line(axes, x, line, color="0.3", dash=dash, label=f"{name}, closed form")
    for i, name in enumerate(first["model"].values):
        one = first.sel(model=name)
        found = one["response"].sel(moved=PERTURBATION)
        rest = one["response_decay"].sel(moved=PERTURBATION) / first["ratio"]
        heavy = found.sel(set=PRETRAINING, drop=True)
        _marks(axes, one["ratio"], abs(found.sel(set=ALIGNMENT, drop=True)), i, name)
        _marks(axes, one["ratio"], abs(heavy + rest), i)
        _marks(axes, one["ratio"], abs(heavy), i, faded=True)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="k",
        ylabel="size of the response to l (nats per sequence)",
        title="Responses; faint: pre-training without its R/k",
    )
    axes.legend(fontsize=7)


def _shares(axes: Axes, data: xr.Dataset) -> None:
    """k/ratio against l at the middle k: it vanishes at the critical share."""
    middle = data.isel(ratio=data.sizes["ratio"] // 2)
    table = middle["tabular"].sel(moved=PERTURBATION)
    exact = -(middle["ratio"] * table.sel(set=PRETRAINING)) / table.sel(set=ALIGNMENT)
    for i, row in enumerate(exact.transpose("seed", "share").values):
        theory_line(
            axes,
            data["share"].values * 1.0,
            row,
            color="0.6",
            label="" if i else "closed form, one a world",
        )
    for i, name in enumerate(data["model"].values):
        found = 1 / ratio_share(middle.sel(model=name), True)
        for j, own in enumerate(found.transpose("seed", "share").values):
            label = str(name) if j == 0 else "_"
            axes.plot(
                data["share"].values * (1 + 0.04 * (i - 1)),
                own,
                MARKERS[i],
                color=PALETTE[i],
                markerfacecolor="none",
                alpha=0.8,
                label=label,
            )
    axes.axhline(0, color="0.6", lw=0.8)
    axes.set(
        xscale="log",
        xlabel="l, size of the perturbation",
        ylabel="- k d gamma_p / (d gamma_a + dR)",
        title=f"Beyond l* pre-training loses too, k = {float(middle['ratio']):g}",
    )
    axes.legend(fontsize=7)


def _balance(axes: Axes, first: xr.Dataset) -> None:
    """What is left of Euler's sum, for every model and every data set that grows."""
    for i, name in enumerate(first["model"].values):
        for counted in (True, False):
            found = abs(balance(first.sel(model=name), counted))
            left = found.sel(moved=PERTURBATION).transpose("ratio", "seed").values
            place = first["ratio"].values * (1 + 0.05 * (i - 1))
            axes.plot(
                np.repeat(place, left.shape[-1]),
                np.maximum(left, 1e-12).ravel(),
                MARKERS[i],
                color=PALETTE[i],
                alpha=0.9 if counted else 0.35,
                markerfacecolor=PALETTE[i] if counted else "none",
                label=f"{name}{', without dR' * (not counted)}",
            )
    axes.set(
        xscale="log",
        yscale="log",
        ylim=(None, 1e6),
        xlabel="k",
        ylabel="share of the largest term",
        title="Euler's sum: n . d gamma + dR",
    )
    axes.legend(fontsize=6.5, loc="upper center", ncols=2)


def _marks(
    axes: Axes,
    ratio: xr.DataArray,
    values: xr.DataArray,
    which: int,
    label: str = "",
    faded: bool = False,
) -> None:
    """Means over the worlds that were not lost."""
    rows = [row[np.isfinite(row)] for row in values.transpose("ratio", "seed").values]
    kept = [row for row in rows if row.size]
    if not kept:
        return
    seen = np.array([row.size > 0 for row in rows])
    means = np.array([row.mean() for row in kept])
    errors = np.array([float(standard_error(row)) for row in kept])
    measured_points(
        axes,
        ratio.values[seen] * 1.0,
        means,
        y_error=np.where(np.isfinite(errors), errors, 0.0),
        color=PALETTE[which] if not faded else _pale(PALETTE[which]),
        marker=MARKERS[which],
        label=label,
    )


def _pale(color: str) -> str:
    """The same colour, half way to white."""
    parts = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{(part + 255) // 2:02x}" for part in parts)
