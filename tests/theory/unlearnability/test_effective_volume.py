"""A vector as fewer harmful samples: equilibria, ratios, and where Adam breaks it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
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
from theory.compression import DataSets, Springs, ratio, rest_point
from theory.unlearnability import (
    anchor_gradient,
    effective_size,
    equilibrium_shift,
    linear_shift,
    protected,
    protected_springs,
    ratio_deficit,
    shift_ratio,
    stored_energy,
)

SIZES, RATES = numbers(0.1, 1e4), numbers(0.0, 1.0)
ratios = jax.jit(shift_ratio)
deficits = jax.jit(ratio_deficit)
shift = jax.jit(equilibrium_shift)
linear = jax.jit(linear_shift)


def losses(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K, H and g in three dimensions."""
    with jax.enable_x64(False):
        drawn = np.asarray(jax.random.normal(jax.random.key(seed), (21,)), float)
    roots = drawn[:18].reshape(2, 3, 3)
    squares = roots @ np.swapaxes(roots, -1, -2) + 0.1 * np.eye(3)
    return squares[0], squares[1], drawn[18:]


def test_the_two_spring_check_of_the_notes(x64):
    sizes = effective_size(10.0, np.array([1.0, 0.1, 5e-4]))
    # The digits that the notes print.
    assert_close(shift_ratio(1e4, 1e2, sizes), [91.0, 99.02, 99.995], 5e-3)


def test_a_thousand_samples_behave_like_less_than_one(x64):
    assert_close_to_rounding(effective_size(1000.0, 6e-4), 0.6, 4)


@given(first=SIZES, second=SIZES, harmful=SIZES, rate=RATES)
@in_x64
def test_ratio_and_deficit_make_the_elastic_ratio(first, second, harmful, rate):
    felt = rate * harmful
    whole = float(ratios(first, second, felt)) + float(deficits(first, second, felt))
    # Rounding of a difference of numbers of the size of both ratios.
    assert_close(whole, first / second, 1e-14 * (1 + first / second))


@pytest.mark.parametrize("seed", range(4))
def test_descent_on_all_losses_comes_to_rest_at_the_shift(seed, x64):
    stiffness, own, pull = losses(seed)
    size, rate = 3.0, 0.2
    top = np.linalg.eigvalsh(stiffness + size * own).max()
    optimiser = optax.sgd(1 / top)

    def slope(move: jax.Array) -> jax.Array:
        return stiffness @ move + rate * size * (pull + own @ move)

    def step(
        state: tuple[jax.Array, optax.OptState], _: None
    ) -> tuple[tuple[jax.Array, optax.OptState], None]:
        move, inside = state
        update, inside = optimiser.update(slope(move), inside)
        return (move + update, inside), None

    begin = jnp.zeros(3)
    (end, _), _ = jax.lax.scan(step, (begin, optimiser.init(begin)), length=5000)
    expected = shift(stiffness, own, pull, effective_size(size, rate))
    # Rounding times a condition number below 1e3: 5,000 steps are 30 time constants.
    assert_close(end, expected, 1e-9)
    wrong = shift(stiffness, own, pull, size)
    assert_must_fail(lambda: assert_close(end, wrong, 1e-3))


@pytest.mark.parametrize("seed", range(4))
def test_the_first_order_is_above_by_at_most_the_harmful_stiffness(seed, x64):
    stiffness, own, pull = losses(seed)
    for size in (1e-3, 0.1, 1.0, 30.0):
        exact = float(stored_energy(stiffness, shift(stiffness, own, pull, size)))
        first = float(stored_energy(stiffness, linear(stiffness, pull, size)))
        top = np.linalg.eigvals(np.linalg.solve(stiffness, own)).real.max()
        # Rounding times condition numbers below 1e3.
        assert_below(exact, first, relative=1e-12)
        assert_below(first / (1 + size * top) ** 2, exact, relative=1e-12)


def test_force_and_stiffness_scaled_alike_are_a_smaller_set(x64):
    anchors = np.array([[0.0, 1.0], [2.0, -1.0], [1.0, 3.0]])
    metric = np.array([[2.0, 0.5], [0.5, 1.0]])
    springs = Springs(anchors, np.array([50.0, 5.0, 20.0]), metric)
    before = rest_point(Springs(anchors[:2], springs.sizes[:2], metric))
    pull = anchor_gradient(metric, before, anchors[2])
    for rate in (1.0, 0.1, 5e-4):
        after = rest_point(protected_springs(springs, 2, rate))
        found = shift(55 * metric, metric, pull, effective_size(20.0, rate))
        assert_close(after - before, found, 1e-14)


def test_beside_a_vector_the_elastic_ratio_is_that_of_the_sizes(x64):
    parts = np.array([[0.2, 0.4, 0.4], [0.0, 0.9, 0.1], [0.1, 0.0, 0.9]])
    data = DataSets(parts, np.array([100.0, 1.0, 1.0]))
    off = [
        abs(float(ratio(protected(data, 2, rate), 1, 0, 2)) + 100)
        for rate in (1e-2, 1e-3, 1e-4)
    ]
    # First order in kappa: tenfold falls, up to second order.
    assert_close(np.divide(off[:-1], off[1:]), 10.0, 0.5)
    assert_must_fail(lambda: assert_close(ratio(data, 1, 0, 2), -100.0, 5.0))


def moved(optimiser: optax.GradientTransformation, count: int, rate: float) -> float:
    """How far `count` harmful samples of gradient 0.01 * rate move one parameter."""
    state, where = optimiser.init(jnp.zeros(())), 0.0
    for _ in range(count):
        update, state = optimiser.update(jnp.asarray(0.01 * rate), state)
        where += float(update)
    return abs(where)


def test_one_epoch_collapses_in_kappa_times_size_under_sgd_but_not_under_adam(x64):
    protected_many, bare_few = (40, 0.1), (4, 1.0)
    sgd, adam = optax.sgd(0.1), optax.adam(0.1, eps=1e-12)
    assert_close_to_rounding(moved(sgd, *protected_many), moved(sgd, *bare_few), 64)
    # Adam: steps of one size whatever kappa; eps over the least gradient is 1e-9.
    far, near = moved(adam, *protected_many), moved(adam, *bare_few)
    assert_close(far / near, 10.0, 1e-6)
    assert_must_fail(lambda: assert_close(far, near, 1.0))


def test_gradients_are_finite_without_harmful_samples(x64):
    stiffness, own, pull = losses(0)
    assert_finite_gradient(equilibrium_shift, stiffness, own, pull, np.array(0.0))
    assert_finite_gradient(ratio_deficit, *map(np.array, (2.0, 1.0, 0.0)))
