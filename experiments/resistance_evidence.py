"""What `resistance` asks of its data; seeds are the independent units."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from experiments.claim import Evidence, Outcome
from experiments.evidence import undecided
from experiments.resistance_paths import SGD
from experiments.thresholds import answer, with_interval
from simlab.statistics import estimate, interval


class Comparison(NamedTuple):
    """Forward minus inverse loss: nats per token; positive where going back is easier.

    `each` [seed, comparison] are all tasks and pairs of a seed, which share its
    pre-training and are not independent; `by_seed` [seed] their means, which are.
    """

    each: np.ndarray
    by_seed: np.ndarray


def compared(data: xr.Dataset, kind: str, optimizer: str) -> Comparison:
    """The comparisons of raw or excess losses under one optimiser."""
    losses = data[kind].sel(optimizer=optimizer)
    order = ("seed", "task", "pair")
    forward, inverse = (
        losses.sel(direction=way).transpose(*order).values
        for way in ("forward", "inverse")
    )
    each = (forward - inverse).reshape(len(forward), -1)
    return Comparison(each, each.mean(axis=1))


def sign_test(question: str, found: Comparison, level: float) -> Evidence:
    """Is the inverse loss the lower one? A sign test of the seeds' means, one-sided.

    Significant at `level` holds, significant the other way violates.
    """
    units = "nats per token"
    if not np.isfinite(found.each).all():
        return undecided(question, units, "a path diverged")
    lower, seeds = int(np.sum(found.by_seed > 0)), len(found.by_seed)
    up, down = (
        stats.binomtest(count, seeds, alternative="greater").pvalue
        for count in (lower, seeds - lower)
    )
    if down <= 1 - level:
        outcome = Outcome.VIOLATED
    else:
        outcome = Outcome.HOLDS if up <= 1 - level else Outcome.INCONCLUSIVE
    return Evidence(
        question,
        outcome,
        float(found.by_seed.mean()),
        units,
        f"inverse lower in {int(np.sum(found.each > 0))} of {found.each.size} "
        f"comparisons and in the mean of {lower} of {seeds} seeds (sign test p = "
        f"{up:.2g}); forward minus inverse {with_interval(found.by_seed, level)}",
    )


def resistance_evidence(data: xr.Dataset, level: float) -> list[Evidence]:
    """The claim: the excess loss of going back is the lower one, under SGD."""
    question = "is the excess loss of going back below that of going on (SGD)?"
    return [sign_test(question, compared(data, "excess", SGD), level)]


def entropy_share(data: xr.Dataset, optimizer: str = SGD) -> float:
    """How much of the raw differences the authors' entropies explain: R^2.

    Formula: the squared correlation, over seeds, tasks and pairs, of forward minus
    inverse raw loss with H_later - H_earlier; NaN where the entropies do not differ.
    """
    raw = compared(data, "raw", optimizer).each.ravel()
    entropy = _entropy_differences(data).ravel()[np.isfinite(raw)]
    if entropy.size < 2 or np.ptp(entropy) == 0:
        return float("nan")
    return float(np.corrcoef(raw[np.isfinite(raw)], entropy)[0, 1] ** 2)


def _entropy_differences(data: xr.Dataset) -> np.ndarray:
    """H_later - H_earlier of every task and pair [seed, comparison]."""
    entropy = data["entropy"].transpose("seed", "task", "slice").values
    pairs = [[int(end) - 1 for end in name.split("-")] for name in data["pair"].values]
    steps = [entropy[..., later] - entropy[..., earlier] for earlier, later in pairs]
    return np.stack(steps, axis=-1).reshape(len(entropy), -1)


def resistance_remarks(data: xr.Dataset, level: float) -> list[str]:
    """The paper's own comparison, the other optimiser, and the confound."""
    lines = []
    for name in data["optimizer"].values:
        raw = sign_test("", compared(data, "raw", name), level)
        lines.append(
            "paper (Ji et al. 2025, 5.1: the raw training loss is lower going back, "
            f"27 of 27), {name}: {answer(raw)}: {raw.detail}"
        )
        if name != SGD:
            excess = sign_test("", compared(data, "excess", name), level)
            lines.append(
                f"excess loss, {name}: {excess.outcome.value}: {excess.detail}"
            )
    spread = np.abs(_entropy_differences(data))
    lines.append(
        f"the authors' entropies differ by {spread.mean():.3f} nats a token on average "
        f"and explain {entropy_share(data):.0%} of the raw differences (SGD); a raw "
        "training loss compares authors before it compares paths"
    )
    lines.append(_at_the_start(data, level))
    lines += [_by_task(data, task, level) for task in data["task"].values]
    return lines


def _at_the_start(data: xr.Dataset, level: float) -> str:
    """Before any training: the divergence of the two slices, in both directions."""
    start = data["curve"].sel(optimizer=SGD).isel(step=0)
    ways = (start.sel(direction=way) for way in ("forward", "inverse"))
    forward, inverse = (way.mean(("task", "pair")).values for way in ways)
    return (
        "first batch of a path, before training: forward minus inverse excess "
        f"{with_interval(forward - inverse, level)} nats a token"
    )


def _by_task(data: xr.Dataset, task: float, level: float) -> str:
    one = compared(data.sel(task=[task]), "excess", SGD)
    low, high = interval(estimate(one.by_seed), level)
    return (
        f"task of pre-training share {task:g}: excess, forward minus inverse "
        f"{one.by_seed.mean():+.4f} [{low:+.4f}, {high:+.4f}] nats a token"
    )
