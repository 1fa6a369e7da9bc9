"""What constant and annealed steps remember: order, stiffness, forgetting."""

import jax
import numpy as np
from hypothesis import given

from tests.assertions import assert_close, assert_must_fail, in_x64
from tests.strategies import numbers, simplices
from theory.compression import (
    DataSets,
    annealed_model,
    constant_step_model,
    forgetting_length,
    optimum,
)

annealed = jax.jit(annealed_model)
constant = jax.jit(constant_step_model)

START = np.full(4, 0.25)
ORDER = np.array([2, 0, 1])


@given(laws=simplices((3, 4)), k=numbers(0.1, 1e4), size=numbers(0.0, 10.0))
@in_x64
def test_annealed_learning_is_the_joint_optimum_in_any_order(laws, k, size):
    sizes = np.array([k, 1.0, 0.3])
    found = annealed(START, DataSets(laws, sizes), size)
    everything = DataSets(np.vstack([laws, START]), np.append(sizes, size))
    # Rounding of a mean, taken in three steps.
    assert_close(found, optimum(everything), 1e-14)
    other = annealed(START, DataSets(laws[ORDER], sizes[ORDER]), size)
    assert_close(found, other, 1e-14)


def test_constant_steps_depend_on_the_order(x64):
    data = DataSets(np.eye(4)[:3], np.array([50.0, 50.0, 50.0]))
    other = DataSets(data.laws[ORDER], data.sizes[ORDER])
    assert_must_fail(
        lambda: assert_close(
            constant(START, data, 0.02), constant(START, other, 0.02), 1e-2
        )
    )


@given(step=numbers(1e-4, 0.5), laws=simplices((2, 4)))
@in_x64
def test_forgetting_does_not_depend_on_how_much_was_learned(step, laws):
    length = float(forgetting_length(step))
    for learned in (100 * length, 10_000 * length):
        found = constant(START, DataSets(laws, np.array([learned, length])), step)
        # After 100 lengths the start is gone to e^-100.
        kept = laws[0] / np.e + laws[1] * (1 - 1 / np.e)
        assert_close(found, kept, 1e-13)


def test_the_closed_form_is_the_loop(x64):
    step, q = 0.05, START.copy()
    data = DataSets(np.eye(4)[:2], np.array([7.0, 4.0]))
    for law, count in zip(data.laws, (7, 4), strict=True):
        for _ in range(count):
            q = q + step * (law - q)
    assert_close(constant(START, data, step), q, 1e-14)
    counts, model = 3.0, START.copy()
    for law, count in zip(data.laws, (7, 4), strict=True):
        for _ in range(count):
            counts += 1
            model = model + (law - model) / counts
    assert_close(annealed(START, data, 3.0), model, 1e-14)
