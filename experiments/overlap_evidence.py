"""What the data say of overlap: the frontier, its trend, concavity, dG_f/do.

All of it is about the safety data that are trained on: with mu^_s = mu_s every
statement about J and the frontier holds for an inexact proxy's gap as well.
"""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from experiments.case_one import NATS
from experiments.case_one_evidence import (
    ROUNDING,
    agreement,
    identity,
    limits,
    per_training_sequence,
    zeta,
)
from experiments.claim import Evidence
from experiments.evidence import (
    below_target,
    inside_margins,
    never_below,
    rises,
    undecided,
)
from experiments.trends import crossing, read_at, trending

PER_TRAINING = "nats per training sequence"


def overlap_evidence(
    data: xr.Dataset, zeta_target: float, resolution: float, level: float
) -> Iterator[Evidence]:
    """Every question asked of the sweep, in the order of the verdict table."""
    final = data.isel(record=-1)
    certified = zeta(data)[..., -1]
    yield from limits(data)
    yield identity(final, certified)
    yield below_target(
        "is the training converged (zeta / (1 + penalty))?",
        per_training_sequence(certified, data),
        zeta_target,
        PER_TRAINING,
    )
    yield from agreement(final, level)
    yield from _penalised(final, zeta_target, level)
    yield _concave(final)
    yield from _frontier(final, zeta_target, level)
    yield _turns(final, resolution, level)


def penalised_gaps(final: xr.Dataset) -> np.ndarray:
    """(penalty G^_s + G_f) / (1 + penalty) of every run: J_o plus zeta, as trained."""
    penalty = final["penalty"].values[:, None]
    total = penalty * final["gap_proxy"].values + final["gap_capability"].values
    gaps: np.ndarray = total / (1 + penalty)
    return gaps


def _penalised(
    final: xr.Dataset, zeta_target: float, level: float
) -> Iterator[Evidence]:
    """J_o(penalty): its trend, its value, and that it vanishes without overlap."""
    measured = penalised_gaps(final)
    exact = final["optimum"].values / (1 + final["penalty"].values)
    yield trending(
        "does the penalised gap J rise with overlap at every penalty?",
        np.moveaxis(measured, 1, 2).reshape(-1, *np.take(measured.shape, (1, 3))),
        level,
        PER_TRAINING,
    )
    yield inside_margins(
        "does the penalised gap agree with the exact J?",
        measured,
        exact - zeta_target,
        exact + zeta_target,
        level,
        PER_TRAINING,
    )
    overlaps = final["overlap"].values
    question = "do all gaps vanish without overlap?"
    if overlaps[0] > 0:
        yield undecided(question, PER_TRAINING, "overlap 0 is not in the grid")
        return
    apart = measured[:, 0]
    margin = np.full(apart.shape[:-1], zeta_target)
    yield inside_margins(question, apart, 0 * margin, margin, level, PER_TRAINING)


