"""What the data say of the proxy: floor, price, trend, crossing with Case II."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.case_one import NATS, stored_world
from experiments.case_one_evidence import (
    ROUNDING,
    agreement,
    identity,
    limits,
    per_training_sequence,
    zeta,
)
from experiments.claim import Evidence
from experiments.crossing_evidence import crossing_evidence, crossing_remarks
from experiments.evidence import below_target, inside_margins, never_below
from experiments.trends import trending
from theory.tradeoff import price_reach

PER_TRAINING = "nats per training sequence"


def proxy_evidence(
    data: xr.Dataset,
    *,
    zeta_target: float,
    margin: float,
    crossing_margins: tuple[float, float],
    level: float,
) -> Iterator[Evidence]:
    """Every question asked of the sweep, in the order of the verdict table."""
    final = data.isel(record=-1)
    certified = zeta(data)
    yield from limits(data)
    yield identity(final, certified[..., -1])
    yield below_target(
        "is the training converged (zeta / (1 + penalty))?",
        per_training_sequence(certified[..., -1], data),
        zeta_target,
        PER_TRAINING,
    )
    yield from agreement(final, level)
    yield _floor(final, margin, level)
    yield from _prices(data, certified, margin, level)
    yield from _trends(final, level)
    yield from crossing_evidence(final, crossing_margins, level)


def _floor(final: xr.Dataset, margin: float, level: float) -> Evidence:
    """At the largest penalty the true gap is the floor, within a declared margin."""
    floor = np.broadcast_to(
        final["floor"].values[:, None], final["best_safety"].shape[:2]
    )
    return inside_margins(
        "is the true gap at the largest penalty the floor Delta_s?",
        final["gap_safety"].isel(penalty=-1).values,
        floor - margin,
        floor + margin,
        level,
        NATS,
    )


def paid_prices(data: xr.Dataset) -> np.ndarray:
    """What every run pays, penalty G_s + G_f - J_true; at every record if stored."""
    trailing = data["gap_safety"].ndim - 3
    shape = (-1, *[1] * trailing)
    penalty = data["penalty"].values.reshape(shape)
    true = data["optimum_true"].values[(..., *[None] * trailing)]
    paid: np.ndarray = (
        penalty * data["gap_safety"].values + data["gap_capability"].values - true
    )
    return paid


def _prices(
    data: xr.Dataset, certified: np.ndarray, margin: float, level: float
) -> Iterator[Evidence]:
    """(5.4): never negative, in the reach of each run's own zeta, and as predicted."""
    paid = paid_prices(data)
    yield never_below("is no price negative?", paid, 0 * paid, ROUNDING, NATS)
    with jax.enable_x64(True):
        world = jax.tree.map(
            lambda leaf: jnp.asarray(leaf)[:, :, None, None, None], stored_world(data)
        )
        penalty = data["penalty"].values[:, None, None]
        allowed = jax.jit(price_reach)(world, penalty, np.maximum(certified, 0))
        inside = np.minimum(paid - allowed.lower, allowed.upper - paid)
    yield never_below(
        "does every run pay what its own zeta allows of (5.4)?",
        np.asarray(inside),
        np.zeros_like(paid),
        ROUNDING,
        NATS,
    )
    mass = 1 + data["penalty"].values
    exact = data["price"].values / mass
    yield inside_margins(
        "is the price paid the exact one (5.4)?",
        paid[..., -1] / mass[:, None],
        exact - margin,
        exact + margin,
        level,
        PER_TRAINING,
    )


def _trends(final: xr.Dataset, level: float) -> Iterator[Evidence]:
    """In the distance: the floor's height, and the price averaged over penalties."""
    floor = np.moveaxis(final["gap_safety"].isel(penalty=-1).values, 0, 1)
    yield trending(
        "does the true gap at the largest penalty rise with distance?",
        floor,
        level,
        NATS,
    )
    share = paid_prices(final) / (1 + final["penalty"].values[:, None])
    yield trending(
        "does the price (mean over penalties) rise with distance?",
        np.moveaxis(share.mean(axis=2), 0, 1),
        level,
        PER_TRAINING,
    )


def remarks(data: xr.Dataset) -> tuple[str, ...]:
    """What the data show beyond the verdict, never a reason for it."""
    final = data.isel(record=-1)
    return (*_floors(final), *crossing_remarks(final))


def _floors(final: xr.Dataset) -> Iterator[str]:
    reached = final["gap_safety"].isel(penalty=-1, overlap=-1).mean("seed").values
    rows = zip(final["proxy"].values, final["floor"].values, reached, strict=True)
    yield (
        "floor Delta_s by distance, and the mean true gap at the largest penalty: "
        + ("; ".join(f"{d:g}: {f:.3f}, {g:.3f}" for d, f, g in rows))
    )
    exact = final["best_safety"].values
    measured = final["gap_safety"].mean("seed").values
    turning = [
        int(np.sum(gaps[..., -1] > gaps.min(axis=-1) + 0.01))
        for gaps in (exact, measured)
    ]
    yield (
        "true gap that rises again with the penalty, where the proxy is not adequate "
        f"(5.5): {turning[0]} curves predicted, {turning[1]} measured"
    )
