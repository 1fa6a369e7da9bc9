"""Finite samples in `elasticity_law`: what counting data leaves of the ratio."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.elasticity_law_masses import masses
from experiments.labels import labelled
from theory.compression import (
    DataSets,
    form_b,
    optimum,
    rate_changes,
    smoothing,
    with_size,
)

if TYPE_CHECKING:
    from experiments.elasticity_law import Config

SAMPLED_SHARE, SAMPLED_LEAVES = 0.02, 255
SAMPLED_SIZES = (10.0, 100.0)


def finite_samples(config: "Config") -> xr.Dataset:
    """The ratio over k on the true laws when models are fitted to counts (KT)."""
    laws = masses(config, 50, 3, SAMPLED_LEAVES, config.alpha)
    trees = form_b(laws, 1.0, 0.0).laws
    key = jax.random.fold_in(jax.random.key(config.seed), 51)
    keys = jax.random.split(key, (len(config.samples), len(SAMPLED_SIZES)))
    found = [
        [
            np.asarray(sampled_ratio(trees, k, float(count), keys[row, column]))
            for column, k in enumerate(SAMPLED_SIZES)
        ]
        for row, count in enumerate(config.samples)
    ]
    return labelled(
        {
            "sampled_ratio": (
                ("samples", "sampled_k", "draw"), np.array(found), "1",
                "ratio of changes on the true laws over k, models fitted to counts",
            )
        },
        {
            "samples": (
                ("samples",), np.array(config.samples), "responses",
                "alignment responses",
            ),
            "sampled_k": (("sampled_k",), np.array(SAMPLED_SIZES), "1", "k"),
        },
    )  # fmt: skip


@jax.jit
def sampled_ratio(
    trees: jax.Array, k: float, count: float, key: jax.Array
) -> jax.Array:
    """-(Delta gamma_a / Delta gamma_p) / k [draw] on the true laws.

    Formula: k count, count and l count responses are drawn from p, a and t; the model
    is the Krichevsky-Trofimov mixture before and after t is added.
    """
    sizes = jnp.round(jnp.array([k, 1.0, SAMPLED_SHARE]) * count)
    drawn = jax.random.multinomial(key, sizes, trees)
    empirical = drawn / sizes[:, None]
    fitted = smoothing(DataSets(empirical, jnp.broadcast_to(sizes, trees.shape[:2])))
    before = optimum(with_size(fitted, 2, 0.0))
    change = rate_changes(trees, before, optimum(fitted))
    return -change[:, 1] / change[:, 0] / k
