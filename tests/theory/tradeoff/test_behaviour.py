"""Events, the mode-seeking twin and the kept counter-examples."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests import strategies
from tests.assertions import (
    assert_below,
    assert_close,
    assert_finite_gradient,
    assert_must_fail,
    in_x64,
)
from tests.worlds import WORLDS
from theory.numerics import weighted_sum
from theory.tradeoff import (
    counter_examples,
    deviation_bound,
    event_probability,
    gap,
    geometric_mixture,
    mixture_posterior,
    optimal_event_probability,
    posterior_weight,
    reverse_excess,
    reverse_objective,
    reverse_optimum,
)

UNSAFE = np.array([[False, True, False, True]])


@given(
    world=strategies.worlds(kinds=("dense",)),
    penalty=strategies.penalties(),
)
@in_x64
def test_events_mix_as_the_outputs_do(world, penalty):
    weight = posterior_weight(world, penalty)
    expected = weight * event_probability(world.proxy.outputs, UNSAFE) + (
        1 - weight
    ) * event_probability(world.capability.outputs, UNSAFE)
    found = optimal_event_probability(world, penalty, UNSAFE)
    assert_close(found, expected, 1e-14)  # rounding


@given(world=strategies.worlds(), policy=strategies.policies(kinds=("dense",)))
@in_x64
def test_a_small_gap_bounds_every_event(world, policy):
    change = jnp.abs(
        event_probability(policy, UNSAFE)
        - event_probability(world.safety.outputs, UNSAFE)
    )
    mean = weighted_sum(world.safety.contexts, change)
    # The root of a gap that rounds to 0 from 1e-30.
    assert_below(mean, deviation_bound(gap(world.safety, policy)), 1e-14)


def test_a_tenth_of_the_gap_would_not_bound_them(x64):
    world = WORLDS["golden_a"]()
    policy = np.array([[0.7, 0.3]])
    found = gap(world.safety, policy)
    change = jnp.abs(policy[0, 1] - world.safety.outputs[0, 1])
    assert_must_fail(lambda: assert_below(change, deviation_bound(found / 10)))


@pytest.mark.parametrize("name", ["golden_b", "support_conflict", "many_contexts"])
def test_the_geometric_mixture_attains_the_reverse_optimum(name, x64):
    world = WORLDS[name]()
    best = geometric_mixture(world, 1.7)
    assert_close(best.sum(-1), 1.0, 1e-14)
    found = reverse_objective(world, best, 1.7)
    assert_close(found, reverse_optimum(world, 1.7), 1e-13)  # rounding
    assert_close(reverse_excess(world, best, 1.7), 0.0, 1e-15)


def test_the_posterior_mixture_does_not_attain_it(x64):
    # Negative control: the two objectives have different best policies.
    world = WORLDS["golden_a"]()
    found = reverse_objective(world, mixture_posterior(world, 1.7), 1.7)
    assert float(found) > float(reverse_optimum(world, 1.7)) + 1e-3


def test_disjoint_outputs_have_no_mode_in_common(x64):
    world = WORLDS["opposite_outputs"]()
    assert float(reverse_optimum(world, 1.0)) == np.inf
    assert_close(geometric_mixture(world, 1.0), world.proxy.outputs, 0.0)


def test_gradients_are_finite_at_zeros(x64):
    world = WORLDS["support_conflict"]()

    def value(outputs):
        law = world.capability._replace(outputs=outputs)
        changed = world._replace(capability=law)
        return reverse_optimum(changed, 1.0) + geometric_mixture(changed, 1.0)[0, 0]

    assert_finite_gradient(value, world.capability.outputs)
    assert_finite_gradient(deviation_bound, 0.0)


@pytest.mark.parametrize("name", list(counter_examples()))
def test_counter_examples_refute_their_statements(name, x64):
    kept = counter_examples()[name]
    left, right = kept.claim(kept.world(), kept.penalty)
    assert_must_fail(lambda: assert_below(left, right, 1e-3))  # far above rounding


def test_claims_hold_where_their_missing_assumption_does(x64):
    # Negative control: the false statements are not false everywhere.
    kept = counter_examples()
    exact = WORLDS["golden_a"]()
    for name in ("safety gap falls with penalty", "floor bounds price"):
        left, right = kept[name].claim(exact, 2.0)
        assert_below(left, right, 1e-14)
    left, right = kept["proxy gap decays as 1/penalty"].claim(
        WORLDS["opposite_outputs"](), 100.0
    )
    assert_below(left, right)
