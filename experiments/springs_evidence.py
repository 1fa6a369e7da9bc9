"""What the springs' claim says: balance of forces, reciprocity, ratio, finite steps."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from experiments.claim import Evidence, Outcome
from experiments.evidence import (
    OUTCOMES,
    equal_to_rounding,
    never_below,
    reproduction,
)
from experiments.springs_worlds import CELL, SETS
from simlab.statistics import equivalence, estimate, interval, slope

PRETRAINING, ALIGNMENT, PERTURBATION = SETS
ROUNDING = 1e-11  # nats times sizes: sums of some thousand terms, polished optima
SHARE_OF_TERM = "share of the largest term"
PAPER_MARGIN = 0.25  # declared error of an exponent that reproduces the paper's
CONTROLS = ("tabular", "bigram")


class Margins(NamedTuple):
    """What is declared beforehand: of a gradient, a term, ratio/k, and lost optima."""

    tolerance: float
    term: float
    ratio: float
    lost: float


def sizes(data: xr.Dataset) -> xr.DataArray:
    """n_i of every data set, [ratio, share, set]."""
    ones = xr.ones_like(data["ratio"] * data["share"])
    parts = [ones * data["ratio"], ones, ones * data["share"]]
    return xr.concat(parts, data["set"])


def balance(data: xr.Dataset, counted: bool = True) -> xr.DataArray:
    """Euler's sum, sum_i n_i d gamma_i/dn_j + dR/dn_j, over its largest term.

    From optima that were polished again. Without decay where it is not `counted`.
    """
    terms = sizes(data) * data["response"]
    largest = np.maximum(abs(terms).max("set"), abs(data["response_decay"]))
    left = terms.sum("set", skipna=False) + counted * data["response_decay"]
    return left / largest


def ratio_share(
    data: xr.Dataset, counted: bool, moved: str = PERTURBATION
) -> xr.DataArray:
    """-(d gamma_a + dR) / (k d gamma_p) as `moved` grows: 1 where the theorem is exact.

    Without dR where decay is not `counted`.
    """
    response = data["response"].sel(moved=moved)
    alignment = response.sel(set=ALIGNMENT, drop=True)
    if counted:
        alignment = alignment + data["response_decay"].sel(moved=moved)
    return -alignment / (data["ratio"] * response.sel(set=PRETRAINING, drop=True))


def springs_evidence(data: xr.Dataset, margins: Margins) -> Iterator[Evidence]:
    """Every question asked of the optima, in the order of the verdict table."""
    for name in data["model"].values:
        yield _polished(data.sel(model=name), str(name), margins)
    yield from _identities(data, margins.term)
    yield _stability(data, margins.term)
    yield from _finite_steps(data)
    first = data.isel(share=0)
    yield _inside(
        "is d gamma_a + dR = -k d gamma_p as the perturbation grows, decay counted?",
        ratio_share(first, True).values - 1,
        margins.ratio,
        "share of k",
    )
    plain = ratio_share(first, False).sel(model=list(CONTROLS))
    yield _inside(
        "and d gamma_a = -k d gamma_p in the tables, which hardly decay?",
        plain.values - 1,
        margins.ratio,
        "share of k",
    )
    yield _closed_form(data, margins.term)


def _polished(data: xr.Dataset, name: str, margins: Margins) -> Evidence:
    """A lost optimum is kept and marked; a model that loses too many says nothing."""
    polished = data["polished"].values.astype(bool)
    norms = data["gradient_norm"].values[polished]
    lost = 1 - polished.mean()
    largest = float(norms.max()) if norms.size else float("nan")
    curvature = data["curvature"].values[polished]
    least = float(curvature.min()) if curvature.size else float("nan")
    condition = float(np.max(data["condition"].values[polished], initial=0.0))
    return Evidence(
        f"{name}: are enough optima polished (gradient <= {margins.tolerance:.0e})?",
        Outcome.HOLDS if lost <= margins.lost else Outcome.INCONCLUSIVE,
        margins.lost - lost,
        "share of the optima",
        f"{int(polished.sum())} of {polished.size}; largest gradient {largest:.1e}, "
        f"least curvature {least:.1e}, largest condition number {condition:.0e}",
    )


def _identities(data: xr.Dataset, margin: float) -> Iterator[Evidence]:
    """Euler's sum, both ways to the responses, and reciprocity; all are exact."""
    yield _inside(
        "do the forces balance: sum_i n_i d gamma_i + dR = 0?",
        balance(data).values,
        margin,
        SHARE_OF_TERM,
    )
    stepped = _matrix(data["response"])
    scale = _scale(stepped)
    yield _inside(
        "do optima polished again move as the implicit function theorem says?",
        (stepped - _matrix(data["implicit"])) / scale,
        margin,
        "share of both own responses",
    )
    yield _inside(
        "is a's response to t that of t to a, and so on (reciprocity)?",
        (stepped - np.swapaxes(stepped, -1, -2)) / scale,
        margin,
        "share of both own responses",
    )


