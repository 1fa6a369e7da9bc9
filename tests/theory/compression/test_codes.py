"""Codes: Kraft, optimality, bounds, and the length formula that must not be claimed."""

import itertools
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.assertions import (
    assert_batching_changes_nothing,
    assert_below,
    assert_close,
    assert_must_fail,
    in_x64,
)
from tests.strategies import simplices
from tests.worlds import random_rows
from theory.compression.codes import (
    GALLAGER,
    arithmetic_bounds,
    arithmetic_lengths,
    block_count,
    double_ceiling,
    entropy_bits,
    expected_length,
    huffman_bound,
    ideal_lengths,
    kraft_sum,
    shannon_lengths,
)
from theory.compression.huffman import huffman_lengths, huffman_lengths_small

LEAVES = 6
# Sums of a few products of weights with lengths up to some 200 bits.
ROUNDING = 1e-12

merged = jax.jit(huffman_lengths_small)
rounded_up = jax.jit(shannon_lengths)
printed = jax.jit(double_ceiling)


@jax.jit
def measured(weights):
    """Everything that is said of one law: lengths in bits a block."""
    huffman, shannon = huffman_lengths_small(weights), shannon_lengths(weights)
    return {
        "entropy": entropy_bits(weights),
        "ideal": expected_length(weights, ideal_lengths(weights)),
        "huffman": expected_length(weights, huffman),
        "shannon": expected_length(weights, shannon),
        "arithmetic": expected_length(weights, arithmetic_lengths(weights)),
        "bound": huffman_bound(weights),
        "printed": double_ceiling(weights),
        "kraft_huffman": kraft_sum(huffman),
        "kraft_shannon": kraft_sum(shannon),
        "kraft_ideal": kraft_sum(ideal_lengths(weights)),
    }


def laws(*shape):
    """Random laws: from flat to nearly sure."""
    rows = [random_rows(seed, *shape, scale=s) for seed, s in ((1, 0.5), (2, 2.0))]
    return np.concatenate([*rows, random_rows(3, *shape, scale=6.0)])


def prefix_codes(leaves):
    """All lengths up to M - 1 bits that some prefix code has."""
    choices = itertools.product(range(1, max(leaves, 2)), repeat=leaves)
    lengths = np.array(list(choices))
    return lengths[np.sum(2.0**-lengths, axis=-1) <= 1]


@pytest.mark.parametrize("leaves", [2, 3, 4, 5])
def test_no_prefix_code_is_shorter_than_huffmans(leaves):
    weights = laws(40, leaves)
    best = np.min(weights @ prefix_codes(leaves).T, axis=-1)
    found = np.sum(weights * huffman_lengths(weights), axis=-1)
    assert_close(found, best, ROUNDING)
    if leaves > 2:  # Negative control: a code that ignores the weights loses.
        ladder = np.minimum(np.arange(1, leaves + 1), leaves - 1)
        assert_must_fail(lambda: assert_close(weights @ ladder, best, ROUNDING))


@given(
    weights=hnp.arrays(
        np.float64, (LEAVES,), elements=st.sampled_from([0.0, 0.125, 0.25, 0.3, 1.0])
    )
)
@in_x64
def test_both_implementations_agree_leaf_by_leaf_ties_and_zeros_included(weights):
    assert np.array_equal(merged(weights), huffman_lengths(weights))


def test_both_implementations_agree_on_hundreds_of_laws(x64):
    weights = laws(300, LEAVES)
    assert np.array_equal(merged(weights), huffman_lengths(weights))


@given(weights=simplices((LEAVES,)), order=st.permutations(range(LEAVES)))
def test_the_order_of_leaves_does_not_change_the_mean_length(weights, order):
    moved = weights[np.array(order)]
    mean = np.sum(weights * huffman_lengths(weights))
    assert_close(np.sum(moved * huffman_lengths(moved)), mean, ROUNDING)


def test_a_single_leaf_needs_no_bit():
    assert huffman_lengths(np.ones((2, 1))).tolist() == [[0], [0]]
    assert huffman_lengths_small(jnp.ones((2, 1))).tolist() == [[0], [0]]


