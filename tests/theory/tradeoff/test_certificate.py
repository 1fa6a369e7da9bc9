"""What an excess allows: ends attained, nothing beyond, and brute force agrees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.assertions import assert_below, assert_close, assert_must_fail
from tests.worlds import WORLDS, law, one_context
from theory.laws import World
from theory.tradeoff import (
    at_zero_penalty,
    concentration,
    excess,
    gap,
    gaps,
    mixture_posterior,
    optimal_gaps,
    optimum,
    reach,
    safety_transfer,
)

NAMES = ["golden_b", "overlap_half", "support_conflict", "sparse"]
ends_of, spent_by, gaps_of = jax.jit(reach), jax.jit(excess), jax.jit(gaps)


@pytest.mark.parametrize("name", NAMES)
def test_ends_on_the_frontier_are_attained_and_spend_all(name, x64):
    world, penalty, zeta = WORLDS[name](), 1.3, np.array([1e-8, 1e-3, 0.03])
    found = ends_of(world, penalty, zeta)
    for proxy_end, capability_end in (
        (found.proxy.lower, found.capability.upper),
        (found.proxy.upper, found.capability.lower),
    ):
        spent = penalty * proxy_end + capability_end - optimum(world, penalty)
        assert_close(spent, zeta, 1e-12)  # rounding


@pytest.mark.parametrize("name", NAMES)
def test_reach_without_excess_is_the_optimum(name, x64):
    world = WORLDS[name]()
    found, best = ends_of(world, 0.7, 0.0), optimal_gaps(world, 0.7)
    # The bisection stops within 1e-15 of the penalty's logarithm.
    for interval, value in ((found.proxy, best.proxy), (found.capability, best[2])):
        assert_close(interval.lower, value, 1e-14)
        assert_close(interval.upper, value, 1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_reach_grows_with_the_excess(name, x64):
    found = ends_of(WORLDS[name](), 0.7, np.geomspace(1e-9, 10.0, 40))
    for interval in found:
        assert_below(np.diff(interval.lower), 0.0, 1e-14)  # rounding
        assert_below(0.0, np.diff(interval.upper), 1e-14)


def test_frontier_policies_end_where_reach_says(x64):
    world, penalty = WORLDS["overlap_half"](), 2.0
    for other in (0.05, 0.5, 1.9, 2.1, 8.0, 300.0):
        policy = mixture_posterior(world, other)
        found = gaps_of(world, policy)
        ends = ends_of(world, penalty, spent_by(world, policy, penalty))
        if other > penalty:
            assert_close(found.proxy, ends.proxy.lower, 1e-9)  # slope of a sqrt at 0
            assert_close(found.capability, ends.capability.upper, 1e-9)
        else:
            assert_close(found.proxy, ends.proxy.upper, 1e-9)
            assert_close(found.capability, ends.capability.lower, 1e-9)


@pytest.mark.parametrize("zeta", [0.003, 0.05])
def test_reach_is_what_trying_every_policy_of_two_outputs_finds(zeta, x64):
    world, penalty = WORLDS["golden_a"](), 1.0
    first = np.linspace(1e-6, 1 - 1e-6, 400_001)
    policies = np.stack([first, 1 - first], -1)[:, None, :]
    allowed = np.asarray(spent_by(world, policies, penalty)) <= zeta
    tried, ends = gaps_of(world, policies), ends_of(world, penalty, zeta)
    # The grid's step of 2.5e-6 times the slope of a gap, below 4 there.
    for values, interval in ((tried.proxy, ends.proxy), (tried[2], ends.capability)):
        kept = np.asarray(values)[allowed]
        assert_close(kept.min(), interval.lower, 1e-5)
        assert_close(kept.max(), interval.upper, 1e-5)


def test_beyond_the_frontier_the_upper_end_is_only_a_bound(x64):
    # Trap: the achievable set of a fully shared context is not upward closed.
    world, penalty = WORLDS["golden_a"](), 1.0
    zeta = 1.5 * float(penalty * at_zero_penalty(world).proxy - optimum(world, penalty))
    first = np.linspace(1e-6, 1 - 1e-6, 400_001)
    policies = np.stack([first, 1 - first], -1)[:, None, :]
    allowed = np.asarray(spent_by(world, policies, penalty)) <= zeta
    largest = np.asarray(gaps_of(world, policies).proxy)[allowed].max()
    end = ends_of(world, penalty, zeta).proxy
    assert_close(end.upper, (optimum(world, penalty) + zeta) / penalty, 1e-15)
    assert largest < float(end.upper) - 0.01


def test_beyond_the_frontier_a_context_of_one_side_attains_the_upper_end(x64):
    world, penalty, zeta = WORLDS["golden_b"](), 1.0, 2.0  # context 0: proxy only
    end = ends_of(world, penalty, zeta).proxy.upper
    policy = np.array(mixture_posterior(world, 1e-12))
    low, high = 1e-12, 0.2

    def spent(rest):
        policy[0] = [1 - 2 * rest, rest, rest]
        return float(spent_by(world, policy, penalty))

    for _ in range(200):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if spent(middle) < zeta else (middle, high)
    assert spent(high) <= zeta + 1e-9
    assert_close(gap(world.proxy, policy), end, 1e-6)  # penalty 1e-12, not 0


def test_when_the_whole_frontier_is_affordable_the_lower_ends_are_zero(x64):
    found = ends_of(WORLDS["golden_a"](), 1.0, 50.0)
    assert float(found.proxy.lower) == 0.0
    assert float(found.capability.lower) == 0.0
    assert np.isinf(ends_of(WORLDS["golden_a"](), 1.0, np.inf).proxy.upper)


def test_a_support_conflict_never_lets_the_proxy_gap_reach_zero(x64):
    assert float(ends_of(WORLDS["support_conflict"](), 1.0, 5.0).proxy.lower) > 0.0


def test_reach_in_single_precision_encloses_the_exact_gaps():
    world = WORLDS["golden_b"]()
    policy = jnp.asarray(mixture_posterior(world, 3.0))
    ends = ends_of(world, 1.0, spent_by(world, policy, 1.0))
    found = gaps_of(world, policy)
    # float32 rounding of the excess, 1e-7 of 0.1, over the slope at the end: 1e-5.
    assert_below(ends.proxy.lower, found.proxy, 1e-5)
    assert_below(found.capability, ends.capability.upper, 1e-5)


def test_true_safety_gap_of_many_policies_stays_in_its_range(x64):
    world, penalty = WORLDS["golden_b"](), 2.0
    noise = jax.random.normal(jax.random.key(3), (5000, 3, 3))
    size = jnp.exp(jax.random.uniform(jax.random.key(4), (5000, 1, 1), minval=-6))
    policies = jax.nn.softmax(
        jnp.log(mixture_posterior(world, penalty)) + size * noise, axis=-1
    )
    found = gap(world.safety, policies)
    ends = safety_transfer(world, penalty, spent_by(world, policies, penalty))
    assert_below(ends.lower, found, 1e-12)  # rounding
    assert_below(found, ends.upper, 1e-12)
    # Negative control: without the square root the claim is false.
    stress, best = concentration(world, penalty), optimal_gaps(world, penalty).safety
    zeta = spent_by(world, policies, penalty)
    assert_must_fail(lambda: assert_below(found, best + stress * zeta, 1e-12))


def test_a_safety_gap_can_move_like_the_root_of_the_excess(x64):
    # Level 4: the bound's order is right where r is not orthogonal to D_s.
    world = one_context([0.5, 0.5], [0.9, 0.1], [0.2, 0.8])
    steps = 10.0 ** -np.arange(2, 7)
    best = np.asarray(mixture_posterior(world, 1.0))
    policies = best + steps[:, None, None] * np.array([[[1.0, -1.0]]])
    moved = np.abs(
        np.asarray(gap(world.safety, policies)) - float(gap(world.safety, best))
    )
    zeta = np.asarray(spent_by(world, policies, 1.0))
    slope = np.polyfit(np.log(zeta), np.log(moved), 1)[0]
    # Curvature at the largest step of 0.01 bends the fit by less than 0.02.
    assert abs(slope - 0.5) < 0.02


def test_without_training_data_under_the_safety_data_nothing_is_certified(x64):
    found = safety_transfer(WORLDS["sparse"](), 1.0, 0.1)
    assert float(found.lower) == 0.0
    assert np.isinf(found.upper)


def test_safety_transfer_without_excess_is_the_optimum(x64):
    world = WORLDS["golden_b"]()
    found, best = safety_transfer(world, 3.0, 0.0), optimal_gaps(world, 3.0).safety
    assert_close(found.lower, best, 0.0)
    assert_close(found.upper, best, 0.0)


def test_concentration_is_the_largest_ratio(x64):
    world = World(
        law([1.0], [[0.5, 0.5]]), law([1.0], [[0.25, 0.75]]), law([1.0], [[0.5, 0.5]])
    )
    assert_close(concentration(world, 2.0), 0.5 / (0.5 + 2 * 0.25), 1e-15)
