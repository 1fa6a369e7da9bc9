"""What an excess allows of the price of a proxy: attained, and nothing beyond."""

import jax
import numpy as np
import pytest

from tests.assertions import assert_below, assert_close, assert_finite_gradient
from tests.theory.tradeoff.batches import KINDS, cases
from tests.worlds import WORLDS
from theory.laws import Law, World, exact_proxy
from theory.tradeoff import (
    exact_limit,
    excess,
    gaps,
    mixture_posterior,
    price,
    price_reach,
)

NAMES = ["golden_b", "overlap_half"]


reach_of, price_of = jax.jit(price_reach), jax.jit(price)


def paid(world, policy, penalty):
    found = gaps(world, policy)
    return penalty * found.safety + found.capability - exact_limit(world, penalty)


@jax.jit
def both(case):
    spent = excess(case.world, case.policy, case.penalty)
    return paid(*case), price_reach(case.world, case.penalty, spent)


@pytest.mark.parametrize("kind", KINDS)
def test_every_policy_pays_within_the_reach_of_its_excess(kind, x64):
    value, allowed = both(cases(kind, 5))
    finite = np.isfinite(value)
    assert finite.sum() > 100
    # Rounding: gaps of some hundred nats, times a penalty.
    assert_below(allowed.lower[finite], value[finite], 1e-9, relative=1e-9)
    assert_below(value[finite], allowed.upper[finite], 1e-9, relative=1e-9)


def test_without_excess_it_is_the_price(x64):
    for name in NAMES:
        world = WORLDS[name]()
        found, exact = reach_of(world, 1.3, 0.0), price_of(world, 1.3)
        assert_close(found.lower, exact, 1e-12)  # rounding
        assert_close(found.upper, exact, 1e-12)


def test_an_exact_proxy_pays_its_excess_and_no_more(x64):
    world = exact_proxy(WORLDS["golden_b"]())
    policy = 0.9 * mixture_posterior(world, 1.3) + 0.1 / 3
    spent = excess(world, policy, 1.3)
    assert spent > 1e-3
    found = reach_of(world, 1.3, spent)
    assert_close(paid(world, policy, 1.3), found.upper, 1e-12)
    assert_close(found.lower, 0.0, 1e-12)


def test_gradients_are_finite_where_nothing_is_spent(x64):
    world = WORLDS["golden_b"]()
    assert_finite_gradient(
        lambda penalty: price_reach(world, penalty, 0.0).upper, np.array(1.3)
    )


def test_a_policy_that_forbids_an_output_leaves_an_exact_proxy_a_range(x64: None):
    # zeta = inf times a width of 0 once made this NaN.
    law = Law(np.array([1.0]), np.array([[0.5, 0.5]]))
    allowed = price_reach(World(law, law, law), 1.0, np.inf)
    assert (float(allowed.lower), float(allowed.upper)) == (0.0, np.inf)
