"""The kernels near zero: values against mpmath, gradients finite."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given

from tests.assertions import (
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from theory.numerics import (
    atanh_excess,
    clip_probability,
    divergence_terms,
    log1p_excess,
    safe_log,
    safe_sqrt,
    weighted_sum,
    xlogy_ratio,
)

MAGNITUDES = np.array([1e-300, 1e-20, 1e-9, 1e-4, 0.05, 0.3, 0.333, 0.334, 0.9])


def precisely(function, *arguments):
    """A function of exact binary numbers, evaluated with 400 digits."""
    with mpmath.workdps(400):
        return float(function(*(mpmath.mpf(float(value)) for value in arguments)))


def exact_term(p, q):
    """P log(p/q) - p + q."""
    return p * mpmath.log(p / q) - p + q


@pytest.mark.parametrize("sign", [-1, 1])
def test_atanh_excess_keeps_every_digit(x64, sign):
    values = sign * MAGNITUDES[2:]
    expected = [precisely(lambda v: mpmath.atanh(v) - v, v) for v in values]
    # The difference beyond 1/3 loses at most a factor 3 / v^2 = 27.
    assert_close_to_rounding(atanh_excess(values), expected, 64)


@pytest.mark.parametrize("sign", [-1, 1])
def test_log1p_excess_keeps_every_digit(x64, sign):
    values = sign * MAGNITUDES[1:]
    expected = [precisely(lambda x: mpmath.log1p(x) - x, x) for x in values]
    assert_close_to_rounding(log1p_excess(values), expected, 64)


def test_the_naive_excess_loses_its_digits(x64):
    values = MAGNITUDES[2:5]
    expected = [precisely(lambda x: mpmath.log1p(x) - x, x) for x in values]
    naive = np.log1p(values) - values
    assert_must_fail(lambda: assert_close_to_rounding(naive, expected, 64))


@given(numbers(1e-12, 1.0), numbers(-1.0, 3.0))
@in_x64
def test_divergence_terms_agree_with_mpmath(p, exponent):
    q = p * 10.0**exponent
    value = divergence_terms(jnp.array(p), jnp.array(q), jnp.array(p - q))
    # Rounding of logarithms up to 28 in size; the term itself is >= 0.15 p beyond
    # |v| = 1/3, and within it every digit counts.
    assert_close_to_rounding(value, precisely(exact_term, p, q), 512)


@given(numbers(0.01, 1.0), numbers(-15.0, -1.0))
@in_x64
def test_divergence_terms_keep_digits_of_a_tiny_difference(p, exponent):
    q = p * (1 - 10.0**exponent)
    value = divergence_terms(jnp.array(p), jnp.array(q), jnp.array(p - q))
    assert_close_to_rounding(value, precisely(exact_term, p, q), 16)


def test_divergence_terms_at_zero():
    zero, half = jnp.array(0.0), jnp.array(0.5)
    assert float(divergence_terms(zero, zero, zero)) == 0.0
    assert float(divergence_terms(zero, half, -half)) == 0.5
    assert float(divergence_terms(half, zero, half)) == np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_are_finite_for_the_smallest_numbers(x64, dtype):
    tiny = np.finfo(dtype).tiny
    p = np.array([tiny, 8 * tiny, 1e-30, 1e-20, 0.0, 0.0, 1.0], dtype)
    q = np.array([8 * tiny, tiny, 1e-30, 3e-20, 0.0, 1.0, tiny], dtype)
    by_p, by_q = assert_finite_gradient(
        lambda p, q: divergence_terms(p, q, p - q), p, q
    )
    assert by_p.dtype == by_q.dtype == dtype


@pytest.mark.parametrize("function", [safe_log, safe_sqrt])
def test_safe_functions_have_gradient_zero_at_zero(function):
    values = jnp.array([0.0, -1.0, 0.25])
    gradient = jax.grad(lambda x: jnp.sum(jnp.where(x > 0, function(x), 0)))(values)
    assert gradient[0] == gradient[1] == 0.0
    assert gradient[2] == (4.0 if function is safe_log else 1.0)
    assert float(safe_log(jnp.array(-1.0))) == -np.inf
    assert float(safe_sqrt(jnp.array(-1.0))) == 0.0


def test_xlogy_ratio_follows_the_conventions_of_information_theory():
    zero, one = jnp.array(0.0), jnp.array(1.0)
    assert float(xlogy_ratio(zero, one, zero)) == 0.0
    assert float(xlogy_ratio(one, zero, zero)) == 0.0
    assert float(xlogy_ratio(one, one, zero)) == np.inf
    assert_finite_gradient(xlogy_ratio, [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0] * 3)


def test_weighted_sum_ignores_what_has_no_weight():
    infinite = np.array([np.inf, 2.0], np.float32)
    assert float(weighted_sum(np.array([0, 1], np.float32), infinite)) == 2.0
    assert float(weighted_sum(np.array([0.5, 0.5], np.float32), infinite)) == np.inf
    assert_finite_gradient(lambda w: weighted_sum(w, infinite), [0.0, 1.0])


def test_clip_probability_returns_to_the_interval():
    clipped = clip_probability(jnp.array([-1e-7, 0.25, 1 + 1e-6]))
    assert clipped.tolist() == [0.0, 0.25, 1.0]


def test_jit_changes_nothing(x64):
    p, q = np.array([0.3, 0.0, 0.7]), np.array([0.29, 0.01, 0.7])
    assert_jit_changes_nothing(divergence_terms, p, q, p - q)
    assert_jit_changes_nothing(atanh_excess, MAGNITUDES)
    assert_jit_changes_nothing(log1p_excess, MAGNITUDES)
