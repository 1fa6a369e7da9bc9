"""Comparator bounds, in the full class and in one that cannot tell contexts apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests import strategies
from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
    least_found,
)
from tests.worlds import WORLDS, random_rows
from theory.information import kl, total_variation
from theory.tradeoff import (
    Comparators,
    comparator_bounds,
    excess,
    gap,
    gaps,
    mixture_posterior,
    monotone_slack,
    monotone_slack_capability,
    optimal_gaps,
    optimum,
    overlap_coefficient,
    represented_overlap,
    safety_gap_transferred,
    stitched_comparators,
    transfer_span,
    world_comparison,
    world_safety_gap,
)

divergence, compare = jax.jit(kl), jax.jit(comparator_bounds)


def pooled(law):
    """The best row of a class that answers every context alike, and its infimum."""
    row = np.asarray(law.contexts) @ np.asarray(law.outputs)
    return row, -np.sum(row * np.log(np.where(row > 0, row, 1.0)))


def loss(law, row):
    """The loss of one row for all contexts."""
    average = np.asarray(law.contexts) @ np.asarray(law.outputs)
    return -np.sum(np.where(average > 0, average * np.log(row), 0.0))


def blind(world, row, penalty):
    """Gaps and excess of a row within the blind class, to its own infima."""
    (safe, least_proxy), (able, least_able) = (
        pooled(world.proxy),
        pooled(world.capability),
    )
    proxy = loss(world.proxy, row) - least_proxy
    capability = loss(world.capability, row) - least_able
    best = (penalty * safe + able) / (1 + penalty)
    least = penalty * float(divergence(safe, best)) + float(divergence(able, best))
    comparators = Comparators(divergence(able, safe), divergence(safe, able))
    return proxy, capability, penalty * proxy + capability - least, comparators


def test_stitched_comparators_of_golden_a_are_two_divergences(x64):
    world = WORLDS["golden_a"]()
    safe, able = world.proxy.outputs, world.capability.outputs
    found = stitched_comparators(world)
    assert_close_to_rounding(found.safe_capability, kl(able, safe)[0])
    assert_close_to_rounding(found.able_proxy, kl(safe, able)[0])


def test_disjoint_contexts_leave_the_comparators_nothing_to_lose(x64):
    found = stitched_comparators(WORLDS["disjoint"]())
    assert_close(found.safe_capability, 0.0, 0.0)
    assert_close(found.able_proxy, 0.0, 0.0)
    world = WORLDS["disjoint"]()
    best = mixture_posterior(world, 0.3)
    assert_close(world_comparison(world, best, 0.3).proxy_safe, 0.0, 1e-15)


@given(
    world=strategies.worlds(kinds=("dense",)),
    row=strategies.simplices(kinds=("dense",)),
    penalty=strategies.penalties(),
)
@in_x64
def test_the_four_bounds_hold_in_a_class_that_cannot_stitch(world, row, penalty):
    proxy, capability, zeta, comparators = blind(world, row, penalty)
    found = compare(comparators, capability, zeta, penalty)
    tolerance = 1e-12 * (1 + penalty + 1 / penalty)  # rounding of losses below 20
    assert_below(proxy, found.proxy_safe, tolerance)
    assert_below(proxy, found.proxy_able, tolerance)
    assert_below(capability, found.capability_safe, tolerance)
    assert_below(capability, found.capability_able, tolerance)


def test_without_its_zeta_a_blind_learner_breaks_every_bound(x64):
    # Negative control: a poor row, counted as if it were optimal.
    world, row = WORLDS["overlap_half"](), np.array([0.001, 0.001, 0.001, 0.997])
    proxy, capability, _, comparators = blind(world, row, 1.0)
    found = comparator_bounds(comparators, capability, 0.0, 1.0)
    for left, right in (
        (proxy, found.proxy_safe),
        (proxy, found.proxy_able),
        (capability, found.capability_safe),
        (capability, found.capability_able),
    ):
        assert_must_fail(lambda left=left, right=right: assert_below(left, right))


@given(
    world=strategies.worlds(kinds=("dense",)),
    rows=strategies.simplices((2, strategies.OUTPUTS), kinds=("dense",)),
    penalty=strategies.penalties(),
)
@in_x64
def test_a_suboptimal_sweep_is_monotone_up_to_the_slack(world, rows, penalty):
    later = 1.7 * penalty
    proxy_1, able_1, zeta_1, _ = blind(world, rows[0], penalty)
    proxy_2, able_2, zeta_2, _ = blind(world, rows[1], later)
    slack = monotone_slack(zeta_1, zeta_2, penalty, later)
    slack_able = monotone_slack_capability(zeta_1, zeta_2, penalty, later)
    tolerance = 1e-11 * (1 + 1 / penalty)  # rounding of losses over 0.7 penalty
    assert_below(proxy_2, proxy_1 + slack, tolerance)
    assert_below(able_1, able_2 + slack_able, tolerance * (1 + penalty))


@pytest.mark.parametrize("name", ["golden_b", "far_proxy", "support_conflict"])
def test_the_slack_is_spent_when_each_is_best_at_the_others_penalty(name, x64):
    world = WORLDS[name]()
    early, late = mixture_posterior(world, 3.0), mixture_posterior(world, 0.5)
    zeta_1, zeta_2 = excess(world, early, 0.5), excess(world, late, 3.0)
    slack = monotone_slack(zeta_1, zeta_2, 0.5, 3.0)
    rise = optimal_gaps(world, 0.5).proxy - optimal_gaps(world, 3.0).proxy
    assert_close_to_rounding(slack, rise, 64)
    slack = monotone_slack_capability(zeta_1, zeta_2, 0.5, 3.0)
    fall = optimal_gaps(world, 3.0).capability - optimal_gaps(world, 0.5).capability
    assert_close_to_rounding(slack, fall, 64)


def test_exact_learners_have_no_slack():
    assert float(monotone_slack(0.0, 0.0, 1.0, 2.0)) == 0.0
    assert float(monotone_slack_capability(0.0, 0.0, 1.0, 2.0)) == 0.0


@jax.jit
def true_safety(world, policy, penalty):
    return (
        gap(world.safety, policy),
        transfer_span(world, policy),
        world_safety_gap(world, policy, penalty),
    )


@given(
    world=strategies.worlds(kinds=("dense",)),
    policy=strategies.policies(kinds=("dense",)),
    penalty=strategies.penalties(),
)
@in_x64
def test_true_safety_by_comparator_is_looser_than_by_its_own_proxy_gap(
    world, policy, penalty
):
    held, nearer, bound = true_safety(world, policy, penalty)
    tolerance = 1e-12 * (1 + 1 / penalty)  # rounding of gaps below 20
    assert_below(held, bound, tolerance)
    assert_below(nearer, bound, tolerance)


def test_an_infinite_span_costs_nothing_with_an_exact_proxy():
    assert float(safety_gap_transferred(1.0, 0.0, 2.0, np.inf, 0.0)) == 0.5


def test_what_cannot_be_compared_is_bounded_by_infinity(x64):
    world = WORLDS["support_conflict"]()
    forbids = world.proxy.outputs  # what p_f does: G_f and zeta are infinite
    found = world_comparison(world, forbids, 1.0)
    assert np.isinf(found.proxy_safe)
    assert np.isinf(found.capability_safe)


def test_descent_finds_no_policy_below_the_four_bounds(x64):
    world, penalty = WORLDS["golden_b"](), 0.7

    def slack(logits):
        policy = jax.nn.softmax(logits, axis=-1)
        bounds, held = world_comparison(world, policy, penalty), gaps(world, policy)
        return jnp.min(
            jnp.stack(
                [
                    bounds.proxy_safe - held.proxy,
                    bounds.proxy_able - held.proxy,
                    bounds.capability_safe - held.capability,
                    bounds.capability_able - held.capability,
                ]
            )
        )

    starts = np.log(random_rows(5, 4, 3, 3))
    assert least_found(slack, starts) >= -1e-12  # rounding
    # Negative control: with J for G_f(stitched) it is the optimum itself that breaks.
    least = optimum(world, penalty) / 2

    def wrong(logits):
        policy = jax.nn.softmax(logits, axis=-1)
        zeta = excess(world, policy, penalty)
        return least + zeta - gap(world.capability, policy)

    assert least_found(wrong, starts) < -1e-3


@given(
    world=strategies.worlds(),
    channel=strategies.simplices((strategies.CONTEXTS, 2)),
)
@in_x64
def test_no_representation_lowers_the_overlap(world, channel):
    seen = represented_overlap(world, channel)
    assert_below(overlap_coefficient(world), seen, 1e-15)
    assert_below(seen, 1.0, 1e-15)


def test_seeing_everything_and_seeing_nothing(x64):
    world = WORLDS["overlap_quarter"]()
    assert_close(represented_overlap(world, np.eye(4)), 0.25, 1e-15)
    assert_close(represented_overlap(world, np.ones((4, 1))), 1.0, 1e-15)
    disjoint = WORLDS["disjoint"]()
    merged = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])
    assert_close(represented_overlap(disjoint, merged), 1.0, 1e-15)
    assert_close(
        overlap_coefficient(disjoint),
        1 - total_variation(disjoint.safety.contexts, disjoint.capability.contexts),
        1e-15,
    )


def test_gradients_are_finite_at_zeros(x64):
    world = WORLDS["golden_b"]()

    def value(contexts, outputs):
        law = world.capability._replace(contexts=contexts, outputs=outputs)
        found = stitched_comparators(world._replace(capability=law))
        return found.safe_capability + found.able_proxy

    assert_finite_gradient(jax.jit(value), *world.capability)


def test_compiling_changes_nothing(x64):
    world = WORLDS["golden_b"]()
    policy = mixture_posterior(world, 3.0)
    for place in range(4):
        assert_jit_changes_nothing(
            lambda w, p, place=place: world_comparison(w, p, 2.0)[place],
            world,
            policy,
            scale=1.0,
        )
