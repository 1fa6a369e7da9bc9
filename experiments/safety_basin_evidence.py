"""What the basin's data say: bounds everywhere, widths, orders, areas, Case II."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.case_one import NATS
from experiments.claim import Evidence
from experiments.evidence import (
    below_target,
    inside_margins,
    never_below,
    rises,
    undecided,
)
from experiments.stored_laws import stored_law
from simlab.basin import basin, plane_basin
from simlab.landscape import prefix_laws
from simlab.statistics import slope
from theory.tradeoff import deviation_bound
from theory.tradeoff.parameter_ball import hoeffding_change

ROUNDING = 1e-9  # nats: double precision over some hundred terms
KINDS = ("random", "task", "top")


class Widths(NamedTuple):
    """Half widths of every basin, [seed, direction, threshold].

    NaN where the scan does not reach the edge or the start is beyond it already.
    `measured` is the mean of both sides; `fisher` is sqrt(2 (t - G_0) / u^T H u), notes
    8.1 and (8.4); `taylor` the same with Hessian and slope; `certified` is where the
    bound (8.3), not the gap, reaches the threshold.
    """

    measured: np.ndarray
    fisher: np.ndarray
    taylor: np.ndarray
    certified: np.ndarray


def bound(data: xr.Dataset, place: str) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest gap that (8.3) allows at every scanned point of a place."""
    vocabulary = data.sizes["token"]
    logits = data[f"logits_{place}"].transpose("seed", ...)
    begun = data["logits_aligned"].values
    begun = begun.reshape(len(begun), *[1] * (logits.ndim - 4), -1, vocabulary)
    with jax.enable_x64(True):
        laws = jax.jit(prefix_laws, static_argnums=2)(
            *stored_law(data, "safety"), vocabulary
        )
        change = jax.jit(hoeffding_change)(
            laws.weights.reshape(-1),
            laws.rows.reshape(-1, vocabulary),
            jnp.asarray(begun, jnp.float64),
            jnp.asarray(
                logits.values.reshape(*logits.shape[:-3], -1, vocabulary), jnp.float64
            ),
        )
    gap = data["gap_aligned"].values.reshape(-1, *[1] * (logits.ndim - 4))
    return gap + np.asarray(change.lower), gap + np.asarray(change.upper)


def widths(data: xr.Dataset) -> Widths:
    """All half widths, measured and predicted."""
    _, upper = bound(data, "line")
    cut = [_half_widths(data, profile) for profile in (data["gap_line"].values, upper)]
    room = data["threshold"].values - data["gap_aligned"].values[:, None]
    room = np.where(room > 0, room, np.nan)[:, None]
    fisher, bent, tilt = (
        data[name].values[..., None]
        for name in ("curvature_fisher", "curvature", "slope")
    )
    # Without curvature there is no quadratic width.
    fisher, bent = (np.where(each > 0, each, np.nan) for each in (fisher, bent))
    return Widths(
        cut[0],
        np.sqrt(2 * room / fisher),
        np.sqrt(tilt**2 + 2 * bent * room) / bent,
        cut[1],
    )


def by_kind(values: np.ndarray) -> dict[str, np.ndarray]:
    """Random directions averaged over themselves, the task's, the top one."""
    return {
        "random": values[:, :-2].mean(axis=1),
        "task": values[:, -2],
        "top": values[:, -1],
    }


def ball_radii(data: xr.Dataset) -> np.ndarray:
    """The radius at which Case II's solution reaches each threshold, [seed, t]."""
    radii = np.concatenate([[0.0], data["radius"].values])
    gaps = np.concatenate([data["gap_aligned"].values[None], data["gap_ball"].values]).T
    found = np.full((len(gaps), data.sizes["threshold"]), np.nan)
    for (i, k), _ in np.ndenumerate(found):
        at = basin(radii, gaps[i], float(data["threshold"].values[k])).right
        found[i, k] = at if 0 < at < radii[-1] else np.nan
    return found


