"""What the swapped and the tracked lives say: memory, saturation, or between them."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from jaxtyping import Float

from experiments.claim import Evidence, Outcome
from experiments.evidence import OUTCOMES, reproduction, undecided
from experiments.memory_lives import DOMINANT, RARE, UNSEEN, Config
from experiments.memory_measures import (
    coefficients,
    dearer,
    excess,
    faster,
    memory_shares,
    places,
    saturated_places,
    saturated_unit_costs,
    stretch_costs,
    unit_costs,
)
from simlab.statistics import Estimate, equivalence, estimate, interval

Sample = Float[np.ndarray, " seed"]


def memory_evidence(config: Config, data: xr.Dataset) -> list[Evidence]:
    """T2 and T1 of the notes, each against a margin declared in the configuration."""
    return [swapped_evidence(config, data), tracked_evidence(config, data)]


def swapped_evidence(config: Config, data: xr.Dataset) -> Evidence:
    """T2: E above what saturation predicts, by more than the declared margin."""
    return inside(
        "is coming back to the rare style dearer than saturation of the log-odds makes "
        "it, distances swapped away?",
        excess(data),
        (config.margin_cost, np.inf),
        config.level,
        "nats, E minus its prediction",
        f"a way of {config.back} responses did not reach neutral, or began below it",
    )


def tracked_evidence(config: Config, data: xr.Dataset) -> Evidence:
    """T1: the plateau's coefficient strictly between the two pure mechanisms."""
    return inside(
        "does the place where the way back slows follow the pre-trained base, but only "
        "in part?",
        memory_shares(data, config.window),
        (config.margin_pure, 1 - config.margin_pure),
        config.level,
        "of elasticity (0: saturation)",
        f"a way of {config.back} responses did not slow to half its first speed",
    )


def inside(
    question: str,
    samples: Sample,
    margin: tuple[float, float],
    level: float,
    units: str,
    censored: str,
) -> Evidence:
    """Does the whole interval of a mean over seeds lie inside its declared margin?

    Wholly outside violates; across an end, or with a sample that is no number,
    undecided.
    """
    unknown = int(np.sum(~np.isfinite(samples)))
    if unknown:
        return undecided(
            question, units, f"{unknown} of {len(samples)} seeds: {censored}"
        )
    low, high = margin
    found = estimate(samples)
    ends = f"[{low:g}, {high:g}]" if np.isfinite(high) else f"above {low:g}"
    return Evidence(
        question,
        OUTCOMES[equivalence(found, low, high, level)],
        min(float(found.mean) - low, high - float(found.mean)),
        units,
        f"{told(samples, level)}; declared margin: {ends}",
    )


def told(samples: Sample, level: float) -> str:
    """A mean over seeds with the interval that decides at a level.

    >>> told(np.array([1.0, 1.0, 1.0]), 0.99)
    '1.00 [1.00, 1.00] (98 % interval, 3 seeds)'
    """
    known = samples[np.isfinite(samples)]
    if len(known) < 2:
        return f"unknown ({len(known)} of {len(samples)} seeds)"
    low, high = two_sided(estimate(known), level)
    seeds = (
        f"{len(known)} of {len(samples)}" if len(known) < len(samples) else len(known)
    )
    return (
        f"{known.mean():.2f} [{low:.2f}, {high:.2f}] "
        f"({100 * (2 * level - 1):.3g} % interval, {seeds} seeds)"
    )


def two_sided(found: Estimate, level: float) -> tuple[float, float]:
    """The interval each of whose ends is wrong with probability 1 - level."""
    low, high = interval(found, 2 * level - 1)
    return float(low), float(high)


def remarks(config: Config, data: xr.Dataset) -> Iterator[str]:
    """The paper's statement and the rival's, apart, and what confounds them."""
    level, window = config.level, config.window
    costs, base = unit_costs(data), data["base_tracked"].values.astype(float)
    yield paper(config, data)
    yield (
        "E = log(cost of a nat to the rare style / to the dominant one): "
        f"{told(dearer(costs, RARE, DOMINANT), level)}; saturation predicts "
        f"{np.mean(dearer(saturated_unit_costs(data), RARE, DOMINANT)):.2f}"
    )
    yield (
        f"over the last {config.stretch:g} nats alone, where any law of one log-odds "
        "says 0: E = "
        f"{told(dearer(stretch_costs(data, config.stretch), RARE, DOMINANT), level)}"
    )
    unseen = dearer(costs, UNSEEN, DOMINANT)
    yield (
        "confound: a style never seen, which nothing remembers, costs "
        f"{told(dearer(costs, RARE, UNSEEN), level)} less than the rare one (log) and "
        f"{told(unseen, level)} more than the dominant one: what E has beyond the "
        "latter is speed that depends on the state, not memory"
    )
    yield (
        "coefficient of the plateau: "
        f"{told(coefficients(base, places(data, window)), level)}; saturation gives "
        f"{np.mean(coefficients(base, saturated_places(data, window))):.2f}, "
        "elasticity 1"
    )
    away = coefficients(base, places(data, window, "tracked_unseen"))
    yield (
        "control: pushed to the style never seen, the same models' coefficient is "
        f"{told(away, level)}"
    )
    yield (
        f"first inverse speed, share {config.tracked[-1]:g} against "
        f"{config.tracked[1]:g}, saturation taken out (log): "
        f"{told(faster(data, window), level)}"
    )


def paper(config: Config, data: xr.Dataset) -> str:
    """What becomes of the published statement, by the same margins.

    Elasticity as published is a return to the pre-training distribution. Its direction
    is that of the swap; in full it is a plateau that follows the base one to one.
    """
    swapped = swapped_evidence(config, data).outcome
    shares = memory_shares(data, config.window)
    full = Outcome.INCONCLUSIVE
    if np.isfinite(shares).all():
        pure = equivalence(
            estimate(shares), 1 - config.margin_pure, np.inf, config.level
        )
        full = OUTCOMES[pure]
    return (
        "paper: models are drawn to what dominated pre-training: "
        f"{reproduction(swapped)}; all the way, as a spring at rest there: "
        f"{reproduction(full)}"
    )