def _stability(data: xr.Dataset, margin: float) -> Evidence:
    """No negative eigenvalue of K, as a share of the largest; own responses in it."""
    matrix = -_matrix(data["response"])
    seen = np.isfinite(matrix).all((-1, -2))
    values = np.linalg.eigvalsh((matrix + np.swapaxes(matrix, -1, -2))[seen] / 2)
    least = values[:, 0] / np.abs(values).max(axis=-1) if len(values) else np.empty(0)
    return never_below(
        "does more of a kind never hurt that kind, nor any mixture of kinds?",
        least,
        np.zeros_like(least),
        margin,  # the remainder of the differences, as for every term
        "share of the largest response",
    )


def _finite_steps(data: xr.Dataset) -> Iterator[Evidence]:
    """E0 along a branch: 0 <= n . d gamma + dR <= -dl d gamma_t, for whole steps."""
    before = sizes(data).shift(share=1)
    paid = (before * data["change"]).sum("set", skipna=False) + data["change_decay"]
    step = data["share"] - data["share"].shift(share=1)
    gained = -step * data["change"].sel(set=PERTURBATION, drop=True)
    usable = (data["polished"] == 1) & (data["connected"] == 1)
    paid, gained = paid.where(usable), gained.where(usable)
    question = "is no whole step of the perturbation free: n . Dgamma + DR >= 0?"
    yield never_below(question, paid.values, 0 * paid.values, ROUNDING, "nats x size")
    question = "and does it cost no more than the perturbation gains by it?"
    rest = (gained - paid).values
    yield never_below(question, rest, 0 * rest, ROUNDING, "nats x size")


def _closed_form(data: xr.Dataset, margin: float) -> Evidence:
    """The tabular model can be anything, so its responses are (1 - S_ij) / n."""
    table = data["tabular"].transpose(*CELL, "set", "moved").values
    found = _matrix(data["response"].sel(model="tabular"))
    return _inside(
        "are the tabular model's responses the closed form (1 - S_ij) / n?",
        (found - table) / _scale(table),
        margin,
        "share of both own responses",
    )


def _inside(question: str, errors: np.ndarray, margin: float, units: str) -> Evidence:
    return equal_to_rounding(question, errors, np.zeros_like(errors), margin, units)


def _matrix(response: xr.DataArray) -> np.ndarray:
    return np.asarray(response.transpose(..., "set", "moved").values)


def _scale(matrix: np.ndarray) -> np.ndarray:
    """sqrt(K_ii K_jj), which no entry of a K >= 0 exceeds."""
    own = np.sqrt(np.abs(np.diagonal(matrix, axis1=-2, axis2=-1)))
    return np.asarray(own[..., :, None] * own[..., None, :])


