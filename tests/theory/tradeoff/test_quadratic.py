"""The quadratic model: Case I in two semantics, its ends, its proxy, dominance."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

from tests import strategies
from tests.assertions import assert_below, assert_close, assert_must_fail, in_x64
from tests.theory.tradeoff.quadratics import SIZE, models, random_models, vectors
from theory.tradeoff import (
    Quadratic,
    direction_frontier,
    local_quadratic,
    loss_move,
    proxy_move,
    quadratic_excess,
    quadratic_floor,
    quadratic_gaps,
    quadratic_optimum,
    quadratic_root_limit,
    spectral_gaps,
    spectral_optimum,
    spectrum,
)

PENALTIES = np.geomspace(1e-3, 1e3, 7)
gaps_of, penalised_move, least = map(
    jax.jit, (quadratic_gaps, loss_move, quadratic_optimum)
)
excess, eigenpairs = jax.jit(quadratic_excess), jax.jit(spectrum)
by_directions, least_by_directions = map(jax.jit, (spectral_gaps, spectral_optimum))


def test_eigenpairs_and_linear_solves_agree(x64):
    model = random_models(0)
    for penalty in PENALTIES:
        direct = gaps_of(model, penalised_move(model, penalty))
        turned = by_directions(eigenpairs(model), penalty)
        for one, other in zip(direct, turned, strict=True):
            # Rounding times the condition of B + penalty A, at most 300 here.
            assert_close(one, other, 1e-11)
        assert_close(
            least(model, penalty),
            least_by_directions(eigenpairs(model), penalty),
            1e-11,
        )


def test_a_wrong_penalty_would_be_seen(x64):
    model = random_models(0)
    direct = gaps_of(model, penalised_move(model, 1.0)).safety
    turned = by_directions(eigenpairs(model), 1.001).safety
    assert_must_fail(lambda: assert_close(direct, turned, 1e-11))


def test_case_one_is_stationary(x64):
    model, penalty = random_models(1), 0.7

    def loss(move):
        found = quadratic_gaps(model, move)
        return jnp.sum(penalty * found.safety + found.capability)

    slope = jax.jit(jax.grad(loss))(loss_move(model, penalty))
    assert_close(slope, jnp.zeros_like(slope), 1e-12)  # rounding


def test_the_optimum_is_the_least_penalised_loss(x64):
    model = random_models(2)
    for penalty in PENALTIES:
        found = gaps_of(model, penalised_move(model, penalty))
        # Relative rounding: penalties up to 1e3.
        assert_close(
            (penalty * found.safety + found.capability) / (1 + penalty),
            least(model, penalty) / (1 + penalty),
            1e-12,
        )


@given(model=models(), move=vectors(), penalty=strategies.penalties())
@in_x64
def test_no_move_at_all_beats_case_one(model, move, penalty):
    found, best = gaps_of(model, move), least(model, penalty)
    paid = penalty * found.safety + found.capability
    assert_below(best, paid, tolerance=1e-9, relative=1e-9)  # rounding
    assert_close(
        (best + excess(model, move, penalty)) / (1 + paid), paid / (1 + paid), 1e-9
    )


def test_a_larger_optimum_would_be_beaten(x64):
    model = random_models(3)
    found = gaps_of(model, penalised_move(model, 1.0))
    paid = found.safety + found.capability
    assert_must_fail(lambda: assert_below(1.01 * least(model, 1.0), paid, 1e-9))


def test_ends_of_the_penalty(x64):
    model = random_models(4)
    nothing, everything = (penalised_move(model, penalty) for penalty in (1e-10, 1e10))
    # First order in penalty * a_max or 1/(penalty a_min): 1e-10 times 300.
    assert_close(nothing, model.displacement, 1e-6)
    assert_close(everything, np.zeros_like(model.displacement), 1e-6)


def test_swapping_the_losses_swaps_the_gaps(x64):
    model, penalty = random_models(5), 3.0
    swapped = Quadratic(
        model.capability_curvature, model.safety_curvature, -model.displacement
    )
    here, there = penalised_move(model, penalty), penalised_move(swapped, 1 / penalty)
    assert_close(here - model.displacement, there, 1e-12)
    one, other = gaps_of(model, here), gaps_of(swapped, there)
    assert_close(one.safety, other.capability, 1e-12)
    assert_close(one.capability, other.safety, 1e-12)
    assert_close(least(model, penalty), penalty * least(swapped, 1 / penalty), 1e-12)


def test_slope_of_the_optimum_is_the_safety_gap(x64):
    model = random_models(6)
    slope = jax.jit(jax.grad(lambda p: jnp.sum(quadratic_optimum(model, p))))(2.0)
    assert_close(
        slope, jnp.sum(gaps_of(model, penalised_move(model, 2.0)).safety), 1e-10
    )


def test_gains_keep_their_digits(x64):
    model = random_models(7)
    start = gaps_of(model, jnp.zeros_like(model.displacement)).capability
    far = gaps_of(model, penalised_move(model, 2.0))
    assert_close(far.gain, start - far.capability, 1e-12)
    tiny = gaps_of(model, penalised_move(model, 1e14)).gain
    small = gaps_of(model, penalised_move(model, 1e12)).gain
    assert_close(tiny / small, 1e-2, 1e-9)  # first order: relative 1e-12 times 300


# One direction


def test_one_direction_has_a_root_frontier(x64):
    curvature, size, penalties = 2.5, -1.3, np.geomspace(1e-4, 1e4, 9)
    model = Quadratic(curvature * np.eye(1), np.eye(1), np.array([size]))
    found = gaps_of(model, jnp.stack([loss_move(model, p) for p in penalties]))
    roots = np.sqrt(found.safety / curvature) + np.sqrt(found.capability)
    assert_close(roots, np.full(9, 1.3 / np.sqrt(2)), 1e-14)
    # A root of a difference of roots that nearly cancel: rounding of the first.
    frontier = direction_frontier(curvature, size, found.safety)
    assert_close(frontier, found.capability, 1e-14)
    limit, ratio = quadratic_root_limit(model)
    assert_close(limit, np.sqrt(curvature) * 1.3 / np.sqrt(2), 1e-14)
    assert_close(ratio, curvature, 1e-14)


def test_a_flat_direction_costs_nothing(x64):
    assert float(direction_frontier(0.0, 1.0, 0.0)) == 0.0
    assert float(direction_frontier(1.0, 1.0, 10.0)) == 0.0


# The proxy


def test_an_exact_proxy_changes_nothing(x64):
    model = random_models(8)
    found = proxy_move(model, 2.0, model.safety_curvature, np.zeros(SIZE))
    assert_close(found, penalised_move(model, 2.0), 1e-13)


def test_a_displaced_proxy_leaves_its_floor(x64):
    model, other = random_models(9), random_models(10)
    proxy = np.asarray(other.displacement)
    move = proxy_move(model, 1e10, other.safety_curvature, proxy)
    assert_close(move, proxy, 1e-6)  # first order in 1/penalty, times the condition
    assert_close(gaps_of(model, move).safety, quadratic_floor(model, proxy), 1e-5)


def test_a_proxy_that_is_flat_somewhere_leaves_another_gap(x64):
    # The limit theta^_s needs a POSITIVE DEFINITE proxy curvature: here theta_f rules.
    one, away = np.eye(1), np.array([1.0])
    model = Quadratic(one, one, away)
    move = proxy_move(model, 1e10, 0 * one, np.array([5.0]))
    assert_close(move, away, 1e-15)
    assert float(quadratic_floor(model, np.array([5.0]))) == 12.5


# The model of a world


@given(world=strategies.worlds())
@in_x64
def test_every_world_has_a_quadratic_model(world):
    model = jax.jit(local_quadratic)(world)
    assert np.isfinite(model.displacement).all()
    for curvature in model[:2]:
        values = np.linalg.eigvalsh(curvature)
        # The ridge below, a softmax's largest curvature and the ridge above.
        assert_below(0.05, values, 1e-12)
        assert_below(values, 0.55, 1e-12)
