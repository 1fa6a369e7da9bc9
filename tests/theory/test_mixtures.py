"""Divergences from a mixture: (3.1) to (3.4) of the notes."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given, target

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
from tests.strategies import OUTPUTS, inner_weights, numbers, simplices, weights
from tests.worlds import random_rows
from theory.information import (
    binary_entropy,
    entropy,
    jensen_shannon,
    jensen_shannon_bounds,
    jensen_shannon_hellinger_bounds,
    kl,
    mixture,
    mixture_kl_bounds,
    pearson_along,
    skew_divergence,
    total_variation,
)

EAGER = {
    "jensen_shannon": jensen_shannon,
    "skew_divergence": skew_divergence,
    "pearson_along": pearson_along,
}
JITTED = {name: jax.jit(function) for name, function in EAGER.items()}
jensen, skew, pearson = JITTED.values()
skew_bounds, jensen_bounds = map(jax.jit, (mixture_kl_bounds, jensen_shannon_bounds))
# Sums of a few terms of size one.
ROUNDING = 1e-14


@given(p=simplices(), q=simplices(), w=weights())
@in_x64
def test_a_mixture_is_a_law_between_its_parts(p, q, w):
    mixed = np.asarray(mixture(p, q, w))
    assert_close(mixed.sum(), 1.0, ROUNDING)
    assert_below(np.minimum(p, q), mixed, 0.0, 1e-15)
    assert_below(mixed, np.maximum(p, q), 0.0, 1e-15)


@given(p=simplices(), q=simplices(), w=weights())
@in_x64
def test_jensen_shannon_is_the_entropy_gained_by_mixing(p, q, w):
    gained = entropy(mixture(p, q, w)) - w * entropy(p) - (1 - w) * entropy(q)
    assert_close(jensen(p, q, w), gained, ROUNDING)


@given(p=simplices(), q=simplices(), w=weights())
@in_x64
def test_jensen_shannon_does_not_know_which_law_is_first(p, q, w):
    # 1 - w is rounded, so w may differ by one eps between the two sides.
    assert_close(jensen(p, q, w), jensen(q, p, 1 - w), ROUNDING)


@given(p=simplices(), q=simplices())
@in_x64
def test_jensen_shannon_is_zero_at_both_ends_even_without_common_support(p, q):
    assert float(jensen(p, q, 0.0)) == float(jensen(p, q, 1.0)) == 0.0


@given(p=simplices(), q=simplices(), w=inner_weights())
@in_x64
def test_jensen_shannon_is_the_least_weighted_divergence_from_any_law(p, q, w):
    other = mixture(mixture(p, q, w), np.full(OUTPUTS, 1 / OUTPUTS), 0.7)
    cost = w * kl(p, other) + (1 - w) * kl(q, other)
    assert_below(jensen(p, q, w), cost, ROUNDING)
    excess = kl(mixture(p, q, w), other)
    assert_close(cost, jensen(p, q, w) + excess, ROUNDING)


@given(p=simplices(), q=simplices(), w=inner_weights())
@in_x64
def test_skew_divergence_is_the_divergence_from_the_mixture(p, q, w):
    # kl() subtracts a rounded mixture: relative error eps / TV, absolute eps.
    assert_close(skew(p, q, w), kl(p, mixture(p, q, w)), 1e-14)


@given(p=simplices(kinds=("dense",)), step=numbers(-12.0, -2.0))
@in_x64
def test_skew_divergence_keeps_its_digits_near_its_first_law(p, step):
    gap = 10.0**step
    q = p[::-1]
    with mpmath.workdps(200):
        terms = [[mpmath.mpf(float(law[i])) for law in (p, q)] for i in range(OUTPUTS)]
        w = mpmath.mpf(float(1 - gap))
        mixed = [w * a + (1 - w) * b for a, b in terms]
        expected = sum(
            a * mpmath.log(a / m) - a + m
            for (a, _), m in zip(terms, mixed, strict=True)
        )
    # The weight 1 - gap is exact in binary; what remains is a few roundings a term.
    assert_close_to_rounding(skew(p, q, 1 - gap), float(expected), 256)


@pytest.mark.parametrize("w", [0.05, 0.3, 0.9])
@given(p=simplices(kinds=("dense",)), q=simplices(kinds=("dense",)))
@in_x64
def test_skew_divergence_is_the_integral_of_chi_squares(w, p, q):
    """(3.1), by tanh-sinh quadrature: poles of T_t may lie close to t = 1."""
    step = 1 / 32
    u = np.arange(-4.0, 4.0, step)
    t = w + (1 - w) * (1 + np.tanh(np.pi / 2 * np.sinh(u))) / 2
    mass = (1 - w) * np.pi / 4 * np.cosh(u) / np.cosh(np.pi / 2 * np.sinh(u)) ** 2
    integral = step * np.sum(mass * (1 - t) * np.asarray(pearson(p, q, t)))
    # The rule converges exponentially; halving the step moves it by less than 1e-10.
    assert_close(skew(p, q, w), integral, 1e-9)


@given(p=simplices(kinds=("dense",)), q=simplices(kinds=("dense",)), w=inner_weights())
@in_x64
def test_the_slope_of_skew_divergence_is_a_chi_square(p, q, w):
    slope = jax.grad(skew, argnums=2)(p, q, w)
    # Relative rounding of a sum whose terms share a sign after cancellation of 1/w.
    scale = float(pearson(p, q, w))
    assert_close(slope, -(1 - w) * scale, 1e-11 * max(1.0, scale / w))


@given(p=simplices(), q=simplices(), t=inner_weights())
@in_x64
def test_chi_squares_along_the_mixture_stay_in_their_range(p, q, t):
    """(3.2)"""
    distance, value = total_variation(p, q), pearson(p, q, t)
    assert_below(4 * distance**2, value, ROUNDING, 1e-14)
    assert_below(value, distance / (t * (1 - t)), ROUNDING, 1e-14)


@given(p=simplices(), q=simplices(), w=weights())
@in_x64
def test_skew_divergence_stays_between_its_bounds(p, q, w):
    """(3.3)"""
    value, (lower, upper) = skew(p, q, w), skew_bounds(p, q, w)
    assert_below(lower, value, ROUNDING)
    assert_below(value, upper, ROUNDING)
    if np.isfinite(upper):
        target(float(value - upper))


@given(p=simplices(), q=simplices(), w=weights())
@in_x64
def test_jensen_shannon_stays_between_its_bounds(p, q, w):
    """(3.4)"""
    value, (lower, upper) = jensen(p, q, w), jensen_bounds(p, q, w)
    assert_below(lower, value, ROUNDING)
    assert_below(value, upper, ROUNDING)
    target(float(value - upper))


@given(p=simplices(), q=simplices())
@in_x64
def test_jensen_shannon_at_one_half_stays_between_its_hellinger_bounds(p, q):
    value, (lower, upper) = jensen(p, q, 0.5), jensen_shannon_hellinger_bounds(p, q)
    assert_below(lower, value, ROUNDING)
    assert_below(value, upper, ROUNDING)


@given(w=inner_weights(), split=numbers(0.0, 1.0))
@in_x64
def test_upper_bounds_are_attained_by_ratios_zero_one_and_infinity(w, split):
    common = [0.4 * split, 0.4 * (1 - split)]
    p, q = np.array([*common, 0.6, 0]), np.array([*common, 0, 0.6])
    assert_close(skew(p, q, w), skew_bounds(p, q, w)[1], ROUNDING)
    assert_close(jensen(p, q, w), jensen_bounds(p, q, w)[1], ROUNDING)


@given(w=inner_weights())
@in_x64
def test_lower_bounds_are_attained_by_close_balanced_pairs(w):
    step = 1e-4
    p, q = np.array([0.5 + step, 0.5 - step]), np.array([0.5 - step, 0.5 + step])
    # The next order of the expansion is 16 / 6 step^2, relative.
    assert_below(skew(p, q, w), skew_bounds(p, q, w)[0], 0.0, 1e-6)
    assert_below(jensen(p, q, w), jensen_bounds(p, q, w)[0], 0.0, 1e-6)


def hunted_slack(constant):
    """The least slack of JS_w >= constant w (1-w) TV^2, relative, by descent."""

    def slack(point):
        p, q = jax.nn.softmax(point[:4]), jax.nn.softmax(point[4:8])
        w = jax.nn.sigmoid(point[8])
        squared = w * (1 - w) * total_variation(p, q) ** 2
        return jensen_shannon(p, q, w) / squared - constant

    starts = np.log(random_rows(7, 16, 9))
    return least_found(slack, starts)


def test_descent_finds_no_violation_of_the_lower_bound(x64):
    least = hunted_slack(2.0)
    # Rounding of a ratio; and the hunt must come close, or it proves nothing.
    assert_below(-1e-9, least)
    assert_below(least, 0.05)


def test_descent_catches_a_constant_that_is_too_large(x64):
    assert_must_fail(lambda: assert_below(-1e-9, hunted_slack(2.1)))


def test_a_bound_without_the_entropy_factor_is_caught(x64):
    p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    wrong = 0.9 * binary_entropy(0.5) * total_variation(p, q)
    assert_must_fail(lambda: assert_below(jensen(p, q, 0.5), wrong, ROUNDING))


@given(p=simplices(), q=simplices(), w=weights())
@in_x64
def test_gradients_are_finite_everywhere(p, q, w):
    assert_finite_gradient(jensen, p, q, w)
    if np.isfinite(skew(p, q, w)):
        assert_finite_gradient(skew, p, q, w)
    # Of T the true gradient grows as 1/w^2: w is 0, 1 or not smaller than 1e-6.
    rounded = round(w, 6)
    if np.isfinite(pearson(p, q, rounded)):
        assert_finite_gradient(pearson, p, q, rounded)


@pytest.mark.parametrize("name", EAGER)
def test_batches_and_compilation_change_nothing(x64, name):
    p, q, w = random_rows(1, 5, 4), random_rows(2, 5, 4), np.linspace(0.0, 1.0, 5)
    assert_batching_changes_nothing(EAGER[name], p, q, w)
    assert_jit_changes_nothing(EAGER[name], p, q, w)
    # One pair meets a batch of weights.
    alone = np.stack([np.asarray(EAGER[name](p[0], q[0], float(v))) for v in w])
    assert_close_to_rounding(EAGER[name](p[0], q[0], w), alone, 16)


def test_single_precision_keeps_the_digits_of_tiny_divergences():
    p = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    q = np.array([0.1001, 0.1999, 0.3001, 0.3999], np.float32)
    with jax.enable_x64(True):
        expected = float(jensen(p.astype(np.float64), q.astype(np.float64), 0.25))
    value = jensen(p, q, 0.25)
    assert value.dtype == jnp.float32
    # The inputs are the same numbers; sums of p, q are off by eps, which costs eps^2.
    assert_close_to_rounding(value, expected, 64)