def exponents(data: xr.Dataset, values: xr.DataArray) -> np.ndarray:
    """Slopes of log |values| in log k, one a seed, over all k it reached; NaN below 3.

    Shapes: [seed, ratio] -> [seed].
    """
    found = []
    for row in values.transpose("seed", "ratio").values:
        seen = np.isfinite(row) & (row != 0)
        x, y = np.log(data["ratio"].values[seen]), np.log(np.abs(row[seen]))
        found.append(slope(x, y).slope if seen.sum() > 2 else np.nan)
    return np.asarray(found)


def remarks(data: xr.Dataset, level: float) -> list[str]:
    """What the paper says of the same runs, without decay; exponents; signs."""
    text = []
    first = data.isel(share=0)
    for name in data["model"].values:
        one = first.sel(model=name)
        text += [_paper(one, str(name), level), _sizes_of_effect(one, str(name), level)]
    text += _missing_decay(first)
    return text


def _paper(one: xr.Dataset, name: str, level: float) -> str:
    """Theorem 4.2 as printed: ratio of the rates alone Theta(k), and its signs."""
    ratio = ratio_share(one, False)
    found = exponents(one, ratio * one["ratio"])
    found = found[np.isfinite(found)]
    answer, span = "inconclusive", ""
    if found.size > 1:
        ends = 1 - PAPER_MARGIN, 1 + PAPER_MARGIN
        answer = reproduction(OUTCOMES[equivalence(estimate(found), *ends, level)])
        low, high = interval(estimate(found), level)
        span = f", interval {low:.2f} to {high:.2f}"
    mean = found.mean() if found.size else float("nan")
    return (
        f"paper, {name}: d gamma_a / d gamma_p = Theta(-k), decay not counted: "
        f"{answer} (exponent {mean:.2f}{span}; ratio/k from "
        f"{float(ratio.min()):.2f} to {float(ratio.max()):.2f}); {_signs(one)}"
    )


def _signs(one: xr.Dataset) -> str:
    """How often d gamma_p < 0 < d gamma_a, which form B says and closed form too."""
    found = one["response"].sel(moved=PERTURBATION)
    rises = found.sel(set=ALIGNMENT, drop=True) > 0
    falls = found.sel(set=PRETRAINING, drop=True) < 0
    seen = int(np.isfinite(found.sel(set=ALIGNMENT)).sum())
    both = int((rises & falls).sum())
    return f"signs of form B in {both} of {seen} optima"


def _sizes_of_effect(one: xr.Dataset, name: str, level: float) -> str:
    """Exponents of the responses, against the derived ones of the tabular model."""
    words = []
    for moved, derived in ((PERTURBATION, (-1, -2)), (PRETRAINING, (-2, -3))):
        response = one["response"].sel(moved=moved)
        rest = one["response_decay"].sel(moved=moved)
        heavy = response.sel(set=PRETRAINING, drop=True)
        parts = {
            "d gamma_a": response.sel(set=ALIGNMENT, drop=True),
            "d gamma_p": heavy,
            "d(gamma_p + R/k)": heavy + rest / one["ratio"],
        }
        values = ", ".join(
            f"{what} {_spanned(exponents(one, part), level)}"
            for what, part in parts.items()
        )
        words.append(f"{moved} grows (derived, tabular: {derived}): {values}")
    return f"exponents in k, {name}: " + "; ".join(words)


def _spanned(values: np.ndarray, level: float) -> str:
    known = values[np.isfinite(values)]
    if known.size < 2:
        return "unknown"
    low, high = interval(estimate(known), level)
    return f"{known.mean():.2f} [{low:.2f}, {high:.2f}]"


def _missing_decay(first: xr.Dataset) -> list[str]:
    """How far Euler's sum is off where decay is left out."""
    plain = abs(balance(first, counted=False)).sel(moved=PERTURBATION)
    return [
        f"Euler's sum without dR, {name}: off by "
        f"{float(plain.sel(model=name).median()):.1e} of the largest term (median), "
        f"{float(plain.sel(model=name).max()):.1e} (most)"
        for name in first["model"].values
    ]
