"""Entropies and distances: identities, limits, a second opinion, zeros."""

import jax
import jax.numpy as jnp
import mpmath
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
from tests.strategies import OUTPUTS, numbers, simplices, weights
from tests.worlds import random_rows
from theory.information import (
    binary_entropy,
    binary_kl,
    chi_square,
    cross_entropy,
    entropy,
    hellinger_squared,
    kl,
    total_variation,
)

EAGER = {
    "kl": kl,
    "cross_entropy": cross_entropy,
    "total_variation": total_variation,
    "hellinger_squared": hellinger_squared,
    "chi_square": chi_square,
}
PAIRS = {name: jax.jit(f) for name, f in EAGER.items()}
DISTANCES = {name: f for name, f in PAIRS.items() if name != "cross_entropy"}
# Sums of four terms of size one: a few roundings each.
ROUNDING = 1e-14


def by_mpmath(term, *vectors):
    """The sum of a term over outcomes, with 60 digits; zeros are given to the term."""
    with mpmath.workdps(60):
        rows = zip(*vectors, strict=True)
        return float(sum(term(*(mpmath.mpf(float(v)) for v in row)) for row in rows))


def kl_term(p, q):
    if p == 0:
        return q
    return mpmath.inf if q == 0 else p * mpmath.log(p / q) - p + q


SECOND_OPINIONS = {
    "kl": kl_term,
    "total_variation": lambda p, q: abs(p - q) / 2,
    "hellinger_squared": lambda p, q: (mpmath.sqrt(p) - mpmath.sqrt(q)) ** 2 / 2,
    "chi_square": lambda p, q: (
        0 if p == q else mpmath.inf if q == 0 else (p - q) ** 2 / q
    ),
}


@pytest.mark.parametrize("name", DISTANCES)
@given(p=simplices(), q=simplices())
@in_x64
def test_distances_agree_with_mpmath(name, p, q):
    value = DISTANCES[name](p, q)
    # Relative: every term is >= 0. 512 roundings are those of logarithms near 60.
    assert_close_to_rounding(value, by_mpmath(SECOND_OPINIONS[name], p, q), 512)


@given(p=simplices(kinds=("dense",)), step=simplices(), size=numbers(-12.0, -3.0))
@in_x64
def test_a_tiny_divergence_keeps_its_digits(p, step, size):
    share = 10.0**size
    q = (1 - share) * p + share * step
    expected = by_mpmath(kl_term, p, q)
    assert_close_to_rounding(kl(p, q), expected, 64)


def test_the_textbook_sum_loses_the_digits_of_a_tiny_divergence(x64):
    p = np.array([0.1, 0.2, 0.3, 0.4])
    q = p + 1e-9 * np.array([1, -1, 1, -1])
    expected = by_mpmath(kl_term, p, q)
    textbook = np.sum(p * np.log(p / q))
    assert_must_fail(lambda: assert_close_to_rounding(textbook, expected, 64))
    assert_close_to_rounding(kl(p, q), expected, 64)


@given(p=simplices())
@in_x64
def test_entropy_agrees_with_mpmath(p):
    expected = by_mpmath(lambda p: 0 if p == 0 else -p * mpmath.log(p), p)
    assert_close(entropy(p), expected, ROUNDING)
    assert_below(entropy(p), np.log(OUTPUTS), ROUNDING)
    assert_below(0.0, entropy(p))


@given(p=simplices(), q=simplices())
@in_x64
def test_cross_entropy_is_entropy_plus_divergence(p, q):
    # Relative 1e-13 of logarithms up to 60.
    total = entropy(p) + kl(p, q)
    assert_close(cross_entropy(p, q), total, 1e-11)


@pytest.mark.parametrize("name", DISTANCES)
@given(p=simplices(), q=simplices())
@in_x64
def test_distances_are_zero_only_between_equals(name, p, q):
    assert float(DISTANCES[name](p, p)) == 0.0
    if np.abs(p - q).max() > 1e-6:
        assert_below(1e-14, DISTANCES[name](p, q))


@pytest.mark.parametrize("name", ["total_variation", "hellinger_squared"])
@given(p=simplices(), q=simplices())
@in_x64
def test_metrics_are_symmetric_and_at_most_one(name, p, q):
    distance = DISTANCES[name](p, q)
    assert_close_to_rounding(DISTANCES[name](q, p), distance, 4)
    assert_below(distance, 1.0, ROUNDING)


@given(p=simplices(), q=simplices(), r=simplices())
@in_x64
def test_total_variation_and_hellinger_obey_the_triangle(p, q, r):
    assert_below(
        total_variation(p, r), total_variation(p, q) + total_variation(q, r), ROUNDING
    )
    squared = np.array([hellinger_squared(*pair) for pair in [(p, r), (p, q), (q, r)]])
    sides = np.sqrt(squared)
    # The root of a rounding of 1e-16 is 1e-8.
    assert_below(sides[0], sides[1] + sides[2], 2e-8)


