"""The figure of `bridge_effective_volume`: ways back on both axes, and what remains."""

from collections.abc import Iterable

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from experiments.bridge_ways import SGD
from experiments.claim import Verdict
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)


def bridge_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Six panels; bars are standard errors over seeds."""
    with style():
        figure = canvas(13.2, 7.8)
        above, below = figure.subplots(2, 3)
        _curves(above[0], data, rescaled=False)
        _curves(above[1], data, rescaled=True)
        _by_dose(above[2], data)
        _along(below[0], data)
        _volumes(below[1], data)
        _elastic(below[2], data)
        figure.suptitle(
            f"A security vector as fewer samples — {verdict.outcome.value}\n"
            "lines: theory; markers: mean and standard error over "
            f"n = {data.sizes['seed']} seeds",
            fontsize=11,
        )
    return figure


def _doses(data: xr.Dataset) -> list[tuple[int, str, str, str]]:
    """Index, colour, marker and label of every dose."""
    values = data["dose"].values
    return [
        (
            i,
            PALETTE[i % len(PALETTE)],
            MARKERS[i % len(MARKERS)],
            f"{dose:g}" if i else "1 (none)",
        )
        for i, dose in enumerate(values)
    ]


def _curves(axes: Axes, data: xr.Dataset, *, rescaled: bool) -> None:
    """The fall of the harmful loss under SGD, both paces, against n_h or kappa n_h.

    A response at the fast pace counts as so many at the slow one.
    """
    sgd = data.sel(optimizer=SGD)
    harms = sgd["harm"].transpose("pace", "dose", "moment", "seed").values
    first, fast = sgd["pace"].values
    for i, color, marker, label in _doses(data):
        factor = float(data["dose"].values[i]) if rescaled else 1.0
        for p, weight in enumerate((1.0, fast / first)):
            harm = harms[p, i]
            fall = (harm[:1] - harm)[1:]
            x = factor * weight * sgd["moment"].values[1:]
            thin = slice(None, None, 1 if p else 2)
            measured_points(
                axes,
                x[thin],
                fall.mean(-1)[thin],
                y_error=standard_error(fall)[thin],
                color=color,
                marker=marker,
                label="" if p else label,
            )
    name = "$\\kappa_H n_h$" if rescaled else "$n_h$"
    title = "SGD: against the effective volume" if rescaled else "SGD: the ways back"
    axes.set(
        xscale="log",
        yscale="log",
        ylim=(2e-3, 12),
        xlabel=f"{name} (responses at the slow pace)",
        ylabel="fall of harmful loss, vector off (nats)",
        title=title,
    )
    axes.legend(title="$\\kappa_H$", ncols=2)


def _by_dose(axes: Axes, data: xr.Dataset) -> None:
    """n_eff / (kappa n) in the window by dose, for every optimiser; theory's lines."""
    rate = data["rate"].transpose("dose", "seed").values
    window = data["window"].item()
    for k, name in enumerate(data["optimizer"].values):
        slow = data.isel(pace=0).sel(optimizer=name, moment=window)
        volume = _finite(slow["volume"].transpose("dose", "seed").values)
        ratio = volume / (rate * window)
        measured_points(
            axes,
            rate.mean(-1)[1:],
            ratio.mean(-1)[1:],
            y_error=standard_error(ratio)[1:],
            color=PALETTE[k],
            marker=MARKERS[k],
            label=str(name),
        )
    x = rate.mean(-1)
    signs = (data["rate_sign"].transpose("dose", "seed").values / rate).mean(-1)
    theory_line(axes, x, np.ones_like(x), color=PALETTE[0], label="theorem 7")
    theory_line(
        axes, x, signs, color=PALETTE[1], dash="--", label="steps by signs (4a)"
    )
    factor = data["factor"].item()
    axes.axhspan(1 / factor, factor, color="0.5", alpha=0.12, lw=0, label="margin")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="$\\kappa_H$",
        ylabel="$n_{eff}\\,/\\,\\kappa_H n_h$",
        title=f"First order: after {window:.0f} responses, slow pace",
    )
    _ticked(axes, data["dose"].values, (0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0))
    axes.legend()


