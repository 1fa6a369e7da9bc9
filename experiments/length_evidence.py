"""What the sweep over lengths says: limits, caps, agreement, slopes."""

from collections.abc import Iterator

import jax
import numpy as np
import xarray as xr

from experiments.claim import Evidence
from experiments.evidence import below_target, inside_margins, never_below, rises
from experiments.length_prediction import BIGRAM, CLASSES, NATS, TRANSFORMER
from theory.tradeoff import certified_cap

ROUNDING = 1e-9  # nats: double precision over some thousand terms
PER_TRAINING = "nats per training sequence"
PER_TOKEN = "nats per token of training data"
_CELL = ("overlap", "penalty", "seed")


def penalised(data: xr.Dataset, kind: str = "gap") -> xr.DataArray:
    """The objective's own gap, (penalty G_s + G_f) / (1 + penalty); `kind` is which."""
    weight = data["penalty"]
    total = weight * data[f"{kind}_safety"] + data[f"{kind}_capability"]
    return total / (1 + weight)


def zeta(data: xr.Dataset) -> xr.DataArray:
    """Every run's certificate against the best policy of its own class."""
    return (1 + data["penalty"]) * penalised(data) - data["optimum"]


def slopes(gaps: xr.DataArray, long_from: int) -> xr.DataArray:
    """The least-squares slope over the lengths from `long_from` on, nats per token."""
    weights = slope_weights(gaps["length"].values, long_from)
    return (gaps * xr.DataArray(weights, dims="length")).sum("length", skipna=False)


def slope_weights(lengths: np.ndarray, long_from: int) -> np.ndarray:
    """The c with slope = sum over lengths of c(T) gap(T).

    >>> slope_weights(np.array([1, 4, 6]), 4).tolist()
    [0.0, -0.5, 0.5]
    """
    long = lengths >= long_from
    centred = np.where(long, lengths - lengths[long].mean(), 0.0)
    return np.asarray(centred / np.sum(centred**2))


def length_evidence(
    data: xr.Dataset, zeta_target: float, long_from: int, level: float
) -> Iterator[Evidence]:
    """Every question asked of the sweep, in the order of the verdict table."""
    final = data.isel(record=-1)
    yield from _limits(data)
    yield _under_caps(data)
    share = zeta(final) / (1 + final["penalty"])
    for name in CLASSES:
        yield below_target(
            f"is the {name}'s training converged (zeta / (1 + penalty))?",
            share.sel(model=name).values,
            zeta_target,
            PER_TRAINING,
        )
    yield from _agreement(final, level)
    yield from _bounded(final, level)
    yield from _slopes(final, zeta_target, long_from, level)


def _limits(data: xr.Dataset) -> Iterator[Evidence]:
    """At every record, trained or not: nothing beats all policies, or its class."""
    total = (1 + data["penalty"]) * penalised(data)
    ideal = data["optimum"].sel(model=TRANSFORMER)
    least = ideal.broadcast_like(total).transpose(*total.dims)
    yield never_below(
        "is no model below the least penalised gap of all policies?",
        total.values,
        least.values,
        ROUNDING,
        NATS,
    )
    own = zeta(data).sel(model=BIGRAM).values
    question = "is no bigram table below the least of its class?"
    yield never_below(question, own, np.zeros_like(own), ROUNDING, NATS)


def _under_caps(data: xr.Dataset) -> Evidence:
    """At every record: each gap under its cap, given the model's own certificate."""
    weight = data["penalty"]
    ideal = data["optimum"].sel(model=TRANSFORMER)
    slack = ((1 + weight) * penalised(data) - ideal).clip(min=0.0)
    room = []
    for gap, odds, allowed in (
        ("gap_safety", data["overlap_capability"] / weight, slack / weight),
        ("gap_capability", data["overlap_safety"] * weight, slack),
    ):
        odds, allowed, measured = xr.broadcast(odds, allowed, data[gap])
        with jax.enable_x64(True):
            cap = np.asarray(certified_cap(odds.values, allowed.values))
        room.append(cap - measured.values)
    every = np.stack(room)
    return never_below(
        "is every gap under its cap, which has no length in it, given its own zeta?",
        every,
        np.zeros_like(every),
        ROUNDING,
        NATS,
    )


def _agreement(final: xr.Dataset, level: float) -> Iterator[Evidence]:
    """Equivalence with the best policy of the class, inside what zeta leaves open."""
    for name in CLASSES:
        cells = final.sel(model=name)
        for kind in ("safety", "capability"):
            yield inside_margins(
                f"does the {name}'s {kind} gap agree with its best policy's?",
                cells[f"gap_{kind}"].transpose("length", *_CELL).values,
                cells[f"{kind}_low"].transpose("length", *_CELL[:2]).values,
                cells[f"{kind}_high"].transpose("length", *_CELL[:2]).values,
                level,
                NATS,
            )


