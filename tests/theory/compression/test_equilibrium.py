"""The joint optimum: least total, Euler, reciprocity, slopes, ratio and limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.assertions import (
    assert_below,
    assert_close,
    assert_finite_gradient,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers, simplices
from tests.worlds import random_rows
from theory.compression.datasets import DataSets
from theory.compression.equilibrium import (
    critical_share,
    deviations,
    least_total,
    optimum,
    overlap_excess,
    overlap_matrix,
    rate_slopes,
    ratio,
    responses,
)
from theory.compression.inequality import cross_demand
from theory.compression.rates import joint_rates, total_rate, union_excess
from theory.information import entropy

SETS, LEAVES = 3, 8
# Sums of 24 terms of at most some 60 nats, in float64.
ROUNDING = 1e-11

tables = simplices((SETS, LEAVES))
models = simplices((LEAVES,), kinds=("dense",))
sizes = hnp.arrays(np.float64, (SETS,), elements=numbers(1e-2, 1e2))


@jax.jit
def measured(laws, size):
    """Everything of one instance."""
    data = DataSets(laws, size)
    return {
        "rates": joint_rates(data),
        "least": least_total(data),
        "optimum": optimum(data),
        "responses": responses(data),
        "overlap": overlap_matrix(data),
        "excess": overlap_excess(data),
        "slopes": rate_slopes(data, 2),
        "ratio": ratio(data, 1, 0, 2),
        "critical": critical_share(data),
        "deviations": deviations(data),
        "divergence": union_excess(data),
        "entropies": entropy(laws),
        "hessian": jax.hessian(lambda n: least_total(DataSets(laws, n)))(size),
        "gradient": jax.grad(lambda n: least_total(DataSets(laws, n)))(size),
    }


measured_total = jax.jit(lambda laws, size, q: total_rate(DataSets(laws, size), q))
measured_rates = jax.jit(lambda laws, size: joint_rates(DataSets(laws, size)))


@given(laws=tables, size=sizes, model=models)
@in_x64
def test_no_model_compresses_all_data_better_than_the_optimum(laws, size, model):
    found = measured(laws, size)
    total = size.sum() * float(measured_total(laws, size, model))
    assert_below(found["least"], total, ROUNDING, relative=ROUNDING)


def test_the_geometric_mixture_is_not_the_optimum(x64):
    # Negative control: it solves the other order of the divergence.
    laws, size = random_rows(0, SETS, LEAVES), np.ones(SETS)
    geometric = np.asarray(jax.nn.softmax(np.log(laws).mean(0)))
    total = 3 * float(measured_total(laws, size, geometric))
    assert_must_fail(lambda: assert_close(total, measured(laws, size)["least"], 1e-3))


@given(laws=tables, size=sizes)
@in_x64
def test_the_least_total_is_entropies_plus_a_jensen_shannon_divergence(laws, size):
    found = measured(laws, size)
    parts = size @ found["entropies"] + size.sum() * found["divergence"]
    assert_close(found["least"], parts, ROUNDING * max(1.0, parts))
    assert_below(found["divergence"], entropy(size / size.sum()), ROUNDING)


@given(laws=tables, size=sizes)
@in_x64
def test_rates_are_the_gradient_and_responses_the_curvature(laws, size):
    # Scale of the curvature: at most 1 / n_i = 100.
    found = measured(laws, size)
    assert_close(found["gradient"], found["rates"], ROUNDING)
    assert_close(found["hessian"], -found["responses"], 100 * ROUNDING)


@given(laws=tables, size=sizes)
@in_x64
def test_responses_are_symmetric_positive_and_kill_the_sizes(laws, size):
    # Relative to the largest response times the largest size: 1e-9, notes 5 item 7.
    found = np.asarray(measured(laws, size)["responses"])
    scale = max(np.max(np.abs(found)), 1e-300)
    assert_close(found, found.T, 1e-9 * scale)
    assert_below(-np.linalg.eigvalsh(found), 0, 1e-9 * scale)
    assert_close(found @ size, np.zeros(SETS), 1e-9 * scale * size.max())
    assert_below(-np.diag(found), 0)


def test_responses_of_a_wrong_optimum_do_not_kill_the_sizes(x64):
    laws, size = random_rows(1, SETS, LEAVES), np.array([3.0, 1.0, 0.5])
    wrong = np.asarray(measured(laws, np.ones(SETS))["responses"])
    assert_must_fail(lambda: assert_close(wrong @ size, np.zeros(SETS), 1e-3))


@given(laws=tables, size=sizes)
@in_x64
def test_overlaps_are_the_sums_they_are_defined_by(laws, size):
    best = size @ laws / size.sum()
    direct = np.einsum("ix,jx->ij", laws, laws / np.where(best > 0, best, 1.0))
    # Overlaps are at most n / min n.
    assert_close(measured(laws, size)["overlap"], direct, 1e-12 * size.sum() / 1e-2)


@given(laws=tables, size=sizes, other_size=sizes)
@in_x64
def test_the_least_total_is_concave_and_homogeneous(laws, size, other_size):
    at, at_other, at_middle = (
        float(measured(laws, n)["least"])
        for n in (size, other_size, (size + other_size) / 2)
    )
    assert_below((at + at_other) / 2, at_middle, 1e-9, relative=ROUNDING)
    assert_close(measured(laws, 4 * size)["least"], 4 * at, 1e-9)
    assert_close(measured_rates(laws, 7 * size), measured_rates(laws, size), ROUNDING)


@given(laws=tables, size=sizes, other_size=sizes)
@in_x64
def test_demand_falls_with_size_for_any_two_sizes(laws, size, other_size):
    rates, rates_other = measured_rates(laws, size), measured_rates(laws, other_size)
    found = cross_demand(size, other_size, rates, rates_other)
    assert_below(found, 0.0, 100 * ROUNDING)


@given(laws=tables, size=sizes, order=st.permutations(range(SETS)))
@in_x64
def test_names_of_sets_and_of_leaves_do_not_matter(laws, size, order):
    place = list(order)
    assert_close(
        measured_rates(laws[place], size[place]),
        np.asarray(measured_rates(laws, size))[place],
        ROUNDING,
    )
    assert_close(
        measured_rates(laws[:, ::-1].copy(), size),
        measured_rates(laws, size),
        ROUNDING,
    )


@given(laws=tables, size=sizes)
@in_x64
def test_halving_a_data_set_changes_nothing_and_a_duplicate_adds_stiffness(laws, size):
    split = laws[[0, 1, 2, 1]]
    halves = size[[0, 1, 2, 1]] * np.array([1, 0.5, 1, 0.5])
    assert_close(
        measured_rates(split, halves)[:3], measured_rates(laws, size), ROUNDING
    )
    doubled = size * np.array([1, 2, 1])
    assert_close(
        measured_rates(split, size[[0, 1, 2, 1]])[:3],
        measured_rates(laws, doubled),
        ROUNDING,
    )


@given(laws=simplices((SETS, LEAVES), kinds=("dense",)), k=numbers(1.0, 1e5))
@in_x64
def test_the_ratio_is_the_exact_formula_at_every_share(laws, k):
    for share in (1e-3, 0.1, 3.0):
        found = measured(laws, np.array([k, 1.0, share]))
        slope = np.asarray(slopes_of_share(share, laws, k))
        excess = np.asarray(found["excess"])
        below = -excess[1, 2] - share * excess[2, 2]
        # As a product: no side is infinite at the flip. Slopes by differentiation
        # cancel to eps times the rates, at most some 12 nats.
        assert_close(slope[1] * below, k * excess[1, 2] * slope[0], 1e-9 * k)
        if abs(excess[0, 2]) > 1e-3 / k and abs(excess[1, 2]) > 1e-3:
            closed = k * excess[1, 2] / below
            assert_close(found["ratio"] / closed, 1.0, 1e-7)


@jax.jit
def slopes_of_share(share, laws, k):
    """d gamma / dl by automatic differentiation."""
    sizes = jnp.stack([k, 1.0, share])
    return jax.jacfwd(lambda n: joint_rates(DataSets(laws, n)))(sizes)[:, 2]


def test_the_ratio_tends_to_minus_k_at_first_order_in_the_share(x64):
    # -ratio/k - 1 = s l + O(l^2), s = (S_tt - 1)/(1 - S_at) = 2 for equal parts: one
    # more decade of l, one more of error, within 1 % (the l^2 term at l = 1e-3).
    parts = random_rows(2, SETS, LEAVES)
    laws = np.stack([parts.mean(0), parts[1], parts[2]])
    shares = np.array([1e-3, 1e-4, 1e-5, 1e-6])
    found = [measured(laws, np.array([1e3, 1, share]))["ratio"] for share in shares]
    errors = np.abs(-np.array(found) / 1e3 - 1)
    slope = np.polyfit(np.log(shares), np.log(errors), 1)[0]
    assert_close(slope, 1.0, 0.01)
    assert_must_fail(lambda: assert_close(slope, 2.0, 0.01))


def test_the_model_follows_the_largest_data_set(x64):
    # |q - p_i| <= (n - n_i) / n = 2e-9, and rates move by that over p_min >= 1e-3.
    laws = random_rows(3, SETS, LEAVES, scale=1.0)
    for large in range(SETS):
        size = np.where(np.arange(SETS) == large, 1e9, 1.0)
        found = measured(laws, size)
        assert_close(found["optimum"], laws[large], 4e-9)
        assert_close(found["rates"][large], entropy(laws[large]), 4e-6)
        assert_below(entropy(laws[large]), found["rates"][large], 1e-12)


def test_deviations_keep_their_digits_beside_a_huge_data_set(x64):
    laws = random_rows(4, 2, LEAVES)[[0, 1, 1]]
    found = measured(laws, np.array([1e12, 0.5, 0.5]))["deviations"][0]
    exact = (laws[0] - laws[1]) / (1e12 + 1)
    assert_close(found / exact, np.ones(LEAVES), 1e-12)
    naive = laws[0] - (1e12 * laws[0] + laws[1]) / (1e12 + 1)
    assert_must_fail(lambda: assert_close(naive / exact, np.ones(LEAVES), 1e-6))


def test_a_vanishing_data_set_outside_the_others_has_infinite_own_response(x64):
    laws = np.zeros((SETS, LEAVES))
    laws[:, :3] = [[0.5, 0.5, 0.0], [0.1, 0.9, 0.0], [0.0, 0.25, 0.75]]
    none = measured(laws, np.array([2.0, 1.0, 0.0]))["excess"]
    few = measured(laws, np.array([2.0, 1.0, 1e-9]))["excess"]
    assert float(none[2, 2]) == np.inf
    assert_close(none[:2, :], few[:2, :], 1e-8)  # first order in the vanishing size


def everything(laws, size):
    """All results of one instance in one vector."""
    data = DataSets(laws, size)
    parts = (optimum(data), least_total(data), responses(data), critical_share(data))
    return jnp.concatenate([jnp.ravel(part) for part in parts])


def test_gradients_are_finite_with_zeros_in_the_laws(x64):
    laws = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
    assert_finite_gradient(jax.jit(everything), laws, np.array([2.0, 1.0, 1.0]))


def test_batches_are_loops(x64):
    # Two sets of random rows: sums of 8 terms, differenced to at least 1 % of them.
    laws, size = random_rows(5, 4, SETS, LEAVES), 3 * random_rows(6, 4, SETS)
    found = jax.jit(lambda p, n: responses(DataSets(p, n)))(laws, size)
    rows = [measured(*row)["responses"] for row in zip(laws, size, strict=True)]
    assert_close(found, np.stack(rows), 1e-13)
    assert found.shape == (4, SETS, SETS)


def test_single_precision_is_right_to_its_rounding():
    laws, size = random_rows(7, SETS, LEAVES), np.array([30.0, 1.0, 0.1])
    with jax.enable_x64(True):
        exact = np.asarray(measured(laws, size)["overlap"])
    found = measured(laws, size)["overlap"]
    assert found.dtype == jnp.float32
    # Overlaps up to some 10, sums of 8 terms of eps 6e-8 each.
    assert_close(found, exact, 1e-4)


def test_the_pre_training_rate_falls_exactly_below_the_critical_share(x64):
    # Disjoint thirds: l* = 1/2 at every k.
    laws = np.zeros((SETS, LEAVES))
    laws[:, :3] = [[1 / 3] * 3, [0, 1.0, 0], [0, 0, 1.0]]
    for share, sign in ((0.4, -1), (0.6, 1)):
        found = measured(laws, np.array([1e6, 1.0, share]))
        assert_close(found["critical"], 0.5, 1e-5)  # k^-1
        assert np.sign(float(found["slopes"][0])) == sign


def test_a_perturbation_that_is_the_optimum_moves_nothing(x64):
    found = measured(np.full((SETS, LEAVES), 1 / LEAVES), np.ones(SETS))
    assert_close(found["slopes"], np.zeros(SETS), 0.0)
    assert float(found["critical"]) == np.inf
    assert float(found["ratio"]) == np.inf


def test_a_critical_share_needs_three_data_sets():
    with pytest.raises(ValueError, match="must be 3"):
        critical_share(DataSets(jnp.eye(2), jnp.ones(2)))
