"""What the way back says: its start, its slowing, its length; and of whom it speaks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from experiments.claim import Evidence
from experiments.evidence import OUTCOMES, reproduction
from experiments.rebound_measures import Values, exponent, rank_correlation
from experiments.rebound_readings import LAWS, RATE
from experiments.thresholds import Ends, above, answer, below, known, with_interval
from experiments.trends import trending
from simlab.statistics import Agreement, equivalence, estimate

if TYPE_CHECKING:
    from experiments.rebound import Config

PRINTED = {"Llama2-7B": -0.12, "Gemma-2B": -0.19}
"""rho between the end points of Table 3 of Ji et al. 2025 (elasticity notes 3.2)."""


def returns(data: xr.Dataset) -> Values:
    """n* [seed, positives]; infinite where the way back was too short."""
    return data["returns"].transpose("seed", "positives").values


def rho(config: "Config", data: xr.Dataset) -> Ends:
    """The slope of log n* in log n_pos, every seed's."""
    return exponent(data["positives"].values, returns(data), config.negatives)


def displacement(data: xr.Dataset) -> Values:
    """How far alignment moved the log-odds [seed, positives]."""
    aligned = data["odds_back"].transpose("seed", "positives", "backward").values
    return np.asarray(aligned[..., 0] - data["odds_forward"].values[:, :1])


def rebound_evidence(config: "Config", data: xr.Dataset) -> Iterator[Evidence]:
    """Every question asked of the sweep, in the order of the verdict table."""
    level = config.level
    start, late = data["speed_back"].values, data["speed_late"].values
    yield trending(
        "does the way back start the faster the more positives?",
        start.T[None],
        level,
        RATE,
    )
    ranks = rank_correlation(data["positives"].values, start)
    question = "does its speed follow the number of positives rank by rank?"
    yield above(question, known(ranks), config.correlation, level, "rank correlation")
    question = "is it slow late, whatever the number of positives?"
    slowing = np.where(start > 0, late / np.where(start > 0, start, 1.0), np.nan)
    yield below(question, known(slowing.T), config.slowing, level, "late over early")
    yield from _lengths(config, data)


def _lengths(config: "Config", data: xr.Dataset) -> Iterator[Evidence]:
    """n* as a share of n_pos, and how it grows."""
    slopes, level = rho(config, data), config.level
    yield below(
        "does n*/n_pos fall with n_pos (rho < 1)?", slopes, 1.0, level, "exponent"
    )
    last = config.positives[-1]
    low = np.minimum(returns(data)[:, -1], config.negatives) / last
    share = Ends(low, returns(data)[:, -1] / last)
    question = "is n* much less than n_pos at the longest alignment?"
    yield below(question, share, config.much_less, level, "n*/n_pos")
    question = "do more positives need more negatives (rho > 0, no crossing)?"
    yield above(question, slopes, 0.0, level, "exponent")


def remarks(config: "Config", data: xr.Dataset) -> tuple[str, ...]:
    """The paper's statements and both laws, each answered apart; none is a reason."""
    return (
        *_paper(config, data),
        *(_saturation(config, data, law) for law in LAWS),
        _speeds(config, data),
        _spring(config, data),
        _energy(config, data),
        *_scores(config, data),
        _matching(data),
    )


def _paper(config: "Config", data: xr.Dataset) -> Iterator[str]:
    """The paper's two statements on rebound."""
    questions = list(rebound_evidence(config, data))[:3]
    words = {answer(item) for item in questions}
    whole = words.pop() if len(words) == 1 else "in part: " + ", ".join(sorted(words))
    yield f"paper, 5.2: faster at first with more positives, then slow: {whole}"
    slopes = rho(config, data)
    fewer = below("rho < 0?", slopes, 0.0, config.level, "exponent")
    printed = ", ".join(f"{name} {value:g}" for name, value in PRINTED.items())
    yield (
        f"paper, Table 3: more positives need fewer negatives (rho {printed}): "
        f"{answer(fewer)}; rho {with_interval(slopes.low, config.level)}; n* by n_pos "
        + ", ".join(f"{count:.0f}" for count in np.median(returns(data), axis=0))
        + " (medians)"
    )


