"""Trust regions as springs: the ridge, Lambert's solution, smoothing, regularisers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import minimize

from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers, simplices
from theory.compression import (
    DataSets,
    Family,
    family_law,
    fisher,
    fitted_exponent,
    forward_excess,
    forward_kl,
    forward_kl_far,
    forward_objective,
    optimum,
    rate_gradients,
    rates,
    regularised_change,
    ridge,
    set_means,
    smoothing,
)
from theory.information import kl

LAW = np.array([0.5, 0.3, 0.15, 0.05])
REFERENCE = np.array([0.1, 0.2, 0.3, 0.4])

solution = jax.jit(forward_kl)
far = jax.jit(forward_kl_far)
objective = jax.jit(forward_objective)
excess = jax.jit(forward_excess)
with_ridge = jax.jit(lambda *parts: optimum(ridge(*parts)))
smoothed = jax.jit(lambda data, pseudo: optimum(smoothing(data, pseudo)))
sensitivity = jax.jit(jax.jacobian(forward_kl, argnums=(0, 1, 2)))


def minimised(law: np.ndarray, reference: np.ndarray, beta: float) -> np.ndarray:
    """The same optimum by a general minimiser over logits."""

    def cost(logits: np.ndarray) -> tuple[float, np.ndarray]:
        q = np.exp(logits - logits.max())
        q = q / q.sum()
        ratio = np.log(q / reference)
        divergence = float(q @ ratio)
        value = -float(law @ np.log(q)) + beta * divergence
        return value, q - law + beta * q * (ratio - divergence)

    found = minimize(cost, np.log(reference), jac=True, tol=1e-14, method="BFGS")
    q = np.exp(found.x - found.x.max())
    return np.asarray(q / q.sum())


@pytest.mark.parametrize("beta", [0.05, 1.0, 20.0])
def test_the_solution_is_what_a_general_minimiser_finds(beta, x64):
    # BFGS stops when its gradient is about 1e-8.
    assert_close(solution(LAW, REFERENCE, beta), minimised(LAW, REFERENCE, beta), 1e-6)


def test_the_solution_of_another_strength_is_noticed(x64):
    other = minimised(LAW, REFERENCE, 1.05)
    assert_must_fail(
        lambda: assert_close(solution(LAW, REFERENCE, 1.0), other, 1e-6),
    )


@given(
    law=simplices((5,)),
    reference=simplices((5,), ("dense", "degenerate")),
    exponent=numbers(-12.0, 12.0),
)
@in_x64
def test_the_solution_is_a_stationary_law_at_any_strength(law, reference, exponent):
    beta = float(np.exp(exponent))
    q = np.asarray(solution(law, reference, beta))
    assert_close(q.sum(), 1.0, 1e-13)
    held = q > 0
    ratio = np.zeros(5)
    ratio[held] = np.log(q[held] / reference[held])
    multiplier = 1 - beta * q @ ratio
    # Terms of size 1 + beta |log q|: logarithms of laws down to e^-60 here, more in q.
    left = law - beta * q * ratio
    assert_close(left, q * multiplier, 1e-13 * (1 + beta))


@given(law=simplices((4,)), model=simplices((4,), ("dense",)), beta=numbers(0.01, 100))
@in_x64
def test_no_model_beats_the_solution_and_the_loss_is_two_bregman_terms(
    law, model, beta
):
    best = solution(law, REFERENCE, beta)
    lost = objective(law, REFERENCE, beta, model) - objective(
        law, REFERENCE, beta, best
    )
    # Objectives up to 100 * 12 nats are subtracted.
    assert_close(excess(law, beta, best, model), lost, 1e-12)
    assert float(lost) >= -1e-12
    reach = kl(np.asarray(best), REFERENCE), kl(law, REFERENCE)
    assert_below(*reach, 1e-13)


def test_a_weak_penalty_leaves_the_data_and_a_strong_one_is_a_linear_spring(x64):
    assert_close(solution(LAW, REFERENCE, 1e-9), LAW, 1e-8)
    betas = np.geomspace(10.0, 1e5, 9)
    errors = np.abs(np.stack([solution(LAW, REFERENCE, b) for b in betas]))
    linear = np.stack([far(LAW, REFERENCE, b) for b in betas])
    # The next order is 1 / beta^2; the first point is not there yet.
    power = fitted_exponent(betas[1:], np.abs(errors - linear).max(-1)[1:])
    assert_close(power, -2.0, 0.05)


def test_empty_leaves_of_the_data_keep_their_share_of_the_reference(x64):
    law = np.array([0.7, 0.3, 0.0, 0.0])
    q = np.asarray(solution(law, REFERENCE, 1.0))
    assert_close_to_rounding(q[2] / q[3], REFERENCE[2] / REFERENCE[3], 8)
    parts = sensitivity(law, REFERENCE, 1.0)
    assert all(np.isfinite(part).all() for part in parts)


def test_gradients_are_those_of_the_optimum(x64):
    direction = np.array([1.0, -2.0, 0.5, 0.5])
    step = 1e-5
    by_law, _, by_strength = sensitivity(LAW, REFERENCE, 1.0)
    ends = [solution(LAW + s * step * direction, REFERENCE, 1.0) for s in (-1, 1)]
    # Central differences: step^2 of curvature, eps / step of rounding.
    assert_close(by_law @ direction, (ends[1] - ends[0]) / (2 * step), 1e-8)
    ends = [solution(LAW, REFERENCE, 1.0 + s * step) for s in (-1, 1)]
    assert_close(by_strength, (ends[1] - ends[0]) / (2 * step), 1e-8)
    empty = np.array([0.7, 0.3, 0.0, 0.0])
    moved = np.array([-1.0, 0.0, 1.0, 0.0])
    by_law, _, _ = sensitivity(empty, REFERENCE, 1.0)
    ends = [solution(empty + s * step * moved, REFERENCE, 1.0) for s in (0, 1, 2)]
    one_sided = (-1.5 * ends[0] + 2 * ends[1] - 0.5 * ends[2]) / step
    assert_close(by_law @ moved, one_sided, 1e-7)


def test_batches_of_penalties_are_solved_as_one_by_one(x64):
    betas = np.array([0.1, 1.0, 10.0])
    rows = np.stack([solution(LAW, REFERENCE, beta) for beta in betas])
    assert_close_to_rounding(solution(LAW, REFERENCE, betas), rows, 16)


def test_single_precision_solves_the_same_problem():
    laws = LAW.astype(np.float32), REFERENCE.astype(np.float32)
    for beta in (1e-3, 1.0, 1e3):
        with jax.enable_x64(True):
            expected = np.asarray(solution(LAW, REFERENCE, beta))
        # A handful of roundings of numbers below 1, times |log| of a few.
        assert_close(solution(*laws, np.float32(beta)), expected, 2e-6)


@given(laws=simplices((3, 4)), reference=simplices((4,)), strength=numbers(1e-3, 1e3))
@in_x64
def test_the_ridge_is_one_more_data_set(laws, reference, strength):
    data = DataSets(laws, np.array([5.0, 1.0, 0.3]))
    q = with_ridge(data, reference, strength)
    pulls = 5.0 * laws[0] + laws[1] + 0.3 * laws[2] + strength * reference
    assert_close(q, pulls / (6.3 + strength), 1e-15)
    # Stationary in the logits: all pulls of the data and of the ridge cancel.
    total = np.asarray(data.sizes) @ np.asarray(rate_gradients(data, q))
    assert_close(total + strength * (q - reference), 0.0, 1e-13 * (7 + strength))


def test_smoothing_is_half_a_response_a_leaf(x64):
    counts = np.array([7.0, 2.0, 0.0, 1.0])
    data = DataSets(counts[None] / counts.sum(), counts.sum()[None])
    for pseudo in (0.5, 1.0):
        expected = (counts + pseudo) / (counts.sum() + 4 * pseudo)
        assert_close_to_rounding(smoothed(data, pseudo), expected, 8)


def test_batches_of_reference_and_strength_broadcast(x64):
    data = DataSets(np.eye(4)[:2], np.ones(2))
    strengths = np.array([0.5, 2.0, 8.0])
    found = ridge(data, REFERENCE, strengths)
    assert found.laws.shape == (3, 3, 4)
    assert found.sizes.tolist() == [[1.0, 1.0, s] for s in strengths]


STATISTICS = np.array([[1.0, 0.2], [-0.5, 1.0], [0.3, -1.0], [-1.0, -0.4]])
WEIGHT = 0.3  # of |theta|^2, against 10 responses


@jax.jit
def regularised(data: DataSets) -> jax.Array:
    """The optimum of an exponential family with a penalty WEIGHT |theta|^2: Newton."""
    family = Family(jnp.asarray(STATISTICS), jnp.zeros(4))
    means, total = set_means(family, data), jnp.sum(data.sizes)

    def step(theta: jax.Array, _: None) -> tuple[jax.Array, None]:
        law = family_law(family, theta)
        pull = jnp.sum(data.sizes[:, None] * (law @ STATISTICS - means), axis=0)
        curvature = total * fisher(family, theta) + 2 * WEIGHT * jnp.eye(2)
        gradient = pull + 2 * WEIGHT * theta
        return theta - jnp.linalg.inv(curvature) @ gradient, None

    theta, _ = jax.lax.scan(step, jnp.zeros(2), None, length=30)
    return theta


def regularised_step(change: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Sizes, central changes of the rates, and of the regulariser, along n_t."""
    laws = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.1, 0.2, 0.6], [0.3, 0.2, 0.4, 0.1]])
    sizes = np.array([8.0, 1.0, 1.0])
    family, ends = Family(jnp.asarray(STATISTICS), jnp.zeros(4)), []
    for sign in (-1, 1):
        data = DataSets(laws, sizes + sign * change * np.eye(3)[2])
        theta = regularised(data)
        gamma = np.asarray(rates(data, family_law(family, theta)))
        ends.append((gamma, WEIGHT * float(theta @ theta)))
    return sizes, ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]


def test_a_regulariser_is_one_more_spring_and_forgetting_it_breaks_the_law(x64):
    change = 1e-4
    sizes, rates_moved, penalty_moved = regularised_step(change)
    balance = regularised_change(sizes, rates_moved, penalty_moved)
    largest = np.abs(sizes * rates_moved).max()
    # Central differences: the square of the change, 1e-8, and rounding of rates over
    # moves of 1e-6.
    assert_close(balance, 0.0, 1e-6 * largest)
    forgotten = float(regularised_change(sizes, rates_moved, 0.0))
    # Negative control: without the spring the sum is off by a sizeable share.
    assert abs(forgotten) > 1e-2 * largest
