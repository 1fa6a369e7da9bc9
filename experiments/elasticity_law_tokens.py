"""Real tokens in `elasticity_law`: does the Pareto assumption hold, and if not, what?

The counts come with the optional package `wordsegment` (`pip install simlab[corpora]`):
a third of a million English words and as many pairs of words. Without it every number
is NaN and `tokens_present` is 0.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.elasticity_law_masses import STEP, changes
from experiments.labels import labelled
from theory.compression import form_b, rebound_size

if TYPE_CHECKING:
    from experiments.elasticity_law import Config

TAILS = (100, 1000, 10_000, 100_000)
RANKS = np.unique(np.geomspace(1, 300_000, 60).astype(int))
TRIPLES = 40
SHUFFLES = 5
TOKEN_K = 1000.0


class Counts(NamedTuple):
    """How often words, and pairs of words "first second", were seen."""

    words: Mapping[str, float]
    pairs: Mapping[str, float]


def word_counts() -> Counts | None:
    """The counts that `wordsegment` carries; None where it is not installed."""
    try:
        module = importlib.import_module("wordsegment")
    except ImportError:
        return None
    found = module.Segmenter()
    found.load()
    return Counts(found.unigrams, found.bigrams)


def token_law(config: "Config") -> xr.Dataset:
    """The tail of real word masses, its Pareto fits, and the response they imply."""
    counts = word_counts()
    if counts is None:
        ranked, laws = np.full(0, np.nan), np.full((TRIPLES, 3, 1), np.nan)
    else:
        ranked = np.sort(np.array(list(counts.words.values())))[::-1]
        ranked, laws = ranked / ranked.sum(), following(counts.pairs, config.leaves)
    fits = np.array([pareto_fit(ranked, tail) for tail in TAILS])
    sizes, ratios = _measured(laws)
    shuffled, _ = _measured(_shuffled(ranked, config.seed))
    return labelled(
        {
            "tokens_present": ((), int(counts is not None), "1", "counts were there"),
            "token_mass": (
                ("token_rank",), np.array([_at(ranked, rank) for rank in RANKS]), "1",
                "mass of the word of this rank",
            ),
            "token_alpha": (
                ("token_tail",), fits[:, 0], "1", "Pareto exponent of the tail (Hill)",
            ),
            "token_alpha_error": (
                ("token_tail",), fits[:, 0] / np.sqrt(TAILS), "1",
                "standard error of the exponent if the tail is Pareto",
            ),
            "token_distance": (
                ("token_tail",), fits[:, 1], "1",
                "Kolmogorov-Smirnov distance of the tail from its fit",
            ),
            "token_predicted": (
                ("token_tail",), np.array([_implied(fit[0]) for fit in fits]),
                "nats per block", "n d gamma_a/dl implied by the exponent",
            ),
            "token_shuffled": (
                ("token_shuffle",), shuffled, "nats per block",
                "n d gamma_a/dl, parts having the masses of words in random order",
            ),
            "token_size": (
                ("token_triple",), sizes, "nats per block",
                "n d gamma_a/dl, parts being the words that follow three words",
            ),
            "token_ratio": (
                ("token_triple",), ratios, "1", "ratio of the responses over k",
            ),
        },
        {
            "token_rank": (("token_rank",), RANKS, "1", "rank of a word"),
            "token_tail": (("token_tail",), np.array(TAILS), "1", "words of the tail"),
        },
    )  # fmt: skip


def following(pairs: Mapping[str, float], leaves: int) -> np.ndarray:
    """Laws [triple, part, leaf] of the second word after each of the commonest firsts.

    Leaves are the commonest second words; every law is normalised on them.
    """
    split: list[tuple[str, str, float]] = []
    for pair, count in pairs.items():
        first, _, second = pair.partition(" ")
        split.append((first, second, count))
    firsts = _commonest([(first, count) for first, _, count in split], 3 * TRIPLES)
    seconds = _commonest([(second, count) for _, second, count in split], leaves)
    table = np.zeros((3 * TRIPLES, leaves))
    for first, second, count in split:
        if first in firsts and second in seconds:
            table[firsts[first], seconds[second]] = count
    # Neighbours in frequency make a triple: parts of about equal size.
    laws = table.reshape(TRIPLES, 3, leaves)
    return np.asarray(laws / laws.sum(axis=-1, keepdims=True))


def _commonest(counted: list[tuple[str, float]], most: int) -> dict[str, int]:
    """The words of the largest total counts, each with its rank from 0."""
    totals: dict[str, float] = {}
    for word, count in counted:
        totals[word] = totals.get(word, 0.0) + count
    ranked = sorted(totals, key=lambda word: (-totals[word], word))
    return {word: rank for rank, word in enumerate(ranked[:most])}


def pareto_fit(ranked: np.ndarray, tail: int) -> tuple[float, float]:
    """Hill's exponent of the largest masses and their distance from that Pareto law.

    Formula: alpha = tail / sum log(X_i / X_tail) over falling masses; the distance is
    sup |F - F_alpha|. NaN where there are not as many masses.
    """
    if len(ranked) <= tail:
        return np.nan, np.nan
    excess = np.log(ranked[:tail] / ranked[tail])
    alpha = tail / float(excess.sum())
    above = np.exp(-alpha * excess)  # P(X > x) by the fit, rising along the ranks
    ranks = np.arange(tail) / tail
    gaps = np.maximum(np.abs(above - ranks), np.abs(ranks + 1 / tail - above))
    return alpha, float(np.max(gaps))


def _shuffled(ranked: np.ndarray, seed: int) -> np.ndarray:
    """Three parts [shuffle, part, leaf], the same masses each in its own order."""
    if ranked.size == 0:
        return np.full((SHUFFLES, 3, 1), np.nan)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 80), SHUFFLES * 3)
    rows = [jax.random.permutation(key, jnp.asarray(ranked)) for key in keys]
    return np.array(rows).reshape(SHUFFLES, 3, -1)


def _at(ranked: np.ndarray, rank: int) -> float:
    return float(ranked[rank - 1]) if len(ranked) >= rank else np.nan


def _implied(alpha: float) -> float:
    """The constant of E5; 1 for tails so heavy that parts hardly meet (alpha <= 1)."""
    if not np.isfinite(alpha):
        return np.nan
    return float(rebound_size(alpha)) if alpha > 1.001 else 1.0


def _measured(laws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and ratios [triple] of form B, p being the mean of a triple's parts."""
    if np.isnan(laws).any():
        return np.full(len(laws), np.nan), np.full(len(laws), np.nan)
    found = np.asarray(changes(form_b(jnp.asarray(laws), TOKEN_K, 0.0), STEP))
    return (TOKEN_K + 1) * found[:, 1], -found[:, 1] / found[:, 0] / TOKEN_K