def _saturation(config: "Config", data: xr.Dataset, law: str) -> str:
    """Whether E9, fitted to the way up alone, predicts n* within the factor."""
    fit = data.sel(law=law)
    ratio = np.log(returns(data) / fit["law_returns"].values)
    room = float(np.log(config.factor))
    answers = [
        equivalence(estimate(column), -room, room, config.level)
        for column in ratio.T
        if np.isfinite(column).all()
    ]
    if Agreement.OUTSIDE in answers:
        found = "not reproduced"
    else:
        inside = answers and set(answers) == {Agreement.INSIDE}
        found = (
            "reproduced"
            if inside and len(answers) == ratio.shape[1]
            else "inconclusive"
        )
    own = exponent(data["positives"].values, fit["law_returns"].values, np.inf).low
    first, last = (np.exp(np.median(ratio[:, i])) for i in (0, -1))
    return (
        f"saturation (E9), {law} ({fit['law_units'].mean().item():.2g}), fitted to the "
        f"way up (misfit {fit['law_error'].mean().item():.2g} nats): n* within a "
        f"factor {config.factor:g}: {found}; measured over predicted {first:.2f} at "
        f"the shortest and {last:.2f} at the longest alignment; its rho "
        f"{with_interval(own, config.level)}"
    )


def _speeds(config: "Config", data: xr.Dataset) -> str:
    """v_0/v_f against what saturation alone can give."""
    asymmetry = data["speed_back"].values / data["speed_forward"].values[:, None]
    ceiling = 1 + np.exp(data["odds_forward"].values[:, 0])
    excess = known(asymmetry[:, -1] - ceiling)
    faster = above("faster than E9?", excess, 0.0, config.level, "ratio")
    by_length = ", ".join(f"{value:.2f}" for value in asymmetry.mean(0))
    return (
        f"initial speed back over initial speed up by n_pos: {by_length}; one "
        f"saturating log-odds gives at most 1 + e^z0 = {ceiling.mean():.2f}; beyond "
        f"it at the longest alignment: {answer(faster)}"
    )


def _spring(config: "Config", data: xr.Dataset) -> str:
    """Hooke's law read on the log-odds: v_0 ~ displacement ** 1."""
    moved, start = displacement(data), data["speed_back"].values
    law = data["law_speed_back"].sel(law=LAWS[0]).values
    if not (moved > 0).all() or not (start > 0).all() or not np.isfinite(law).all():
        return "spring (paper, eq. 3 on log-odds): a model did not move, no exponent"
    fits = [
        np.array(
            [
                np.polyfit(np.log(x), np.log(y), 1)[0]
                for x, y in zip(moved, speeds, strict=True)
            ]
        )
        for speeds in (start, law)
    ]
    near = equivalence(
        estimate(fits[0]), 1 - config.spring, 1 + config.spring, config.level
    )
    return (
        "spring (paper, eq. 3 on log-odds): initial speed ~ displacement ** h, h = 1 "
        f"within {config.spring:g}: {reproduction(OUTCOMES[near])}; h "
        f"{with_interval(fits[0], config.level)}; saturation (E9) has "
        f"{with_interval(fits[1], config.level)}"
    )


def _energy(config: "Config", data: xr.Dataset) -> str:
    """Elastic energy: stored by alignment, released by the way back (E8)."""
    freed = above("released?", known(data["release"].values.T), 0.0, config.level, RATE)
    stored = ", ".join(f"{value:.2f}" for value in data["energy"].values.mean(0))
    return (
        "elasticity (E8): the way back first lowers the pre-training loss at every "
        f"n_pos: {answer(freed)}; alignment had raised it by {stored} nats per response"
    )


def _scores(config: "Config", data: xr.Dataset) -> Iterator[str]:
    """The paper's score and distance, which saturate."""
    aligned, back = data["share_aligned"].values, data["share_back"].values
    fall = back[:, :, 0] - back[:, :, 1]
    ranks = rank_correlation(data["positives"].values, fall)
    moments = data["moment"].values
    yield (
        f"paper's score, share of preferred answers: base "
        f"{data['share_base'].values.mean():.2f}, aligned "
        + ", ".join(f"{value:.2f}" for value in aligned.mean(0))
        + f"; it falls by {', '.join(f'{value:.2f}' for value in fall.mean(0))} over "
        f"the first {moments[1]} negatives (rank correlation with n_pos "
        f"{with_interval(ranks, config.level)}): it saturates, log-odds do not"
    )
    drift = data["drift_back"].values.mean(0)
    nearest = drift.argmin(axis=1)
    yield (
        "KL(q || base) after alignment "
        + ", ".join(f"{value:.2f}" for value in data["drift_aligned"].values.mean(0))
        + " nats per response; nearest to base on the way back "
        + ", ".join(
            f"{row[at]:.2f} at {moments[at]}"
            for row, at in zip(drift, nearest, strict=True)
        )
        + " negatives (the paper asks < 0.01)"
    )


def _matching(data: xr.Dataset) -> str:
    rates = data["rate"].values
    return (
        f"{int(data['matched'].sum())} of {len(rates)} alignments reached the speed "
        f"asked for, at rates {rates.min():.2g} to {rates.max():.2g}, which the way "
        "back keeps"
    )
