"""What Case II's data say: limits, bounds on a move, local laws, the factor kappa."""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.case_one import NATS
from experiments.case_two import PATH_POINTS, stored_laws
from experiments.case_two_local import (
    exact_local_ratio,
    forms,
    local_evidence,
    measured_factors,
)
from experiments.claim import Evidence, Outcome
from experiments.evidence import never_below, undecided
from simlab.landscape import prefix_laws
from theory.laws import Law, World
from theory.tradeoff import frontier
from theory.tradeoff.bounds import Interval
from theory.tradeoff.kantorovich import kantorovich_factor
from theory.tradeoff.parameter_ball import hoeffding_change, tangent_overlap

ROUNDING = 1e-9  # nats: double precision over some hundred terms
SINGLE = float(np.finfo(np.float32).eps)


class Change(NamedTuple):
    """Between what a gap's change must lie, [radius, seed]."""

    lower: np.ndarray
    upper: np.ndarray


def case_two_evidence(
    data: xr.Dataset, margin: float, level: float
) -> Iterator[Evidence]:
    """Every question asked of a Case II sweep, in the order of the verdict table."""
    yield from _limits(data)
    yield _inside_ball(data)
    yield from _moves(data)
    yield from _constants(data)
    yield _descended(data)
    yield from local_evidence(data, margin, level)


def _limits(data: xr.Dataset) -> Iterator[Evidence]:
    """No point of either case below the exact frontier, at any record."""
    safety, able = stored_laws(data)
    with jax.enable_x64(True):
        world = World(safety, safety, able)
        for name, text in (("gap", "a ball"), ("penalty", "a penalty")):
            measured = data[f"{name}_capability"].values
            limit = jax.jit(frontier)(world, data[f"{name}_safety"].values)
            question = f"is no network in {text} below the exact frontier (9.1)?"
            slack = np.asarray(limit)
            yield never_below(question, measured, slack, ROUNDING, NATS)


def _inside_ball(data: xr.Dataset) -> Evidence:
    question = "did every network stay in its ball?"
    # Single precision keeps every parameter to half an eps of its size.
    room = data["radius"] + SINGLE * data["local_size"] - data["moved"]
    return never_below(question, room.values, np.zeros(()), 0.0, "L2 norm")


def changes(data: xr.Dataset) -> dict[str, Change]:
    """The bounds (8.3) on what a gap may have changed by, [radius, seed] each."""
    before, after = data["start_logits"].values, data["logits"].values
    with jax.enable_x64(True):
        return {
            name: Change(*map(np.asarray, _change(law, before, after)))
            for name, law in zip(
                ("safety", "capability"), stored_laws(data), strict=True
            )
        }


@jax.jit
def _change(law: Law, before: jax.Array, after: jax.Array) -> Interval:
    """The bounds from logits [seed, ...] before and [radius, seed, ...] after."""
    vocabulary = after.shape[-1]
    weights, rows = prefix_laws(*law, vocabulary)
    flat = (*after.shape[:2], -1, vocabulary)
    return hoeffding_change(
        weights.reshape(-1),
        rows.reshape(-1, vocabulary),
        jnp.broadcast_to(before, after.shape).reshape(flat),
        after.reshape(flat),
    )


def _moves(data: xr.Dataset) -> Iterator[Evidence]:
    """(8.3) with the measured displacement of the logits: exact, for every policy."""
    for name, bound in changes(data).items():
        moved = data[f"gap_{name}"].isel(record=-1) - data[f"aligned_{name}"]
        change = moved.transpose("radius", "seed").values
        for side, values, limits in (
            ("not above", bound.upper, change),
            ("not below", change, bound.lower),
        ):
            question = f"is the change of the {name} gap {side} its bound (8.3)?"
            yield never_below(question, values, limits, ROUNDING, NATS)


