"""Case II and safety: monotone in tabular logits, and what is false of it elsewhere."""

import jax
import numpy as np
from hypothesis import given

from tests import strategies
from tests.assertions import assert_below, assert_close, assert_must_fail, in_x64
from tests.worlds import WORLDS
from theory.laws import Law, World
from theory.tradeoff import (
    ball_move,
    ball_path_rate,
    ball_path_start,
    counter_examples,
    gap,
    kantorovich_factor,
    local_quadratic,
    optimal_gaps,
    quadratic_gaps,
    tabular_forms,
)
from theory.tradeoff.counterexamples_ball import ball_never_wins, curvatures_at_odds
from theory.tradeoff.parameter_ball import ball_optimum, ball_reach

rate, start_of = jax.jit(ball_path_rate), jax.jit(ball_path_start)


@jax.jit
def balls(world: World, start: jax.Array, radii: jax.Array) -> jax.Array:
    """Case II's policies, one a radius."""
    logits = jax.vmap(lambda radius: ball_optimum(world, start, radius))(radii)
    return jax.nn.softmax(logits, axis=-1)


@given(
    policy=strategies.policies(),
    target=strategies.policies(),
    multiplier=strategies.penalties(),
)
@in_x64
def test_safety_never_rises_against_the_path(policy, target, multiplier):
    # Rounding: displacements up to e^4, divided by c >= e^-4.
    assert_below(0.0, rate(policy, target, multiplier), 1e-11)


@given(policy=strategies.policies(("dense",)), target=strategies.policies(("dense",)))
@in_x64
def test_the_path_through_a_policy_starts_where_stationarity_says(policy, target):
    multiplier = 0.3
    start = start_of(policy, target, multiplier)
    moved = np.log(policy) - np.log(start)
    left = policy - target + multiplier * (moved - moved.mean(-1, keepdims=True))
    # Rounding of logarithms of probabilities down to 1e-12.
    assert_close(left, np.zeros_like(left), 1e-13)


def test_the_rate_is_that_of_a_difference(x64):
    world, step = WORLDS["golden_b"](), 1e-6
    start = np.log(world.safety.outputs[1:2])
    target = world.capability.outputs[1:2]

    def policy_at(multiplier):
        # A contraction for multipliers above the curvature 1/2: 80 rounds of 0.7.
        logits = start
        for _ in range(120):
            logits = start + (target - jax.nn.softmax(logits)) / multiplier
        return jax.nn.softmax(logits)

    def safety(multiplier):
        one = Law(np.array([1.0]), jax.nn.softmax(start))
        return float(gap(one, policy_at(multiplier)))

    found = rate(np.asarray(policy_at(0.8)), target, 0.8)[0]
    difference = (safety(0.8 - step) - safety(0.8 + step)) / (2 * step)
    assert_close(found, difference, 1e-8)  # step^2 and rounding / step


def test_solved_balls_never_gain_safety_as_they_grow(x64):
    world = WORLDS["many_contexts"]()
    start = np.log(world.safety.outputs)
    radii = np.linspace(0.0, 1.1, 25) * float(ball_reach(world, start))
    found = gap(world.safety, balls(world, start, radii))
    assert_below(-np.diff(np.asarray(found)), 0.0, 1e-12)  # rounding


def test_a_misaligned_start_may_gain_safety(x64):
    # Negative control: started from anything but p_s, the gap may well fall.
    world = WORLDS["golden_a"]()
    start = np.log([[0.5, 0.5]])
    towards = World(world.safety, world.proxy, world.safety)
    found = np.asarray(gap(world.safety, balls(towards, start, np.array([0.0, 0.5]))))
    assert_must_fail(lambda: assert_below(-np.diff(found), 0.0, 1e-12))


# The kept counter-examples, from the inside


def test_shared_parameters_may_gain_safety(x64):
    model = local_quadratic(curvatures_at_odds(), 0.01)
    found = quadratic_gaps(model, ball_move(model, np.array([4.0, 6.0, 8.0]))).safety
    assert float(found[0]) > float(found[1]) + 0.2 > float(found[1])
    assert float(found[2]) > float(found[1])  # it rises again: monotone neither way


def test_the_slanted_gradient_pays_exactly_twenty_one_sixteenths(x64):
    kept = counter_examples()["ball is no dearer"]
    assert_close(kantorovich_factor(tabular_forms(kept.world())), 21 / 16, 1e-15)


def test_a_ball_beats_every_penalty_of_a_bad_proxy_and_of_no_exact_one(x64):
    kept = counter_examples()["ball never wins"]
    world = kept.world()
    claim = jax.jit(ball_never_wins)
    left, right = claim(world, kept.penalty)
    dense = np.geomspace(1e-6, 1e6, 2001)
    found = optimal_gaps(world, dense)
    # No finer grid of penalties helps Case I.
    assert_below(right + 0.02, np.min(found.safety + found.capability))
    assert_below(right + 0.02, left)
    exact = World(world.safety, world.safety, world.capability)
    assert_below(*claim(exact, kept.penalty))
