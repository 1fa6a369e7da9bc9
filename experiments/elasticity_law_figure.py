"""The figure of `elasticity_law`: eight panels, theory as lines, draws as markers."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.elasticity_law_evidence import SAYS_NOTHING
from experiments.elasticity_law_trees import HUFFMAN_K
from simlab.figures import (
    DASHES,
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)
from theory.compression import Perturbation

_KINDS = (
    (Perturbation.PART.name, "another part"),
    (Perturbation.SAME.name, "more of p"),
)


def law_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Responses against k, l, alpha, forms, depth; codes; samples and words."""
    panels = (_sizes_k, _shares, _tails, _forms, _depths, _codes, _samples, _words)
    with style():
        figure = canvas(9.0, 13.0)
        for axes, panel in zip(figure.subplots(4, 2).flat, panels, strict=True):
            panel(axes, data)
        figure.suptitle(
            f"The elasticity law — {verdict.outcome.value}\n"
            "lines: closed forms and quadrature; markers: joint optima of drawn data, "
            f"mean and standard error of n = {data.sizes['draw']} draws",
            fontsize=11,
        )
    return figure


def _sizes_k(axes: Axes, data: xr.Dataset) -> None:
    k = data["k"].values
    for place, (kind, word) in enumerate(_KINDS):
        for of, role in (("a", "alignment"), ("p", "pre-training")):
            cell = {"kind": kind, "set": of}
            found = data["response"].sel(cell).transpose("k", "draw").values
            color, marker = PALETTE[2 * place + (of == "p")], MARKERS[place]
            line = np.abs(data["predicted_response"].sel(cell).values)
            theory_line(axes, k, line, color=color)
            measured_points(
                axes, k, np.abs(found.mean(-1)), y_error=standard_error(found),
                color=color, marker=marker, label=f"{role}, {word}",
            )  # fmt: skip
    axes.set(
        xscale="log", yscale="log", xlabel="k = size of pre-training / alignment",
        ylabel="|d gamma / dl| (nats per block)",
        title="Powers of k: -1 and -2; -2 and -3",
    )  # fmt: skip
    axes.legend(loc="lower left")


def _shares(axes: Axes, data: xr.Dataset) -> None:
    share = data["relative_share"].values
    line = data["predicted_recovery"].isel(parts=0).values
    theory_line(axes, share, line, color="0.3", label="l / l* - 1")
    for place, parts in enumerate(data["parts"].values):
        cell = data["recovery"].sel(parts=parts)
        found = cell.transpose("relative_share", "draw").values
        measured_points(
            axes, share + 0.03 * (place - 1), found.mean(-1),
            y_error=standard_error(found), color=PALETTE[place % len(PALETTE)],
            marker=MARKERS[place % len(MARKERS)], label=f"m = {int(parts)} parts",
        )  # fmt: skip
    axes.axhline(0.0, color="0.6", lw=0.8)
    axes.set(
        xlabel="l / l*,  l* = 1 / (m - 1)",
        ylabel="k d gamma_p / d gamma_a",
        title="Pre-training gains only below l* (k = 1000)",
    )
    axes.legend()


def _tails(axes: Axes, data: xr.Dataset) -> None:
    alpha, found = data["alpha"].values, data["size"].transpose("alpha", "draw").values
    theory_line(
        axes, alpha - 1, data["predicted_size"].values, color=PALETTE[0],
        label="quadrature",
    )  # fmt: skip
    judged = data["size_margin"].values <= SAYS_NOTHING
    for mask, color, word in (
        (judged, PALETTE[0], "drawn masses"),
        (~judged, "0.55", "too few leaves to judge"),
    ):
        if np.any(mask):
            measured_points(
                axes, alpha[mask] - 1, found[mask].mean(-1),
                y_error=standard_error(found[mask]), color=color, label=word,
            )  # fmt: skip
    axes.set(
        xscale="log", yscale="log", xlabel="alpha - 1 (light tails to the right)",
        ylabel="n d gamma_a/dl (nats per block)",
        title="Size of the effect: tails keep it from 0",
    )  # fmt: skip
    axes.legend()


def _forms(axes: Axes, data: xr.Dataset) -> None:
    k = data["form_k"].values
    for place, alpha in enumerate(data["form_alpha"].values):
        for form, marker in (("A", "s"), ("B", "o")):
            cell = {"form_alpha": alpha, "form": form}
            found = data["form_size"].sel(cell).transpose("form_k", "draw").values
            limit = float(data["predicted_form"].sel(cell))
            label = f"alpha = {alpha:g}" if form == "B" else ""
            measured_points(
                axes, k, found.mean(-1), y_error=standard_error(found),
                color=PALETTE[place], marker=marker, label=label,
            )  # fmt: skip
            theory_line(
                axes, k[-2:], np.full(2, limit), color=PALETTE[place],
                dash=DASHES[int(form == "A")],
            )  # fmt: skip
    axes.axhline(0.0, color="0.6", lw=0.8)
    axes.set(
        xscale="log", xlabel="k", ylabel="n d gamma_a/dl (nats per block)",
        title="Printed sign: form B (circles) yes, A (squares) no",
    )  # fmt: skip
    axes.legend(loc="lower left", fontsize=8)


