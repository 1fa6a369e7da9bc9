"""Case II solved: optimality, second opinion, ends, limits, and its KL twin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from scipy import optimize

from tests import strategies
from tests.assertions import (
    assert_batching_changes_nothing,
    assert_below,
    assert_close,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
)
from tests.worlds import WORLDS, law, one_context, random_rows
from theory.laws import exact_proxy
from theory.tradeoff import (
    ball_optimum,
    ball_reach,
    ball_solution,
    curvature,
    curvature_cap,
    gap,
    gap_convex,
    gap_descended,
    gap_reached,
    gradient_cap,
    gradient_norm,
    local_cost,
    local_gain,
    logit_gradient,
    logit_norm,
    optimum,
)

DENSE = ("dense",)
solve = jax.jit(ball_solution)


move = jax.jit(ball_optimum)


@jax.jit
def gap_at(held, logits):
    return gap(held, jax.nn.softmax(logits, axis=-1))


@jax.jit
def solved(world, start, radius, penalty):
    """Everything that the properties ask of one solution."""
    z, held = jnp.log(start), world.capability
    found, reach = ball_solution(world, z, radius), ball_reach(world, z)
    policy = jax.nn.softmax(z + found.displacement, axis=-1)
    pull = found.multiplier * found.displacement
    before, best = gap(held, jax.nn.softmax(z, axis=-1)), gap(held, policy)
    slope, bend = gradient_norm(held, start), curvature_cap(held)
    return {
        "residual": logit_norm(logit_gradient(held, policy) + pull),
        "length": logit_norm(found.displacement),
        "longest": jnp.minimum(radius, reach),
        "sums": found.displacement.sum(-1),
        "multiplier": found.multiplier,
        "before": before,
        "best": best,
        "descended": gap_descended(before, slope, bend, radius),
        "convex": gap_convex(before, radius, reach),
        "reached": gap_reached(before, gradient_cap(held), radius),
        "spent": penalty * gap(world.safety, policy) + best,
        "least": optimum(exact_proxy(world), penalty),
    }


def radii():
    return strategies.numbers(-7.0, 5.0).map(np.exp).map(np.asarray)


@given(
    world=strategies.worlds(),
    start=strategies.policies(DENSE),
    radius=radii(),
    penalty=strategies.penalties(),
)
@in_x64
def test_the_solution_is_stationary_and_as_long_as_it_may_be(
    world, start, radius, penalty
):
    found = solved(world, start, radius, penalty)
    # Rounding of logits up to e^5 in a gradient: 1e-13 of its weight, at most 1.
    assert_close(found["residual"], 0.0, 1e-12)
    assert_close(found["length"], found["longest"], 1e-9 * (1e-3 + found["longest"]))
    assert_close(found["sums"], 0.0, 1e-11 * (1 + radius))
    assert_below(0.0, found["multiplier"])


@given(
    world=strategies.worlds(),
    start=strategies.policies(DENSE),
    radius=radii(),
    penalty=strategies.penalties(),
)
@in_x64
def test_the_optimum_respects_every_bound_of_the_ball(world, start, radius, penalty):
    found = solved(world, start, radius, penalty)
    tolerance = 1e-12 * (1 + found["before"])  # rounding
    assert_below(found["best"], found["before"], tolerance)
    assert_below(found["best"], found["descended"], tolerance)
    assert_below(found["best"], found["convex"], tolerance)
    assert_below(found["reached"], found["best"], tolerance)
    # With exact data no point of any ball lies below the frontier of Case I.
    assert_below(found["least"], found["spent"], 1e-12 * (1 + penalty))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("radius", [0.1, 1.0])
def test_a_general_optimiser_agrees(seed, radius, x64):
    held = law(random_rows(seed, 2), random_rows(seed + 10, 2, 3))
    world = WORLDS["golden_a"]()._replace(capability=held)
    z = np.log(random_rows(seed + 20, 2, 3))
    found = move(world, z, radius)
    value = jax.jit(
        jax.value_and_grad(lambda d: gap(held, jax.nn.softmax(z + d.reshape(2, 3))))
    )

    def objective(d):
        return tuple(np.asarray(part, float) for part in value(d))

    inside = {
        "type": "ineq",
        "fun": lambda d: radius**2 - d @ d,
        "jac": lambda d: -2 * d,
    }
    other = optimize.minimize(
        objective,
        np.zeros(6),
        jac=True,
        method="SLSQP",
        constraints=[inside],
        options={"ftol": 1e-15, "maxiter": 300},
    )
    # SLSQP stops at 1e-15 of the value: its square root of the point.
    assert_close(gap_at(held, found), other.fun, 1e-12)
    assert_close(found, z + other.x.reshape(2, 3), 1e-6)


def test_no_radius_keeps_the_start_and_a_large_one_reaches_the_task(x64):
    world = WORLDS["golden_b"]()
    z = np.log(random_rows(1, 3, 3))
    assert_close(move(world, z, 0.0), z, 0.0)
    reach = float(ball_reach(world, z))
    arrived = jax.nn.softmax(move(world, z, 1.001 * reach), axis=-1)
    # Rounding of the logarithm of the least multiplier searched, e^-568.
    assert_close(arrived[1:], world.capability.outputs[1:], 1e-13)
    assert float(solve(world, z, 1.001 * reach).multiplier) == 0.0
    assert float(solve(world, z, 0.999 * reach).multiplier) > 0.0


def test_the_gap_never_rises_with_the_radius_and_falls_as_the_multiplier_says(x64):
    world, z = WORLDS["overlap_half"](), np.log(random_rows(5, 4, 4))
    grid = np.linspace(0.01, 1.2 * float(ball_reach(world, z)), 60)
    found = solve(world, z, grid)
    gaps = np.asarray(gap_at(world.capability, z + found.displacement))
    assert_below(np.diff(gaps), 0.0, 1e-15)
    step = 1e-4
    above, below = (
        gap_at(world.capability, move(world, z, grid + side)) for side in (step, -step)
    )
    inside = grid < float(ball_reach(world, z)) - step
    slope = -np.asarray(found.multiplier) * grid
    # Third derivative over 6 times the squared step, rounding over the step: 1e-8.
    assert_close(((above - below) / (2 * step))[inside], slope[inside], 1e-7)


@given(world=strategies.worlds(("sparse",)), start=strategies.policies(DENSE))
@in_x64
def test_contexts_that_the_task_never_sees_stay_where_they_were(world, start):
    found = solve(world, np.log(start), np.asarray(0.7))
    unseen = np.asarray(world.capability.contexts) == 0
    assert_close(found.displacement[unseen], 0.0, 0.0)


def test_disjoint_contexts_cost_no_safety_at_any_radius(x64):
    world = WORLDS["disjoint"]()
    z = np.log(world.safety.outputs)
    ends = move(world, z, np.array([0.1, 1.0, 100.0]))
    # The KL of a law from the softmax of its logarithm: rounding, squared.
    assert_close(gap_at(world.safety, ends), 0.0, 1e-30)
    # Negative control: with shared contexts it does.
    shared = WORLDS["overlap_half"]()
    moved = ball_optimum(shared, np.log(shared.safety.outputs), 1.0)
    assert float(gap_at(shared.safety, moved)) > 0.01


def test_what_the_task_forbids_is_never_reached_but_approached(x64):
    world = one_context([0.5, 0.5], [0.5, 0.5], [1.0, 0.0])
    ends = move(world, np.zeros((1, 2)), np.array([1.0, 10.0, 300.0]))
    moved = np.array([1.0, 10.0, 300.0]) / np.sqrt(2)
    assert_close(ends[:, 0, 0], moved, 1e-11)
    assert_close(gap_at(world.capability, ends), np.log1p(np.exp(-2 * moved)), 1e-15)
    assert np.isinf(ball_reach(world, np.zeros((1, 2))))


def test_an_aligned_ball_all_but_meets_a_frontier_that_is_planted_too_high(x64):
    # Negative control of the dominance test: 1.5 J is not a limit.
    world = WORLDS["overlap_full"]()
    grid = np.linspace(0.0, float(ball_reach(world, np.log(world.safety.outputs))), 40)
    ends = move(world, np.log(world.safety.outputs), grid)
    spent = gap_at(world.safety, ends) + gap_at(world.capability, ends)
    least = optimum(world, 1.0)
    assert_below(least, spent, 1e-12)
    assert_must_fail(lambda: assert_below(1.5 * least, spent))


def slope_of(errors, radii):
    return np.polyfit(np.log(radii), np.log(np.abs(np.asarray(errors))), 1)[0]


def test_small_balls_cost_their_square_and_gain_their_radius(x64):
    world = WORLDS["overlap_half"]()
    policy = world.safety.outputs
    z, held = np.log(policy), world.capability
    slope = gradient_norm(held, policy)
    bending = curvature(world.safety, policy, logit_gradient(held, policy))
    grid = np.geomspace(1e-4, 1e-1, 7) * float(slope)
    ends = move(world, z, grid)
    cost = gap_at(world.safety, ends)
    gain = gap_at(held, z) - gap_at(held, ends)
    # The slopes of the fits bend by the next order, below 5 % at the largest radius.
    assert abs(slope_of(cost, grid) - 2) < 0.05
    assert abs(slope_of(gain, grid) - 1) < 0.05
    assert abs(slope_of(cost - local_cost(slope, bending, grid), grid) - 3) < 0.1
    assert abs(slope_of(gain - local_gain(slope, grid), grid) - 2) < 0.1
    # Negative control: without the half the remainder is of second order.
    doubled = cost - 2 * local_cost(slope, bending, grid)
    assert abs(slope_of(doubled, grid) - 3) > 0.5
    # And the Lipschitz form is an order too large.
    assert abs(slope_of(gradient_cap(world.safety) * grid, grid) - 1) < 1e-9


def test_batches_compiling_and_single_precision(x64):
    world, size = WORLDS["golden_b"](), np.array([0.1, 0.5, 2.0])
    starts = np.log(random_rows(3, 3, 3, 3))
    # Rounding of a bisected multiplier.
    assert_batching_changes_nothing(
        lambda z, r: move(world, z, r), starts, size, multiple=4096
    )
    assert_jit_changes_nothing(
        lambda z: move(world, z, 0.5), starts[0], multiple=4096, scale=1.0
    )
    exact = move(world, starts[0], 0.5)
    with jax.enable_x64(False):
        single = move(world, starts[0].astype(np.float32), 0.5)
        assert single.dtype == jnp.float32
    assert_close(single, exact, 1e-4)  # float32 rounding of a bisected multiplier