def _bounded(final: xr.Dataset, level: float) -> Iterator[Evidence]:
    """The transformer under a cap without the length in it."""
    cells = final.sel(model=TRANSFORMER)
    for kind, cap in (
        ("safety", "log(1 + o_f/penalty)"),
        ("capability", "log(1 + penalty o_s)"),
    ):
        samples = cells[f"gap_{kind}"].transpose("length", *_CELL).values
        high = final[f"cap_{kind}_high"].values
        yield inside_margins(
            f"is the transformer's {kind} gap under {cap} + zeta, at any length?",
            samples,
            np.full(samples.shape[:-1], -np.inf),
            np.broadcast_to(high, samples.shape[:-1]),
            level,
            NATS,
        )


def _slopes(
    final: xr.Dataset, zeta_target: float, long_from: int, level: float
) -> Iterator[Evidence]:
    """The forgetful class pays every token at its predicted rate, the other does not.

    Certificates in [0, zeta_target] move a slope sum c(T) gap(T) by no more than
    zeta_target times the sum of the positive, or negative, c: the declared margin.
    """
    slope = slopes(penalised(final), long_from).transpose("model", *_CELL)
    exact = slopes(penalised(final, "best"), long_from).transpose("model", *_CELL[:2])
    bigram = slope.sel(model=BIGRAM).values
    best = exact.sel(model=BIGRAM).values
    weights = slope_weights(final["length"].values, long_from)
    margin = zeta_target * float(np.sum(np.maximum(weights, 0)))
    yield inside_margins(
        f"is the bigram's slope its class's (margin {margin:.4f} a token)?",
        bigram,
        best - margin,
        best + margin,
        level,
        PER_TOKEN,
    )
    rows = bigram.reshape(-1, bigram.shape[-1])
    yield rises("does the bigram's gap grow with the length?", rows, level, PER_TOKEN)
    behind = rows - slope.sel(model=TRANSFORMER).values.reshape(rows.shape)
    yield rises(
        "does it grow faster than the transformer's, seed by seed?",
        behind,
        level,
        PER_TOKEN,
    )


def remarks(data: xr.Dataset, long_from: int) -> tuple[str, ...]:
    """What the data show beyond the verdict, never a reason for it."""
    final = data.isel(record=-1)
    longest = final.isel(length=-1)
    tokens = int(longest["length"])
    text = [*_per_token(final)]
    for kind in ("safety", "capability"):
        last = longest.sel(model=BIGRAM)
        cap = longest[f"cap_{kind}"]
        measured = last[f"gap_{kind}"].mean("seed") > cap
        exact = last[f"best_{kind}"] > cap
        text.append(
            f"bigram's {kind} gap above the cap at {tokens} tokens: "
            f"{int(measured.sum())} of {cap.size} cells measured, {int(exact.sum())} "
            "predicted"
        )
    return (*text, *_rates(final, long_from), *_residuals(final))


def _per_token(final: xr.Dataset) -> Iterator[str]:
    """Penalised gaps and their cap over the length, mean over the cells."""
    gaps = penalised(final).mean("seed")
    paths = {f"{name}s measured": gaps.sel(model=name) for name in CLASSES}
    best = penalised(final, "best")
    paths |= {f"{name}s exact": best.sel(model=name) for name in CLASSES}
    paths["cap"] = penalised(final, "cap").broadcast_like(best.isel(model=0))
    lengths = final["length"]
    for name, path in paths.items():
        of_token = (path / lengths).mean(("overlap", "penalty")).values
        values = ", ".join(f"{value:.3f}" for value in of_token)
        yield f"penalised gap per token at {lengths.values.tolist()}, {name}: {values}"


def _rates(final: xr.Dataset, long_from: int) -> Iterator[str]:
    """How far the long lengths are from the limit of infinite ones."""
    exact = slopes(penalised(final, "best"), long_from)
    limit = penalised(final, "rate")
    off = abs(exact.sel(model=BIGRAM) / limit - 1)
    yield (
        f"bigram class, slope over the long lengths against its limit: "
        f"{100 * float(off.max()):.1f} % off at most"
    )
    ratio = exact.sel(model=TRANSFORMER) / exact.sel(model=BIGRAM)
    yield (
        "best policy's slope as a share of the bigram class's: "
        f"{float(ratio.min()):.2f} to {float(ratio.max()):.2f}"
    )


def _residuals(final: xr.Dataset) -> Iterator[str]:
    """How far the means over seeds are from the exact solution, in plain nats."""
    for name in CLASSES:
        for kind in ("safety", "capability"):
            cells = final.sel(model=name)
            off = abs(cells[f"gap_{kind}"].mean("seed") - cells[f"best_{kind}"]).values
            finite = off[np.isfinite(off)]
            if finite.size:
                yield (
                    f"{name}'s {kind} gap: mean over seeds off the exact one by "
                    f"{np.median(finite):.3f} (median cell), {finite.max():.3f} "
                    f"(worst) {NATS}"
                )
