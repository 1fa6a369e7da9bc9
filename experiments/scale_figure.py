"""The figure of `elasticity_scale`: what changes with width and pre-training volume."""

from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from experiments.claim import Verdict
from experiments.rebound_measures import Values
from experiments.reversal import FIXED, MATCHED
from experiments.scale_evidence import (
    ASYMMETRY,
    PRICE,
    RESISTANCE,
    RHO,
    quantities,
)
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
)

_PANELS: tuple[tuple[str, str, str, Callable[[Values], Values], str], ...] = (
    (PRICE, MATCHED, "width", np.exp, "n* a nat of alignment (responses)"),
    (PRICE, MATCHED, "volume", np.exp, "n* a nat of alignment (responses)"),
    (PRICE, FIXED, "width", np.exp, "n* a nat of alignment (responses)"),
    (RHO, MATCHED, "width", np.asarray, "rho = d log n* / d log n_pos"),
    (ASYMMETRY, MATCHED, "width", np.exp, "A = v_0 / v_f"),
    (RESISTANCE, MATCHED, "width", np.exp, "learning rate for that speed"),
)
_TICKS = (1, 1.5, 2, 3, 5, 7)
_UNITS = {"width": "width", "volume": "pre-training volume (steps)"}
_TITLES = {
    (PRICE, MATCHED): "Price of return, speeds matched",
    (PRICE, FIXED): "The same at one learning rate",
    (RHO, MATCHED): "Exponent, speeds matched",
    (ASYMMETRY, MATCHED): "Back over forth",
    (RESISTANCE, MATCHED): "Rate of the matched speed",
}


def scale_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Six panels; bars are standard errors over seeds, thin lines guide the eye."""
    with style():
        figure = canvas(13.0, 7.8)
        for axes, (name, pace, knob, scale, label) in zip(
            figure.subplots(2, 3).flat, _PANELS, strict=True
        ):
            values = quantities(data, pace)[name].low
            _panel(axes, data, values, knob, scale)
            axes.set(
                xscale="log",
                xlabel=_UNITS[knob],
                ylabel=label,
                title=_TITLES[name, pace],
            )
            axes.set_xticks(data[knob].values, [str(x) for x in data[knob].values])
            if name in (PRICE, RESISTANCE):
                axes.set_yscale("log")
                axes.yaxis.set_major_locator(LogLocator(subs=_TICKS))
                axes.yaxis.set_major_formatter("{x:g}")
                axes.yaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_minor_locator(NullLocator())
            if name == PRICE and pace == MATCHED:
                law = float(data["law_price"].values[-1])
                axes.axhline(law, color="0.3", lw=1, ls="--", label="saturation (E9)")
                axes.set_ylim(top=1.4 * axes.get_ylim()[1])  # room for the legend
            axes.legend(title=_UNITS["volume" if knob == "width" else "width"], ncols=2)
        figure.suptitle(
            f"Elasticity against size — {verdict.outcome.value}\n"
            "markers: mean and standard error over "
            f"n = {data.sizes['seed']} worlds and networks; alignment on "
            f"{data['positives'].values[-1]} responses",
            fontsize=11,
        )
    return figure


def _panel(
    axes: Axes,
    data: xr.Dataset,
    values: Values,
    knob: str,
    scale: Callable[[Values], Values],
) -> None:
    """One colour for each value of the other knob: values [seed, width, volume]."""
    other = "volume" if knob == "width" else "width"
    along = values if knob == "width" else values.swapaxes(1, 2)
    x = data[knob].values * 1.0
    for i, size in enumerate(data[other].values):
        rows = along[:, :, i]
        centre, error = scale(rows.mean(0)), standard_error(scale(rows), 0)
        color = PALETTE[i % len(PALETTE)]
        axes.plot(x, centre, color=color, lw=0.7, alpha=0.5)
        measured_points(
            axes,
            x,
            centre,
            y_error=error,
            color=color,
            marker=MARKERS[i % len(MARKERS)],
            label=f"{size}",
        )