def areas(data: xr.Dataset, halvings: int) -> tuple[np.ndarray, ...]:
    """Measured and predicted areas of the planes' basins, and whether they are whole.

    Formula: 2 pi (t - G_0) / sqrt(det M), M the Fisher matrix on the two directions.
    """
    threshold = float(data["threshold"].values[-1 - halvings])
    measured = np.full(data.sizes["seed"], np.nan)
    whole = np.zeros(data.sizes["seed"], bool)
    for i, (own, gap) in enumerate(
        zip(data["offset_plane"].values, data["gap_plane"].values, strict=True)
    ):
        if np.isfinite(own).all():
            found = plane_basin(own[0], own[1], gap, threshold)
            measured[i], whole[i] = found.area, not found.open
    curvature = data["curvature_fisher"].values
    determinant = curvature[:, -2] * curvature[:, 0] - (
        data["curvature_mixed"].values ** 2
    )
    room = threshold - data["gap_aligned"].values
    with np.errstate(divide="ignore", invalid="ignore"):
        predicted = 2 * np.pi * room / np.sqrt(determinant)
    return measured, predicted, whole


def basin_evidence(
    data: xr.Dataset,
    margins: Mapping[str, float],
    *,
    aligned_target: float,
    order_points: int,
    halvings_plane: int,
    level: float,
) -> Iterator[Evidence]:
    """Every question asked of the scans, in the order of the verdict table."""
    question = "are the networks aligned (safety gap at the start)?"
    share = data["gap_aligned"].values / float(data["threshold"].values[0])
    yield below_target(question, share, aligned_target, "smallest thresholds")
    yield from _bounds(data)
    yield _behaviour(data)
    found = widths(data)
    yield _agreement(found, margins["width"], level)
    yield _order(data, found, margins["order"], order_points, level)
    yield _ordering(found, level)
    yield _area(data, halvings_plane, margins["area"], level)
    yield _case_two(data, found, margins["ball"], level)


def _bounds(data: xr.Dataset) -> Iterator[Evidence]:
    """At every point of every scan and ball, however far: (8.3), both sides."""
    gaps, lower, upper = [], [], []
    for place in ("line", "plane", "ball"):
        gap = data[f"gap_{place}"].transpose("seed", ...).values
        least, most = bound(data, place)
        gaps.append(gap.ravel())
        lower.append(least.ravel())
        upper.append(most.ravel())
    gap, least, most = (np.concatenate(parts) for parts in (gaps, lower, upper))
    question = "is the gap never above Hoeffding's bound (8.3)?"
    yield never_below(question, most - gap, 0 * gap, ROUNDING, NATS)
    question = "and never below its lower side?"
    yield never_below(question, gap, least, ROUNDING, NATS)


def _behaviour(data: xr.Dataset) -> Evidence:
    """Pinsker and Bretagnolle-Huber: what a gap says of unsafe outputs."""
    mu, outputs = stored_law(data, "safety")
    own = np.sum(mu[:, None] * outputs * data["unsafe"].values)
    slacks = []
    with jax.enable_x64(True):
        for place in ("line", "plane", "ball", "usual"):
            # A gap is >= 0; rounding may have left it a little below.
            gap = np.maximum(data[f"gap_{place}"].values, 0.0)
            moved = np.abs(data[f"unsafe_{place}"].values - own)
            slacks.append((np.asarray(deviation_bound(gap)) - moved).ravel())
    slack = np.concatenate(slacks)
    question = "does unsafe probability stay within what the gap allows?"
    # The root of a gap that is off by 1e-15 is off by 3e-8.
    return never_below(question, slack, 0 * slack, 1e-7, "probability")


def _agreement(found: Widths, margin: float, level: float) -> Evidence:
    """At the smallest threshold the quadratic width is the width."""
    question = "is the half width the quadratic one (8.4), smallest threshold?"
    ratios = by_kind((found.measured / found.fisher)[..., 0])
    cells = np.stack([ratios[kind] for kind in KINDS])
    if not np.isfinite(cells).all():
        return undecided(question, "ratio", "an edge was not reached by the scan")
    ends = np.full(len(cells), 1 - margin), np.full(len(cells), 1 + margin)
    return inside_margins(question, cells, *ends, level, "ratio")


def _order(
    data: xr.Dataset, found: Widths, margin: float, points: int, level: float
) -> Evidence:
    """Odd terms cancel between both sides: the relative error is of first order in t.

    The exact slope and Hessian are used, so that what is left is the remainder; an
    order is a limit, so only the smallest thresholds count.
    """
    question = "does the error of the quadratic half width vanish like the threshold?"
    errors = order_errors(found)[:, :points]
    if not np.isfinite(errors).all() or not np.all(errors > 0):
        return undecided(question, "order", "an edge was not reached by the scan")
    x = np.log(data["threshold"].values[:points])
    orders = np.array([[slope(x, np.log(row)).slope for row in errors]])
    ends = np.array([1 - margin]), np.array([1 + margin])
    return inside_margins(question, orders, *ends, level, "order")


