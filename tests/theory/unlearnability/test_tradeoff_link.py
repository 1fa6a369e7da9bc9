"""Split moves against balls, prices along a flow, harmful drift beside benign data."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from tests.theory.unlearnability import small_network as network
from theory.tradeoff.parameter_ball import gap_smooth
from theory.unlearnability import (
    capability_ceiling,
    damage_ceiling,
    direct_price,
    harm_move_beside,
    harm_per_benefit,
    indirect_benefit,
    inner,
    norm,
    relative_rate,
)

MOVES = hnp.arrays(np.float64, (3,), elements=numbers(-2.0, 2.0))
SIZES = numbers(0.0, 3.0)
damage = jax.jit(damage_ceiling)
capability = jax.jit(capability_ceiling)
beside = jax.jit(harm_move_beside)


@given(slope=SIZES, bend=SIZES, harm=SIZES, benign=SIZES, overlap=numbers(0.0, 1.0))
@in_x64
def test_at_full_overlap_it_is_the_ball_and_never_above(
    slope, bend, harm, benign, overlap
):
    both = harm + benign
    ball = float(gap_smooth(0.0, slope, bend, both))
    # Rounding of sums of products below 60.
    assert_close(damage(slope, bend, harm, benign, 1.0, both), ball, 1e-13)
    assert_below(damage(slope, bend, harm, benign, overlap, both), ball, 1e-13)
    remaining = slope * overlap * benign + bend * benign**2 / 2
    assert_close(damage(slope, bend, 0.0, benign, overlap, benign), remaining, 1e-13)


@given(gradient=MOVES, harm=MOVES, benign=MOVES, bend=SIZES)
@in_x64
def test_both_bounds_hold_for_quadratic_losses(gradient, harm, benign, bend):
    both = harm + benign
    square = bend * both @ both / 2
    length, reach, size = (np.linalg.norm(v) for v in (both, benign, gradient))
    counted = size * reach > 0
    overlap = abs(gradient @ benign) / (size * reach) if counted else 0.0
    # Concave and convex, as far as beta-smooth allows; rounding of sums below 60.
    lost = -(gradient @ both - square)
    bound = damage(size, bend, np.linalg.norm(harm), reach, overlap, length)
    assert_below(lost, bound, 1e-13)
    risen = gradient @ both + square
    bound = capability(gradient @ benign, size, bend, np.linalg.norm(harm), length)
    assert_below(risen, bound, 1e-13)


def test_without_the_overlap_the_bound_of_the_damage_fails(x64):
    gradient, benign = np.array([1.0, 0.0]), np.array([-0.5, 0.1])
    lost = -gradient @ benign
    reach = np.linalg.norm(benign)
    full = damage(1.0, 0.0, 0.0, reach, 0.5 / reach, reach)
    assert_close(full, lost, 1e-15)
    assert_must_fail(
        lambda: assert_below(lost, damage(1.0, 0.0, 0.0, reach, 0.0, reach), 1e-2)
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_price_of_a_network_is_that_along_its_flow(seed, x64):
    made, share = network.toy(seed, 0.5), 0.2
    found = network.gradients(made)
    harm, benign = network.flow(made, share, 1e-5)
    # Central differences to 1e-9 of rates above 0.05.
    assert_close(harm_per_benefit(found, share) / (harm / benign), 1.0, 1e-6)
    price = direct_price(
        relative_rate(found.harm_off, found.harm_on),
        relative_rate(found.benign_off, found.benign_on),
        norm(found.harm_off),
        norm(found.benign_off),
        inner(found.harm_off, found.benign_on),
        share,
    )
    whole = harm_per_benefit(found, share) * (1 + indirect_benefit(found, share))
    assert_close_to_rounding(price, whole, 64)
    assert_must_fail(
        lambda: assert_close(harm_per_benefit(found, 0.9) / (harm / benign), 1, 1e-2)
    )


def test_a_perfect_vector_leaves_the_price_of_erosion(x64):
    price = direct_price(0.0, 0.5, 3.0, 2.0, 0.1, np.array([0.0, 0.3, 0.9]))
    assert_close_to_rounding(price, np.full(3, 0.1 / 2.0), 8)


def test_a_task_that_stands_still_has_an_infinite_price_and_finite_gradients(x64):
    assert float(direct_price(0.5, 0.0, 1.0, 1.0, 0.1, 0.5)) == np.inf
    arguments = [np.array(v) for v in (0.5, 0.0, 1.0, 0.0, 0.1, 0.5)]
    assert_finite_gradient(direct_price, *arguments)


FEATURES, CLASSES, STEPS, RATE = 5, 6, 400, 0.1


@jax.jit
def mixed_training(seed: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """|Delta_h|, its sum of errors at the start and |Delta_b| on the way, step by step.

    A softmax on features of length 1, harmful and benign samples in turn; the vector
    raises the harmful answers by 6. Benign data ask for other answers to features that
    all samples share in part.
    """
    keys = jax.random.split(jax.random.key(seed), 3)
    rows = jax.random.normal(keys[0], (STEPS, FEATURES)).at[:, 0].add(3.0)
    rows = rows / jnp.sqrt(jnp.sum(rows**2, axis=-1, keepdims=True))
    start = 0.1 * jax.random.normal(keys[1], (CLASSES, FEATURES))
    harmful = jnp.arange(STEPS) % 2 == 0
    targets = jnp.where(harmful, 0, jax.random.randint(keys[2], (STEPS,), 1, CLASSES))
    boost = 6.0 * jnp.eye(CLASSES)[0]

    def error(point: jax.Array, row: jax.Array) -> jax.Array:
        logits = point @ row + boost
        return jax.nn.sigmoid(jax.nn.logsumexp(logits[1:]) - logits[0])

    def step(
        moves: tuple[jax.Array, jax.Array], sample: tuple[jax.Array, ...]
    ) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, ...]]:
        row, target, bad = sample
        offset = jnp.where(bad, boost, 0.0)
        law = jax.nn.softmax((start + moves[0] + moves[1]) @ row + offset)
        residual = law - jax.nn.one_hot(target, CLASSES)
        pull = -RATE * residual[:, None] * row
        spent = jnp.where(bad, RATE * error(start, row), 0.0)
        after = moves[0] + jnp.where(bad, pull, 0.0), moves[1] + jnp.where(bad, 0, pull)
        lengths = [jnp.sqrt(jnp.sum(move**2)) for move in after]
        return after, (lengths[0], spent, lengths[1])

    none = jnp.zeros_like(start)
    _, (harm, spent, benign) = jax.lax.scan(
        step, (none, none), (rows, targets, harmful)
    )
    return harm, jnp.cumsum(spent), jax.lax.cummax(benign)


def drift_of(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same as numpy arrays, drawn in single precision."""
    with jax.enable_x64(False):
        harm, spent, benign = mixed_training(np.int32(seed))
    return np.asarray(harm, float), np.asarray(spent, float), np.asarray(benign, float)