@given(p=simplices(), q=simplices())
@in_x64
def test_distances_are_ordered(p, q):
    """H^2 <= TV <= H sqrt(2 - H^2), 2 H^2 <= KL <= log(1 + chi2)."""
    squared, distance = hellinger_squared(p, q), total_variation(p, q)
    assert_below(squared, distance, ROUNDING)
    assert_below(distance**2, squared * (2 - squared), ROUNDING)
    assert_below(2 * squared, kl(p, q), ROUNDING)
    # log1p(chi2) loses what log(1 + huge) loses: 1e-13 relative.
    assert_below(kl(p, q), jnp.log1p(chi_square(p, q)), ROUNDING, 1e-13)


@pytest.mark.parametrize("name", PAIRS)
@given(p=simplices(), q=simplices())
@in_x64
def test_names_of_outcomes_do_not_matter(name, p, q):
    order = np.array([2, 0, 3, 1])
    assert_close_to_rounding(PAIRS[name](p[order], q[order]), PAIRS[name](p, q), 16)


@pytest.mark.parametrize("name", DISTANCES)
@given(p=simplices(), q=simplices())
@in_x64
def test_merging_outcomes_never_helps_to_tell_laws_apart(name, p, q):
    merged = [np.array([law[0] + law[1], law[2], law[3]]) for law in (p, q)]
    assert_below(DISTANCES[name](*merged), DISTANCES[name](p, q), ROUNDING, 1e-13)


@pytest.mark.parametrize("name", PAIRS)
@given(p=simplices(), q=simplices())
@in_x64
def test_gradients_are_finite_wherever_the_value_is(name, p, q):
    if np.isfinite(PAIRS[name](p, q)):
        assert_finite_gradient(PAIRS[name], p, q)


@given(p=simplices(kinds=("dense",)), q=simplices(kinds=("dense",)))
@in_x64
def test_the_gradient_of_kl_along_the_simplex_is_the_textbook_one(p, q):
    by_p, by_q = assert_finite_gradient(kl, p, q)
    # Directions that stay on the simplex do not see a constant.
    assert_close(by_p - by_p[0], np.log(p / q) - np.log(p[0] / q[0]), 1e-12)
    assert_close(by_q - by_q[0], -(p / q) + p[0] / q[0], 1e-9 * np.max(p / q))


def test_gradients_are_finite_at_exact_zeros():
    p, q = jnp.array([0.0, 0.5, 0.5, 0.0]), jnp.array([0.0, 0.25, 0.5, 0.25])
    for function in PAIRS.values():
        assert_finite_gradient(function, p, q)
    assert_finite_gradient(entropy, p)
    for end in (0.0, 1.0):
        assert_finite_gradient(binary_entropy, end)
        assert_finite_gradient(binary_kl, end, end)


def test_divergence_is_infinite_only_without_absolute_continuity():
    p, q = np.array([0.5, 0.5, 0.0], np.float32), np.array([0.5, 0.0, 0.5], np.float32)
    assert float(kl(p, q)) == float(chi_square(p, q)) == np.inf
    assert float(cross_entropy(p, q)) == np.inf
    assert np.isfinite(kl(p, (p + q) / 2))


@given(a=weights(), b=weights())
@in_x64
def test_coins_are_laws_of_two_outcomes(a, b):
    two = [np.array([w, 1 - w]) for w in (a, b)]
    assert_close(binary_entropy(a), entropy(two[0]), ROUNDING)
    assert_close(binary_kl(a, b), kl(*two), 1e-12)
    assert_close(binary_entropy(a), binary_entropy(1 - a), ROUNDING)


def test_a_coin_just_outside_by_rounding_is_sure(x64):
    assert float(binary_entropy(1 + 1e-16)) == float(binary_entropy(-1e-17)) == 0.0


def batch(seed):
    return random_rows(seed, 5, OUTPUTS)


@pytest.mark.parametrize("name", PAIRS)
def test_batches_and_compilation_change_nothing(x64, name):
    p, q = batch(1), batch(2)
    assert_batching_changes_nothing(EAGER[name], p, q)
    assert_jit_changes_nothing(EAGER[name], p, q)
    # Batches broadcast: one q for all p.
    assert_close_to_rounding(PAIRS[name](p, q[0]), PAIRS[name](p, q[:1]), 1)


@pytest.mark.parametrize("name", PAIRS)
def test_single_precision_agrees_with_double(name):
    p, q = batch(1), batch(2)
    with jax.enable_x64(True):
        expected = np.asarray(PAIRS[name](p, q))
    value = PAIRS[name](p.astype(np.float32), q.astype(np.float32))
    assert value.dtype == jnp.float32
    # Roundings of float32 inputs, amplified by ratios up to e^6.
    assert_close(value, expected, 1e-4 * np.maximum(1, expected.max()))
