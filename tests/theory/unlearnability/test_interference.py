"""What a vector does to useful learning: norms, bounds of the shift, guarantees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from tests.theory.unlearnability import small_network as network
from theory.information import kl
from theory.unlearnability import (
    activation_shift,
    benign_rate,
    benign_rate_ceiling,
    efficiency_floor,
    erosion_change_ceiling,
    inner,
    interference_ceiling,
    logit_reach,
    norm,
    rate_ceiling,
    relative_rate,
    shift_ceiling,
    tolerable_share,
)

TABLES = hnp.arrays(np.float64, (4, 3), elements=numbers(-3.0, 3.0))
POSITIVE = numbers(0.05, 5.0)
reach = jax.jit(logit_reach)
tolerable = jax.jit(tolerable_share)
ceiling = jax.jit(benign_rate_ceiling)


@given(table=TABLES)
@in_x64
def test_the_reach_is_the_largest_singular_value_without_the_mean(table):
    centred = table - table.mean(axis=0)
    expected = np.linalg.norm(centred, 2)
    # Jacobi's eigenvectors of the squares: a few roundings.
    assert_close(reach(table), expected, 1e-13 * (1 + expected))
    assert float(reach(table)) <= np.linalg.norm(table, 2) * (1 + 1e-13) + 1e-13


def test_the_reach_ignores_a_common_shift_and_has_the_right_gradient(x64):
    table = 2 * np.sin(np.arange(12.0) ** 2).reshape(4, 3)
    shifted = table + np.arange(table.shape[1])
    assert_close(reach(table), reach(shifted), 1e-13)
    (slope,) = assert_finite_gradient(logit_reach, table)
    step, way = 1e-6, np.cos(np.arange(table.size)).reshape(table.shape)
    found = (reach(table + step * way) - reach(table - step * way)) / (2 * step)
    # Central differences: step^2 of curvature, eps / step of rounding.
    assert_close(np.sum(np.asarray(slope) * way), found, 1e-8)
    assert_finite_gradient(logit_reach, np.zeros((4, 3)))


@jax.jit
def shift_and_bounds(made: network.Toy) -> tuple[jax.Array, jax.Array, jax.Array]:
    """delta_B, its bound, and the bound by Pinsker's sum in the notes' form."""
    active = made.point + made.vector
    off, on = (network.samples(point, made.benign) for point in (made.point, active))
    divergence = kl(
        network.answers(made.point, made.benign), network.answers(active, made.benign)
    )
    between = jnp.asarray(on.jacobians) - off.jacobians
    missed = norm(off.residuals)
    rest = logit_reach(between), missed
    found = network.gradients(made)
    bounds = [
        shift_ceiling(
            jnp.asarray(off.weights),
            logit_reach(on.jacobians),
            factor * divergence,
            *rest,
        )
        for factor in (1, 2)
    ]
    return activation_shift(found.benign_off, found.benign_on), *bounds


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 5.0])
def test_the_shift_of_a_network_is_within_its_bound(size, x64):
    for seed in range(5):
        shift, sharp, loose = shift_and_bounds(network.toy(seed, size))
        assert_below(shift, sharp)
        assert_below(sharp, loose)


def test_a_tenth_of_the_bound_is_exceeded(x64):
    def check():
        for seed in range(5):
            shift, sharp, _ = shift_and_bounds(network.toy(seed, 0.1))
            assert_below(shift, sharp / 10)

    assert_must_fail(check)


def test_shift_and_bound_vanish_with_the_vector_in_proportion(x64):
    small, large = (shift_and_bounds(network.toy(1, size)) for size in (1e-6, 1e-5))
    for less, more in zip(small, large, strict=True):
        # First order in the vector: the second is 1e-5 of it, rounding 1e-10.
        assert_close(more / less, 10.0, 1e-3)


@given(length=POSITIVE, shift=numbers(0.0, 4.0), force=POSITIVE)
@in_x64
def test_the_tolerable_share_is_where_the_guarantee_ends(length, shift, force):
    share = float(tolerable(length, shift, force))
    if shift < length:
        # Rounding of a difference of numbers below 25.
        assert_close(ceiling(length, shift, force, share), 0.0, 1e-13)
        assert float(ceiling(length, shift, force, share / 2)) < 0
    else:
        assert share == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_bounds_of_rates_hold_for_a_network(seed, x64):
    made = network.toy(seed, 0.3)
    found = network.gradients(made)
    shift = activation_shift(found.benign_off, found.benign_on)
    force, harm, benign = (
        norm(g) for g in (found.harm_on, found.harm_off, found.benign_off)
    )
    assert_below(
        benign_rate(found, 0.3), benign_rate_ceiling(benign, shift, force, 0.3), 1e-14
    )
    assert_below(
        efficiency_floor(benign, shift),
        relative_rate(found.benign_off, found.benign_on),
        1e-14,
    )
    rate = relative_rate(found.harm_off, found.harm_on)
    assert_below(abs(rate), rate_ceiling(harm, force), 1e-14)
    pull = inner(found.benign_off, found.harm_on)
    assert_below(abs(pull), interference_ceiling(benign, force), 1e-14)
    change = inner(found.harm_off, found.benign_on - found.benign_off)
    assert_below(abs(change), erosion_change_ceiling(harm, shift), 1e-14)


def test_without_shift_the_rate_of_useful_learning_is_untouched(x64):
    # Negative control included: a shift of the whole gradient guarantees nothing.
    assert float(efficiency_floor(2.0, 0.0)) == 1.0
    assert float(efficiency_floor(2.0, 2.0)) == 0.0
    assert float(erosion_change_ceiling(3.0, 0.0)) == 0.0


def test_nothing_to_learn_guarantees_nothing_with_finite_gradients(x64):
    assert float(efficiency_floor(0.0, 1.0)) == -np.inf
    assert float(rate_ceiling(0.0, 1.0)) == np.inf
    zero, one = np.array(0.0), np.array(1.0)
    assert_finite_gradient(efficiency_floor, zero, one)
    assert_finite_gradient(rate_ceiling, zero, one)
    assert_finite_gradient(tolerable_share, zero, zero, zero)
    nothing = np.zeros(3)
    assert_finite_gradient(shift_ceiling, *[nothing] * 5)


def test_no_error_tolerates_any_share(x64):
    assert_close_to_rounding(tolerable_share(2.0, 0.5, 0.0), 1.0, 1)
