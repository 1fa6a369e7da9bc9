"""What sizes say: slopes over widths and volumes, with intervals over seeds."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from experiments.claim import Evidence, Outcome
from experiments.evidence import undecided
from experiments.rebound_measures import (
    Values,
    censored,
    exponent,
    linear,
    slope_weights,
)
from experiments.reversal import FIXED, MATCHED
from experiments.thresholds import Ends, above, answer, below, known, with_interval

if TYPE_CHECKING:
    from experiments.elasticity_scale import Config

KNOBS = ("width", "volume")
PRICE, START, SLOWING, ASYMMETRY, RESISTANCE, RHO = (
    "price", "start", "slowing", "asymmetry", "rate", "rho",
)  # fmt: skip


def quantities(data: xr.Dataset, pace: str) -> dict[str, Ends]:
    """What is compared across sizes, [seed, width, volume], at the longest alignment.

    Formulas: price = log(n* / (LO_1 - LO_0)), start = log v_0, slowing = late / early
    speed, asymmetry = log(v_0 / v_f), rate = log of the learning rate, rho as an
    exponent. NaN where a model did not move the way that the logarithm needs.
    """
    cell = data.sel(pace=pace).transpose("seed", "width", "volume", ...)
    last = cell.isel(positives=-1)
    most = float(data["backward"].values[-1])
    gained, start = _log(last["gained"].values), _log(last["speed_back"].values)
    moved = np.isfinite(start)
    slowing = last["speed_late"].values / np.where(moved, np.exp(start), np.nan)
    return {
        PRICE: censored(np.log(last["returns"].values) - gained, np.log(most) - gained),
        START: known(start),
        SLOWING: known(slowing),
        ASYMMETRY: known(start - _log(cell["speed_forward"].values)),
        RESISTANCE: known(_log(cell["rate"].values)),
        RHO: exponent(
            data["positives"].values,
            cell["returns"].transpose(..., "positives").values,
            most,
        ),
    }


def _log(values: Values) -> Values:
    """The logarithm, NaN where there is none."""
    positive = values > 0
    return np.where(positive, np.log(np.where(positive, values, 1.0)), np.nan)


def slopes(data: xr.Dataset, values: Ends, knob: str, corner: bool = False) -> Ends:
    """Slopes in log width or log volume of [seed, width, volume], every seed's.

    The design is balanced, so the mean of the slopes at every value of the other knob
    is the slope of the regression on both. At the `corner`: of its largest value only.
    """
    sizes = {name: data.sizes[name] for name in KNOBS}
    weights = {
        name: slope_weights(np.log(data[name].values))
        if name == knob
        else (np.arange(size) == size - 1) * 1.0
        if corner
        else np.full(size, 1 / size)
        for name, size in sizes.items()
    }
    grid = np.outer(weights["width"], weights["volume"]).ravel()
    rows = (end.reshape(len(end), -1) for end in values)
    return linear(grid, Ends(*rows))


def scale_evidence(config: "Config", data: xr.Dataset) -> Iterator[Evidence]:
    """Every question asked of the sweep, in the order of the verdict table."""
    yield _reached(config, data)
    price = quantities(data, MATCHED)[PRICE]
    for knob, text in (("width", "larger"), ("volume", "longer pre-trained")):
        question = f"does a {text} model return on fewer negatives a nat of alignment?"
        if data.sizes[knob] < 2:
            yield undecided(question, "exponent", f"one {knob}: a slope needs two")
            continue
        yield below(question, slopes(data, price, knob), 0.0, config.level, "exponent")


def _reached(config: "Config", data: xr.Dataset) -> Evidence:
    """Are speeds matched? Where they are not, sizes cannot be compared."""
    matched = data["matched"].sel(pace=MATCHED)
    share = float(matched.mean())
    missed = ", ".join(
        f"width {width} volume {volume}"
        for width in data["width"].values
        for volume in data["volume"].values
        if not matched.sel(width=width, volume=volume).all()
    )
    return Evidence(
        "did alignments reach the speed asked for?",
        Outcome.HOLDS if share >= config.reached else Outcome.INCONCLUSIVE,
        share - config.reached,
        "share",
        f"{share:.0%} within 5 %" + (f"; not all at {missed}" if missed else ""),
    )


def remarks(config: "Config", data: xr.Dataset) -> tuple[str, ...]:
    """The paper's statements, the rival's, the confound, and the tables."""
    return (
        *_paper(config, data),
        *_by_pace(config, data),
        *_tables(data),
        "saturation (E9) at one speed knows no size: slopes 0, "
        + ", ".join(
            f"{price:.0f} responses a nat at n_pos {count}"
            for price, count in zip(
                data["law_price"].values, data["positives"].values, strict=True
            )
        ),
    )


def _paper(config: "Config", data: xr.Dataset) -> Iterator[str]:
    """5.3: larger, longer trained models fall faster at first and slower late."""
    level = config.level
    for pace in (MATCHED, FIXED):
        found = quantities(data, pace)
        for knob in KNOBS:
            if data.sizes[knob] < 2:
                continue
            start = slopes(data, found[START], knob)
            late = slopes(data, found[SLOWING], knob)
            faster = above("faster?", start, 0.0, level, "")
            slower = below("slower?", late, 0.0, level, "")
            yield (
                f"paper, 5.3, {pace} rates, more {knob}: faster early fall: "
                f"{answer(faster)}, d log v_0 / d log {knob} "
                f"{with_interval(start.low, level)}; slower late fall: "
                f"{answer(slower)}, d(late/early) / d log {knob} "
                f"{with_interval(late.low, level)}"
            )


def _by_pace(config: "Config", data: xr.Dataset) -> Iterator[str]:
    """Slopes of everything else, over all cells; of the price at the corner too."""
    for pace in (MATCHED, FIXED):
        found = quantities(data, pace)
        for knob in KNOBS:
            if data.sizes[knob] < 2:
                continue
            named = {
                name: slopes(data, found[name], knob).low
                for name in (PRICE, ASYMMETRY, RHO, RESISTANCE)
                if not (pace == FIXED and name == RESISTANCE)
            }
            shown = [
                f"{name} {with_interval(slope, config.level)}"
                for name, slope in named.items()
            ]
            corner = slopes(data, found[PRICE], knob, corner=True)
            yield (
                f"{pace} rates, slopes in log {knob}: {', '.join(shown)}; price at the "
                f"largest of the other {with_interval(corner.low, config.level)}"
            )


def _tables(data: xr.Dataset) -> Iterator[str]:
    """Medians over seeds of n* a nat of alignment, a row for every width."""
    for pace in (MATCHED, FIXED):
        least = np.exp(np.median(quantities(data, pace)[PRICE].low, axis=0))
        rows = "; ".join(
            f"width {width}: " + ", ".join(f"{value:.0f}" for value in row)
            for width, row in zip(data["width"].values, least, strict=True)
        )
        unseen = int(np.isposinf(data["returns"].sel(pace=pace).values).sum())
        volumes = ", ".join(str(volume) for volume in data["volume"].values)
        yield (
            f"{pace} rates, n* a nat of alignment by volume ({volumes} steps): {rows}; "
            f"{unseen} returns not seen within {data['backward'].values[-1]:.0f}"
        )
