"""The exact frontier against a grid of penalties, random policies and its edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests import strategies
from tests.assertions import (
    assert_below,
    assert_close,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
)
from tests.worlds import WORLDS
from theory.tradeoff import (
    at_infinite_penalty,
    at_zero_penalty,
    frontier,
    frontier_points,
    frontier_proxy,
    optimal_gaps,
    optimum,
    supporting_penalty,
)

GAPS = np.geomspace(1e-6, 3.0, 40)
PENALTIES = np.geomspace(1e-8, 1e8, 20001)
NAMES = ("golden_b", "overlap_half", "support_conflict", "sparse", "near_degenerate")
exact_frontier = jax.jit(frontier)
points_of = jax.jit(frontier_points)
value_of = jax.jit(optimum)


@pytest.mark.parametrize("name", ["golden_a", "overlap_half"])
def test_frontier_is_the_highest_supporting_line(name, x64):
    world = WORLDS[name]()
    lines = value_of(world, PENALTIES)[:, None] - PENALTIES[:, None] * GAPS
    best = jnp.maximum(jnp.max(lines, axis=0), 0.0)
    # The grid's ratio of 1.0018 misses the top by (1/8) 0.0018^2 g penalty < 1e-6.
    assert_below(best, exact_frontier(world, GAPS), 1e-12)
    assert_close(exact_frontier(world, GAPS), best, 1e-6)


def test_a_wrong_frontier_would_be_seen(x64):
    world = WORLDS["golden_a"]()
    lines = value_of(world, PENALTIES)[:, None] - PENALTIES[:, None] * GAPS
    best = jnp.maximum(jnp.max(lines, axis=0), 0.0)
    assert_must_fail(
        lambda: assert_close(exact_frontier(world, GAPS * 1.01), best, 1e-6)
    )


@pytest.mark.parametrize("name", NAMES)
def test_frontier_passes_through_the_best_policies(name, x64):
    world, penalties = WORLDS[name](), np.array([0.03, 0.5, 1.0, 7.0, 90.0])
    points = points_of(world, penalties)
    assert_close(
        exact_frontier(world, points.safety), points.capability, 1e-12
    )  # rounding


@pytest.mark.parametrize("name", NAMES)
def test_frontier_is_convex_and_falls(name, x64):
    values = np.asarray(exact_frontier(WORLDS[name](), np.linspace(0.01, 2.0, 40)))
    assert_below(np.diff(values), 0.0, 1e-12)  # rounding
    assert_below(-np.diff(values, 2), 0.0, 1e-12)


def test_edges_of_the_frontier(x64):
    world = WORLDS["golden_a"]()
    ends = at_zero_penalty(world), at_infinite_penalty(world)
    assert_close(frontier(world, 0.0), ends[1].capability, 0.0)
    assert float(frontier(world, ends[0].safety)) == 0.0
    assert float(frontier(world, np.inf)) == 0.0
    assert float(frontier(world, -1e-9)) == np.inf
    conflict = WORLDS["support_conflict"]()
    assert float(frontier(conflict, 0.0)) == np.inf
    # Support conflict costs log(1/g) a shared context: finite at any g > 0.
    assert 10 < float(frontier(conflict, 1e-30)) < 100


def test_tiny_gaps_keep_their_digits(x64):
    # Golden A: G_f(0) - F(g) = 2 sqrt(c g) to first order, c of (4.7).
    world, given_gap = WORLDS["golden_a"](), 1e-24
    end = float(at_infinite_penalty(world).capability)
    penalty = float(supporting_penalty(world, given_gap))
    c = float(optimal_gaps(world, penalty).proxy) * penalty**2
    expected = end - 2 * np.sqrt(c * given_gap)
    assert_close(frontier(world, given_gap), expected, 1e-13)


def test_slope_of_the_frontier_is_minus_the_penalty(x64):
    world = WORLDS["overlap_half"]()
    penalty = 2.5
    point = frontier_points(world, penalty).safety[0]
    assert_close(jax.jit(jax.grad(exact_frontier, 1))(world, point), -penalty, 1e-9)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 10.0])
def test_gradients_by_the_world_are_finite_at_zeros(gap, x64):
    world = WORLDS["sparse"]()

    def value(contexts, outputs):
        changed = world.capability._replace(contexts=contexts, outputs=outputs)
        return frontier_proxy(world._replace(capability=changed), gap)

    found = jax.jit(jax.grad(value, (0, 1)))(*map(jnp.asarray, world.capability))
    assert all(np.isfinite(leaf).all() for leaf in found)


def test_gradient_by_the_world_is_that_of_a_difference(x64):
    base, step = WORLDS["golden_a"](), 1e-6

    def value(shift):
        moved = base.capability.outputs + shift * np.array([[1.0, -1.0]])
        law = base.capability._replace(outputs=moved)
        return frontier(base._replace(capability=law), 0.1)

    difference = (jax.jit(value)(step) - jax.jit(value)(-step)) / (2 * step)
    # Central difference: step^2 and rounding / step, 1e-10 each.
    assert_close(jax.jit(jax.grad(value))(0.0), difference, 1e-8)


def test_compiling_changes_nothing(x64):
    assert_jit_changes_nothing(
        lambda w: frontier(w, GAPS), WORLDS["golden_b"](), multiple=64, scale=1.0
    )


def test_a_grid_of_penalties_on_a_batch_of_worlds(x64):
    worlds = jax.tree.map(lambda *a: np.stack(a), *[WORLDS["golden_b"]()] * 2)
    points = frontier_points(worlds, np.array([0.5, 1.0, 2.0]))
    assert points.capability.shape == (3, 2)
    assert_close(points.capability[:, 0], points.capability[:, 1], 0.0)


@given(world=strategies.worlds())
@in_x64
def test_single_and_double_precision_frontiers_agree(world):
    given_gap = np.array(0.3)
    double = float(exact_frontier(world, given_gap))
    with jax.enable_x64(False):
        single = float(exact_frontier(world, given_gap))
    # The frontier is an envelope: a penalty off by 1e-6 costs 1e-12; what is left is
    # rounding of gaps below 60 nats in float32.
    assert abs(single - double) <= 1e-4 * max(1.0, double)
