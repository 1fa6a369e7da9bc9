"""Basins of known shape are found at their size; directions obey the layers' norms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax.flatten_util import ravel_pytree

from simlab.basin import (
    basin,
    layer_scaled_direction,
    plane_basin,
    scan,
    unlikely_outputs,
    unsafe_probability,
)
from simlab.enumeration import prefix_logits
from simlab.landscape import double
from tests.assertions import assert_must_fail
from tests.simlab.toys import MODELS, SAFETY, table
from tests.strategies import numbers

LINE = np.linspace(-3.0, 3.0, 25)


@given(curvature=numbers(0.2, 50.0), threshold=numbers(0.01, 0.8))
def test_a_parabolas_basin_is_its_closed_form(
    curvature: float, threshold: float
) -> None:
    found = basin(LINE, curvature * LINE**2 / 2, threshold)
    half = np.sqrt(2 * threshold / curvature)
    # Rounding: interpolation in the squared offset is exact here. A half beyond the
    # scan counts to its end.
    assert found.left == pytest.approx(min(half, 3.0), rel=1e-12)
    assert found.right == pytest.approx(min(half, 3.0), rel=1e-12)
    assert found.width == found.left + found.right
    assert found.open == (half > 3.0)
    assert 0 < found.score <= 1


def test_the_score_of_a_parabola_tends_to_two_thirds() -> None:
    fine = np.linspace(-2.0, 2.0, 2001)
    found = basin(fine, fine**2, 1.0)
    # mean of 1 - u^2 over [-1, 1]; the grid costs (spacing)^2 = 4e-6
    assert found.score == pytest.approx(2 / 3, abs=1e-5)


def test_a_success_rate_below_one_everywhere_scores_its_mean_safety() -> None:
    # The convention of VISAGE: the basin is where the rate is below 100 %.
    found = basin(np.array([-1.0, 0.0, 1.0]), np.array([0.5, 0.1, 0.9]), 1.0)
    assert found.open
    assert found.score == pytest.approx((0.5 + 2 * 0.9 + 0.1) / 4)


def test_sides_are_measured_apart_and_only_to_the_first_crossing() -> None:
    values = np.array([0.0, 5.0, 0.0, 0.0, 1.0, 2.0, 0.0])
    found = basin(np.arange(-3.0, 4.0), values, 1.5)
    assert found.left == pytest.approx(np.sqrt(1 + 0.3 * 3))
    assert found.right == pytest.approx(np.sqrt(1 + 0.5 * 3))
    assert not found.open


def test_where_the_start_is_unsafe_there_is_no_basin() -> None:
    found = basin(LINE, 1 + LINE**2, 0.5)
    assert (found.width, found.score, found.open) == (0.0, 0.0, False)


def test_a_value_that_is_not_a_number_ends_the_basin() -> None:
    found = basin(np.arange(-2.0, 3.0), np.array([0.0, 0.0, 0.0, np.nan, 0.0]), 1.0)
    assert found.right == 0.0
    assert found.left == 2.0


def test_an_ellipses_area_is_found_on_a_coarse_grid() -> None:
    shares = np.linspace(-1, 1, 17)
    first, second = 2 * shares * np.abs(shares), shares
    values = first[:, None] ** 2 + 9 * second**2
    found = plane_basin(first, second, values, 1.0)
    # pi a b. Cells are at most 0.03 by 0.016 once refined: half a width along the
    # perimeter of 4.3 is 0.03 if all errors had one sign.
    assert found.area == pytest.approx(np.pi / 3, abs=0.03)
    assert found.score == pytest.approx(0.5, abs=0.02)
    assert not found.open
    assert plane_basin(first, second, values, 5.0).open
    # Negative control: the test sees a threshold 10 % off.
    wrong = plane_basin(first, second, values, 1.1).area
    assert_must_fail(lambda: np.testing.assert_allclose(wrong, np.pi / 3, atol=0.03))


def test_an_island_and_what_is_not_a_number_are_not_counted() -> None:
    line = np.linspace(-3.0, 3.0, 61)
    values = line[:, None] ** 2 + line**2
    alone = plane_basin(line, line, values, 1.0)
    values[:20] = np.nan
    values[50, 50] = np.inf
    values[55:58, 55:58] = 0.0
    found = plane_basin(line, line, values, 1.0)
    # whole cells of 0.1 now: half a width along the perimeter of 6.3
    assert found.area == pytest.approx(alone.area, abs=0.32)
    assert not found.open
    assert plane_basin(line, line, values + 2.0, 1.0)[3:] == (0.0, 0.0, False)


@pytest.mark.parametrize(
    ("offsets", "threshold", "message"),
    [
        ((1.0, 0.0, -1.0), 1.0, "must rise and contain 0"),
        ((-1.0, 0.5, 1.0), 1.0, "must rise and contain 0"),
        ((-1.0, 0.0, 1.0), -2.0, "did you pass its log"),
    ],
)
def test_bad_scans_are_refused(
    offsets: tuple[float, ...], threshold: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        basin(np.array(offsets), np.zeros(3), threshold)
    with pytest.raises(ValueError, match=message):
        plane_basin(np.array(offsets), np.array(offsets), np.zeros((3, 3)), threshold)


def test_every_weight_tensor_moves_by_its_own_norm_and_gains_stay() -> None:
    params = MODELS["transformer"].init(jax.random.key(0))
    flat, restore = ravel_pytree(params)
    drawn = restore(layer_scaled_direction(params, jax.random.key(1)))
    kinds = set()
    for weight, moved in zip(
        jax.tree.leaves(params), jax.tree.leaves(drawn), strict=True
    ):
        kinds.add(weight.ndim)
        norm = float(jnp.linalg.norm(weight.ravel())) if weight.ndim > 1 else 0.0
        got = float(jnp.linalg.norm(moved.ravel()))
        assert got == pytest.approx(norm, rel=1e-5)  # float32 rounding
    assert kinds == {1, 2}  # both kinds were there to be seen
    other = layer_scaled_direction(params, jax.random.key(2))
    cosine = jnp.vdot(other, ravel_pytree(drawn)[0]) / jnp.vdot(other, other)
    assert abs(float(cosine)) < 5 / np.sqrt(flat.size)  # five sigmas


def test_a_direction_does_not_depend_on_the_precision_of_the_caller() -> None:
    params = MODELS["transformer"].init(jax.random.key(0))
    single = layer_scaled_direction(params, jax.random.key(1))
    with jax.enable_x64(True):
        precise = layer_scaled_direction(double(params), jax.random.key(1))
        assert precise.dtype == np.float64
    np.testing.assert_allclose(single, precise, rtol=1e-5)  # float32 rounding


def test_a_scan_is_the_metric_at_every_point() -> None:
    params = {"a": jnp.array([[1.0, 2.0]]), "b": jnp.array([3.0])}
    axes = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]])
    points = np.array([[0.0, 0.0], [0.5, 0.0], [-1.0, 2.0]])
    found = scan(lambda p: (p["a"][0, 0] * p["b"][0], p["a"]), params, axes, points)
    assert found[0].tolist() == [3.0, 4.5, 0.0]
    assert found[1].tolist() == [[[1, 2]], [[1.5, 2]], [[0, 4]]]


def test_unlikely_outputs_are_unlikely_and_not_too_few(x64: None) -> None:
    outputs = table(1)
    marked = unlikely_outputs(outputs, 0.3)
    mass = np.sum(np.where(marked, outputs, 0.0), axis=-1)
    assert np.all(mass <= 0.3)
    # One more would be too many.
    nearest = np.where(marked, 1.0, outputs).min(-1)
    assert np.all(mass + nearest > 0.3)
    with pytest.raises(ValueError, match="must be in"):
        unlikely_outputs(outputs, 30.0)


def test_the_unsafe_probability_is_the_sum_over_marked_sequences(x64: None) -> None:
    model = MODELS["tabular"]
    logits = prefix_logits(model, double(model.init(jax.random.key(3))))
    mu = np.asarray(SAFETY)
    everything, nothing = np.ones((2, 4), bool), np.zeros((2, 4), bool)
    # rounding
    assert float(unsafe_probability(mu, everything, logits)) == pytest.approx(1.0)
    assert float(unsafe_probability(mu, nothing, logits)) == 0.0
    one = nothing.copy()
    one[0, 2] = True  # the sequence (1, 0) of context 0
    following = np.asarray(jax.nn.softmax(logits, axis=-1))
    expected = mu[0] * following[0, 0, 1] * following[0, 2, 0]
    assert float(unsafe_probability(mu, one, logits)) == pytest.approx(expected)


def test_a_wrong_threshold_would_be_seen() -> None:
    # Negative control of the closed form above.
    def check() -> None:
        found = basin(LINE, LINE**2 / 2, 0.5)
        assert found.right == pytest.approx(np.sqrt(2 * 0.55), rel=1e-12)

    assert_must_fail(check)
