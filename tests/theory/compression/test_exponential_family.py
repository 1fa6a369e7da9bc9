"""Exponential families: forces, energies, responses, by Newton and by differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests.assertions import assert_close, assert_must_fail, in_x64
from tests.strategies import numbers, simplices
from theory.compression import (
    DataSets,
    Family,
    balanced_mean,
    elastic_energy,
    family_energy,
    family_forces,
    family_law,
    family_optimum,
    family_rate,
    family_responses,
    feature_mean,
    local_stiffness,
    mean_displacement,
    responses,
    set_means,
)

LEAVES, FEATURES = 8, 3

solve = jax.jit(family_optimum)
table = jax.jit(family_responses)
forces = jax.jit(family_forces)
stored = jax.jit(family_energy)
law_of = jax.jit(family_law)


@jax.jit
def all_rates(family: Family, theta: jax.Array, data: DataSets) -> jax.Array:
    return family_rate(family, theta, data.laws)


@functools.cache
def drawn(seed: int) -> tuple[Family, DataSets, np.ndarray]:
    """A family, three data sets outside it, and natural parameters."""
    with jax.enable_x64(False):
        numbers_ = np.asarray(jax.random.normal(jax.random.key(seed), (64,)), float)
    statistics = numbers_[: LEAVES * FEATURES].reshape(LEAVES, FEATURES)
    base = numbers_[24:32]
    laws = np.exp(numbers_[32:56].reshape(3, LEAVES))
    data = DataSets(laws / laws.sum(-1, keepdims=True), np.array([20.0, 1.0, 0.5]))
    return Family(statistics, base), data, numbers_[56 : 56 + FEATURES]


SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_newton_balances_all_forces(seed, x64):
    family, data, theta = drawn(seed)
    best = solve(family, data)
    mean = feature_mean(family, law_of(family, best))
    assert_close(mean, balanced_mean(family, data), 1e-13)
    # Forces of size 20 cancel to rounding at the optimum, and nowhere else.
    assert_close(np.sum(forces(family, data, best), axis=0), 0.0, 1e-11)
    assert_must_fail(
        lambda: assert_close(np.sum(forces(family, data, theta), axis=0), 0.0, 1e-3)
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_energy_is_a_divergence_inside_the_family(seed, x64):
    family, data, theta = drawn(seed)
    best = solve(family, data)
    lost = all_rates(family, theta, data) - all_rates(family, best, data)
    total = float(np.asarray(data.sizes) @ np.asarray(lost))
    assert_close(stored(family, data, best, theta) / total, 1.0, 1e-11)
    swapped = float(stored(family, data, theta, best))
    assert_must_fail(lambda: assert_close(swapped / total, 1.0, 1e-3))
    # The table's energy counts what the family cannot learn as well.
    assert float(elastic_energy(data, law_of(family, theta))) > total


@pytest.mark.parametrize("seed", SEEDS)
def test_small_moves_cost_n_springs_of_the_fisher_information(seed, x64):
    family, data, theta = drawn(seed)
    best = solve(family, data)
    move = 1e-4 * theta / np.linalg.norm(theta)
    exact = stored(family, data, best, best + move)
    # The next order is the third cumulant, of size 10 at most, times the move.
    assert_close(local_stiffness(family, data, best, move) / exact, 1.0, 1e-3)


def test_forces_are_linear_in_the_mean_however_far(x64):
    family, data, theta = drawn(0)
    for distance in (0.1, 3.0, 30.0):
        at = distance * theta
        mean = feature_mean(family, law_of(family, at))
        expected = np.asarray(data.sizes)[:, None] * (set_means(family, data) - mean)
        gradient = jacobian(family, at, data)
        assert_close(forces(family, data, at), expected, 1e-12)
        assert_close(-np.asarray(data.sizes)[:, None] * gradient, expected, 1e-12)


jacobian = jax.jit(jax.jacobian(lambda f, theta, d: all_rates(f, theta, d), argnums=1))


@pytest.mark.parametrize("seed", SEEDS)
def test_responses_are_those_of_newtons_optimum(seed, x64):
    family, data, _ = drawn(seed)
    expected = np.asarray(table(family, data, solve(family, data)))
    step = 1e-4
    for moved in range(3):
        ends = []
        for sign in (-1, 1):
            sizes = np.asarray(data.sizes) + sign * step * np.eye(3)[moved]
            more = DataSets(data.laws, sizes)
            ends.append(np.asarray(all_rates(family, solve(family, more), data)))
        found = -(ends[1] - ends[0]) / (2 * step)
        # Central differences: step^2 times third derivatives up to 10, eps / step.
        assert_close(found, expected[:, moved], 1e-7)


@pytest.mark.parametrize("seed", SEEDS)
def test_responses_are_symmetric_stable_and_ignore_scale(seed, x64):
    family, data, _ = drawn(seed)
    found = np.asarray(table(family, data, solve(family, data)))
    size = np.abs(found).max()
    assert_close(found, found.T, 1e-13 * size)
    assert_close(found @ data.sizes, 0.0, 1e-11 * size)
    assert np.linalg.eigvalsh(found).min() > -1e-12 * size


def test_the_elastic_ratio_is_minus_k_although_no_data_set_is_in_the_family(x64):
    family, data, _ = drawn(1)
    for k in (10.0, 1000.0):
        few = DataSets(data.laws, np.array([k, 1.0, 1e-9]))
        column = np.asarray(table(family, few, solve(family, few)))[:, 2]
        # l = 1e-9 times the own response of t over the cross response.
        assert_close(column[1] / column[0] / -k, 1.0, 1e-5)


@given(laws=simplices((3, LEAVES), ("dense",)), k=numbers(0.1, 50.0))
@in_x64
def test_the_saturated_family_is_the_table(laws, k):
    family = Family(np.eye(LEAVES)[:, :-1], np.zeros(LEAVES))
    data = DataSets(laws, np.array([k, 1.0, 0.3]))
    best = np.asarray(data.sizes) @ laws / np.sum(data.sizes)
    theta = np.log(best[:-1] / best[-1])
    # Laws down to e^-12 are inverted, 1e-16 * e^12; means of equal laws are rounded.
    expected = np.asarray(tabular(data))
    tolerance = 1e-9 * np.abs(expected).max() + 1e-14
    assert_close(table(family, data, theta), expected, tolerance)


tabular = jax.jit(responses)


def test_added_data_displace_the_mean_by_their_share(x64):
    family, data, _ = drawn(2)
    held = DataSets(data.laws[:2], data.sizes[:2])
    added = DataSets(data.laws[2:], data.sizes[2:])
    means = [
        feature_mean(family, law_of(family, solve(family, part)))
        for part in (data, held)
    ]
    found = mean_displacement(family, held, added)
    assert_close(means[0] - means[1], found, 1e-12)


def test_batches_of_data_are_solved_as_one_by_one(x64):
    family, data, _ = drawn(3)
    sizes = np.array([[20.0, 1.0, 0.5], [1.0, 1.0, 1.0]])
    laws = jnp.broadcast_to(data.laws, (2, 3, LEAVES))
    batch = solve(family, DataSets(laws, sizes))
    rows = [solve(family, DataSets(data.laws, row)) for row in sizes]
    assert_close(batch, np.stack(rows), 1e-12)
