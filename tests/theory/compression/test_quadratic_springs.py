"""Springs on a line and in space: rest, ratio, flip, forces, energies, Gaussians."""

import jax
import numpy as np
from hypothesis import given
from scipy.integrate import quad

from tests.assertions import (
    assert_close,
    assert_close_to_rounding,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from theory.compression import (
    Springs,
    deformations,
    line_flip,
    line_ratio,
    line_rest,
    rest_point,
    series_stiffness,
    spring_energy,
    spring_forces,
    spring_responses,
)

SIZES, SHARES, OPPOSITES = numbers(0.5, 1e3), numbers(0.0, 3.0), numbers(0.05, 5.0)

rest = jax.jit(rest_point)
forces = jax.jit(spring_forces)
energy = jax.jit(spring_energy)
responses = jax.jit(spring_responses)
stretched = jax.jit(deformations)
ratio = jax.jit(line_ratio)
line = jax.jit(line_rest)


def on_a_line(k: float, share: float, opposite: float) -> Springs:
    anchors = np.array([[0.0], [1.0], [-opposite]])
    return Springs(anchors, np.array([k, 1.0, share]), np.eye(1))


def in_space(seed: int) -> tuple[Springs, np.ndarray]:
    """Four springs and a point in three dimensions."""
    with jax.enable_x64(False):
        numbers_ = jax.random.normal(jax.random.key(seed), (40,))
    drawn = np.asarray(numbers_, float)
    root = drawn[:9].reshape(3, 3)
    metric = root @ root.T + 0.1 * np.eye(3)
    springs = Springs(drawn[9:21].reshape(4, 3), np.exp(drawn[21:25]), metric)
    return springs, drawn[25:28]


@given(k=SIZES, share=SHARES, opposite=OPPOSITES)
@in_x64
def test_the_line_is_the_general_case_in_one_dimension(k, share, opposite):
    springs = on_a_line(k, share, opposite)
    assert_close(rest(springs)[0], line(k, share, opposite), 1e-14)
    response = np.asarray(responses(springs))
    if abs(1 - share * opposite) > 1e-3:
        found = response[1, 2] / response[0, 2]
        expected = float(ratio(k, share, opposite))
        # theta* near 0 is known to 1e-16 of 1: over 1e-3 / (k + 5).
        assert_close(found / expected, 1.0, 1e-9)


@given(k=SIZES, opposite=OPPOSITES, beyond=numbers(0.05, 2.0))
@in_x64
def test_pre_training_improves_up_to_the_flip_and_worsens_beyond(k, opposite, beyond):
    flip = float(line_flip(opposite))
    for share, sign in (((1 - beyond / 4) * flip, -1), ((1 + beyond) * flip, 1)):
        slope = -np.asarray(responses(on_a_line(k, share, opposite)))[0, 2]
        assert np.sign(slope) == sign
        assert np.sign(float(ratio(k, share, opposite))) == sign
    assert_close(line(k, flip, opposite), 0.0, 1e-15)


def test_the_ratio_is_minus_k_without_perturbation_and_no_flip_without_opposition(x64):
    assert_close_to_rounding(ratio(np.array([1.0, 1e5]), 0.0, 2.0), [-1.0, -1e5], 4)
    assert np.isinf(line_flip(np.array([0.0, -1.0]))).all()


def test_another_flip_is_noticed(x64):
    assert_must_fail(lambda: assert_close(line(10.0, 1 / 1.9, 2.0), 0.0, 1e-4))


def test_forces_are_gradients_balance_and_release_the_energy(x64):
    for seed in range(5):
        springs, point = in_space(seed)
        pulls = np.asarray(forces(springs, point))
        gradients = np.asarray(slopes_of(springs, point))
        scale = np.abs(pulls).max()
        # Rounding of sums of a few products.
        assert_close(pulls, -springs.sizes[:, None] * gradients, 1e-13 * scale)
        at_rest = forces(springs, rest(springs))
        assert_close(np.sum(at_rest, axis=0), 0.0, 1e-13 * scale)
        lost = stretched(springs, point) - stretched(springs, rest(springs))
        total = float(np.sum(springs.sizes * np.asarray(lost)))
        assert_close(energy(springs, point) / total, 1.0, 1e-12)


slopes_of = jax.jit(jax.jacobian(deformations, argnums=1))


def test_responses_are_those_of_the_rest_point(x64):
    springs, _ = in_space(7)
    step = 1e-5
    for moved in range(4):
        ends = []
        for sign in (-1, 1):
            sizes = springs.sizes + sign * step * np.eye(4)[moved]
            more = Springs(springs.anchors, sizes, springs.metric)
            ends.append(np.asarray(stretched(springs, rest(more))))
        found = -(ends[1] - ends[0]) / (2 * step)
        # Central differences: step^2 of curvature, eps / step of rounding.
        assert_close(found, responses(springs)[:, moved], 1e-8)


def test_responses_are_symmetric_stable_and_ignore_scale(x64):
    for seed in range(5):
        springs, _ = in_space(seed)
        table = np.asarray(responses(springs))
        size = np.abs(table).max()
        assert_close(table, table.T, 1e-14 * size)
        assert_close(table @ springs.sizes, 0.0, 1e-13 * size)
        assert np.linalg.eigvalsh(table).min() > -1e-13 * size


def test_two_springs_share_their_force_in_series(x64):
    k = 7.0
    springs = Springs(np.array([[0.0], [1.0]]), np.array([k, 1.0]), np.eye(1))
    where = float(rest(springs)[0])
    force = float(series_stiffness(np.array([k, 1.0])))  # at total stretch 1
    assert_close(k * where, force, 1e-15)
    assert_close(1.0 * (1 - where), force, 1e-15)


def gaussian_kl(first: float, second: float, precision: float) -> float:
    """KL of two Gaussians of one variance, integrated."""
    scale = np.sqrt(precision / (2 * np.pi))

    def density(x: float, mean: float) -> float:
        return scale * np.exp(-precision * (x - mean) ** 2 / 2)

    def term(x: float) -> float:
        ratio = ((x - second) ** 2 - (x - first) ** 2) * precision / 2
        return density(x, first) * ratio

    return float(quad(term, -12, 12, epsabs=1e-12)[0])


def test_deformations_are_divergences_of_gaussians_in_both_orders(x64):
    springs = Springs(np.array([[0.3], [-1.1]]), np.ones(2), np.array([[1.7]]))
    found = stretched(springs, np.array([0.5]))
    for anchor, value in zip((0.3, -1.1), found, strict=True):
        assert_close(value, gaussian_kl(anchor, 0.5, 1.7), 1e-9)
        assert_close(value, gaussian_kl(0.5, anchor, 1.7), 1e-9)
