"""Overlap functionals, closed-form limits and the envelope: values at known places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.assertions import assert_below, assert_close, assert_finite_gradient
from tests.worlds import WORLDS, one_context, overlapping
from theory.laws import World
from theory.tradeoff import (
    envelope,
    envelope_capability,
    frontier,
    frontier_points,
    harmonic_limit,
    harmonic_overlap,
    minimum_limit,
    optimal_gaps,
    optimum,
    overlap_coefficient,
    root_frontier,
    root_limit,
    scalarised_limit,
    support_overlap_capability,
    support_overlap_proxy,
    weighted_overlap,
)

points_of, value_of, cost_of = map(jax.jit, (frontier_points, optimum, frontier))
FUNCTIONALS = [
    overlap_coefficient,
    support_overlap_capability,
    support_overlap_proxy,
    weighted_overlap,
    lambda world: harmonic_overlap(world, 1.0),
]


@pytest.mark.parametrize("functional", FUNCTIONALS)
def test_disjoint_contexts_have_no_overlap_and_shared_ones_have(functional, x64):
    assert float(functional(WORLDS["disjoint"]())) == 0.0
    assert float(functional(WORLDS["overlap_quarter"]())) > 0.1


def test_golden_b_overlaps(x64):
    world = WORLDS["golden_b"]()
    assert_close(overlap_coefficient(world), 0.4, 1e-15)
    assert_close(support_overlap_capability(world), 0.5, 1e-15)
    assert_close(support_overlap_proxy(world), 0.5, 1e-15)
    assert_close(harmonic_overlap(world, 1.0), 0.4 * 0.5 / 0.9, 1e-15)
    assert_close(harmonic_limit(world), 0.217777778, 5.1e-10)  # printed digits


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_overlap_coefficient_is_the_share_of_the_family(share, x64):
    assert_close(overlap_coefficient(overlapping(share)), share, 1e-15)


def test_optimum_and_frontier_rise_with_overlap(x64):
    worlds = [overlapping(share) for share in np.linspace(0, 1, 11)]
    values = np.array([value_of(world, 1.0) for world in worlds])
    costs = np.array([cost_of(world, 0.05) for world in worlds])
    assert_below(values[:-1], values[1:])
    assert_below(costs[:-1], costs[1:])
    assert_below(np.diff(values, 2), 0.0, 1e-14)  # J is concave in overlap: rounding


def test_capability_gap_at_a_fixed_penalty_may_fall_with_overlap(x64):
    # Trap: the frontier rises, the point on it moves.
    found = [
        float(optimal_gaps(overlapping(share), 0.1).capability)
        for share in (0.3, 0.6, 1.0)
    ]
    assert found[0] > found[1] > found[2]


def test_the_limits_are_ordered(x64):
    for name in ("golden_b", "overlap_half", "sparse"):
        world = WORLDS[name]()
        assert_below(minimum_limit(world), harmonic_limit(world), 1e-15)
        assert_close(harmonic_limit(world), scalarised_limit(world, 1.0), 0.0)


def test_at_one_context_the_root_limit_is_the_envelope_of_the_scalarised_ones(x64):
    world = one_context([0.9, 0.1], [0.9, 0.1], [0.2, 0.8])
    penalties = np.geomspace(1e-4, 1e4, 40_001)
    for gap_safety in (0.01, 0.1, 0.3):
        lines = scalarised_limit(world, penalties) - penalties * gap_safety
        # The grid's ratio of 1.00046 misses the top by less than 1e-7.
        assert_close(lines.max(), root_frontier(world, gap_safety), 1e-7)


def test_the_root_frontier_is_that_of_the_root_limit(x64):
    world = WORLDS["overlap_half"]()
    g = np.array([0.0, 0.01, 0.02])
    curve = root_frontier(world, g)
    assert_close(jnp.sqrt(g) + jnp.sqrt(curve), float(root_limit(world)), 1e-14)


def test_disjoint_outputs_lie_on_the_envelope(x64):
    points = points_of(WORLDS["opposite_outputs"](), np.geomspace(1e-3, 1e3, 61))
    assert_close(envelope(points.safety, points.capability), 1.0, 1e-14)
    assert_close(envelope_capability(points.safety), points.capability, 1e-12)


def test_no_ideal_learner_loses_more_than_log_two_on_both_sides(x64):
    for name in ("golden_a", "opposite_outputs", "misleading_proxy"):
        points = points_of(WORLDS[name](), np.geomspace(1e-3, 1e3, 61))
        smaller = jnp.minimum(points.safety, points.capability)
        assert_below(smaller, np.log(2.0), 1e-14)  # rounding


def test_edges_of_the_envelope(x64):
    assert float(envelope(0.0, 0.0, 0.0)) == 2.0
    assert float(envelope_capability(0.0)) == np.inf
    assert float(envelope_capability(0.3, 0.0)) == 0.0


def test_gradients_are_finite_at_zeros(x64):
    world = WORLDS["sparse"]()

    def value(contexts):
        law = world.capability._replace(contexts=contexts)
        changed = World(world.safety, world.proxy, law)
        limits = root_limit(changed) + scalarised_limit(changed, 1.0)
        return limits + sum(
            functional(changed) for functional in FUNCTIONALS[:3] + FUNCTIONALS[4:]
        )

    assert_finite_gradient(value, world.capability.contexts)
    assert_finite_gradient(lambda g: root_frontier(WORLDS["golden_a"](), g), 0.0)
    assert_finite_gradient(lambda g: envelope(g, g, 0.0), 0.0)
