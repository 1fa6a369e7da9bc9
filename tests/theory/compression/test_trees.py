"""Token trees: layout, sources, pruning, tokens written in bits."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from tests.assertions import (
    assert_batching_changes_nothing,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers, simplices
from tests.worlds import random_rows
from theory.chains import Chain, prefix_probabilities, sequence_table
from theory.compression.trees import (
    automaton_leaves,
    binarised,
    conditionals,
    explicit_leaves,
    leaf_bits,
    leaf_count,
    markov_automaton,
    markov_leaves,
    node_weights,
    pruned,
    pushforward,
    tree_depth,
)
from theory.information import entropy

DEPTH, CONTEXTS = 5, 4
INNER = leaf_count(DEPTH - 1)
# Sums and products of at most 31 numbers in [0, 1], depth 5: a few roundings each.
ROUNDING = 1e-14

chances = partial(hnp.arrays, np.float64, elements=numbers(0.0, 1.0))

markov = jax.jit(markov_leaves, static_argnums=3)
explicit = jax.jit(explicit_leaves)
shallower = jax.jit(pushforward, static_argnums=1)
split = jax.jit(conditionals)
automaton = jax.jit(automaton_leaves, static_argnums=3)


def by_enumeration(start, ones, hazard, depth):
    """Leaf weights by a walk along every string of bits, from every first context."""
    layers = []
    for bits in range(depth):
        for string in itertools.product((0, 1), repeat=bits):
            total = 0.0
            for first, weight in enumerate(start):
                context = first
                for bit in string:
                    said = ones[context] if bit else 1 - ones[context]
                    weight *= (1 - hazard[context]) * said
                    context = (2 * context + bit) % len(start)
                total += weight * (hazard[context] if bits < depth - 1 else 1.0)
            layers.append(total)
    return np.array(layers)


@pytest.mark.parametrize("depth", [1, 2, 6])
def test_the_leaves_of_a_layer_are_twice_those_of_the_one_above(depth):
    bits = np.asarray(leaf_bits(depth))
    assert bits.tolist() == sorted(bits.tolist())
    assert [int(np.sum(bits == b)) for b in range(depth)] == [
        2**b for b in range(depth)
    ]
    assert len(bits) == leaf_count(depth) == 2**depth - 1
    assert tree_depth(leaf_count(depth)) == depth


@pytest.mark.parametrize("leaves", [0, 2, 6, 8])
def test_another_number_of_leaves_is_no_tree(leaves):
    with pytest.raises(ValueError, match="last axis"):
        tree_depth(leaves)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda: leaf_count(0), "depth"),
        (lambda: pushforward(jnp.ones(3), 3), "layers"),
        (lambda: pruned(jnp.ones(1)), "prune"),
        (lambda: markov_automaton(jnp.ones(3)), "order"),
        (lambda: binarised((jnp.ones(1),), 3), "bits"),
        (lambda: binarised((jnp.ones(1), jnp.ones(4)), 2), "entries"),
    ],
)
def test_impossible_trees_are_refused(wrong, hint):
    with pytest.raises(ValueError, match=hint):
        wrong()


@given(start=simplices((CONTEXTS,)), ones=chances((CONTEXTS,)), h=chances((CONTEXTS,)))
@in_x64
def test_markov_leaves_are_what_enumeration_finds(start, ones, h):
    assert_close(
        markov(start, ones, h, DEPTH), by_enumeration(start, ones, h, DEPTH), ROUNDING
    )


def test_another_hazard_is_told_from_it(x64):
    # Negative control of the enumeration.
    start, ones = random_rows(1, CONTEXTS), random_rows(2, CONTEXTS)
    right = by_enumeration(start, ones, [0.3] * CONTEXTS, DEPTH)
    assert_close(markov(start, ones, 0.3, DEPTH), right, ROUNDING)
    assert_must_fail(
        lambda: assert_close(markov(start, ones, 0.301, DEPTH), right, ROUNDING)
    )


@given(start=simplices((CONTEXTS,)), ones=chances((CONTEXTS,)), h=chances((CONTEXTS,)))
@in_x64
def test_weights_sum_to_one_and_pruning_is_exact_at_every_depth(start, ones, h):
    leaves = markov(start, ones, h, DEPTH)
    for depth in range(1, DEPTH + 1):
        short = markov(start, ones, h, depth)
        assert short.shape == (leaf_count(depth),)
        assert_close(jnp.sum(short), 1.0, ROUNDING)
        assert_close(shallower(leaves, depth), short, ROUNDING)


@given(ones=chances((INNER,)), ending=chances((INNER,)))
@in_x64
def test_an_explicit_tree_pruned_is_the_tree_of_its_upper_nodes(ones, ending):
    kept = leaf_count(DEPTH - 2)
    shorter = explicit(ones[:kept], ending[:kept])
    leaves = explicit(ones, ending)
    assert_close(shallower(leaves, DEPTH - 1), shorter, ROUNDING)
    assert_close(jnp.sum(leaves), 1.0, ROUNDING)
    assert_close(shallower(leaves, 2), shallower(shorter, 2), ROUNDING)


@given(weights=simplices((leaf_count(DEPTH),)))
@in_x64
def test_any_leaf_weights_are_those_of_their_conditionals(weights):
    ones, ending = (np.asarray(part) for part in split(weights))
    assert np.all((ones >= 0) & (ones <= 1) & (ending >= 0) & (ending <= 1))
    assert_close(explicit(ones, ending), weights, ROUNDING)


def test_a_node_never_reached_has_indifferent_conditionals():
    certain = np.eye(7)[0]
    ones, ending = split(certain)
    assert ending.tolist() == [1.0, 0.5, 0.5]
    assert ones.tolist() == [0.5] * 3
    assert_finite_gradient(lambda weights: split(weights)[0], certain)


def test_the_nodes_of_a_layer_weigh_what_has_not_ended_above(x64):
    hazard = 0.2
    leaves = markov(random_rows(1, CONTEXTS), random_rows(2, CONTEXTS), hazard, DEPTH)
    nodes = jax.jit(node_weights)(leaves)
    alive = np.bincount(np.asarray(leaf_bits(DEPTH)), weights=np.asarray(nodes))
    assert_close(alive, (1 - hazard) ** np.arange(DEPTH), ROUNDING)


def test_hidden_states_that_behave_alike_change_no_leaf(x64):
    # A second copy of the state, entered at random: a hidden Markov source.
    ones = np.array([0.3])
    moves = np.broadcast_to(
        np.array([0.7, 0.3])[None, :, None] * np.array([0.4, 0.6]), (2, 2, 2)
    )
    hidden = automaton(np.array([0.9, 0.1]), moves, 0.1, DEPTH)
    assert_close(hidden, markov(np.ones(1), ones, 0.1, DEPTH), ROUNDING)


def test_hidden_states_that_end_otherwise_are_seen(x64):
    # Negative control: the states now differ in their hazard.
    moves = np.full((2, 2, 2), 0.25)
    start = np.array([0.9, 0.1])
    told = automaton(start, moves, np.array([0.1, 0.4]), DEPTH)
    blind = automaton(start, moves, 0.13, DEPTH)
    assert_must_fail(lambda: assert_close(told, blind, ROUNDING))


def test_a_tree_of_tokens_has_the_prefixes_of_the_chain(x64):
    # Four tokens are two bits each: layer 2 t + 1 holds the responses of t tokens.
    chain = Chain(random_rows(1, 2, 4), random_rows(2, 2, 4, 4))
    found = of_tokens(chain)
    assert tree_depth(found["leaves"].shape[-1]) == 5
    assert_close(found["first"], found["prefixes"], ROUNDING)
    assert_close(found["leaves"][..., 15:], found["table"], 0.0)
    assert_close(*found["entropies"], ROUNDING)


@jax.jit
def of_tokens(chain):
    table = sequence_table(chain, 2)
    leaves = binarised((jnp.zeros((2, 1)), jnp.zeros((2, 4)), table), 4)
    return {
        "table": table,
        "leaves": leaves,
        "first": pushforward(leaves, 3)[..., 3:],
        "prefixes": prefix_probabilities(table, 4, 1),
        "entropies": (entropy(leaves), entropy(table)),
    }


def test_responses_of_several_lengths_keep_their_lengths(x64):
    # Length 1 or 2 with chances .25 and .75, over four tokens.
    short, long = random_rows(1, 4), random_rows(2, 16)
    leaves = binarised((jnp.zeros(1), 0.25 * short, 0.75 * long), 4)
    ending = np.bincount(np.asarray(leaf_bits(5)), weights=np.asarray(leaves))
    assert_close(ending, [0, 0, 0.25, 0, 0.75], ROUNDING)


def test_batches_and_compilation_change_no_tree(x64):
    start, ones = random_rows(3, 2, CONTEXTS), random_rows(4, 2, CONTEXTS)
    hazard = random_rows(5, 2, CONTEXTS)
    build = partial(markov_leaves, depth=3)
    assert_batching_changes_nothing(build, start, ones, hazard)
    assert_jit_changes_nothing(build, start, ones, hazard)


def test_batches_of_starts_sources_and_hazards_broadcast(x64):
    start, ones = random_rows(3, CONTEXTS), random_rows(4, 2, CONTEXTS)
    hazard = np.array([[0.2], [0.4]])
    both = markov(start, ones, hazard, DEPTH)
    assert both.shape == (2, leaf_count(DEPTH))
    for row in range(2):
        alone = markov(start, ones[row], float(hazard[row, 0]), DEPTH)
        assert_close(both[row], alone, ROUNDING)


def test_single_precision_agrees_to_its_rounding():
    start, ones = random_rows(3, CONTEXTS), random_rows(4, CONTEXTS)
    with jax.enable_x64(True):
        exact = np.asarray(markov(start, ones, 0.2, DEPTH))
    single = markov(start.astype(np.float32), ones.astype(np.float32), 0.2, DEPTH)
    assert single.dtype == np.float32
    assert_close_to_rounding(single, exact, multiple=32)


def test_gradients_pass_through_trees_at_the_edge_of_the_simplex(x64):
    start, ones = np.array([1.0, 0.0]), np.array([0.0, 1.0])

    @jax.jit
    def bits(start, ones, hazard):
        return entropy(pushforward(markov_leaves(start, ones, hazard, 4), 3))

    assert_finite_gradient(bits, start, ones, np.array([0.0, 1.0]))
