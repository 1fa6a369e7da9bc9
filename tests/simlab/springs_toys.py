"""The smallest networks and data between which forces can balance."""

import functools

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from simlab.equilibrium import Optimum, Springs, descended, polish
from simlab.models import Model, Tabular, Transformer
from simlab.sources import dirichlet_table

V, X, T = 2, 2, 2
TABLE = Tabular(vocabulary=V, contexts=X, length=T)
NETWORK = Transformer(
    vocabulary=V, contexts=X, length=T, width=4, depth=1, heads=2, expansion=1
)
TOLERANCE = 1e-11  # gradient norm of an optimum
FAR = 30.0  # factor on the network's embeddings: norms bend sharply near 0
DECAYS = {TABLE: 1e-9, NETWORK: 0.02}


@functools.cache
def joints() -> np.ndarray:
    """Form B: pre-training data of three parts, alignment one, perturbation one."""
    with jax.enable_x64(False):
        parts = [dirichlet_table(jax.random.key(s), (X,), V**T, 1.0) for s in range(3)]
    laws = np.stack([np.asarray(part, float) for part in parts])
    laws = (laws + 0.02) / np.sum(laws + 0.02, axis=-1, keepdims=True) / X
    return np.stack([laws.mean(axis=0), laws[1], laws[2]])


def start(model: Model, seed: int = 0, scale: float = FAR) -> np.ndarray:
    """Flat parameters as drawn, the embeddings of a network `scale` times as long."""
    with jax.enable_x64(False):
        params = jax.tree_util.tree_map_with_path(
            lambda path, leaf: (
                scale * leaf if "embed" in jax.tree_util.keystr(path) else leaf
            ),
            model.init(jax.random.key(seed)),
        )
        return np.asarray(ravel_pytree(params)[0], float)


def pulled(model: Model, k: float, decay: float | None = None) -> Springs:
    """Data of sizes k : 1 : 0.01 and decay, 1e-9 or 0.02 for each unit of data."""
    strength = DECAYS[model] * (k + 1) if decay is None else decay
    return Springs(
        joints(), np.array([k, 1.0, 0.01]), np.float64(strength), start(model)
    )


@functools.cache
def optimum(model: Model, k: float) -> Optimum:
    """The optimum in the valley to which Adam leads; to be asked for within x64."""
    springs = pulled(model, k)
    run = jax.jit(lambda flat, each: descended(model, flat, each, rate=0.02, steps=500))
    near = run(springs.centre, springs)
    return polish(model, np.asarray(near), springs, tolerance=TOLERANCE, steps=100)
