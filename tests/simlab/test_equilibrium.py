"""Joint optima: known ones are found, branches are followed, failures are told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simlab.equilibrium import (
    Optimum,
    Springs,
    descended,
    followed,
    gradient,
    log_table,
    mean_loss,
    polish,
    rates,
    total_size,
    unflattened,
)
from simlab.models import Model
from tests.assertions import assert_below, assert_close, assert_must_fail
from tests.simlab.springs_toys import (
    NETWORK,
    TABLE,
    TOLERANCE,
    joints,
    optimum,
    pulled,
    start,
)

ROUNDING = 1e-13  # of sums of some ten terms of order 1, double precision


def test_the_mean_loss_is_cross_entropies_and_decay_by_hand(x64: None) -> None:
    springs = pulled(TABLE, 3.0, decay=0.5)
    flat = start(TABLE) + 0.3
    logs = np.asarray(log_table(TABLE, flat))
    losses = [-float(np.sum(joint * logs)) for joint in joints()]
    decay = 0.5 / 2 * float(np.sum((flat - springs.centre) ** 2))
    by_hand = (3 * losses[0] + losses[1] + 0.01 * losses[2] + decay) / 4.01
    assert_close(rates(TABLE, flat, joints()), losses, ROUNDING)
    assert_close(mean_loss(TABLE, flat, springs), by_hand, ROUNDING)
    assert_close(total_size(springs), 4.01, ROUNDING)


def test_flat_parameters_are_the_models_own(x64: None) -> None:
    with jax.enable_x64(False):
        params = NETWORK.init(jax.random.key(5))
    again = unflattened(NETWORK, start(NETWORK, seed=5, scale=1.0))
    for left, right in zip(
        jax.tree.leaves(params), jax.tree.leaves(again), strict=True
    ):
        assert right.dtype == jnp.float64
        np.testing.assert_array_equal(left, right)


def test_a_table_ends_at_the_mixture_of_the_data(x64: None) -> None:
    found = optimum(TABLE, 3.0)
    law = np.exp(np.asarray(log_table(TABLE, found.flat)))
    mixture = np.einsum("s,sxy->xy", [3, 1, 0.01], joints()) / 4.01 * TABLE.contexts
    # Decay of 1e-9 over curvatures of some 0.01.
    assert_close(law, mixture, 1e-6)
    other = np.einsum("s,sxy->xy", [2, 1, 0.01], joints()) / 3.01 * TABLE.contexts
    assert_must_fail(lambda: assert_close(law, other, 1e-6))


@pytest.mark.parametrize("model", [TABLE, NETWORK])
def test_a_polished_optimum_is_a_strict_minimum(model: Model, x64: None) -> None:
    springs, found = pulled(model, 3.0), optimum(model, 3.0)
    assert_below(found.gradient_norm, TOLERANCE)
    assert found.curvature > 0
    assert found.factor is not None
    assert found.connected
    pull = gradient(model, found.flat, springs)
    assert_close(found.gradient_norm, np.linalg.norm(pull), ROUNDING)
    best = float(mean_loss(model, found.flat, springs))
    for seed in range(5):
        away = 1e-2 * start(model, seed=seed, scale=1.0)
        assert best < float(mean_loss(model, found.flat + away, springs))


def test_the_unit_of_the_sizes_moves_no_optimum(x64: None) -> None:
    springs, found = pulled(NETWORK, 3.0), optimum(NETWORK, 3.0)
    larger = springs._replace(sizes=50 * springs.sizes, decay=50 * springs.decay)
    again = followed(NETWORK, found, springs, larger, tolerance=TOLERANCE)
    # A gradient of the tolerance over the least curvature, 1e-3 here.
    assert_close(again.flat, found.flat, TOLERANCE / found.curvature)
    assert_close(again.curvature / found.curvature, 1.0, 1e-6)


@pytest.mark.parametrize("model", [TABLE, NETWORK])
def test_a_branch_is_followed_over_two_decades_of_sizes(
    model: Model, x64: None
) -> None:
    last, found = pulled(model, 3.0), optimum(model, 3.0)
    for k in (10.0, 30.0, 300.0):
        springs = pulled(model, k)
        found = followed(model, found, last, springs, tolerance=TOLERANCE)
        assert found.connected
        assert_below(found.gradient_norm, TOLERANCE)
        last = springs


def test_both_ways_to_the_optimum_of_a_table_agree(x64: None) -> None:
    springs = pulled(TABLE, 100.0)
    along = followed(
        TABLE, optimum(TABLE, 3.0), pulled(TABLE, 3.0), springs, tolerance=TOLERANCE
    )
    anew = polish(TABLE, start(TABLE), springs, tolerance=TOLERANCE, steps=50)
    tables = [log_table(TABLE, each.flat) for each in (along, anew)]
    # A gradient near rounding over the curvature of the rarest sequence, > 1e-5.
    assert_close(*tables, 1e-8)


def test_strong_decay_leaves_the_model_where_it_was(x64: None) -> None:
    springs = pulled(NETWORK, 3.0, decay=1e6)
    found = polish(NETWORK, springs.centre, springs, tolerance=1e-9, steps=20)
    # A move is the slope of the losses over the decay: 4.01 |slope| / 1e6.
    assert_close(found.flat, springs.centre, 1e-5)
    assert not np.array_equal(found.flat, springs.centre)


def test_a_polish_that_was_cut_short_says_so(x64: None) -> None:
    springs = pulled(NETWORK, 3.0)
    found = polish(NETWORK, start(NETWORK), springs, tolerance=TOLERANCE, steps=1)
    assert found.gradient_norm > TOLERANCE
    assert found.steps == 1


def test_a_start_that_is_not_finite_gives_no_optimum(x64: None) -> None:
    springs = pulled(TABLE, 3.0)
    found = polish(
        TABLE, np.full_like(start(TABLE), np.nan), springs, tolerance=1e-9, steps=5
    )
    assert found.factor is None
    assert np.isnan(found.gradient_norm)


def test_an_optimum_out_of_reach_is_left_and_marked(x64: None) -> None:
    # No double precision comes that near, however short the stretches.
    found = followed(
        TABLE,
        optimum(TABLE, 3.0),
        pulled(TABLE, 3.0),
        pulled(TABLE, 10.0),
        tolerance=1e-30,
    )
    assert not found.connected
    assert found.gradient_norm > 1e-30


def test_a_point_without_a_factor_leads_nowhere_along_a_branch(x64: None) -> None:
    springs = pulled(TABLE, 3.0)
    begun = Optimum(start(TABLE), 1.0, np.nan, np.nan, 0, None)
    found = followed(TABLE, begun, springs, springs, tolerance=TOLERANCE)
    assert not found.connected
    # It is polished all the same.
    assert_below(found.gradient_norm, TOLERANCE)


def test_adam_comes_near_in_single_precision() -> None:
    springs = jax.tree.map(np.float32, pulled(TABLE, 3.0))
    begun = np.float32(start(TABLE))
    run = jax.jit(lambda flat, each: descended(TABLE, flat, each, rate=0.05, steps=300))
    flat = run(begun, springs)
    assert flat.dtype == jnp.float32
    before, after = (np.linalg.norm(gradient(TABLE, f, springs)) for f in (begun, flat))
    # Declared: a hundredth of the slope is near enough for Newton's method.
    assert_below(after, 0.01 * before)


def test_a_model_that_can_be_anything_has_the_least_loss(x64: None) -> None:
    free = float(mean_loss(TABLE, optimum(TABLE, 3.0).flat, pulled(TABLE, 3.0)))
    bound = float(mean_loss(NETWORK, optimum(NETWORK, 3.0).flat, pulled(NETWORK, 3.0)))
    # Decay of 1e-9 is all that the table pays above the entropy.
    assert free < bound + 1e-7


def test_springs_are_one_pytree_of_arrays() -> None:
    springs = pulled(TABLE, 3.0)
    assert len(jax.tree.leaves(springs)) == len(Springs._fields)
