"""Entropy of token trees: a block, a bit and a layer are three different things."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis.extra import numpy as hnp

from tests.assertions import assert_below, assert_close, assert_must_fail, in_x64
from tests.strategies import numbers, simplices
from theory.chains import stationary
from theory.compression.trees import (
    explicit_leaves,
    leaf_count,
    leaf_tokens,
    markov_automaton,
    markov_leaves,
    pushforward,
    tree_depth,
)
from theory.information import entropy

DEPTH, CONTEXTS = 5, 4
INNER = leaf_count(DEPTH - 1)
# Sums of at most 31 terms of entropies up to 4 nats.
ROUNDING = 1e-14

chances = partial(hnp.arrays, np.float64, elements=numbers(0.0, 1.0))
inner_chances = partial(hnp.arrays, np.float64, elements=numbers(0.05, 0.95))

markov = jax.jit(markov_leaves, static_argnums=3)
explicit = jax.jit(explicit_leaves)


@jax.jit
def block_entropies(leaves):
    """H of the law pruned to every depth, 1 to its own."""
    depth = tree_depth(leaves.shape[-1])
    return jnp.stack([entropy(pushforward(leaves, d + 1)) for d in range(depth)], -1)


@jax.jit
def stationary_start(ones):
    return stationary(jnp.sum(markov_automaton(ones), axis=-2))


@given(ones=chances((INNER,)), ending=chances((INNER,)))
@in_x64
def test_the_entropy_of_a_block_never_falls_with_depth(ones, ending):
    entropies = block_entropies(explicit(ones, ending))
    assert_below(entropies[:-1], entropies[1:], ROUNDING)
    # Depth 1 is a single leaf; a bit and an end add at most log 3 a layer.
    assert_close(entropies[0], 0.0, ROUNDING)
    assert_below(jnp.diff(entropies), jnp.log(3.0), ROUNDING)


def falls(values):
    # Entropies up to 3 nats, two divisions.
    assert_below(values[1:], values[:-1], ROUNDING)


@given(ones=inner_chances((CONTEXTS,)))
@in_x64
def test_entropy_a_bit_never_rises_for_a_stationary_source_that_never_ends(ones):
    leaves = markov(stationary_start(ones), ones, 0.0, DEPTH)
    falls(block_entropies(leaves)[1:] / np.arange(1, DEPTH))


def test_entropy_a_bit_may_rise_when_the_start_is_not_stationary(x64):
    # Negative control: a dull context first, lively ones later.
    start, ones = np.array([1.0, 0.0]), np.array([0.02, 0.5])
    leaves = markov(start, ones, np.zeros(2), DEPTH)
    assert_must_fail(lambda: falls(block_entropies(leaves)[1:] / np.arange(1, DEPTH)))


def test_entropy_a_bit_may_rise_when_responses_end(x64):
    # The bits alone are symmetric, but only after a 1 can the response end.
    start, ones = np.array([1.0, 0.0]), np.array([0.1, 0.9])
    leaves = markov(start, ones, np.array([0.0, 0.5]), DEPTH)
    assert_must_fail(lambda: falls(block_entropies(leaves)[1:] / np.arange(1, DEPTH)))


def test_entropy_a_layer_rises_first_even_for_a_fair_coin(x64):
    # Divided by the depth d, as the paper does: d layers hold d - 1 bits. Without an
    # end, (1 - 1/d) log 2 rises for ever; with a hazard h it rises and falls.
    depth, hazard = 9, 0.1
    layers = np.arange(1, depth + 1)
    endless = block_entropies(markov(np.ones(1), np.array([0.5]), 0.0, depth))
    assert_close(endless / layers, (1 - 1 / layers) * np.log(2), ROUNDING)
    ends = block_entropies(markov(np.ones(1), np.array([0.5]), hazard, depth))
    tossed = entropy(np.array([hazard, (1 - hazard) / 2, (1 - hazard) / 2]))
    survived = (1 - (1 - hazard) ** (layers - 1)) / hazard
    assert_close(ends, survived * tossed, ROUNDING)
    steps = np.diff(np.asarray(ends) / layers)
    assert np.all(steps[:4] > 1e-3)
    assert np.all(steps[4:] < -1e-3)


@given(start=simplices((CONTEXTS,)), ones=chances((CONTEXTS,)), h=chances((CONTEXTS,)))
@in_x64
def test_dividing_by_the_depth_never_overstates_a_token(start, ones, h):
    # The mean number of tokens that a response consumes, from the leaves themselves.
    leaves = markov(start, ones, h, DEPTH)
    assert_below(jnp.sum(leaves * leaf_tokens(DEPTH)), DEPTH, ROUNDING)
