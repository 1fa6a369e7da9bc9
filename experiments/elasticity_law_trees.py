"""Sweeps of `elasticity_law` over trees of sources and over Huffman codes."""

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.elasticity_law_masses import STEP, STEP_SAME, changes, masses
from experiments.labels import labelled
from theory.compression import (
    double_ceiling,
    form_a,
    form_b,
    huffman_lengths,
    markov_leaves,
    pushforward,
)

if TYPE_CHECKING:
    from experiments.elasticity_law import Config

ORDER, HAZARD = 3, 0.05
"""Order of the binary Markov sources and their chance to end after each bit."""

FIRST_DEPTH, DEPTH_K = 3, 1000.0
DEPTH_KINDS = ((0, 1, 1), (0, 1, 0), (0, 1, 2))
"""Which of the laws p, a, t of form B are p, a, t: D_t = D_a, D_p, another part."""

HUFFMAN_K = 10.0
HUFFMAN_SHARES = np.concatenate([[0.0], np.geomspace(0.01, 30.0, 200)])
MOST_SWITCHES = 20
"""How many switches of a draw's code are looked at closely."""


def depth_sweep(config: "Config") -> xr.Dataset:
    """Responses per block against the depth of the tree, k = 1000."""
    key = jax.random.fold_in(jax.random.key(config.seed), 60)
    shape = (config.draws, 3, 2**ORDER)
    ones = jax.random.uniform(key, shape, jnp.float64, 0.02, 0.98)
    depths = np.arange(FIRST_DEPTH, config.depth + 1)
    own, same, other = np.moveaxis(np.asarray(_deepening(ones, config.depth)), -1, 0)
    dims = ("depth", "draw")
    return labelled(
        {
            "own": (
                dims, -own, "nats per block", "-n d gamma_a/dl for D_t = D_a",
            ),
            "reinforced": (
                dims, same, "nats per block", "n d gamma_a/dl for D_t = D_p",
            ),
            "cross": (dims, other, "nats per block", "n d gamma_a/dl, form B"),
        },
        {"depth": (("depth",), depths, "bits", "depth of the tree")},
    )  # fmt: skip


@partial(jax.jit, static_argnums=1)
def _deepening(ones: jax.Array, depth: int) -> jax.Array:
    """The responses [depth, draw, t] of trees pruned to every depth up to `depth`."""
    start = jnp.full(ones.shape, 0.5**ORDER)
    leaves = markov_leaves(start, ones, HAZARD, depth)
    pruned = (pushforward(leaves, layers) for layers in range(FIRST_DEPTH, depth + 1))
    return jnp.stack([_responses(tree) for tree in pruned])


def _responses(leaves: jax.Array) -> jax.Array:
    """The responses n d gamma_a/dl [draw, t] where t is a, p and another part."""
    laws = form_b(leaves, DEPTH_K, 0.0).laws[:, jnp.array(DEPTH_KINDS)]
    steps = jnp.array([STEP, STEP_SAME * DEPTH_K, STEP])
    found: jax.Array = changes(form_a(laws, DEPTH_K, 0.0), steps)
    return (DEPTH_K + 1) * found[..., 1]


def huffman_staircase(config: "Config") -> xr.Dataset:
    """Integer code lengths, built again at every l: rates are a staircase."""
    laws = masses(config, 70, 3, config.huffman_leaves, config.alpha)
    trees = np.asarray(form_b(laws, HUFFMAN_K, 0.0).laws)
    stairs = np.stack(
        [[costs(tree, float(share)) for share in HUFFMAN_SHARES] for tree in trees]
    )  # [draw, share, set]
    pairs = zip(trees, stairs, strict=True)
    switches = [_switches(tree, stair) for tree, stair in pairs]
    change = stairs - stairs[:, :1]
    floor = HUFFMAN_K * change[..., 0] + change[..., 1]
    joint = np.stack([mixture(tree, 0.0) for tree in trees])
    return labelled(
        {
            "huffman": (
                ("draw", "huffman_share", "huffman_set"), stairs, "bits per block",
                "mean length of Huffman's codewords",
            ),
            "huffman_floor": (
                ("draw",), floor.min(axis=1), "bits per block",
                "least k Delta gamma_p + Delta gamma_a over l",
            ),
            "huffman_ceiling": (
                ("draw",), (floor + HUFFMAN_SHARES * change[..., 2]).max(axis=1),
                "bits per block",
                "greatest k Delta gamma_p + Delta gamma_a + l Delta gamma_t over l",
            ),
            "switch_residual": (
                ("draw",), np.array([max(found, default=0.0) for found in switches]),
                "bits per block",
                "largest |sum n_i Delta gamma_i| where a code switches",
            ),
            "switches": (
                ("draw",), np.array([len(found) for found in switches]), "1",
                f"switches of the code looked at, {MOST_SWITCHES} at most",
            ),
            "joint_bits": (
                ("draw",), np.array([own_bits(law) for law in joint]),
                "bits per block", "mean length of the mixture's own Huffman code",
            ),
            "printed_bits": (
                ("draw",), np.asarray(double_ceiling(joint)), "bits per block",
                "the double ceiling of Theorem 3.4 for the mixture",
            ),
        },
        {
            "huffman_share": (("huffman_share",), HUFFMAN_SHARES, "1", "l"),
            "huffman_set": (("huffman_set",), ["p", "a", "t"], "1", "data set"),
        },
    )  # fmt: skip


def mixture(laws: np.ndarray, share: float) -> np.ndarray:
    """(k p_p + p_a + l p_t) / n [leaf]: the optimum, on the host."""
    sizes = np.array([HUFFMAN_K, 1.0, share])
    return np.asarray(sizes @ laws / sizes.sum())


def costs(laws: np.ndarray, share: float) -> np.ndarray:
    """Bits a block of p, a, t under the Huffman code of the mixture at l."""
    return np.asarray(laws @ huffman_lengths(mixture(laws, share)))


def own_bits(law: np.ndarray) -> float:
    """The mean length of a law's own Huffman code."""
    return float(law @ huffman_lengths(law))


def _switches(laws: np.ndarray, stairs: np.ndarray) -> list[float]:
    """|k Dg_p + Dg_a + l Dg_t| at the first switch of every step that has one."""
    residuals = []
    steps = np.flatnonzero(np.any(np.diff(stairs, axis=0) != 0, axis=1))
    for place in steps[:MOST_SWITCHES]:
        low, high = HUFFMAN_SHARES[place : place + 2]
        left = stairs[place]
        while high - low > 1e-14 * max(1.0, high):
            middle = (low + high) / 2
            if np.array_equal(costs(laws, middle), left):
                low = middle
            else:
                high = middle
        change = costs(laws, high) - left
        sizes = np.array([HUFFMAN_K, 1.0, high])
        residuals.append(float(np.abs(sizes @ change)))
    return residuals
