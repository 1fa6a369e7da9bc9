"""Rates past an active vector: differences along a flow, kernels, kappa's factors."""

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
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from tests.theory.unlearnability import small_network as network
from theory.unlearnability import (
    alignment,
    benign_rate,
    cross_kernel,
    harm_rate,
    inner,
    kernel_rate,
    relative_rate,
    selectivity,
    suppression,
)

VECTORS = hnp.arrays(np.float64, (4,), elements=numbers(-3.0, 3.0))
kappa = jax.jit(relative_rate)
cosine = jax.jit(alignment)
pulled = jax.jit(network.samples)
factors = jax.jit(lambda off, on: suppression(off, on) * alignment(off, on))


@pytest.mark.parametrize("seed", range(4))
def test_rates_are_differences_along_the_flow_of_a_network(seed, x64):
    made, share = network.toy(seed), 0.3
    found = network.gradients(made)
    harm, benign = network.flow(made, share, 1e-5)
    # Central differences: step^2 of curvature, eps / step of rounding.
    assert_close(harm_rate(found, share), harm, 1e-8)
    assert_close(benign_rate(found, share), benign, 1e-8)


def test_rates_with_the_vector_off_are_others(x64):
    made = network.toy(0)
    found = network.gradients(made)
    undefended = found._replace(harm_on=found.harm_off, benign_on=found.benign_off)
    harm, benign = network.flow(made, 0.3, 1e-5)
    assert_must_fail(lambda: assert_close(harm_rate(undefended, 0.3), harm, 1e-2))
    assert_must_fail(lambda: assert_close(benign_rate(undefended, 0.3), benign, 1e-2))


def test_the_kernel_gives_the_inner_product_of_gradients(x64):
    made = network.toy(1)
    found = network.gradients(made)
    off, on = pulled(made.point, made.harm), pulled(made.point + made.vector, made.harm)
    # Sums of 36 * 25 * 32 products of order 1, over 36.
    assert_close(kernel_rate(off, on), inner(found.harm_off, found.harm_on), 1e-13)


def test_the_kernel_is_symmetric_within_a_state_only(x64):
    made = network.toy(2)
    off = pulled(made.point, made.harm).jacobians
    on = pulled(made.point + made.vector, made.harm).jacobians
    within, across = cross_kernel(off, off), cross_kernel(off, on)
    turned = (2, 3, 0, 1)
    assert_close(within, jnp.transpose(within, turned), 1e-13)
    assert_must_fail(lambda: assert_close(across, jnp.transpose(across, turned), 1e-2))


def test_kappa_of_a_network_is_its_two_factors(x64):
    found = network.gradients(network.toy(3))
    for off, on in (found[:2], found[2:]):
        assert_close(kappa(off, on), factors(off, on), 1e-14)


@given(off=VECTORS, on=VECTORS)
@in_x64
def test_kappa_is_suppression_times_alignment(off, on):
    length = np.linalg.norm(off)
    if length > 1e-6:
        # Rounding of sums of 4 products, over |off|^2.
        scale = 1 + np.linalg.norm(on) / length
        assert_close(kappa(off, on), factors(off, on), 1e-14 * scale)
        assert abs(float(cosine(off, on))) <= 1 + 1e-15


@given(off=VECTORS, rate=numbers(-2.0, 2.0))
@in_x64
def test_kappa_of_a_scaled_gradient_is_the_scale(off, rate):
    if np.abs(off).max() > 0:
        assert_close(kappa(off, rate * off), rate, 1e-14)


def test_kappa_keeps_its_digits_where_squares_underflow(x64):
    tiny = np.array([1e-200, 2e-200])
    assert_close_to_rounding(kappa(tiny, 1e-60 * tiny), 1e-60, 4)
    with jax.enable_x64(False):
        single = np.array([3e-30, 1e-30], np.float32)
        assert_close_to_rounding(kappa(single, single), 1.0, 4)


def test_nothing_left_to_learn_has_rate_zero_and_finite_gradients(x64):
    none, some = np.zeros(2), np.array([1.0, 2.0])
    for function in (relative_rate, suppression, alignment):
        assert float(function(none, some)) == 0.0
        for pair in ((none, some), (some, none), (none, none)):
            assert_finite_gradient(function, *pair)


def test_selectivity_is_infinite_where_harm_stands_still(x64):
    found = selectivity(np.array([0.8, 0.8]), np.array([0.0, -4e-4]))
    assert np.isinf(found[0])
    assert_close_to_rounding(found[1], 2000.0, 4)
    assert_finite_gradient(selectivity, np.array(0.8), np.array(0.0))


def test_batches_are_rows(x64):
    rows = np.arange(12.0).reshape(3, 4) - 5
    assert_batching_changes_nothing(relative_rate, rows, rows[::-1] + 1.5)
