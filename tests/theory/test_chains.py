"""Markov chains: recursion against enumeration, prefixes against whole sequences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests.assertions import (
    assert_batching_changes_nothing,
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
)
from tests.strategies import VOCABULARY, chains, simplices, weights
from tests.worlds import random_rows
from theory import (
    Chain,
    blended_chain,
    chain_kl,
    entropy,
    entropy_rate,
    kl,
    kl_by_depth,
    next_token_table,
    prefix_probabilities,
    sequence_law,
    sequence_length,
    sequence_table,
    stationary,
    validate_law,
    visitation,
)

LENGTH = 4
SIZE = VOCABULARY**LENGTH
# Sums of 81 products of four numbers below one.
ROUNDING = 1e-14
enumerate_all = jax.jit(sequence_table, static_argnums=1)
recursive_kl = jax.jit(chain_kl, static_argnums=2)
visits = jax.jit(visitation, static_argnums=1)
by_depth = jax.jit(kl_by_depth, static_argnums=2)
next_tokens = jax.jit(next_token_table, static_argnums=(1, 2))
prefixes_of = jax.jit(prefix_probabilities, static_argnums=(1, 2))
divergence = jax.jit(kl)


def chain(seed, *batch):
    """A dense random chain of two contexts."""
    return Chain(
        random_rows(seed, *batch, 2, VOCABULARY),
        random_rows(seed + 1, *batch, 2, VOCABULARY, VOCABULARY),
    )


@given(chains())
@in_x64
def test_a_sequence_is_as_likely_as_its_tokens_in_turn(drawn):
    table = enumerate_all(drawn, LENGTH)
    assert_close(table.sum(-1), 1.0, ROUNDING)
    tokens = list(itertools.product(range(VOCABULARY), repeat=LENGTH))
    for index in (0, 5, 40, SIZE - 1):
        a, b, c, d = tokens[index]
        steps = drawn.transition[:, [a, b, c], [b, c, d]].prod(-1)
        assert_close(table[:, index], drawn.initial[:, a] * steps, ROUNDING)


def test_reading_the_digits_backwards_is_caught(x64):
    table = np.asarray(sequence_table(chain(1), LENGTH))
    cube = table.reshape(-1, *[VOCABULARY] * LENGTH)
    backwards = cube.transpose(0, 4, 3, 2, 1).reshape(table.shape)
    assert_must_fail(lambda: assert_close(table, backwards, 1e-3))


def test_a_sequence_law_is_a_law(x64):
    validate_law(sequence_law(np.array([0.5, 0.5]), chain(1), LENGTH))


@given(chains())
@in_x64
def test_visits_are_the_marginals_of_sequences(drawn):
    table = np.asarray(enumerate_all(drawn, LENGTH))
    cube = table.reshape(-1, *[VOCABULARY] * LENGTH)
    marginals = np.asarray(visits(drawn, LENGTH))
    for t in range(LENGTH):
        others = tuple(axis for axis in range(1, LENGTH + 1) if axis != t + 1)
        assert_close(marginals[:, t], cube.sum(others), ROUNDING)


@given(chains(), chains())
@in_x64
def test_the_recursion_agrees_with_enumeration(p, q):
    enumerated = divergence(enumerate_all(p, LENGTH), enumerate_all(q, LENGTH))
    # Logarithms up to 4 * 60, each with a relative rounding.
    assert_close(recursive_kl(p, q, LENGTH), enumerated, 1e-12)


@given(simplices((2, SIZE)), simplices((2, SIZE)))
@in_x64
def test_divergence_is_the_sum_of_what_every_position_adds(p, q):
    """The chain rule, for laws of sequences that need not be Markov."""
    parts = by_depth(p, q, VOCABULARY)
    assert parts.shape == (2, LENGTH)
    assert_below(0.0, parts)
    assert_close(parts.sum(-1), divergence(p, q), 1e-12)


def test_the_sum_over_positions_needs_the_weights_of_prefixes(x64):
    p, q = random_rows(1, 1, SIZE), random_rows(2, 1, SIZE)
    unweighted = sum(
        divergence(*(next_tokens(law, VOCABULARY, d) for law in (p, q))).sum()
        for d in range(LENGTH)
    )
    assert_must_fail(lambda: assert_close(unweighted, divergence(p, q)[0], 1e-3))


@given(simplices((2, SIZE)))
@in_x64
def test_next_tokens_in_turn_rebuild_the_sequence(table):
    rebuilt = np.ones((2, 1))
    for depth in range(LENGTH):
        following = np.asarray(next_tokens(table, VOCABULARY, depth))
        assert_close(following.sum(-1), 1.0, ROUNDING)
        prefixes = prefixes_of(table, VOCABULARY, depth)
        assert_close(rebuilt, prefixes, ROUNDING)
        rebuilt = (rebuilt[..., None] * following).reshape(2, -1)
    assert_close(rebuilt, table, ROUNDING)


@given(chains(kinds=("dense",)))
@in_x64
def test_a_markov_chain_remembers_one_token(drawn):
    following = np.asarray(
        next_tokens(enumerate_all(drawn, LENGTH), VOCABULARY, 2)
    ).reshape(-1, VOCABULARY, VOCABULARY, VOCABULARY)
    assert_close(following, drawn.transition[:, None], 1e-13)


def test_prefixes_that_never_occur_are_followed_by_anything():
    table = jnp.array([[0.0, 0.0, 0.25, 0.75]])
    assert next_token_table(table, 2, 1).tolist() == [[[0.5, 0.5], [0.25, 0.75]]]
    assert_finite_gradient(lambda p: next_token_table(p, 2, 1)[..., 0], table)


@given(simplices((VOCABULARY, VOCABULARY), kinds=("dense",)))
@in_x64
def test_the_stationary_law_stays_and_attracts(transition):
    law = np.asarray(stationary(transition))
    # The condition of the system is the mixing time, up to e^12 for dense rows.
    assert_close(law @ transition, law, 1e-10)
    assert_close(law.sum(), 1.0, 1e-10)
    assert_below(-1e-10, law)


def test_the_stationary_law_is_the_limit_of_visits(x64):
    drawn = chain(1)
    last = visitation(drawn, 200)[:, -1]
    assert_close(stationary(drawn.transition), last, 1e-12)


def test_a_periodic_chain_has_a_stationary_law(x64):
    turning = np.roll(np.eye(VOCABULARY), 1, axis=1)
    assert_close(stationary(turning), 1 / VOCABULARY, 1e-15)


def test_entropy_grows_at_the_entropy_rate(x64):
    drawn = chain(1)
    drawn = Chain(np.asarray(stationary(drawn.transition)), drawn.transition)
    growth = entropy(sequence_table(drawn, 5)) - entropy(sequence_table(drawn, 4))
    assert_close(entropy_rate(drawn), growth, 1e-12)
    # From another start it need not grow so: the law of a token has to be stationary.
    started = Chain(np.eye(VOCABULARY)[[0, 0]], drawn.transition)
    early = entropy(sequence_table(started, 2)) - entropy(sequence_table(started, 1))
    assert_must_fail(lambda: assert_close(entropy_rate(drawn), early, 1e-3))


def test_divergence_grows_linearly_once_stationary(x64):
    p, q = chain(1), chain(3)
    p = Chain(np.asarray(stationary(p.transition)), p.transition)
    values = np.stack([chain_kl(p, q, length) for length in (1, 11, 21, 31)])
    assert_close(np.diff(values, axis=0), values[1] - values[0], 1e-12)


@given(p=chains(), teacher=chains(), distance=weights())
@in_x64
def test_a_blended_chain_lies_between_its_parents(p, teacher, distance):
    between = blended_chain(p, teacher, distance)
    for mine, one, other in zip(between, p, teacher, strict=True):
        assert_close(mine, (1 - distance) * one + distance * other, ROUNDING)


def test_a_blended_chain_is_not_a_mixture_of_sequences(x64):
    p, teacher = chain(1), chain(3)
    blended = sequence_table(blended_chain(p, teacher, 0.5), 3)
    mixed = (sequence_table(p, 3) + sequence_table(teacher, 3)) / 2
    assert_close(blended.sum(-1), mixed.sum(-1), ROUNDING)
    assert_must_fail(lambda: assert_close(blended, mixed, 1e-3))


def test_batches_and_compilation_change_nothing(x64):
    p, q = chain(1, 5), chain(3, 5)

    def recursive(*arrays):
        return chain_kl(Chain(*arrays[:2]), Chain(*arrays[2:]), LENGTH)

    def paths(*arrays):
        return sequence_table(Chain(*arrays), LENGTH)

    assert_batching_changes_nothing(recursive, *p, *q)
    assert_jit_changes_nothing(recursive, *p, *q)
    assert_finite_gradient(jax.jit(recursive), *p, *q)
    assert_batching_changes_nothing(paths, *p)
    assert_batching_changes_nothing(lambda *a: visitation(Chain(*a), LENGTH), *p)
    assert_batching_changes_nothing(lambda *a: entropy_rate(Chain(*a)), *p)
    assert_batching_changes_nothing(
        lambda *t: kl_by_depth(*t, VOCABULARY), paths(*p), paths(*q), multiple=256
    )


def test_a_chain_with_exact_zeros_has_finite_gradients(x64):
    rows = np.array([[[0.0, 1.0], [0.5, 0.5]]])
    p, q = Chain(np.array([[1.0, 0.0]]), rows), Chain(np.array([[0.5, 0.5]]), rows)
    value = recursive_kl(p, q, 3)
    assert_close(value, np.log(2), 1e-15)
    assert_finite_gradient(lambda a, b: recursive_kl(Chain(a, b), q, 3), *p)


def test_single_precision_agrees_with_double():
    p, q = chain(1), chain(3)
    with jax.enable_x64(True):
        expected = np.asarray(chain_kl(p, q, LENGTH))
    value = chain_kl(p, q, LENGTH)
    assert value.dtype == jnp.float32
    # Rounded inputs: the divergence moves by about TV * eps a token.
    assert_close_to_rounding(value, expected, 64)


@pytest.mark.parametrize("call", [sequence_table, visitation])
def test_a_chain_has_at_least_one_token(call):
    with pytest.raises(ValueError, match="length=0 must be >= 1"):
        call(chain(1), 0)


def test_tables_that_are_not_sequences_are_refused():
    assert sequence_length(VOCABULARY**7, VOCABULARY) == 7
    for outputs, vocabulary in [(10, 3), (1, 3), (4, 1)]:
        with pytest.raises(ValueError, match="must be a power of"):
            sequence_length(outputs, vocabulary)
    with pytest.raises(ValueError, match=r"depth=5 must be in \[0, 4\]"):
        prefix_probabilities(random_rows(1, 1, SIZE), VOCABULARY, 5)