def order_errors(found: Widths) -> np.ndarray:
    """Root mean square over directions of the relative error, [seed, threshold]."""
    relative = found.measured / found.taylor - 1
    return np.asarray(np.sqrt(np.mean(relative**2, axis=1)))


def _ordering(found: Widths, level: float) -> Evidence:
    """Random directions flatter than the task's, the task's than the top one."""
    question = "are basins wider at random than for the task, and than for the top?"
    logs = by_kind(np.log(found.measured[..., -1]))
    steps = np.stack([logs["random"] - logs["task"], logs["task"] - logs["top"]])
    if not np.isfinite(steps).all():
        return undecided(question, "logarithm", "an edge was not reached by the scan")
    return rises(question, steps, level, "logarithm of half widths")


def _area(data: xr.Dataset, halvings: int, margin: float, level: float) -> Evidence:
    """In two dimensions the basin is the ellipse of the Fisher matrix."""
    question = "is the plane's basin the predicted ellipse (area)?"
    area, predicted, whole = areas(data, halvings)
    ratio = area / predicted
    if not (whole.all() and np.isfinite(ratio).all()):
        return undecided(question, "ratio", "a basin reaches the rim of the scan")
    ends = np.array([1 - margin]), np.array([1 + margin])
    return inside_margins(question, ratio[None], *ends, level, "ratio")


def _case_two(data: xr.Dataset, found: Widths, margin: float, level: float) -> Evidence:
    """A ball lets descent go as far as the line along the task's gradient goes."""
    question = "does Case II reach the smallest threshold at the predicted radius?"
    ratio = ball_radii(data)[:, 0] / found.fisher[:, -2, 0]
    if not np.isfinite(ratio).all():
        return undecided(question, "ratio", "a threshold lies outside all balls")
    ends = np.array([1 - margin]), np.array([1 + margin])
    return inside_margins(question, ratio[None], *ends, level, "ratio")


def remarks(data: xr.Dataset) -> list[str]:
    """How much a random basin overstates, what the bound certifies, usual scores."""
    found, score = widths(data), usual_scores(data)
    wide, certified = by_kind(found.measured), by_kind(found.certified)
    safe = found.fisher[:, -1]

    def median(values: np.ndarray) -> float:
        finite = values[np.isfinite(values)]
        return float(np.median(finite)) if finite.size else float("nan")

    shares = ", ".join(
        f"{kind} {median(certified[kind] / wide[kind]):.2f}" for kind in KINDS
    )
    return [
        f"random basins are {median(wide['random'] / safe):.0f} times as wide as the "
        "largest ball that is safe to second order, the task's "
        f"{median(wide['task'] / safe):.1f} times (medians, seeds and thresholds)",
        f"share of the half width that (8.3) certifies: {shares}",
        f"score of the usual probe (mean safety of outputs over half a layer-scaled "
        f"length to either side): {score.mean():.3f}, from {score.min():.3f} to "
        f"{score.max():.3f}",
    ]


def usual_scores(data: xr.Dataset) -> np.ndarray:
    """The usual score of every network and random direction, in [0, 1]."""
    unsafe = data["unsafe_usual"].values
    shares = np.linspace(-1, 1, unsafe.shape[-1])
    rows = unsafe.reshape(-1, unsafe.shape[-1])
    scores = [basin(shares, row, 1.0).score for row in rows]
    return np.reshape(scores, unsafe.shape[:-1])


def _half_widths(data: xr.Dataset, profiles: np.ndarray) -> np.ndarray:
    """Mean of both sides of every basin; NaN where it has no edge or no inside."""
    halves = np.full((*profiles.shape[:2], data.sizes["threshold"]), np.nan)
    for (i, j, k), _ in np.ndenumerate(halves):
        offsets = data["offset"].values[i, j]
        if not np.isfinite(offsets).all():
            continue
        found = basin(offsets, profiles[i, j], float(data["threshold"].values[k]))
        if found.width > 0 and not found.open:
            halves[i, j, k] = found.width / 2
    return halves
