"""What the data say of the crossing: where Case II is safer, against the prediction."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from experiments.case_one import NATS
from experiments.claim import Evidence
from experiments.evidence import inside_margins, rises
from experiments.proxy_crossing import CLASSES, cost_case_one, cost_case_two
from experiments.trends import crossing
from theory.tradeoff.parameter_ball import local_cost

BALL_MARGIN = 0.01  # nats: declared for projected descent in single precision


class Crossings(NamedTuple):
    """Of one class: costs at fixed gains and where they cross, over seeds."""

    one: np.ndarray  # [gain, proxy, seed]
    two: np.ndarray  # [gain, seed]
    met: np.ndarray  # [gain, seed], proxy distances


def crossings(final: xr.Dataset, model: str) -> Crossings:
    """What Case I and Case II cost at the same capability gap, and their crossing."""
    able, safe = _case_one(final, model)
    log_penalty = np.log(final["penalty"].values)
    ball = final.sel(model=model)
    log_radius = np.log(ball["ball_radius"].values)
    targets, seeds = final["target"].values, range(final.sizes["seed"])
    one = np.array(
        [
            [
                [
                    cost_case_one(log_penalty, able[i, :, s], safe[i, :, s], target)
                    for s in seeds
                ]
                for i in range(len(able))
            ]
            for target in targets
        ]
    )
    two = np.array(
        [
            [
                cost_case_two(
                    log_radius,
                    ball["ball_capability"].values[:, s],
                    ball["ball_safety"].values[:, s],
                    target,
                )
                for s in seeds
            ]
            for target in targets
        ]
    )
    return Crossings(one, two, _met(final["proxy"].values, one, two))


def _case_one(final: xr.Dataset, model: str) -> tuple[np.ndarray, np.ndarray]:
    """Capability and true safety gaps [proxy, penalty, seed] at overlap 1."""
    if model == "table":
        return final["table_capability"].values, final["table_safety"].values
    full = final.isel(overlap=-1)
    return full["gap_capability"].values, full["gap_safety"].values


def _met(distances: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Where Case I's cost [gain, distance, seed] reaches Case II's [gain, seed]."""
    return np.array(
        [
            [
                crossing(distances, costs[:, s], level) if np.isfinite(level) else level
                for s, level in enumerate(levels)
            ]
            for costs, levels in zip(one, two, strict=True)
        ]
    )


def local_crossings(final: xr.Dataset) -> np.ndarray:
    """The predicted crossings [gain, seed] of transformers, to leading order.

    Case I exactly; Case II by (8.4) from each aligned model's own gradient and Fisher
    matrix: G_s = G_s(start) + gain^2 g' H g / (2 ||g||^4), gain = G_f(start) - target.
    """
    start = final.sel(model="transformer")
    gain = start["start_capability"].values - final["target"].values[:, None]
    norm = final["local_gradient"].values
    moved = local_cost(norm, final["local_curvature"].values, gain / norm)
    two = start["start_safety"].values + np.asarray(moved)
    one = np.broadcast_to(
        final["cost_case_one"].values[..., None],
        (*final["cost_case_one"].shape, len(norm)),
    )
    return _met(final["distance"].values, one, np.where(gain > 0, two, np.nan))


def crossing_evidence(
    final: xr.Dataset, margins: tuple[float, float], level: float
) -> Iterator[Evidence]:
    """Tables against the exact prediction; transformers against the local one."""
    table, network = (crossings(final, name) for name in CLASSES)
    for name, found in zip(CLASSES, (table, network), strict=True):
        sides = {
            "with the exact proxy, is Case I safer": found.two - found.one[:, 0],
            "with the farthest proxy, is Case II safer": found.one[:, -1] - found.two,
        }
        for text, differences in sides.items():
            question = f"{text} at the same gain ({name})?"
            yield rises(question, differences, level, NATS)
    exact = final["crossing_exact"].values
    yield _balls(final, level)
    yield _agrees("exact", "tables", table.met, exact[:, None], margins[0], level)
    predicted = local_crossings(final)
    yield _agrees(
        "local", "transformers, least gain", network.met[:1], predicted[:1],
        margins[1], level,
    )  # fmt: skip


def _balls(final: xr.Dataset, level: float) -> Evidence:
    """Both gaps of projected descent against the convex problem's solution."""
    ball, kinds = final.sel(model="table"), ("capability", "safety")
    exact = np.stack([final[f"ball_best_{kind}"].values for kind in kinds])
    return inside_margins(
        "do the balls' optima agree with the exact Case II (tables)?",
        np.stack([ball[f"ball_{kind}"].values for kind in kinds]),
        exact - BALL_MARGIN,
        exact + BALL_MARGIN,
        level,
        NATS,
    )


def _agrees(
    kind: str,
    whose: str,
    met: np.ndarray,
    predicted: np.ndarray,
    margin: float,
    level: float,
) -> Evidence:
    """Is the measured crossing within a relative margin of the predicted one?"""
    ratio = met / predicted
    return inside_margins(
        f"does the crossing lie where the {kind} theory says ({whose})?",
        ratio,
        np.full(len(ratio), 1 - margin),
        np.full(len(ratio), 1 + margin),
        level,
        "of the distance",
    )


def crossing_remarks(final: xr.Dataset) -> Iterator[str]:
    """The crossings in numbers: distance at which a ball becomes the safer choice."""
    local, exact = local_crossings(final), final["crossing_exact"].values
    found = {name: crossings(final, name) for name in CLASSES}
    for k, gain in enumerate(final["gain"].values):
        table, network = (found[name] for name in CLASSES)
        yield (
            f"crossing at gain {gain:g}: distance {_mean(table.met[k])} for tables, "
            f"predicted {exact[k]:.3f} (exact); transformers {_mean(network.met[k])}, "
            f"predicted {_mean(local[k])} (local); Case II costs "
            f"{_mean(table.two[k])} and {_mean(network.two[k])} {NATS}"
        )


def _mean(values: np.ndarray) -> str:
    """A mean over seeds and its standard error, as text."""
    if len(values) < 2:
        return f"{values.mean():.3f}"
    return f"{values.mean():.3f} +- {values.std(ddof=1) / np.sqrt(len(values)):.3f}"