def _constants(data: xr.Dataset) -> Iterator[Evidence]:
    """(8.1), (8.2) with constants measured on the way; no supremum over the ball."""
    final = data.isel(record=-1)
    moved = final["moved"]
    on_way = f"constants at {PATH_POINTS} points of the way"
    lipschitz = final["aligned_safety"] + final["slope_safety"] * moved
    smooth = (
        final["aligned_safety"]
        + final["local_gradient_safety"] * moved
        + final["bend_safety"] / 2
    )
    least = final["aligned_capability"] - final["slope_capability"] * moved
    for text, above, below in (
        ("is G_s <= G_s(start) + M_s eps", lipschitz, final["gap_safety"]),
        ("is G_s <= G_s(start) + |grad| eps + bend / 2", smooth, final["gap_safety"]),
        ("is G_f >= G_f(start) - M_f eps", final["gap_capability"], least),
    ):
        slack = np.asarray((above - below).transpose("radius", "seed"))
        # The way's ends are float64 copies of float32 parameters; logits are float32.
        yield never_below(f"{text} ({on_way})?", slack, np.zeros(()), 1e-6, NATS)


def _descended(data: xr.Dataset) -> Evidence:
    """A solution of the ball problem cannot lose to one step straight downhill."""
    question = "is every solution as good as one straight step of the same length?"
    final = data.isel(record=-1)
    gain = final["aligned_capability"] - final["gap_capability"]
    lost = ((final["gap_capability"] - final["stepped_capability"]) / gain).values
    share = lost[np.isfinite(lost)]
    if share.size == 0:
        return undecided(question, "of the gain", "no finite run")
    worst = float(share.max())
    return Evidence(
        question,
        Outcome.HOLDS if worst <= 0.01 else Outcome.INCONCLUSIVE,
        0.01 - worst,
        "of the gain",
        f"{share.size} solutions; the worst loses {max(worst, 0.0):.2%} of its gain "
        "(allowed: 1%), else training, not the ball, would be judged",
    )


def remarks(data: xr.Dataset) -> tuple[str, ...]:
    """What the data show beyond the verdict, never a reason for it."""
    known = forms(data)
    final = data.isel(record=-1).transpose("radius", "seed", ...)
    with jax.enable_x64(True):
        kappa = np.asarray(kantorovich_factor(known))
        overlap = np.asarray(
            tangent_overlap(
                data["local_gradient"].values,
                known.curvature,
                data["local_top_eigenvalue"].values,
            )
        )
    measured, exact = measured_factors(data), exact_local_ratio(data)
    gaps = final["gap_safety"].values
    falls = int(np.sum(gaps.max(axis=0) > gaps[-1] + 0.01))
    bound = changes(data)["safety"].upper
    change = gaps - final["aligned_safety"].values
    loose = np.median(bound / change, axis=1)
    vacuous = final["slope_capability"] * final["moved"] > final["aligned_capability"]
    begun = final["aligned_safety"].values, final["aligned_capability"].values
    return (
        f"safety gap of the aligned models: {begun[0].max():.1e} at most; mean "
        f"capability gap: {begun[1].mean():.3f} ({NATS})",
        f"kappa by the Fisher matrix: {_range(kappa)}; measured at zero gain: "
        f"{_range(measured)}; Case I's exact curve, extrapolated alike, gives "
        f"{exact:.3f} of its limit",
        f"tangent-space overlap omega: {_range(overlap)}",
        f"the bound (8.3) on the safety gap is {loose[0]:.1f} times the truth at the "
        f"smallest radius (median), {loose[-1]:.1f} times at the largest; (8.2) says "
        f"nothing in {int(vacuous.sum())} of {vacuous.size} runs",
        f"the safety gap is not monotone in the radius (no claim says it is): it falls "
        f"by more than 0.01 before the largest radius in {falls} of {gaps.shape[1]} "
        "networks",
    )


def _range(values: np.ndarray) -> str:
    return f"{values.min():.3g} to {values.max():.3g}"