def _finite(values: np.ndarray) -> np.ndarray:
    """NaN, which is not drawn, for infinite volumes: further than any plain model."""
    return np.asarray(np.where(np.isfinite(values), values, np.nan))


def _ticked(axes: Axes, x: Iterable[float], y: Iterable[float]) -> None:
    """Plain numbers at these places of two logarithmic axes, and no others."""
    for axis, places in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_major_locator(FixedLocator(list(places)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())


def _along(axes: Axes, data: xr.Dataset) -> None:
    """The same along the whole curve of SGD, at the fast pace."""
    fast = data.isel(pace=1).sel(optimizer=SGD)
    volume = _finite(fast["volume"].transpose("dose", "moment", "seed").values)
    rate = data["rate"].transpose("dose", "seed").values
    n = data["moment"].values
    for i, color, marker, label in _doses(data)[1:]:
        ratio = volume[i, 1:] / (rate[i] * n[1:, None])
        measured_points(
            axes,
            n[1:],
            ratio.mean(-1),
            y_error=standard_error(ratio),
            color=color,
            marker=marker,
            label=label,
        )
    factor = data["factor"].item()
    axes.axhspan(1 / factor, factor, color="0.5", alpha=0.12, lw=0)
    axes.axhline(1.0, color="0.3", lw=1, ls="--")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="$n_h$ (responses at the fast pace)",
        ylabel="$n_{eff}\\,/\\,\\kappa_H n_h$",
        title="Beyond: the residual is learnt, whatever $\\kappa_H$",
    )
    _ticked(axes, n[-1] / 2.0 ** np.arange(6), (0.2, 0.3, 0.5, 0.7, 1.0, 1.5))
    axes.legend(title="$\\kappa_H$", ncols=2)


def _volumes(axes: Axes, data: xr.Dataset) -> None:
    """The exact softmax world: n_eff over n_h against both readings of kappa."""
    smallest = data.isel(size=0).sel(kind="soft")
    first = smallest["volume_laws"].transpose("dose", "seed").values[1:]
    euclid = np.broadcast_to(data["dose"].values[1:, None], first.shape)
    stiff = smallest["rate_stiff"].transpose("dose", "seed").values[1:]
    for k, (x, label) in enumerate(
        ((euclid, "$\\kappa_H$"), (stiff, "$\\kappa$ in the metric $K^{-1}$"))
    ):
        axes.plot(
            x.ravel(), (first / x).ravel(), MARKERS[k], color=PALETTE[k], label=label,
            markerfacecolor="white",
        )  # fmt: skip
    axes.axhline(1.0, color="0.3", lw=1, ls="--", label="theorem 7")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="$\\kappa$",
        ylabel="$n_{eff}\\,/\\,\\kappa\\, n_h$",
        title="Joint optima, exact softmax world, soft law",
    )
    _ticked(axes, data["dose"].values, (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0))
    axes.legend()


def _elastic(axes: Axes, data: xr.Dataset) -> None:
    """The ratio of shifts over its limit, exact softmax world, and two springs."""
    sizes = data["size"].values
    elastic = data["elastic"].transpose("kind", "dose", "size", "seed").values
    springs = data["springs"].transpose("dose", "size").values
    for i, color, marker, label in _doses(data):
        x = float(data["dose"].values[i]) * sizes
        for k, bare in enumerate((False, True)):
            measured_points(
                axes,
                x,
                elastic[k, i].mean(-1),
                y_error=None if bare else standard_error(elastic[k, i]),
                color=color,
                marker="x" if bare else marker,
                label="" if bare else label,
            )
    theory_line(axes, sizes, springs[0], color="0.3", label="two springs")
    axes.plot([], [], "x", color="0.3", label="sharp law")
    axes.set(
        xscale="log",
        xlabel="$\\kappa_H n_h / n_2$",
        ylabel="ratio of shifts, over $n_1 / n_2$",
        xlim=(None, 3e3),
        title="Resistance, exact softmax world",
    )
    axes.legend(loc="right")