def _depths(axes: Axes, data: xr.Dataset) -> None:
    depth = data["depth"].values * 1.0
    for name, scale, word in (
        ("own", 1.0, "D_t = D_a (loses)"),
        ("reinforced", 1000.0, "D_t = D_p, times 1000"),
        ("cross", 1.0, "another part: need not rise"),
    ):
        place = ("own", "reinforced", "cross").index(name)
        found = scale * data[name].transpose("depth", "draw").values
        measured_points(
            axes, depth + 0.1 * (place - 1), found.mean(-1),
            y_error=standard_error(found), color=PALETTE[place], marker=MARKERS[place],
            label=word,
        )  # fmt: skip
    axes.set(
        xlabel="depth of the tree",
        ylabel="|n d gamma_a/dl| (nats per block)",
        title="Larger models give way more, per block",
    )
    axes.legend()


def _codes(axes: Axes, data: xr.Dataset) -> None:
    share = data["huffman_share"].values
    stairs = data["huffman"].transpose("draw", "huffman_share", "huffman_set").values
    change = stairs - stairs[:, :1]
    draw = int(np.argmax([len(np.unique(one[:, 1])) for one in stairs]))
    lost = HUFFMAN_K * change[draw, :, 0] + change[draw, :, 1]
    gained = -share * change[draw, :, 2]
    axes.fill_between(share, 0, gained, step="post", color="0.9", label="allowed")
    for values, color, word in (
        (lost, PALETTE[0], "k dgamma_p + dgamma_a"),
        (gained, PALETTE[1], "-l dgamma_t"),
    ):
        axes.plot(share, values, drawstyle="steps-post", color=color, label=word)
    seen = gained > 0
    if np.any(seen):
        axes.set_ylim(1e-2 * float(gained[seen].min()), 2 * float(gained.max()))
        axes.set(yscale="log", xscale="log")
    axes.set(
        xlabel="l", ylabel="bits per block, times n_a",
        title=f"Huffman codes (k = {HUFFMAN_K:g}): a staircase in its bounds",
    )  # fmt: skip
    axes.legend(loc="lower right")


def _samples(axes: Axes, data: xr.Dataset) -> None:
    counts = data["samples"].values * 1.0
    axes.axhline(1.0, color="0.3", lw=1.4, label="population: 1")
    for place, k in enumerate(data["sampled_k"].values):
        ratio = data["sampled_ratio"].sel(sampled_k=k)
        low, middle, high = (ratio.quantile(q, "draw").values for q in (0.1, 0.5, 0.9))
        axes.errorbar(
            counts * 1.15 ** (place - 0.5), middle,
            yerr=np.stack([middle - low, high - middle]), fmt=MARKERS[place],
            color=PALETTE[place], markerfacecolor="white", capsize=2,
            label=f"k = {k:g}: median, 10 to 90 %",
        )  # fmt: skip
    axes.set(
        xscale="log", ylim=(-4, 5), xlabel="alignment responses n_a",
        ylabel="ratio / k on the true laws",
        title="Models fitted to counts: few data hide the ratio",
    )  # fmt: skip
    axes.legend()


def _words(axes: Axes, data: xr.Dataset) -> None:
    axes.set(
        xlabel="rank of the word", ylabel="mass", xscale="log", yscale="log",
        title="English words, and Pareto laws fitted to their tails",
    )  # fmt: skip
    if not int(data["tokens_present"]):
        axes.set(title="English words")
        axes.text(
            0.5, 0.5, "wordsegment is not installed", ha="center", va="center",
            transform=axes.transAxes,
        )  # fmt: skip
        return
    ranks, masses = data["token_rank"].values * 1.0, data["token_mass"].values
    axes.plot(ranks, masses, "o", color="0.4", ms=3, mfc="white", label="words")
    for place, tail in enumerate(data["token_tail"].values):
        alpha = float(data["token_alpha"].sel(token_tail=tail))
        at = np.interp(np.log(tail), np.log(ranks), np.log(masses))
        span = np.array([1.0, tail])
        line = np.exp(at) * (span / tail) ** (-1 / alpha)
        theory_line(
            axes, span, line, color=PALETTE[place], dash=DASHES[place],
            label=f"{int(tail)} words: alpha = {alpha:.2f}",
        )  # fmt: skip
    axes.legend(loc="lower left")
