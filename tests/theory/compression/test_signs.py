"""Forms A and B of the theorem: closed forms, universal critical share, reversals."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
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
from theory.compression.datasets import DataSets, with_size
from theory.compression.equilibrium import overlap_excess, rate_slopes
from theory.compression.pareto import rebound_size, unrelated_size
from theory.compression.rates import joint_rates
from theory.compression.signs import (
    concentration,
    disjoint_copies,
    disjoint_ratio_b,
    disjoint_slopes_a,
    disjoint_slopes_b,
    exchangeable_critical_share,
    exchangeable_overlaps,
    exchangeable_ratio,
    flip_size,
    form_a,
    form_a_average,
    form_b,
    smoothing_constant,
)

SETS, LEAVES = 3, 8
DRAWS, MASSES = 64, 4096
ALPHAS = (1.5, 2.0, 3.0)
# Sums of 24 terms of at most some 60 nats, in float64.
ROUNDING = 1e-11

tables = simplices((SETS, LEAVES))
dense = simplices((SETS, LEAVES), kinds=("dense",))
sizes = hnp.arrays(np.float64, (SETS,), elements=numbers(1e-2, 1e2))


@jax.jit
def derivatives(data):
    """d gamma / dl by automatic differentiation, [set]."""
    return jax.jacfwd(lambda n: joint_rates(with_size(data, 2, n)))(data.sizes[2])


@jax.jit
def slopes_b(parts, k, share):
    """The slopes of form B, [..., 3]: closed form of the equilibrium."""
    return rate_slopes(form_b(parts, k, share), 2)


@jax.jit
def slopes_a(laws, k, share):
    """The slopes of form A, [..., 3]: closed form of the equilibrium."""
    return rate_slopes(form_a(laws, k, share), 2)


flips = jax.jit(flip_size)
averages = jax.jit(form_a_average)
scarcities = jax.jit(concentration)
rates_along = jax.jit(
    jax.vmap(
        lambda laws, size, n: joint_rates(with_size(DataSets(laws, size), 2, n)),
        (None, None, 0),
    )
)


@cache
def pareto_draws(alpha: float) -> np.ndarray:
    """Laws of iid Pareto masses, [draw, part, leaf]; the key is 0, not chosen."""
    with jax.enable_x64(False):
        key = jax.random.key(0)
        masses = jax.random.pareto(key, alpha, (DRAWS, SETS, MASSES))
    masses = np.float64(masses)
    return np.asarray(masses / masses.sum(-1, keepdims=True))


@given(k=numbers(1e-2, 1e5), share=numbers(1e-3, 10.0))
@in_x64
def test_disjoint_form_b_has_its_closed_form(k, share):
    data = form_b(np.eye(3), k, share)
    found = derivatives(DataSets(np.asarray(data.laws), np.asarray(data.sizes)))
    exact = np.array(disjoint_slopes_b(k, share))
    assert_close(found, exact, ROUNDING * max(1.0, 1 / k))
    if abs(1 - 2 * share) > 1e-3:
        assert_close(disjoint_ratio_b(k, share) * exact[0] / exact[1], 1.0, 1e-9)


@given(k=numbers(1e-2, 1e5), share=numbers(1e-3, 10.0), laws=tables)
@in_x64
def test_disjoint_form_a_loses_alike_in_both_data_sets(k, share, laws):
    apart = np.einsum("ix,ij->ijx", laws, np.eye(SETS)).reshape(SETS, -1)
    found = derivatives(DataSets(apart, np.array([k, 1.0, share])))
    exact = np.array(disjoint_slopes_a(k, share))
    assert_close(found, exact, ROUNDING * max(1.0, 1 / share))
    assert found[0] > 0
    assert found[1] > 0


def test_disjoint_copies_share_no_leaf():
    laws = random_rows(0, SETS, LEAVES)
    found = np.asarray(disjoint_copies(laws))
    assert ((found > 0).sum(0) <= 1).all()
    assert_close(found.sum(-1), np.ones(SETS), 1e-6)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_disjoint_parts_flip_at_one_over_their_number_less_one(parts, x64):
    for k in (0.5, 10.0, 1e4):
        # Bisection to rounding of log l, then to that of a slope beside rates' 1.
        flip = flips(form_b(np.eye(parts), k, 0.1))
        assert_close(flip, exchangeable_critical_share(parts), 1e-9)
        at_flip = disjoint_slopes_b(k, flip, parts).pretraining
        assert_close(at_flip, 0.0, 1e-9)


@given(laws=tables, size=sizes)
@in_x64
def test_a_rate_falls_up_to_its_flip_and_rises_beyond(laws, size):
    flip = float(flips(DataSets(laws, size)))
    others = size[:2].sum()
    grid = np.sort(
        np.append(
            np.geomspace(1e-4, 1e4, 19) * others,
            np.clip(flip, 1e-5 * others, 1e5 * others),
        )
    )
    rate = np.asarray(rates_along(laws, size, grid))[:, 0]
    steps = np.diff(rate)
    falling = grid[1:] <= flip
    assert_below(steps[falling], 0.0, ROUNDING)
    assert_below(-steps[~falling], 0.0, ROUNDING)


def test_some_rates_do_fall_and_rise(x64):
    # Negative control of the last test: the flip is inside for some random laws.
    found = [
        float(flips(DataSets(random_rows(seed, SETS, LEAVES), np.ones(SETS))))
        for seed in range(12)
    ]
    assert any(0 < flip < np.inf for flip in found)


def test_a_data_set_s_own_rate_never_rises(x64):
    own = jax.jit(lambda data: flip_size(data, 2, 2))
    assert float(own(DataSets(random_rows(1, SETS, LEAVES), np.ones(SETS)))) == np.inf


@given(parts=tables)
@in_x64
def test_parts_overlap_on_average_as_exchangeable_ones(parts):
    table = 1 + np.asarray(unions(parts))
    c = float(scarcities(parts))
    found = exchangeable_overlaps(c, 3.0)
    assert_close(np.trace(table) / 3, found.own, ROUNDING)
    assert_close((table.sum() - np.trace(table)) / 6, found.cross, ROUNDING)
    assert_below(1 / 3, c, ROUNDING)
    assert_below(c, 1.0, ROUNDING)


unions = jax.jit(lambda parts: overlap_excess(DataSets(parts, jnp.ones(SETS))))


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("k", [3.0, 1000.0])
def test_form_b_has_the_published_signs_in_every_draw(alpha, k, x64):
    # l = 0.05, a tenth of the critical 1/2. 64 draws of 4,096 masses: notes 2.5 saw no
    # exception in 200.
    slope = np.asarray(slopes_b(pareto_draws(alpha), k, 0.05))
    assert (slope[:, 0] < 0).all()
    assert (slope[:, 1] > 0).all()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_form_b_loses_its_signs_beyond_the_critical_share(alpha, x64):
    # Negative control: l = 1, twice the critical share.
    slope = np.asarray(slopes_b(pareto_draws(alpha), 1000.0, 1.0))
    assert (slope[:, 0] > 0).all()


def test_form_b_pulls_as_the_quadrature_says(x64):
    # n gamma_a' = 1 - S_at at k = 1e4; 5 sigmas over draws, plus a declared 2 % for the
    # finite M (at alpha <= 1.5 the mean itself converges as slowly as M^(-1/3)).
    for alpha in (2.0, 3.0):
        found = 1e4 * np.asarray(slopes_b(pareto_draws(alpha), 1e4, 0.0))[:, 1]
        sem = found.std(ddof=1) / np.sqrt(DRAWS)
        exact = float(rebound_size(alpha))
        assert_close(found.mean(), exact, 5 * sem + 0.02 * exact)
        assert abs(found.mean() - 1 / 3) > 5 * sem + 0.02 * exact


def test_two_parts_flip_exactly_at_equal_sizes(x64):
    # By symmetry, at every k and for any parts; bisection to rounding.
    parts = random_rows(5, 2, LEAVES)
    for k in (0.1, 30.0):
        assert_close(flips(form_b(parts, k, 0.1)), 1.0, 1e-9)


def test_the_critical_share_is_universal(x64):
    for alpha in (1.5, 3.0):
        found = np.log(np.asarray(flips(form_b(pareto_draws(alpha), 1e4, 0.1))))
        sem = found.std(ddof=1) / np.sqrt(DRAWS)
        exact = np.log(float(exchangeable_critical_share(SETS)))
        # 5 sigmas over draws.
        assert_close(found.mean(), exact, 5 * sem)
        assert abs(found.mean()) > 5 * sem  # not 1, the share of two parts


def test_the_ratio_of_exchangeable_parts_grows_towards_the_flip(x64):
    # k / -ratio is linear in the draws' S, so its mean is 1 - (m-1) l within 5 sigmas;
    # the k^-1 correction is 1e-4. Exactly 1 at l = 0.
    shares = np.array([0.0, 0.1, 0.3])
    slope = np.asarray(slopes_b(pareto_draws(2.0), 1e4, shares[:, None]))
    found = -1e4 * slope[..., 0] / slope[..., 1]
    sem = found.std(-1, ddof=1) / np.sqrt(DRAWS)
    exact = -1e4 / np.asarray(exchangeable_ratio(1e4, shares, 3.0))
    assert_close(found[0], np.ones(DRAWS), 1e-9)
    errors = np.abs(found.mean(-1) - exact)
    assert_below(errors, 5 * sem + 2e-4)
    assert_must_fail(lambda: assert_below(np.abs(found.mean(-1) - 1), 5 * sem + 2e-4))


@given(laws=tables, k=numbers(1.0, 1e3))
@in_x64
def test_form_a_averages_to_minus_a_sum_of_squares(laws, k):
    data = DataSets(laws, np.array([k, 1.0, 0.0]))
    turned = DataSets(laws[[1, 0, 2]], data.sizes)
    found = (k + 1) * (derivatives(data)[1] + derivatives(turned)[1]) / 2
    exact = float(averages(data))
    assert_close(found, exact, 1e-12 * (k + 1) ** 2)
    outside = laws[2][(laws[0] == 0) & (laws[1] == 0)].sum()
    assert_below(exact, outside, ROUNDING)


def test_form_a_has_the_opposite_signs_on_average(x64):
    for alpha in ALPHAS:
        for k in (3.0, 100.0):
            slope = np.asarray(slopes_a(pareto_draws(alpha), k, 1e-3))
            mean, sem = slope.mean(0), slope.std(0, ddof=1) / np.sqrt(DRAWS)
            # 5 sigmas, one-sided.
            assert mean[0] > 5 * sem[0]
            assert mean[1] < -5 * sem[1]


def test_form_b_is_not_reversed(x64):
    # Negative control: the same question to form B.
    slope = np.asarray(slopes_b(pareto_draws(2.0), 100.0, 1e-3))
    assert_must_fail(lambda: assert_below(slope[:, 1].mean(), 0.0))


def test_unrelated_data_help_by_the_constant_of_the_masses(x64):
    for alpha in (2.0, 3.0):
        slope = np.asarray(slopes_a(pareto_draws(alpha), 1e4, 0.0))[:, 1] * 1e4
        sem = slope.std(ddof=1) / np.sqrt(DRAWS)
        exact = float(unrelated_size(alpha))
        # 5 sigmas over draws, plus a declared 2 % for the finite M.
        assert_close(slope.mean(), exact, 5 * sem + 0.02 * abs(exact))
        assert slope.mean() < -5 * sem  # the published sign is out of the question


def test_the_constant_of_pareto_masses_is_one_over_alpha_squared_less_one(x64):
    # Midpoint quantiles: the mean of X^1 converges as M^(1/alpha - 1), here 1e-4.
    levels = (np.arange(1_000_000) + 0.5) / 1_000_000
    found = smoothing_constant(levels ** (-1 / 3.0))
    assert_close(found, unrelated_size(3.0), 1e-3)
    assert_must_fail(lambda: assert_close(found, -unrelated_size(3.0), 1e-3))


def test_form_b_is_made_of_its_parts():
    data = form_b(np.eye(4), np.array([10.0, 20.0]), 0.5)
    assert_close(data.laws[0], np.full(4, 0.25), 1e-7)
    assert_close(data.laws[1:], np.eye(4)[2:], 0.0)
    assert_close(data.sizes, [[10, 1, 0.5], [20, 1, 0.5]], 0.0)


def test_gradients_are_finite_at_zeros(x64):
    laws, size = np.eye(3), np.array([2.0, 1.0, 0.5])
    assert_finite_gradient(lambda p, n: averages(DataSets(p, n)), laws, size)
    assert_finite_gradient(scarcities, np.array([[1.0, 0, 0], [0.5, 0.5, 0]]))
