"""Do bounds from held-out samples cover as often as they promise?"""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from jaxtyping import Bool
from scipy import stats

from experiments.claim import Evidence, Outcome
from experiments.unlearnability_config import APART, Config
from theory.unlearnability import (
    drift_ceiling,
    error_mean_ceiling,
    error_sum_ceiling,
    unseen_drift_ceiling,
)

_SHARE = "share of the worlds"


def coverage(config: Config, data: xr.Dataset) -> Iterator[Evidence]:
    """The bound (v), its two steps, and a bound that leaves Hoeffding's widths out."""
    delta, level = config.failure, config.level
    missed = misses(config, data)
    yield _at_most(
        f"is the path <= (v) in all but 2 delta = {2 * delta:g} of the worlds?",
        missed["path"], 2 * delta, level,
    )  # fmt: skip
    yield _at_most(
        f"and does each of its two steps fail in at most delta = {delta:g} of them?",
        np.concatenate([missed["mean"], missed["sum"]], axis=1), delta, level,
    )  # fmt: skip
    yield _control(missed["plain"][:, 0], 2 * delta, level)


def misses(config: Config, data: xr.Dataset) -> dict[str, Bool[np.ndarray, "world e"]]:
    """Where the bound of the path, of the mean, of the sum, and a plain one, fail."""
    seen, expected = data["fresh_seen"].values, data["fresh_expected"].values
    count, steps, delta = config.held_out, config.steps_fresh, config.failure
    walk = config.rate_fresh, APART
    path = data["fresh_path"].values
    bound = unseen_drift_ceiling(*walk, seen, count, steps, delta)
    return {
        "path": path > np.asarray(bound),
        "mean": expected > np.asarray(error_mean_ceiling(seen, count, delta)),
        "sum": data["fresh_used"].values
        > np.asarray(error_sum_ceiling(expected, steps, delta)),
        "plain": path > np.asarray(drift_ceiling(*walk, steps * seen)),
    }


def _ends(missed: Bool[np.ndarray, " world"], level: float) -> tuple[float, float]:
    """The interval of Clopper and Pearson of a share."""
    found = stats.binomtest(int(missed.sum()), missed.size)
    ends = found.proportion_ci(level, method="exact")
    return float(ends.low), float(ends.high)


def _at_most(
    question: str, missed: Bool[np.ndarray, "world e"], most: float, level: float
) -> Evidence:
    """The whole interval must lie below; wholly above, in any cell, violates."""
    ends = [_ends(column, level) for column in missed.T]
    low, high = max(end[0] for end in ends), max(end[1] for end in ends)
    outcome = Outcome.HOLDS if high <= most else Outcome.INCONCLUSIVE
    return Evidence(
        question,
        Outcome.VIOLATED if low > most else outcome,
        most - high,
        _SHARE,
        f"missed {int(missed.sum())} of {missed.size} times; share at most {high:.3f} "
        f"in the worst of {len(ends)} cells",
    )


def _control(missed: Bool[np.ndarray, " world"], most: float, level: float) -> Evidence:
    """Without the widths it must fail more often, or the test could not fail."""
    low, high = _ends(missed, level)
    return Evidence(
        "negative control: without Hoeffding's widths, is it missed more often?",
        Outcome.HOLDS if low > most else Outcome.INCONCLUSIVE,
        low - most,
        _SHARE,
        f"missed {int(missed.sum())} of {missed.size} times, share [{low:.3f}, "
        f"{high:.3f}]",
    )