def test_harmful_drift_beside_benign_data_is_within_its_bound(x64):
    apart = np.sqrt(2.0)  # |J_j - J_y| of a softmax on features of length 1
    informative = 0
    for seed in range(5):
        harm, spent, benign = drift_of(seed)
        bound = beside(apart, spent, benign)
        # Rounding of single precision over 400 steps.
        assert_below(harm, bound, relative=1e-4)
        informative += int(np.sum(np.isfinite(np.asarray(bound))))
    assert informative > STEPS


def test_without_the_benign_drift_the_bound_fails(x64):
    apart = np.sqrt(2.0)

    def check():
        for seed in range(5):
            harm, spent, _ = drift_of(seed)
            assert_below(harm, beside(apart, spent, 0.0), relative=1e-4)

    assert_must_fail(check)


def test_the_bound_of_drift_is_infinite_beyond_shelf_life_with_finite_gradients(x64):
    assert float(harm_move_beside(1.0, 1e-3, 10.0)) == np.inf
    assert float(harm_move_beside(2.0, 1e-30, 1e5)) == np.inf
    for arguments in ((0.0, 1.0, 1.0), (1.0, 0.0, 1e5), (1.0, 1e-3, 10.0)):
        assert_finite_gradient(harm_move_beside, *map(np.array, arguments))
