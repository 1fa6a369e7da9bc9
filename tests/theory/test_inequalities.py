"""Total variation against divergences: every bound, and its wrong sister."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import example, given

from tests.assertions import (
    assert_batching_changes_nothing,
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
    least_found,
)
from tests.strategies import inner_weights, laws, numbers, simplices, weights
from tests.worlds import random_rows
from theory import joint
from theory.information import (
    best_kl,
    best_tv,
    binary_data_processing_kl,
    binary_entropy,
    bretagnolle_huber_kl,
    bretagnolle_huber_tv,
    entropy,
    entropy_continuity,
    jensen_shannon,
    jensen_shannon_bounds,
    jensen_shannon_half_lower,
    jensen_shannon_least,
    kl,
    mixture_kl_bounds,
    pinsker_kl,
    pinsker_tv,
    skew_divergence,
    total_variation,
)

ELEMENTWISE = {
    "pinsker_kl": pinsker_kl,
    "pinsker_tv": pinsker_tv,
    "bretagnolle_huber_kl": bretagnolle_huber_kl,
    "bretagnolle_huber_tv": bretagnolle_huber_tv,
    "best_kl": best_kl,
    "best_tv": best_tv,
    "jensen_shannon_half_lower": jensen_shannon_half_lower,
}
least_js = jax.jit(jensen_shannon_least)
processed = jax.jit(binary_data_processing_kl)
divergence, distance, jensen = map(jax.jit, (kl, total_variation, jensen_shannon))
# Sums of a few terms of size one.
ROUNDING = 1e-14


@given(p=simplices(), q=simplices())
@in_x64
def test_divergence_and_distance_bound_each_other(p, q):
    value, apart = divergence(p, q), distance(p, q)
    # At apart = 1 - d, -log(1 - apart^2) multiplies a rounding of apart by 1/d; the
    # true KL has room of order log(1/d) there, unless d is itself a rounding.
    assert_below(best_kl(np.minimum(apart, 1 - 1e-13)), value, 1e-9)
    # A root multiplies a rounding of 1e-16 near zero up to 1e-8.
    assert_below(apart, best_tv(value), 1e-8)


def hunted_slack(constant):
    """The least of KL / TV^2 - constant over pairs of laws, by gradient descent."""

    def slack(point):
        p, q = jax.nn.softmax(point[:4]), jax.nn.softmax(point[4:])
        return kl(p, q) / total_variation(p, q) ** 2 - constant

    return least_found(slack, np.log(random_rows(8, 16, 8)))


def test_descent_finds_no_violation_of_pinsker(x64):
    least = hunted_slack(2.0)
    # Rounding of a ratio; and the hunt must come close, or it proves nothing.
    assert_below(-1e-9, least)
    assert_below(least, 0.02)


def test_descent_catches_a_wrong_constant_in_pinsker(x64):
    assert_must_fail(lambda: assert_below(-1e-9, hunted_slack(2.1)))


@given(apart=numbers(0.0, 1.0))
@in_x64
def test_the_distance_bounds_undo_the_divergence_bounds(apart):
    # Near 0 and 1 the round trip through a square costs half of the digits.
    assert_close(pinsker_tv(pinsker_kl(apart)), apart, 2e-8)
    assert_close(bretagnolle_huber_tv(bretagnolle_huber_kl(apart)), apart, 2e-8)
    assert_close(best_tv(best_kl(apart)), apart, 2e-8)


def test_bretagnolle_huber_beats_pinsker_only_above_its_crossing(x64):
    crossing = float(
        mpmath.findroot(
            lambda t: 2 * t**2 + mpmath.log1p(-(t**2)), (0.8, 0.95), "anderson"
        )
    )
    assert_close(crossing, 0.893, 5e-4)  # the three digits of notes 11.4
    below, above = crossing - 1e-6, crossing + 1e-6
    assert pinsker_kl(below) > bretagnolle_huber_kl(below)
    assert pinsker_kl(above) < bretagnolle_huber_kl(above)
    assert best_kl(below) == pinsker_kl(below)
    assert best_kl(above) == bretagnolle_huber_kl(above)


def test_bounds_at_the_ends(x64):
    assert [float(best_kl(t)) for t in (0.0, 1.0)] == [0.0, np.inf]
    assert [float(best_tv(d)) for d in (0.0, np.inf)] == [0.0, 1.0]
    assert float(jensen_shannon_half_lower(0.0)) == 0.0
    assert_close(jensen_shannon_half_lower(1.0), np.log(2), 1e-15)


@given(apart=numbers(0.0, 1.0))
@in_x64
def test_the_half_bound_is_the_entropy_formula_and_is_attained(apart):
    pair = np.array([1 + apart, 1 - apart]) / 2
    value = jensen_shannon_half_lower(apart)
    assert_close(value, np.log(2) - binary_entropy((1 - apart) / 2), ROUNDING)
    assert_close(jensen(pair, pair[::-1], 0.5), value, ROUNDING)


@given(apart=numbers(1e-6, 1.0))
@in_x64
def test_the_least_jensen_shannon_at_one_half_is_the_half_bound(apart):
    # Relative: the minimiser is known to rounding, the value is a sum of terms >= 0.
    assert_close_to_rounding(
        least_js(apart, 0.5), float(jensen_shannon_half_lower(apart)), 64
    )


@given(p=simplices(), q=simplices(), w=weights())
@in_x64
def test_no_pair_is_below_the_least_jensen_shannon(p, q, w):
    least = least_js(distance(p, q), w)
    assert_below(least, jensen(p, q, w), ROUNDING)
    assert_below(jensen_shannon_bounds(p, q, w)[0], least, ROUNDING)


def grid_least(apart, w, points=20001):
    """The least JS_w over a dense grid of two-point pairs, and an upper bound."""
    b = np.linspace(0.0, 1.0 - apart, points)
    a = np.minimum(b + apart, 1.0)
    two = [np.stack([side, 1 - side], axis=-1) for side in (a, b)]
    return np.asarray(jensen(*two, np.full(points, w))).min()


@pytest.mark.parametrize("apart", [1e-3, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("w", [0.02, 0.3, 0.5, 0.93])
def test_the_least_jensen_shannon_agrees_with_a_dense_grid(x64, apart, w):
    found, gridded = least_js(apart, w), grid_least(apart, w)
    assert_below(found, gridded, ROUNDING)
    # A grid of 2e4 points misses the minimum by a relative 1e-6 at most.
    assert_below(gridded, found, 0.0, 1e-6)
    assert_must_fail(lambda: assert_below(gridded, 0.99 * found, 0.0, 1e-6))


@given(w=inner_weights(), apart=numbers(0.01, 0.99))
@example(w=0.03125, apart=0.984375)  # the least pair is 1e-14 away from a sure one
@in_x64
def test_the_least_jensen_shannon_has_the_gradient_of_the_envelope(w, apart):
    step = 1e-5
    by_apart = jax.grad(least_js)(apart, w)
    ends = [float(least_js(apart + side * step, w)) for side in (1, -1)]
    # Central difference: step^2 / 6 times a third derivative of order 1 / (1-t)^2.
    assert_close(by_apart, (ends[0] - ends[1]) / (2 * step), 1e-6)


def test_the_least_jensen_shannon_at_the_ends(x64):
    apart, w = np.meshgrid([0.0, 1e-12, 0.5, 1.0], [0.0, 1e-9, 0.5, 1.0])
    value = np.asarray(least_js(apart, w))
    assert_below(0.0, value)
    assert_close(value[:, -1], binary_entropy(w[:, -1]), ROUNDING)
    assert np.all(value[[0, -1]] == 0)
    assert np.all(value[:, 0] == 0)
    assert_finite_gradient(least_js, apart, w)
    # Close pairs: 2 w (1-w) TV^2, attained in the middle.
    assert_close_to_rounding(value[2, 1], 0.5e-24, 1e6)


@given(p=simplices(), q=simplices(), w=weights())
@in_x64
def test_asking_which_law_is_larger_never_finds_more_divergence(p, q, w):
    bound, value = processed(p, q, w), skew_divergence(p, q, w)
    assert_below(bound, value, ROUNDING)
    assert_below(mixture_kl_bounds(p, q, w)[0], bound, ROUNDING)


@given(p=simplices((2,)), q=simplices((2,)), w=weights())
@in_x64
def test_two_outcomes_lose_nothing_by_asking_which_law_is_larger(p, q, w):
    value = skew_divergence(p, q, w)
    assert_close(processed(p, q, w), value, ROUNDING)


def test_asking_for_the_wrong_side_is_caught(x64):
    p, q = random_rows(3, 64, 4), random_rows(4, 64, 4)
    # Roles swapped: the bound on KL(q || .) is no bound on KL(p || .).
    swapped = processed(q, p, 0.5)
    assert_must_fail(lambda: assert_below(swapped, skew_divergence(p, q, 0.5)))


@given(first=laws(), second=laws())
@in_x64
def test_conditional_entropies_differ_by_no_more_than_continuity_allows(first, second):
    mean = [law.contexts @ np.asarray(entropy(law.outputs)) for law in (first, second)]
    pairs = [np.asarray(joint(law)).ravel() for law in (first, second)]
    allowed = entropy_continuity(distance(*pairs), first.outputs.shape[-1])
    assert_below(abs(mean[0] - mean[1]), allowed, ROUNDING)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_entropy_continuity_is_attained_and_capped(x64, k):
    moved = 0.3
    spread = np.array([1 - moved] + [moved / (k - 1)] * (k - 1))
    sure = np.eye(k)[0]
    assert_close(entropy(spread), entropy_continuity(distance(spread, sure), k), 1e-14)
    assert_close(entropy_continuity(1.0, k), np.log(k), 1e-14)
    missing = 0.9 * entropy_continuity(distance(spread, sure), k)
    assert_must_fail(lambda: assert_below(entropy(spread), missing, ROUNDING))


def test_entropy_of_one_outcome_cannot_change():
    assert float(entropy_continuity(0.5, 1)) == 0.0


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_batches_compilation_and_gradients(x64, name):
    values = np.array([0.0, 1e-9, 0.3, 0.9, 1.0])
    function = ELEMENTWISE[name]
    assert_batching_changes_nothing(function, values)
    assert_jit_changes_nothing(function, values)
    finite = np.isfinite(np.asarray(function(values)))
    assert_finite_gradient(function, values[finite])


def test_functions_of_pairs_do_not_change_in_batches(x64):
    p, q, w = random_rows(1, 5, 4), random_rows(2, 5, 4), np.linspace(0.0, 1.0, 5)
    for function in (binary_data_processing_kl,):
        assert_batching_changes_nothing(function, p, q, w)
        assert_jit_changes_nothing(function, p, q, w)
        assert_finite_gradient(function, p, q, w)
    apart = np.asarray(distance(p, q))
    assert_batching_changes_nothing(jensen_shannon_least, apart, w)
    assert_jit_changes_nothing(jensen_shannon_least, apart, w)


def test_single_precision_is_enough_for_small_distances():
    apart = np.array([1e-4, 1e-2, 0.5, 0.99], np.float32)
    with jax.enable_x64(True):
        expected = np.asarray(least_js(apart.astype(np.float64), 0.3))
    value = least_js(apart, 0.3)
    assert value.dtype == jnp.float32
    # Relative: a few roundings, and a minimiser known to a few more.
    assert_close_to_rounding(value, expected, 64)
