"""The sweep of `elasticity_law` over l: where pre-training stops gaining."""

from itertools import permutations
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.elasticity_law_masses import STEP, changes, masses
from experiments.labels import labelled
from theory.compression import (
    exchangeable_critical_share,
    form_b,
    rate_slopes,
    with_size,
)

if TYPE_CHECKING:
    from experiments.elasticity_law import Config

SHARE_K = 1000.0
RELATIVE = np.array([0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0])
"""Values of l (m - 1) at which the joint model is optimised again."""

MIDDLE = (RELATIVE[1:] + RELATIVE[:-1]) / 2
"""Where a change between two of them is a slope, to second order."""

CLOSED_SHARES = (0.1, 0.3)


def share_sweep(config: "Config") -> xr.Dataset:
    """The ratio and the flip against l, for m parts and all pairs of them."""
    recoveries, flips, alone, closed = [], [], [], []
    for place, parts in enumerate(config.parts):
        laws = masses(config, 10 + place, parts, config.leaves, config.alpha)
        found = np.asarray(_pairs(laws))  # [pair, share, draw, set]
        both = found.mean(axis=0)
        recoveries.append(SHARE_K * both[..., 0] / both[..., 1])
        flips.append(_flips(both[..., 0]))
        alone.append(_flips(found[-1, ..., 0]))
        closed.append(_closed_error(laws))
    return labelled(
        {
            "recovery": (
                ("parts", "relative_share", "draw"), np.array(recoveries), "1",
                "k d gamma_p / d gamma_a, mean over pairs of parts",
            ),
            "flip": (
                ("parts", "draw"), np.array(flips), "1",
                "l (m - 1) beyond which the pre-training rate rises, mean over pairs",
            ),
            "flip_alone": (
                ("parts", "draw"), np.array(alone), "1",
                "the same for a single pair of parts; inf: beyond 3.5",
            ),
            "closed_error": (
                ("parts",), np.array(closed), "1",
                "largest relative difference of responses from the closed form",
            ),
        },
        {
            "parts": (("parts",), np.array(config.parts), "1", "parts of pre-training"),
            "relative_share": (("relative_share",), MIDDLE, "1", "l (m - 1)"),
        },
    )  # fmt: skip


def _pairs(laws: jax.Array) -> jax.Array:
    """Responses [pair, share, draw, set] for every ordered pair a, t of the parts."""
    parts = laws.shape[1]
    edges = jnp.asarray(RELATIVE) * float(exchangeable_critical_share(parts))
    order = [
        [*(set(range(parts)) - {a, t}), a, t] for a, t in permutations(range(parts), 2)
    ]
    found: jax.Array = _between(laws, jnp.array(order), edges)
    return found


@jax.jit
def _between(laws: jax.Array, order: jax.Array, edges: jax.Array) -> jax.Array:
    """Responses [pair, share, draw, set] from every l in `edges` to the next."""

    def one_pair(places: jax.Array) -> jax.Array:
        data = form_b(laws[:, places], SHARE_K, 0.0)
        slopes: jax.Array = jax.vmap(
            lambda low, step: changes(with_size(data, 2, low), step)
        )(edges[:-1], jnp.diff(edges))
        return slopes

    found: jax.Array = jax.lax.map(one_pair, order)
    return found


def _flips(slopes: np.ndarray) -> np.ndarray:
    """Where slopes [share, draw] of gamma_p pass 0, linear between points; 0 or inf."""
    flips = []
    for curve in slopes.T:
        rising = np.flatnonzero(curve > 0)
        if rising.size == 0 or rising[0] == 0:
            flips.append(np.inf if rising.size == 0 else 0.0)
            continue
        at = slice(rising[0] - 1, rising[0] + 1)
        flips.append(float(np.interp(0.0, curve[at], MIDDLE[at])))
    return np.array(flips)


def _closed_error(laws: jax.Array) -> float:
    """Finite differences against the closed slopes in their middle, at two l."""
    errors = []
    for share in CLOSED_SHARES:
        measured, exact = (np.asarray(one) for one in _both_ways(laws, share))
        # A response may pass through 0 near the flip: relative to its median.
        scale = np.median(np.abs(exact), axis=0)
        errors.append(float(np.max(np.abs(measured - exact) / scale)))
    return max(errors)


@jax.jit
def _both_ways(laws: jax.Array, share: float) -> tuple[jax.Array, jax.Array]:
    """Responses [draw, set] at one l: a finite difference, and the closed form."""
    data = form_b(laws, SHARE_K, share)
    exact = rate_slopes(with_size(data, 2, share + STEP / 2), 2)
    return changes(data, STEP), exact[:, :2]
