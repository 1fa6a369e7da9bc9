"""Case II's figure: both trade-offs, bounds against the radius, local laws, kappa."""

import jax
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.case_two_evidence import changes
from experiments.case_two_local import (
    ball_costs,
    forms,
    measured_factors,
    penalty_costs,
)
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
from theory.tradeoff.kantorovich import ball_cost, kantorovich_factor, loss_cost
from theory.tradeoff.parameter_ball import local_cost

_BALL, _PENALTY = PALETTE[1], PALETTE[0]


def case_two_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels over one sweep; bars are standard errors over seeds."""
    with style():
        figure = canvas(9.0, 7.4)
        (left, right), (below_left, below_right) = figure.subplots(2, 2)
        _tradeoffs(left, data)
        _bounds(right, data)
        _local_laws(below_left, data)
        _factors(below_right, data)
        figure.suptitle(
            "Case II: a ball around the aligned parameters — "
            f"{verdict.outcome.value}\n"
            "markers: trained transformers, mean and standard error over "
            f"n = {data.sizes['seed']} seeds; lines: theory",
            fontsize=11,
        )
    return figure


def _tradeoffs(axes: Axes, data: xr.Dataset) -> None:
    final = data.isel(record=-1)
    theory_line(
        axes,
        data["curve_capability"].values,
        data["curve_safety"].values,
        color="0.2",
        label="exact frontier: no policy is below",
    )
    for name, knob, color, marker, text in (
        ("penalty", "penalty", _PENALTY, MARKERS[0], "Case I, penalty"),
        ("gap", "radius", _BALL, MARKERS[1], "Case II, ball"),
    ):
        able, safe = (
            final[f"{name}_{kind}"].transpose(knob, "seed").values
            for kind in ("capability", "safety")
        )
        measured_points(
            axes,
            able.mean(-1),
            safe.mean(-1),
            x_error=standard_error(able),
            y_error=standard_error(safe),
            color=color,
            marker=marker,
            label=text,
        )
    axes.set(
        xlabel="capability gap (nats per sequence)",
        ylabel="safety gap (nats per sequence)",
        title="Trade-off: the ball pays more",
    )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend()


def _bounds(axes: Axes, data: xr.Dataset) -> None:
    final = data.isel(record=-1).transpose("radius", "seed", ...)
    radius, cost = data["radius"].values, ball_costs(data).cost
    with jax.enable_x64(True):
        predicted = local_cost(
            data["local_gradient"].values,
            data["local_curvature"].values,
            radius[:, None],
        )
    moved = final["moved"].values
    smooth = (
        data["local_gradient_safety"].values * moved + final["bend_safety"].values / 2
    )
    for values, text, color, dash in (
        (final["slope_safety"].values * moved, "Lipschitz (8.1)", 5, ":"),
        (changes(data)["safety"].upper, "Hoeffding (8.3)", 2, "--"),
        (smooth, "smoothness on the way (8.1)", 3, "-."),
        (np.asarray(predicted), "local law (8.4)", 6, "-"),
    ):
        theory_line(
            axes, radius, values.mean(-1), color=PALETTE[color], dash=dash, label=text
        )
    measured_points(
        axes,
        radius,
        cost.mean(-1),
        y_error=standard_error(cost),
        color=_BALL,
        marker=MARKERS[1],
        label="measured",
    )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="radius of the ball (L2, all parameters)",
        ylabel="rise of the gap (nats per sequence)",
        title="Bounds on the safety gap (means over seeds)",
    )
    axes.legend(loc="upper left")


def _local_laws(axes: Axes, data: xr.Dataset) -> None:
    known = forms(data)
    with jax.enable_x64(True):
        laws = {"ball": np.asarray(ball_cost(known))}
        laws["penalty"] = np.asarray(loss_cost(known))
    if np.isfinite(laws["penalty"]).all() and (laws["penalty"] > 0).all():
        _exact_cost(axes, data, laws["penalty"])
    for name, costs, color, marker, text in (
        ("penalty", penalty_costs(data), _PENALTY, MARKERS[0], "Case I, penalty"),
        ("ball", ball_costs(data), _BALL, MARKERS[1], "Case II, ball"),
    ):
        if not (laws[name] > 0).all():
            continue
        ratio = costs.cost / costs.gain**2 / laws[name]
        share = costs.gain / data["aligned_capability"].values
        measured_points(
            axes,
            share.mean(-1),
            ratio.mean(-1),
            y_error=standard_error(ratio),
            color=color,
            marker=marker,
            label=text,
        )
    axes.axhline(1.0, color="0.2", lw=1)
    axes.set(
        xscale="log",
        ylim=(0, 5),
        xlabel="gain (share of the aligned capability gap)",
        ylabel="cost / gain squared, over its local law",
        title="Local laws hold as the gain goes to zero",
    )
    axes.legend()


def _exact_cost(axes: Axes, data: xr.Dataset, law: np.ndarray) -> None:
    """Case I's exact cost per squared gain, for the mean aligned model."""
    whole = data["aligned_capability"].values.mean()
    gain = whole - data["curve_capability"].values
    seen = gain > 0.01 * whole
    ratio = data["curve_safety"].values[seen] / gain[seen] ** 2 / law.mean()
    theory_line(axes, gain[seen] / whole, ratio, color=_PENALTY, label="exact, Case I")


def _factors(axes: Axes, data: xr.Dataset) -> None:
    with jax.enable_x64(True):
        predicted = np.asarray(kantorovich_factor(forms(data)))
    measured = measured_factors(data)
    shown = np.isfinite(predicted) & np.isfinite(measured)
    if shown.any():
        both = np.concatenate([predicted[shown], measured[shown]])
        ends = np.array([both.min() / 1.1, both.max() * 1.1])
        theory_line(axes, ends, ends, color="0.2", label="measured = predicted")
        axes.plot(
            predicted[shown], measured[shown], MARKERS[2], color=PALETTE[3],
            label="one network each",
        )  # fmt: skip
        axes.legend()
    else:
        axes.text(0.5, 0.5, "kappa is infinite", ha="center", transform=axes.transAxes)
    axes.set(
        xlabel="kappa by the network's own Fisher matrix",
        ylabel="measured ratio of costs at zero gain",
        title="The Kantorovich factor",
    )