def test_a_deep_tree_is_coded_without_waste():
    # 16,383 leaves of 3 to 37 bits: powers of 1/2 that doubles add without rounding.
    weights = random_rows(5, 2**14 - 1, scale=3.0)
    lengths = huffman_lengths(weights)
    assert np.sum(2.0**-lengths) == 1.0
    waste = np.sum(weights * (lengths + np.log2(weights)))
    assert 0 <= waste <= np.max(weights) + GALLAGER


@given(weights=simplices((LEAVES,)))
@in_x64
def test_huffmans_code_is_full_and_shannons_fits(weights):
    found = measured(weights)
    assert float(found["kraft_huffman"]) == pytest.approx(1.0, abs=ROUNDING)
    assert_below(found["kraft_shannon"], 1.0, ROUNDING)
    assert_close(found["kraft_ideal"], 1.0, ROUNDING)


def test_shannons_lengths_less_a_bit_fit_no_code(x64):
    # Negative control: p < 2^(1 - length), so they overfill any tree.
    lengths = np.asarray(rounded_up(laws(300, LEAVES))) - 1
    assert_must_fail(lambda: assert_below(np.sum(2**-lengths, -1), 1.0))


@given(weights=simplices((LEAVES,)))
@in_x64
def test_mean_lengths_are_ordered(weights):
    found = measured(weights)
    assert_close(found["ideal"], found["entropy"], ROUNDING)
    assert_below(found["entropy"], found["huffman"], ROUNDING)
    assert_below(found["huffman"], found["entropy"] + 1, ROUNDING)
    assert_below(found["huffman"], found["bound"], ROUNDING)
    assert_below(found["shannon"], found["entropy"] + 1, ROUNDING)
    assert_below(found["arithmetic"], found["entropy"] + 2, ROUNDING)
    # A leaf of weight 0 has a codeword of Huffman's only, and rounding must leave
    # room for Shannon's: weights below 1e-12 are out of the claim's domain.
    if np.min(weights) >= 1e-12:
        assert_below(found["huffman"], found["shannon"], ROUNDING)


@given(weights=simplices((LEAVES,)))
@in_x64
def test_shannons_lengths_are_exact_powers_of_a_half(weights):
    lengths = np.asarray(rounded_up(weights))
    assert np.array_equal(lengths == np.inf, weights == 0)
    for weight, length in zip(weights[weights > 0], lengths[weights > 0], strict=True):
        assert 1 <= Fraction(float(weight)) * 2 ** int(length) < 2


@pytest.mark.parametrize("power", [1, 3, 30, 52])
def test_one_rounding_below_a_power_of_a_half_costs_a_bit(power, x64):
    # Where a logarithm is rounded, both come out the same.
    exact = 2.0**-power
    pair = np.array([exact, np.nextafter(exact, 0.0)])
    assert rounded_up(pair).tolist() == [power, power + 1]


def codewords(weights):
    """Elias's: the middle of every leaf's interval, cut to its length."""
    words, below = [], Fraction(0)
    for weight in weights:
        bits = math.ceil(-math.log2(weight)) + 1
        middle = below + weight / 2
        words.append(f"{math.floor(middle * 2**bits):0{bits}b}")
        below += weight
    return words


def prefix_free(words):
    ordered = sorted(words)
    return not any(
        later.startswith(word) for word, later in itertools.pairwise(ordered)
    )


@given(parts=st.lists(st.integers(1, 1000), min_size=LEAVES, max_size=LEAVES))
@in_x64
def test_an_arithmetic_code_of_the_stated_lengths_exists(parts):
    weights = [Fraction(part, sum(parts)) for part in parts]
    words = codewords(weights)
    assert prefix_free(words)
    numbers = np.array([float(weight) for weight in weights])
    lengths = np.asarray(arithmetic_lengths(numbers))
    # A weight within a rounding of a power of 1/2 cannot tell its side: none is here,
    # because 2^-k differs from any other part / sum by more than 1e-8.
    assert lengths.tolist() == [len(word) for word in words]
    ideal, upper = (np.asarray(end) for end in arithmetic_bounds(numbers))
    assert np.all((ideal <= lengths + ROUNDING) & (lengths <= upper + ROUNDING))


