"""What the sweeps of `elasticity_law` say: of the sharpened law."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import jax
import numpy as np
import xarray as xr

from experiments.claim import Evidence
from experiments.elasticity_law_remarks import remarks
from experiments.evidence import inside_margins, never_below, outcome_of, undecided
from theory.compression import Perturbation, fitted_exponent

if TYPE_CHECKING:
    from experiments.elasticity_law import Config

__all__ = ["SAYS_NOTHING", "exponents", "law_evidence", "remarks"]

SAYS_NOTHING = 0.5
"""A relative margin beyond which a cell is reported and not judged."""

ROUNDING = 1e-9

KEEPING = [Perturbation.PART.name, Perturbation.SAME.name]
"""Perturbations whose support pre-training covers: the ratio is -k."""


def law_evidence(config: "Config", data: xr.Dataset) -> Iterator[Evidence]:
    """Every question asked of the law, in the order of the verdict table."""
    yield _within(
        "are the powers of k those predicted, for every perturbation and draw?",
        exponents(config, data) - data["predicted_exponent"],
        config.exponent_margin,
        "powers of k",
    )
    yield _within(
        "is the ratio of the responses -k where pre-training covers what is added?",
        scaled_ratio(data).sel(kind=KEEPING) - 1,
        config.ratio_margin,
        "ratio over k",
    )
    yield _within(
        "do finite changes agree with the closed form at l = 0.1 and 0.3?",
        data["closed_error"],
        config.closed_margin,
        "relative",
    )
    yield _within(
        "do disjoint data, in no part of pre-training, raise both rates alike?",
        data["response"].sel(kind=Perturbation.UNRELATED.name)
        / data["predicted_response"].sel(kind=Perturbation.UNRELATED.name)
        - 1,
        config.closed_margin,
        "relative",
    )
    # The mean over pairs is an identity of the overlaps for k -> inf, whatever the
    # masses; that one pair flips there needs parts that are exchangeable, and draws.
    yield flip_evidence(config, data["flip"], "on average over all pairs of parts")
    yield flip_evidence(config, data["flip_alone"], "for a single pair of parts")
    yield size_evidence(config, data)
    yield from _signs(data)
    yield from _depths(data)
    yield from _codes(data)
    if int(data["tokens_present"]):
        yield _within(
            "is the ratio -k also between the words that follow real words?",
            data["token_ratio"] - 1,
            config.ratio_margin,
            "ratio over k",
        )


def exponents(config: "Config", data: xr.Dataset) -> xr.DataArray:
    """Fitted powers of k [kind, set, draw], over k from `fit_from` on."""
    far = data["response"].isel(k=np.flatnonzero(data["k"].values >= config.fit_from))
    far = far.transpose("kind", "set", "draw", "k")
    with jax.enable_x64(True):
        fitted = np.asarray(fitted_exponent(far["k"].values, far.values))
    return far.isel(k=0, drop=True).copy(data=fitted)


def scaled_ratio(data: xr.Dataset) -> xr.DataArray:
    """-(d gamma_a / d gamma_p) / k [kind, k, draw]."""
    response = data["response"]
    return -response.sel(set="a", drop=True) / response.sel(set="p") / data["k"]


def _within(question: str, errors: xr.DataArray, margin: float, units: str) -> Evidence:
    """Is every error inside the declared margin? Exact on every draw: no statistics."""
    values = np.abs(errors.values)
    if not np.isfinite(values).all():
        return undecided(question, units, "a number is missing")
    worst = float(np.max(values))
    return Evidence(
        question,
        outcome_of(worst <= margin),
        margin - worst,
        units,
        f"{values.size} values, the furthest {worst:.1e} away (declared margin: "
        f"{margin:.3g})",
    )


def flip_evidence(config: "Config", found: xr.DataArray, which: str) -> Evidence:
    """Does the pre-training rate stop falling at l* = 1 / (m - 1)?"""
    question = f"is the flip at l* = 1/(m - 1), {which}?"
    flips = found.transpose("parts", "draw").values
    units = "l* (m - 1)"
    if not np.isfinite(flips).all():
        return undecided(question, units, "the rate never flips in a draw")
    ends = np.array(1 - config.share_margin), np.array(1 + config.share_margin)
    return inside_margins(question, flips, *ends, config.level, units)


def size_evidence(config: "Config", data: xr.Dataset) -> Evidence:
    """Are the sizes those of quadrature, to what so many leaves allow?"""
    question = "is the size of the response that of quadrature?"
    judged = np.flatnonzero(data["size_margin"].values <= SAYS_NOTHING)
    if judged.size == 0:
        return undecided(question, "of the size", "too few leaves for every tail")
    cells = data.isel(alpha=judged)
    scaled = (cells["size"] / cells["predicted_size"]).transpose("alpha", "draw")
    margin = cells["size_margin"].values
    return inside_margins(
        question, scaled.values, 1 - margin, 1 + margin, config.level, "of the size"
    )


def _signs(data: xr.Dataset) -> Iterator[Evidence]:
    shares = data["printed_signs"].sel(form="B").values
    yield Evidence(
        "do alignment and pre-training move as form B prints, in every draw?",
        outcome_of(bool(np.all(shares == 1))),
        float(np.min(shares)) - 1,
        "share of draws",
        f"{shares.size} cells of alpha and k with {data.sizes['draw']} draws each",
    )
    helped = -data["swapped_size"].values
    yield never_below(
        "do unrelated data help alignment (form A), p and a exchanged in turn?",
        helped, np.zeros_like(helped), ROUNDING, "nats per block",
    )  # fmt: skip


def _depths(data: xr.Dataset) -> Iterator[Evidence]:
    for name, words in (("own", "more of itself"), ("reinforced", "more pre-training")):
        steps = data[name].diff("depth").values
        yield never_below(
            f"does alignment answer {words} the more, per block, the deeper the tree?",
            steps, np.zeros_like(steps), ROUNDING, "nats per block",
        )  # fmt: skip


def _codes(data: xr.Dataset) -> Iterator[Evidence]:
    floor, ceiling = data["huffman_floor"].values, -data["huffman_ceiling"].values
    zero = np.zeros_like(floor)
    units = "bits per block"
    yield never_below(
        "Huffman: is alignment lost at least k times what pre-training gains?",
        floor, zero, ROUNDING, units,
    )  # fmt: skip
    yield never_below(
        "Huffman: do both together lose at most what the added data gain?",
        ceiling, zero, ROUNDING, units,
    )  # fmt: skip
    question = "Huffman: does sum n_i d gamma_i vanish wherever the code switches?"
    if not data["switches"].values.any():
        yield undecided(question, units, "no code switched")
    else:
        yield _within(question, data["switch_residual"], ROUNDING, units)
