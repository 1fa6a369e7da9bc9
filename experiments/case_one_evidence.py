"""What Case I's data say: the frontier, the identity, agreement, the floor, overlap."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.case_one import NATS, stored_world
from experiments.claim import Evidence
from experiments.evidence import (
    below_target,
    equal_to_rounding,
    inside_margins,
    never_below,
    rises,
)
from simlab.evaluation import certificate, sequence_log_table
from theory.tradeoff import excess, frontier, frontier_proxy

ROUNDING = 1e-9  # nats: double precision over some hundred terms
IDENTITY = 1e-5  # nats: declared for (4.3)


def zeta(data: xr.Dataset) -> np.ndarray:
    """The certificate of every run at every record, shaped as the gaps are."""
    with jax.enable_x64(True):
        certified = certificate(
            data["gap_capability"].values,
            data["gap_proxy"].values,
            data["penalty"].values[:, None, None],
            data["optimum"].values[..., None, None],
        )
    return np.asarray(certified, np.float64)


def per_training_sequence(values: np.ndarray, data: xr.Dataset) -> np.ndarray:
    """Certificates divided by the objective's mass 1 + penalty; last axis seeds."""
    shares: np.ndarray = values / (1 + data["penalty"].values[:, None])
    return shares


def case_one_evidence(
    data: xr.Dataset, zeta_target: float, level: float
) -> Iterator[Evidence]:
    """Every question asked of a Case I sweep, in the order of the verdict table."""
    final = data.isel(record=-1)
    certified = zeta(data)[..., -1]
    yield from limits(data)
    yield identity(final, certified)
    yield below_target(
        "is the training converged (zeta)?", certified, zeta_target, NATS
    )
    yield below_target(
        "and as the loss counts it (zeta / (1 + penalty))?",
        per_training_sequence(certified, data),
        zeta_target,
        "nats per training sequence",
    )
    yield from agreement(final, level)
    yield from _proxies(final, level)
    yield from _overlaps(final, level)


def limits(data: xr.Dataset) -> Iterator[Evidence]:
    """At every record, trained or not: no policy may be below either frontier."""
    with jax.enable_x64(True):
        world = jax.tree.map(
            lambda leaf: jnp.asarray(leaf)[:, :, None, None, None], stored_world(data)
        )
        safety, proxy = data["gap_safety"].values, data["gap_proxy"].values
        limits = (
            jax.jit(frontier)(world, safety),
            jax.jit(frontier_proxy)(world, proxy),
        )
    sides = "true safety data", "proxy data"
    for side, limit in zip(sides, limits, strict=True):
        question = f"is no measured point below the frontier of the {side}?"
        capability = data["gap_capability"].values
        yield never_below(question, capability, np.asarray(limit), ROUNDING, NATS)


def identity(final: xr.Dataset, certified: np.ndarray) -> Evidence:
    """(4.3): the certificate is the divergence from the best policy, always."""
    with jax.enable_x64(True):
        world = jax.tree.map(
            lambda leaf: jnp.asarray(leaf)[:, :, None, None], stored_world(final)
        )
        logits = jnp.asarray(final["logits"].values, jnp.float64)
        policy = jnp.exp(sequence_log_table(logits))
        divergence = jax.jit(excess)(world, policy, final["penalty"].values[:, None])
    question = "is penalty G^_s + G_f = J + zeta for every model (4.3)?"
    return equal_to_rounding(
        question, certified, np.asarray(divergence), IDENTITY, NATS
    )


def agreement(final: xr.Dataset, level: float) -> Iterator[Evidence]:
    """Equivalence with the exact solution, inside what zeta_target leaves open."""
    names = {"proxy": "proxy gap", "capability": "capability gap", "safety": "true gap"}
    for name, text in names.items():
        yield inside_margins(
            f"does the {text} agree with the best policy's?",
            final[f"gap_{name}"].values,
            final[f"{name}_low"].values,
            final[f"{name}_high"].values,
            level,
            NATS,
        )


def _proxies(final: xr.Dataset, level: float) -> Iterator[Evidence]:
    """At the largest penalty: the farther the proxy, the larger the true gap."""
    if final.sizes["proxy"] < 2:
        return
    gaps = final["gap_safety"].isel(penalty=-1).values  # proxy, overlap, seed
    steps = np.diff(gaps, axis=0).reshape(-1, gaps.shape[-1])
    yield rises("does a farther proxy leave a larger true gap?", steps, level, NATS)


def _overlaps(final: xr.Dataset, level: float) -> Iterator[Evidence]:
    """With exact safety data: more overlap, a worse frontier at every penalty."""
    if final.sizes["overlap"] < 2:
        return
    exact = final.isel(proxy=0)
    penalty = exact["penalty"].values[:, None]
    penalised = penalty * exact["gap_safety"].values + exact["gap_capability"].values
    of_seed = (penalised / (1 + penalty)).mean(axis=1)  # overlap, seed
    yield rises(
        "is the frontier worse with more overlap (mean of the penalised gap)?",
        np.diff(of_seed, axis=0),
        level,
        NATS,
    )


def remarks(data: xr.Dataset) -> tuple[str, ...]:
    """What the data show beyond the verdict, never a reason for it."""
    final = data.isel(record=-1)
    floor = ", ".join(f"{value:.3f}" for value in final["floor"].values)
    largest = final["gap_safety"].isel(penalty=-1).mean("seed").values
    reached = ", ".join(f"{low:.3f} to {high:.3f}" for low, high in
                        zip(largest.min(-1), largest.max(-1), strict=True))  # fmt: skip
    predicted = _turning(final["best_safety"].values)
    measured = _turning(final["gap_safety"].mean("seed").values)
    return (
        f"safety gap of the aligned models: {final['gap_aligned'].values.max():.4f} at "
        f"most ({NATS})",
        f"proxy floor Delta_s per proxy: {floor}; mean true gap at the largest "
        f"penalty, over overlaps: {reached}",
        *_residuals(final),
        "true gap not monotone in the penalty (no claim says it is): "
        f"{predicted} curves predicted, {measured} measured",
    )


def _residuals(final: xr.Dataset) -> Iterator[str]:
    """How far the means over seeds are from the exact solution, in plain nats."""
    for name, text in {
        "safety": "true safety gap",
        "capability": "capability gap",
    }.items():
        mean = final[f"gap_{name}"].mean("seed").values
        off = np.abs(mean - final[f"best_{name}"].values)
        off = off[np.isfinite(off)]
        if off.size == 0:  # every cell holds a run that diverged
            continue
        yield (
            f"{text}: mean over seeds off the exact one by {np.median(off):.3f} "
            f"(median cell), {off.max():.3f} (worst) {NATS}"
        )


def _turning(gaps: np.ndarray) -> int:
    """How many [..., penalty] curves end more than 0.01 nats above their minimum."""
    return int(np.sum(gaps[..., -1] > gaps.min(axis=-1) + 0.01))
