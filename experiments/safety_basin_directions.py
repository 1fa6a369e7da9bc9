"""The directions along which a basin is probed, and the landscape along each."""

from typing import NamedTuple

import jax
import numpy as np

from experiments.case_two import pair
from experiments.loss_geometry import bend, geometry, slope
from experiments.worlds import SequenceWorlds
from simlab import landscape
from simlab.basin import layer_scaled_direction
from simlab.models import Model, Params


class Directions(NamedTuple):
    """Unit directions of one network: the random ones, the task's, the top one.

    `curvature_fisher` and `curvature` are u^T H u by Fisher and by Hessian of L_s,
    `slope` is u^T grad L_s; `mixed` is u^T H v of the task and the first random one.
    `lengths` are those of the layer-scaled directions before division by them.
    """

    vectors: np.ndarray
    lengths: np.ndarray
    curvature_fisher: np.ndarray
    curvature: np.ndarray
    slope: np.ndarray
    mixed: np.ndarray


def directions(
    made: SequenceWorlds, model: Model, params: Params, count: int, key: jax.Array
) -> Directions:
    """The directions of one network and the landscape along them, double precision."""
    safety, able = pair(made.world)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        return _nowhere(sum(leaf.size for leaf in jax.tree.leaves(params)), count)
    slope_at, bend_at = (jax.jit(f, static_argnums=0) for f in (slope, bend))
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        at = geometry(model, params, safety, able)
        drawn = [
            np.asarray(layer_scaled_direction(at.params, own))
            for own in jax.random.split(key, count)
        ]
        task = -np.asarray(at.slope)
        top = landscape.top_eigenpairs(at.fisher, task.size, 1, key).vectors[0]
        top = top * np.sign(top[np.argmax(np.abs(top))])
        lengths = np.linalg.norm([*drawn, task, top], axis=-1)
        vectors = np.stack([*drawn, task, top]) / np.maximum(lengths, 1e-300)[:, None]
        bent = np.stack([np.asarray(at.fisher(u)) for u in vectors])
        hessian = [np.asarray(bend_at(model, at.params, safety, u)) for u in vectors]
        steepest = np.asarray(slope_at(model, at.params, safety))
    return Directions(
        vectors,
        lengths[:count],
        np.sum(vectors * bent, axis=-1),
        np.sum(vectors * np.stack(hessian), axis=-1),
        vectors @ steepest,
        np.asarray(vectors[-2] @ bent[0]),
    )


def _nowhere(size: int, count: int) -> Directions:
    """The directions of a network that diverged: kept, marked, judging nothing."""
    each = np.full(count + 2, np.nan)
    vectors = np.full((count + 2, size), np.nan)
    return Directions(vectors, each[:count], each, each, each, np.asarray(np.nan))
