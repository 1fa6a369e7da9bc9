"""The elasticity inequality: any model, finite changes, whole-bit codes."""

from functools import cache
from itertools import pairwise

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers, simplices
from tests.worlds import random_rows
from theory.compression.datasets import DataSets, with_size
from theory.compression.equilibrium import optimum
from theory.compression.huffman import huffman_lengths
from theory.compression.inequality import (
    alignment_floor,
    cross_demand,
    demand,
    rate_changes,
    weighted_change,
)
from theory.compression.rates import rates
from theory.information import kl

SETS, LEAVES = 3, 8
# Weighted sums of 24 terms; exact but for the rounding of float64.
ROUNDING = 1e-9

tables = simplices((SETS, LEAVES))
models = simplices((LEAVES,), kinds=("dense",))
sizes = hnp.arrays(np.float64, (SETS,), elements=numbers(1e-2, 1e2))

changed = jax.jit(rate_changes)
best = jax.jit(lambda laws, size: optimum(DataSets(laws, size)))
distance = jax.jit(kl)
rate = jax.jit(lambda laws, model: rates(DataSets(laws, jnp.ones(SETS)), model))


@given(laws=tables, size=sizes, model=models)
@in_x64
def test_no_change_of_a_jointly_optimal_model_helps_all_data_together(
    laws, size, model
):
    changes = changed(laws, best(laws, size), model)
    assert_below(0.0, weighted_change(size, changes), ROUNDING)


@given(laws=simplices((SETS, LEAVES), ("dense",)), size=sizes, start=models, end=models)
@in_x64
def test_a_model_is_protected_up_to_what_it_is_short_of_the_optimum(
    laws, size, start, end
):
    short = size.sum() * float(distance(best(laws, size), start))
    change = weighted_change(size, changed(laws, start, end))
    assert_below(-short, change, ROUNDING)


def test_a_model_that_is_not_optimal_is_not_protected(x64):
    # Negative control: without the allowance the floor of the last test is broken.
    laws, size = random_rows(0, SETS, LEAVES), np.ones(SETS)
    start = random_rows(1, LEAVES)
    change = weighted_change(size, changed(laws, start, best(laws, size)))
    assert_must_fail(lambda: assert_below(0.0, change, 1e-3))


@given(laws=tables, size=sizes, share=numbers(1e-3, 30.0))
@in_x64
def test_a_third_data_set_is_served_at_the_expense_of_the_others(laws, size, share):
    start, end = size * np.array([1, 1, 0]), size * np.array([1, 1, share])
    changes = changed(laws, best(laws, start), best(laws, end))
    found = demand(start, changes, 2, end[2])
    assert_below(found.least, found.others, ROUNDING)
    assert_below(found.others, found.most, ROUNDING)
    floor = alignment_floor(float(changes[0]), size[0] / size[1])
    assert_below(floor, changes[1], ROUNDING, relative=ROUNDING)


@given(before=models, after=models, laws=simplices((SETS, LEAVES), kinds=("dense",)))
@in_x64
def test_changes_are_differences_of_rates(before, after, laws):
    found = rate(laws, after) - rate(laws, before)
    assert_close(changed(laws, before, after), found, ROUNDING)


def test_a_small_change_keeps_its_digits(x64):
    before = np.array([0.25, 0.75])
    after = before + np.array([1, -1]) * 2.0**-40
    mpmath.mp.dps = 40
    exact = -mpmath.log(mpmath.mpf(after[0]) / mpmath.mpf(before[0]))
    found = changed(np.eye(2), before, after)
    assert_close_to_rounding(found[0], float(exact), 4)
    naive = np.log(before[0]) - np.log(after[0])
    assert_must_fail(lambda: assert_close_to_rounding(naive, float(exact), 4))


def test_what_a_model_forbids_is_an_infinite_change(x64):
    sure, even = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    assert changed(np.eye(2), even, sure).tolist()[1] == np.inf
    assert changed(np.eye(2), sure, even).tolist()[1] == -np.inf
    assert np.isfinite(changed(np.eye(2), even, sure)[0])
    assert float(weighted_change(np.array([1.0, 0.0]), np.array([2.0, np.inf]))) == 2


def test_changes_have_finite_gradients_at_zeros_and_survive_jit(x64):
    laws, even = np.eye(3), np.array([0.5, 0.5, 0.0])
    skewed = np.array([0.75, 0.25, 0.0])
    assert_finite_gradient(lambda *a: changed(*a)[:2], laws, even, skewed)
    assert_jit_changes_nothing(rate_changes, laws, even, skewed)


