"""Lambert's W: against SciPy, at any size, with its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from hypothesis import given

from tests.assertions import (
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from theory.compression import lambert_w, log_omega, omega

OF_LOGARITHM = np.concatenate(
    [np.linspace(-600, 60, 2001), np.linspace(-3, 3, 2001), np.logspace(2, 300, 501)]
)
ARGUMENTS = np.concatenate([np.logspace(-290, 300, 4001), np.linspace(0.01, 10, 1001)])

root = jax.jit(log_omega)
function = jax.jit(omega)
of_argument = jax.jit(lambert_w)


def test_omega_agrees_with_scipy_at_any_size(x64):
    # 64 roundings: e^y costs |y| <= 600 of them in the logarithm, half of it in SciPy.
    expected = scipy.special.wrightomega(OF_LOGARITHM)
    assert_close_to_rounding(function(OF_LOGARITHM), expected, 64)


def test_lambert_w_agrees_with_scipy_from_tiny_to_huge(x64):
    expected = scipy.special.lambertw(ARGUMENTS).real
    assert_close_to_rounding(of_argument(ARGUMENTS), expected, 16)


def test_another_branch_would_be_noticed(x64):
    wrong = scipy.special.lambertw(ARGUMENTS * (1 + 1e-12)).real
    assert_must_fail(
        lambda: assert_close_to_rounding(of_argument(ARGUMENTS), wrong, 16)
    )


@given(z=numbers(-1e6, 1e6))
@in_x64
def test_the_root_solves_its_equation(z):
    y = float(root(np.array(z)))
    # Rounding of the two summands, the larger of which is |z|.
    assert_close(y + np.exp(y), z, 1e-14 * max(1.0, abs(z)))


def test_the_ends_are_kept(x64):
    ends = np.array([-np.inf, np.inf])
    assert function(ends).tolist() == [0.0, np.inf]
    assert root(ends).tolist() == [-np.inf, np.inf]
    assert float(of_argument(np.array(0.0))) == 0.0


def test_gradients_are_finite_and_right_even_at_zero(x64):
    (slope,) = assert_finite_gradient(of_argument, np.array([0.0, 1e-300, 1.0, 1e300]))
    w = scipy.special.lambertw(1.0).real
    assert_close(slope[:3], [1.0, 1.0, np.exp(-w) / (1 + w)], 1e-15)
    (slope,) = assert_finite_gradient(function, np.array([-np.inf, -700.0, 1.0, 1e300]))
    assert_close(slope[jnp.array([0, 2, 3])], [0.0, 0.5, 1.0], 1e-15)


def test_single_precision_is_as_good_as_it_can_be():
    z = np.array([-60.0, -1.0, 0.5, 3.0, 1e4, 1e38], np.float32)
    expected = scipy.special.wrightomega(z.astype(float))
    # e^y with y = -60 costs 60 roundings of y, i.e. 30 of the result at worst.
    assert_close_to_rounding(function(z), expected, 64)
