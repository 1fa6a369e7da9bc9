"""The reverse frontier against supporting lines, scipy, its ends and its mirror."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from scipy import optimize

from tests import strategies
from tests.assertions import (
    assert_below,
    assert_close,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
)
from tests.worlds import WORLDS, one_context
from theory.laws import Law, World
from theory.tradeoff import (
    frontier_proxy,
    geometric_mixture,
    optimal_reverse_gaps,
    reverse_at_infinite_penalty,
    reverse_at_zero_penalty,
    reverse_frontier,
    reverse_gaps,
    reverse_objective,
    reverse_optimum,
    reverse_slopes,
    reverse_supporting_penalty,
    shared_support,
)

PENALTIES = np.geomspace(1e-8, 1e8, 20001)
NAMES = ("golden_b", "far_proxy", "support_conflict", "near_degenerate")
frontier_of, points_of = jax.jit(reverse_frontier), jax.jit(optimal_reverse_gaps)
value_of, gaps_of = jax.jit(reverse_optimum), jax.jit(reverse_gaps)
at_zero, at_infinity = map(
    jax.jit, (reverse_at_zero_penalty, reverse_at_infinite_penalty)
)
slopes_of, shared_of = jax.jit(reverse_slopes), jax.jit(shared_support)


def conflicting() -> World:
    """Each source forbids one output of the other: both tolls are positive."""
    return one_context([0.5, 0.3, 0.2, 0.0], [0.5, 0.3, 0.2, 0.0], [0.0, 0.1, 0.5, 0.4])


@pytest.mark.parametrize("name", ["golden_a", "far_proxy"])
def test_frontier_is_the_highest_supporting_line(name, x64):
    world, given_gaps = WORLDS[name](), np.geomspace(1e-4, 3.0, 30)
    lines = value_of(world, PENALTIES)[:, None] - PENALTIES[:, None] * given_gaps
    best = jnp.maximum(jnp.max(lines, axis=0), 0.0)
    found = frontier_of(world, given_gaps)
    # The grid's ratio of 1.0018 misses the top by (1/8) 0.0018^2 g penalty < 1e-6.
    assert_below(best, found, 1e-12)
    assert_close(found, best, 1e-6)
    assert_must_fail(
        lambda: assert_close(frontier_of(world, 1.01 * given_gaps), best, 1e-6)
    )


def test_the_forward_frontier_is_another(x64):
    world = WORLDS["golden_a"]()
    assert_must_fail(
        lambda: assert_close(
            frontier_of(world, 0.3), jax.jit(frontier_proxy)(world, 0.3), 1e-2
        )
    )


@pytest.mark.parametrize("name", NAMES)
def test_frontier_passes_through_the_geometric_mixtures(name, x64):
    world, penalties = WORLDS[name](), np.array([0.03, 0.5, 1.0, 7.0, 90.0])
    points = points_of(world, penalties)
    assert_close(frontier_of(world, points.proxy), points.capability, 1e-12)  # rounding
    assert_close(
        penalties * points.proxy + points.capability, value_of(world, penalties), 1e-11
    )


@pytest.mark.parametrize("name", NAMES)
def test_frontier_is_convex_and_falls(name, x64):
    world = WORLDS[name]()
    least = float(at_infinity(world).proxy)
    values = np.asarray(frontier_of(world, least + np.linspace(0.01, 2.0, 40)))
    assert_below(np.diff(values), 0.0, 1e-12)  # rounding
    assert_below(-np.diff(values, 2), 0.0, 1e-12)


def test_scipy_finds_no_better_policy(x64):
    world, given_gap = conflicting(), 1.0
    mixed = np.asarray(geometric_mixture(world, 1.0))[0, 1:3]

    def parts(share):
        policy = jnp.array([[0.0, share, 1.0 - share, 0.0]])
        found = gaps_of(world, policy)
        return float(found.proxy), float(found.capability)

    found = optimize.minimize_scalar(
        lambda share: parts(share)[1] + 1e3 * max(parts(share)[0] - given_gap, 0.0),
        bounds=(1e-6, 1 - 1e-6),
        method="bounded",
        options={"xatol": 1e-12},
    )
    assert 0 < mixed[0] < 1
    # Brent stops where the value changes by its root of rounding, times the kink 1e3.
    assert_close(frontier_of(world, given_gap), found.fun, 1e-5)


# Ends


def test_edges_of_the_frontier(x64):
    world = WORLDS["golden_a"]()
    zero, infinite = at_zero(world), at_infinity(world)
    assert_close(frontier_of(world, 0.0), infinite.capability, 0.0)
    assert_close(zero.capability, 0.0, 0.0)
    for beyond in (float(zero.proxy), 10.0, np.inf):
        assert float(frontier_of(world, beyond)) == 0.0
    assert float(frontier_of(world, -1e-9)) == np.inf


def test_no_budget_costs_more_than_the_infinite_penalty(x64):
    # The searched penalty reaches 1e300; its product with the rounding of a
    # budget near 1e-32 once came out as 1e215 nats.
    key_safe, key_depth = jax.random.split(jax.random.key(0))
    safe = jax.random.dirichlet(key_safe, jnp.ones(4), (2000, 3))
    depth = jax.random.uniform(key_depth, (2000, 1))
    rare = jax.nn.softmax(jnp.array([0.0, -20.0, -40.0]) * depth, axis=-1)
    even, flat = jnp.full_like(rare, 1 / 3), jnp.full_like(safe, 1 / 4)
    world = World(Law(even, flat), Law(even, safe), Law(rare, flat))
    most = at_infinity(world).capability
    for budget in (1e-40, 1e-32, 1e-24, 1e-16):
        found = frontier_of(world, jnp.full(2000, budget))
        # Sums of twelve terms of at most some nats.
        assert_below(found, most, 1e-14)
        # Negative control: so small a budget does not halve the cost.
        assert_must_fail(lambda found=found: assert_below(found, most / 2, 1e-14))


def test_support_conflict_takes_a_toll_at_any_penalty(x64):
    world = conflicting()
    shared = shared_of(world)
    assert_close(shared.proxy, -np.log(0.5), 1e-15)
    assert_close(shared.capability, -np.log(0.6), 1e-15)
    zero, infinite = at_zero(world), at_infinity(world)
    assert_close(zero.capability, shared.capability, 1e-15)
    assert_close(infinite.proxy, shared.proxy, 1e-15)
    assert float(frontier_of(world, 0.99 * shared.proxy)) == np.inf
    assert_close(frontier_of(world, shared.proxy), infinite.capability, 1e-12)
    assert_close(frontier_of(world, 9.0), zero.capability, 1e-15)
    assert float(frontier_of(world, np.inf)) == 0.0  # p_f itself is allowed then


@pytest.mark.parametrize("name", ["golden_b", "support_conflict", "near_degenerate"])
def test_ends_of_the_penalty_are_limits(name, x64):
    world = WORLDS[name]()
    few, many = points_of(world, 1e-12), points_of(world, 1e12)
    ends = at_zero(world), at_infinity(world)
    for near, end in zip((few, many), ends, strict=True):
        # First order in 1e-12 mu/mu' times squared log-ratios: at most 1e-12 1e9 400
        # in the degenerate world.
        assert_close(near.proxy, end.proxy, 1e-2 if name == "near_degenerate" else 1e-9)
        assert_close(
            near.capability, end.capability, 1e-2 if name == "near_degenerate" else 1e-9
        )


def test_disjoint_outputs_leave_nothing_to_choose(x64):
    world = WORLDS["opposite_outputs"]()
    assert float(frontier_of(world, 5.0)) == np.inf
    for end in (at_zero(world), at_infinity(world)):
        assert float(end.proxy) == float(end.capability) == np.inf


def test_disjoint_contexts_cost_nothing(x64):
    world = WORLDS["disjoint"]()
    assert float(frontier_of(world, 0.0)) == 0.0


# Order, slopes, mirror


@given(world=strategies.worlds(), penalty=strategies.penalties())
@in_x64
def test_gaps_move_as_their_slopes_say(world, penalty):
    here, there = points_of(world, penalty), points_of(world, 1.5 * penalty)
    # Rounding of gaps up to 1e3 nats (degenerate rows).
    assert_below(there.proxy, here.proxy, 1e-10)
    assert_below(here.capability, there.capability, 1e-10)
    slopes = slopes_of(world, penalty)
    assert_below(slopes.proxy, 0.0)
    assert_close(slopes.capability, -penalty * slopes.proxy, 1e-10)


@pytest.mark.parametrize("name", ["golden_a", "golden_b", "support_conflict"])
def test_slopes_are_those_of_differences(name, x64):
    world, penalty, step = WORLDS[name](), 1.7, 1e-5
    above, below = points_of(world, penalty + step), points_of(world, penalty - step)
    slopes = slopes_of(world, penalty)
    # Central difference: step^2 and rounding / step, 1e-10 each.
    assert_close(slopes.proxy, (above.proxy - below.proxy) / (2 * step), 1e-8)
    assert_close(
        slopes.capability, (above.capability - below.capability) / (2 * step), 1e-8
    )


@given(
    world=strategies.worlds(kinds=("dense",)), policy=strategies.policies(("dense",))
)
@in_x64
def test_no_policy_is_below_the_frontier(world, policy):
    found = gaps_of(world, policy)
    assert_below(frontier_of(world, found.proxy), found.capability, 1e-10)  # rounding


def test_swapping_the_sources_inverts_the_frontier(x64):
    for world in (WORLDS["far_proxy"](), conflicting()):
        swapped = World(world.safety, world.capability, world.proxy)
        least = float(shared_of(world).proxy)
        given_gap = least + 0.05
        cost = frontier_of(world, given_gap)
        # Rounding times the slope, at most 1e2 here.
        assert_close(frontier_of(swapped, cost), given_gap, 1e-12)


def test_the_objective_of_the_mixture_splits_into_its_gaps(x64):
    world, penalty = WORLDS["golden_b"](), 1.3
    policy = geometric_mixture(world, penalty)
    found = gaps_of(world, policy)
    whole = reverse_objective(world, policy, penalty)
    assert_close(penalty * found.proxy + found.capability, whole, 1e-14)
    assert_close(found.proxy, points_of(world, penalty).proxy, 1e-14)


# Numerics


def test_slope_of_the_frontier_is_minus_the_penalty(x64):
    world, penalty = conflicting(), 2.5
    point = points_of(world, penalty).proxy
    slope = jax.jit(jax.grad(reverse_frontier, 1))(world, point)
    assert_close(slope, -penalty, 1e-9)
    assert_close(reverse_supporting_penalty(world, point), penalty, 1e-9)


def test_gradients_by_the_world_are_finite_at_zeros(x64):
    world = conflicting()
    start = float(shared_of(world).proxy)

    def value(contexts, outputs, gap):
        changed = world.capability._replace(contexts=contexts, outputs=outputs)
        return reverse_frontier(world._replace(capability=changed), start + gap)

    slopes = jax.jit(jax.grad(value, (0, 1)))
    for gap in (1e-12, 0.3, 10.0):
        found = slopes(*map(jnp.asarray, world.capability), gap)
        assert all(np.isfinite(leaf).all() for leaf in found)


def test_gradient_by_the_penalty_is_finite_at_zeros(x64):
    def total(penalty):
        found = optimal_reverse_gaps(WORLDS["support_conflict"](), penalty)
        return found.proxy + found.capability

    assert np.isfinite(jax.jit(jax.grad(total))(1.0))


def test_compiling_changes_nothing(x64):
    # One compiled frontier against the operations one by one, rounding apart.
    world = conflicting()
    assert_jit_changes_nothing(
        lambda w: optimal_reverse_gaps(w, 0.7).proxy, world, multiple=64, scale=1.0
    )


def test_single_and_double_precision_agree(x64):
    world = WORLDS["far_proxy"]()
    double = float(frontier_of(world, np.array(0.1)))
    with jax.enable_x64(False):
        single = float(frontier_of(world, np.array(0.1)))
    assert_close(single, double, 1e-5)  # rounding of gaps near 1 nat in float32