def test_a_bit_less_names_no_interval():
    # Negative control: the heavy leaf's 1 begins the word of the leaf above it.
    weights = [Fraction(1, 20), Fraction(18, 20), Fraction(1, 20)]
    words = [word[:-1] for word in codewords(weights)]
    assert not prefix_free(words)


def test_gallagers_constant_is_sharp():
    # 92 equal leaves: log2 e times 64, where the excess comes closest to 0.0861.
    weights = np.full(92, 1 / 92)
    excess = np.sum(weights * huffman_lengths(weights)) - math.log2(92)
    assert 0.085 < excess < GALLAGER
    assert_must_fail(lambda: assert_below(excess, GALLAGER - 0.001))


def test_blocks_of_letters_bring_huffmans_code_to_the_entropy():
    # n letters a block cost at most 1 / n bits more than H each.
    letter = np.array([0.85, 0.1, 0.05])
    entropy = -np.sum(letter * np.log2(letter))
    block = np.ones(1)
    for count in range(1, 7):
        block = np.outer(block, letter).ravel()
        rate = np.sum(block * huffman_lengths(block)) / count
        assert_below(entropy, rate, ROUNDING)
        assert_below(rate, entropy + 1 / count, ROUNDING)


@pytest.mark.parametrize("share", [0.01, 0.03, 0.05])
def test_the_double_ceiling_fails_where_the_notes_say(share, x64):
    found = measured(np.array([1 - 3 * share, share, share, share]))
    assert_close(found["huffman"], 1 + 5 * share, ROUNDING)
    assert float(found["printed"]) == 1.0


def test_the_double_ceiling_is_rarely_the_mean_length_and_errs_on_both_sides(x64):
    # 900 laws of 12 leaves. Non-claim: were it an identity, every share would be 0.
    weights = laws(300, 12)
    mean = np.sum(weights * huffman_lengths(weights), axis=-1)
    off = mean - np.asarray(printed(weights))
    assert np.mean(np.abs(off) < 1e-6) < 0.1
    assert np.mean(off > 1e-6) > 0.01
    assert np.mean(off < -1e-6) > 0.1


@given(weights=simplices((LEAVES,)))
@in_x64
def test_the_double_ceiling_is_within_a_bit_and_a_factor_of_two(weights):
    found = {name: float(value) for name, value in measured(weights).items()}
    mean, ceiling = found["huffman"], found["printed"]
    assert abs(mean - ceiling) <= 1 + ROUNDING
    if ceiling > 0:
        assert mean / 2 - ROUNDING <= ceiling <= 2 * mean + ROUNDING


def test_a_whole_entropy_is_its_own_ceiling():
    assert float(double_ceiling(jnp.full(8, 1 / 8))) == 3.0
    assert float(double_ceiling(jnp.full(8, 1 / 8), block_count(10, 4))) == 9.0


@pytest.mark.parametrize(("length", "depth"), [(-1, 2), (3, 0)])
def test_blocks_of_no_length_are_refused(length, depth):
    with pytest.raises(ValueError, match="must be"):
        block_count(length, depth)


def test_batches_change_no_length(x64):
    weights = laws(2, LEAVES)
    assert_batching_changes_nothing(
        lambda row: expected_length(row, huffman_lengths_small(row)), weights
    )


def test_the_slope_of_a_mean_length_is_the_length(x64):
    # Between two switches of the code its lengths are constants.
    weights = jnp.asarray(random_rows(1, LEAVES))

    def mean(row):
        return expected_length(row, huffman_lengths_small(row))

    assert jax.jit(jax.grad(mean))(weights).tolist() == merged(weights).tolist()


def test_gradients_are_finite_at_the_corners_of_the_simplex(x64):
    corner = jnp.array([1.0, *[0.0] * (LEAVES - 1)])
    slopes = jax.jit(jax.jacrev(measured))(corner)
    assert all(bool(jnp.isfinite(slope).all()) for slope in slopes.values())


def test_single_precision_codes_the_same():
    # Weights apart by more than float32 rounding: whole lengths are equal.
    weights = random_rows(7, LEAVES).astype(np.float32)
    assert np.array_equal(merged(weights), huffman_lengths(weights.astype(float)))
    assert rounded_up(weights).dtype == np.float32