def second_differences(overlaps: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The change of slope at every inner overlap, which axis 1 of values runs over."""
    steps = np.diff(overlaps).reshape(-1, *[1] * (values.ndim - 2))
    bends: np.ndarray = np.diff(np.diff(values, axis=1) / steps, axis=1)
    return bends


def _concave(final: xr.Dataset) -> Evidence:
    """A property of the prediction: J is a minimum of functions linear in overlap."""
    bends = second_differences(final["overlap"].values, final["optimum"].values)
    return never_below(
        "is the exact J concave in overlap?", -bends, 0 * bends, ROUNDING, NATS
    )


def frontier_readings(final: xr.Dataset) -> np.ndarray:
    """The capability gap at fixed proxy gaps: [proxy, level, overlap, seed].

    Read off the measured curve over penalties, logarithm against logarithm. NaN where
    the sweep's penalties do not reach the level.
    """
    log_penalty = np.log(final["penalty"].values)
    with np.errstate(divide="ignore", invalid="ignore"):
        curves = zip(
            *(
                np.log(np.moveaxis(final[name].values, 2, 3)).reshape(
                    -1, len(log_penalty)
                )
                for name in ("gap_proxy", "gap_capability")
            ),
            strict=True,
        )
    readings = [
        [
            np.exp(read_at(log_penalty, able, crossing(log_penalty, safe, level)))
            for level in np.log(final["safety_level"].values)
        ]
        for safe, able in curves
    ]
    proxies, overlaps, seeds = np.take(final["gap_proxy"].shape, (0, 1, 3))
    return np.moveaxis(np.reshape(readings, (proxies, overlaps, seeds, -1)), 3, 1)


def _frontier(
    final: xr.Dataset, zeta_target: float, level: float
) -> Iterator[Evidence]:
    """At fixed safety gaps, over the overlaps that every seed reaches.

    The margin: a run of certificate zeta lies at most zeta above the frontier, and the
    reading's penalty is that of the frontier point, so (1 + penalty) zeta_target.
    """
    trends = "does the frontier at a fixed safety gap rise with overlap?"
    question = "is it the exact one, F_o = o F_1?"
    readings = frontier_readings(final)
    reached = np.isfinite(readings).all(axis=(0, 1, 3))
    if reached.sum() < 3:
        detail = f"{reached.sum()} overlaps reach every level; 3 needed"
        yield undecided(trends, NATS, detail)
        yield undecided(question, NATS, detail)
        return
    readings = readings[:, :, reached]
    rows = readings.reshape(-1, *readings.shape[2:])
    yield trending(trends, rows, level, NATS)
    exact, penalty = (
        np.moveaxis(final[name].values[:, reached], 1, 2)
        for name in ("level_frontier", "level_penalty")
    )
    margin = zeta_target * (1 + penalty)
    yield inside_margins(
        question, readings, exact - margin, exact + margin, level, NATS
    )


def _turns(final: xr.Dataset, resolution: float, level: float) -> Evidence:
    """The sign of the change of G_f at fixed penalty, up to its predicted maximum and
    beyond it. Changes predicted to be below the resolution are not asked for.
    """
    exact = np.moveaxis(final["best_capability"].values, 2, 1)
    exact = exact.reshape(-1, exact.shape[-1])
    measured = np.moveaxis(final["gap_capability"].values, 2, 1)
    measured = measured.reshape(len(exact), exact.shape[-1], -1)
    changes, falls = [], 0
    for curve, gaps in zip(exact, measured, strict=True):
        top = int(np.argmax(curve))
        for first, last in ((0, top), (top, len(curve) - 1)):
            predicted = curve[last] - curve[first]
            if abs(predicted) > resolution:
                changes.append(np.sign(predicted) * (gaps[last] - gaps[first]))
                falls += predicted < 0
    question = (
        "does G_f at fixed penalty change with overlap in the predicted direction "
        f"({len(changes) - falls} rises, {falls} falls)?"
    )
    if not changes:
        return undecided(question, NATS, "no predicted change above the resolution")
    return rises(question, np.array(changes), level, NATS)


def remarks(data: xr.Dataset) -> tuple[str, ...]:
    """What the data show beyond the verdict, never a reason for it."""
    final = data.isel(record=-1)
    overlaps = final["overlap"].values
    bends = second_differences(overlaps, penalised_gaps(final)).mean(axis=-1)
    exact = second_differences(
        overlaps, final["optimum"].values / (1 + final["penalty"].values)
    )
    readings = frontier_readings(final)
    truth = np.moveaxis(final["level_frontier"].values, 1, 2)
    off = (readings - truth[..., None])[np.isfinite(readings)]
    return (
        f"measured J: {int((bends < 0).sum())} of {bends.size} second differences "
        f"negative, the largest {np.max(bends):+.4f} (exact: {np.max(exact):+.4f}) "
        f"{PER_TRAINING} a unit of overlap",
        *_read(off, readings.size),
        *_falls(final),
    )


def _read(off: np.ndarray, asked: int) -> Iterator[str]:
    if off.size:
        yield (
            f"frontier at fixed safety gap: {off.size} of {asked} readings lie within "
            f"the sweep; off the exact frontier by {np.median(off):+.4f} (median), "
            f"{np.abs(off).max():.4f} (worst) {NATS}"
        )


def _falls(final: xr.Dataset) -> Iterator[str]:
    """Penalties at which less overlap costs more capability, against intuition."""
    for i, distance in enumerate(final["proxy"].values):
        for k, penalty in enumerate(final["penalty"].values):
            exact = final["best_capability"].values[i, :, k]
            top = int(np.argmax(exact))
            if top == len(exact) - 1:
                continue
            measured = final["gap_capability"].values[i, :, k].mean(axis=-1)
            yield (
                f"G_f at penalty {penalty:.3g} (proxy {distance:g}) falls from overlap "
                f"{final['overlap'].values[top]:g} to {final['overlap'].values[-1]:g} "
                f"by {exact[top] - exact[-1]:.4f} {NATS} in theory, by "
                f"{measured[top] - measured[-1]:.4f} measured"
            )