@cache
def drawn(count: int) -> tuple[np.ndarray, ...]:
    """Heavy-tailed masses, k log-uniform on [1, 316], l on [.01, 32]."""
    with jax.enable_x64(False):
        keys = jax.random.split(jax.random.key(0), 3)
        masses = np.asarray(jax.random.pareto(keys[0], 1.2, (count, SETS, 24)))
        k = np.asarray(10 ** jax.random.uniform(keys[1], (count,), maxval=2.5))
        share = np.asarray(
            10 ** jax.random.uniform(keys[2], (count,), minval=-2, maxval=1.5)
        )
    return tuple(np.float64(part) for part in (masses, k, share))


def huffman_instances(count: int, leaves: int) -> tuple[np.ndarray, ...]:
    """Laws, k and l of random instances."""
    masses, k, share = (part[:count] for part in drawn(300))
    masses = masses[..., :leaves]
    return masses / masses.sum(-1, keepdims=True), k, share


def coded_rates(laws: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Mean Huffman lengths of every data set under the code of all together, bits."""
    union = (size[..., None] * laws).sum(-2) / size.sum(-1, keepdims=True)
    return np.asarray((laws * huffman_lengths(union)[..., None, :]).sum(-1))


@pytest.mark.parametrize("leaves", [4, 9, 24])
def test_huffman_codes_obey_the_inequality_and_the_law_of_demand(leaves):
    laws, k, share = huffman_instances(300, leaves)
    one, none = np.ones_like(k), np.zeros_like(k)
    before = coded_rates(laws, np.stack([k, one, none], -1))
    after = coded_rates(laws, np.stack([k, one, share], -1))
    change = after - before
    others = k * change[:, 0] + change[:, 1]
    # Rounding: k up to 316 times lengths up to some 20 bits.
    assert_below(0.0, others, 1e-9)
    assert_below(others, -share * change[:, 2], 1e-9)
    assert (others > 1e-6).mean() > 0.1  # codes do switch: the test is not empty
    assert_must_fail(lambda: assert_below(0.0, change[:, 1] + change[:, 0], 1e-9))
    found = cross_demand(
        np.stack([k, one, share], -1), np.stack([k, one, none], -1), after, before
    )
    assert_below(found, 0.0, 1e-9)


def switches(laws: np.ndarray, k: float, low: float, high: float) -> list[float]:
    """The weighted change of rates where a Huffman code switches, by bisection in l."""

    def lengths(share: float) -> np.ndarray:
        size = np.array([k, 1.0, share])
        return huffman_lengths(size @ laws / size.sum())

    grid = np.geomspace(low, high, 40)
    found = []
    for left, right in pairwise(grid):
        before, after = lengths(left), lengths(right)
        if (before == after).all():
            continue
        while right - left > 1e-14 * right:
            middle = (left + right) / 2
            if middle in (left, right):
                break
            same = (lengths(middle) == before).all()
            left, right = (middle, right) if same else (left, middle)
        jump = laws @ (lengths(right) - lengths(left))
        found.append(float(np.array([k, 1.0, right]) @ jump))
    return found


def test_where_a_code_switches_the_weighted_change_is_zero():
    # The total is continuous in l. Bisection leaves 1e-14 of l, times lengths: 1e-12.
    laws, _, _ = huffman_instances(12, 9)
    found = [jump for law in laws for jump in switches(law, 5.0, 1e-2, 10.0)]
    assert len(found) >= 20
    assert_close(np.array(found), np.zeros(len(found)), 1e-12)


def test_between_two_codes_far_apart_it_is_not_zero():
    # Negative control: the finite change over the whole range of l.
    laws, _, _ = huffman_instances(12, 9)
    size = np.array([5.0, 1.0, 10.0])
    change = coded_rates(laws, size) - coded_rates(laws, np.array([5.0, 1.0, 1e-2]))
    assert_must_fail(lambda: assert_close(change @ size, np.zeros(12), 1e-12))


def test_a_misspecified_model_obeys_the_floor_at_its_own_optimum(x64):
    # Rank-one log-linear models: theta on a fine grid stands for "any algorithm"; the
    # optimum of the grid is exact for the class that the grid is.
    laws = random_rows(4, SETS, LEAVES)
    feature = random_rows(5, LEAVES) - 1 / LEAVES
    grid = np.linspace(-40, 40, 801)
    table = np.asarray(jax.nn.log_softmax(grid[:, None] * feature, axis=-1))
    gammas = -table @ laws.T
    k = 20.0
    first = np.argmin(gammas @ np.array([k, 1.0, 0.0]))
    change = gammas - gammas[first]
    assert_below(alignment_floor(change[:, 0], k), change[:, 1], 1e-12)
    assert_must_fail(
        lambda: assert_below(alignment_floor(change[:, 0], 2.0), change[:, 1], 1e-12)
    )


def test_sizes_are_replaced_in_batches(x64):
    data = with_size(DataSets(np.eye(2), np.ones(2)), 1, np.array([1.0, 3.0]))
    assert_close(optimum(data)[:, 1], [0.5, 0.75], 1e-15)
    assert jnp.shape(data.sizes) == (2, 2)
