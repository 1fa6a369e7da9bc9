"""The size of the elastic response under Pareto masses: quadrature, limits, draws."""

import functools

import jax
import mpmath
import numpy as np
import pytest
from hypothesis import given

from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from theory.compression import (
    concentration,
    exponential_integral,
    pareto_concentration,
    pareto_masses,
    pareto_mean,
    rebound_size,
    rebound_size_light,
    smoothing_constant,
    unrelated_size,
)

# (3 c - 1) / 2 for m = 3. The notes print .057 at alpha = 3, where it is .05645.
PRINTED = {
    1.05: 0.862,
    1.1: 0.750,
    1.2: 0.584,
    1.5: 0.318,
    2.0: 0.152,
    3.0: 0.056,
    5.0: 0.017,
    10.0: 0.004,
}
ALPHAS = np.array(list(PRINTED))

size = jax.jit(rebound_size)
integral = jax.jit(exponential_integral)
known = jax.jit(pareto_concentration)
drawn = jax.jit(lambda u, alpha: concentration(pareto_masses(u, alpha)))
smoothed = jax.jit(lambda u, alpha: smoothing_constant(pareto_masses(u, alpha)))


def quadrature(alpha: float) -> float:
    """The constant by mpmath: Gauss-Legendre, another special function's code."""
    mean = alpha / (alpha - 1)

    def moment(u: mpmath.mpf) -> mpmath.mpf:
        t = mpmath.exp(u)
        slope = alpha * mpmath.expint(alpha, t)
        return slope**2 * alpha * mpmath.expint(alpha + 1, t) * t

    pieces = [-36, -12, -4, 0, 2, 3.5]
    return float(1 - 3 * mpmath.quad(moment, pieces, maxdegree=4) / mean)


def test_the_printed_table_is_reproduced_to_its_last_digit(x64):
    # Half a unit of the third decimal.
    assert_close(size(ALPHAS), list(PRINTED.values()), 5.1e-4)


@pytest.mark.parametrize("alpha", PRINTED)
def test_the_constant_agrees_with_an_independent_quadrature(alpha, x64):
    # mpmath's nodes are good for 14 digits here, 1e-12 leaves room for its versions.
    assert_close(size(np.array(alpha)), quadrature(alpha), 1e-12)


def test_a_wrong_power_in_the_quadrature_is_noticed(x64):
    assert_must_fail(lambda: assert_close(size(np.array(2.01)), quadrature(2.0), 1e-4))


def test_the_exponential_integral_agrees_with_mpmath(x64):
    orders = np.array([1.05, 1.5, 2.0, 3.0, 10.0])
    times = np.array([1e-18, 1e-3, 1.0, 50.0])
    expected = [[float(mpmath.expint(n, t)) for t in times] for n in orders]
    # Sums of 400 positive terms, and mpmath's value rounded once.
    assert_close_to_rounding(integral(orders[:, None], times), expected, 64)


@given(alpha=numbers(1.01, 60.0), parts=numbers(0.0, 1.0))
@in_x64
def test_the_constants_stay_in_their_ranges_and_fit_each_other(alpha, parts):
    parts = 2 if parts < 0.5 else 5
    c, rebound = _constants(parts)(np.array(alpha))
    # Rounding of sums near 1.
    assert 1 / parts - 1e-13 <= c <= 1 + 1e-13
    assert_close(rebound, (parts * c - 1) / (parts - 1), 1e-13)


@functools.cache
def _constants(parts: int):
    return jax.jit(
        lambda alpha: (pareto_concentration(alpha, parts), rebound_size(alpha, parts))
    )


def test_heavier_tails_make_the_effect_larger(x64):
    sizes = size(np.linspace(1.01, 40.0, 400))
    assert_below(sizes[1:], sizes[:-1])


def test_both_ends_are_the_disjoint_and_the_equal_limit(x64):
    # 1 - size falls as (alpha - 1) up to a logarithm: 1e-3 * 10.
    assert_close(size(np.array(1.0001)), 1.0, 1e-3)
    far = np.array([30.0, 100.0, 1000.0])
    # The next order is 1 / alpha, with a constant below 1.
    assert_below(np.abs(size(far) / rebound_size_light(far) - 1), 1 / far)


def test_unrelated_masses_give_the_constant_of_form_a(x64):
    quantiles = (np.arange(400_000) + 0.5) / 400_000
    for alpha in (2.0, 3.0, 5.0):
        # The midpoint rule misses u^(-1/alpha) by about its last cell, 1/sqrt(400,000).
        assert_close(smoothed(quantiles, alpha), unrelated_size(alpha), 2e-3)
    assert_close(unrelated_size(2.0), -1 / 3, 1e-15)
    assert_close(unrelated_size(3.0), -0.125, 1e-15)


def test_drawn_masses_have_the_predicted_concentration(x64):
    draws, leaves = 64, 2048
    with jax.enable_x64(False):
        uniforms = 1 - jax.random.uniform(jax.random.key(0), (draws, 3, leaves))
    found = np.asarray(drawn(np.asarray(uniforms, float), 3.0))
    error = found.std(ddof=1) / np.sqrt(draws)
    sigmas = (found.mean() - known(3.0)) / error
    # Normalising by the drawn sum biases c by about 1 / leaves, far below a sigma; six
    # sigmas happen by chance twice in a billion runs.
    assert abs(float(sigmas)) < 6
    off = (found.mean() - known(3.3)) / error
    assert abs(float(off)) > 6  # negative control: another tail is noticed


def test_masses_follow_their_law(x64):
    masses = pareto_masses(np.array([1.0, 0.25, 0.04]), 2.0)
    # u^(-1/2) = 1, 2, 5 before normalising.
    assert_close_to_rounding(masses, np.array([1, 2, 5]) / 8, 8)
    assert_close(pareto_mean(3.0), 1.5, 1e-15)


def test_the_constant_has_a_gradient_in_alpha(x64):
    (slope,) = assert_finite_gradient(size, np.array(2.0))
    step = 1e-5
    ends = size(np.array([2 - step, 2 + step]))
    # Central differences: step^2 of curvature and eps / step of rounding.
    assert_close(slope, (ends[1] - ends[0]) / (2 * step), 1e-9)


def test_single_precision_keeps_six_digits():
    # 200 x 400 terms in float32: 1e-6 of the cross moment, which is below 1.
    assert_close(size(ALPHAS.astype(np.float32)), list(PRINTED.values()), 5.1e-4)
