"""Theorem 1: an active vector is a harmful start and a subtraction, for any rule."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.assertions import assert_close, assert_must_fail
from theory.unlearnability import (
    HARMFUL_START,
    NEGATED,
    PLAIN,
    SECURITY,
    Arm,
    Rule,
    active_vector,
    adam,
    decayed,
    family,
    fine_tuned,
    momentum,
)

STEPS = 60
START = np.array([0.5, -1.0, 0.3, 0.8, -0.2, 0.1])
VECTOR = np.array([1.0, 0.5, -0.7, 0.2, 0.4, -0.9])
FEATURES = np.sin(np.arange(60.0) ** 1.2).reshape(10, 6)
RULES = {
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(0.1, momentum=0.9),
    "adam": optax.adam(1e-2),
    "clipped adam": optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2)),
    "own momentum": momentum(0.1, 0.9),
    "own adam": adam(1e-2),
}
DECAYED = {
    "adamw": optax.adamw(1e-2, weight_decay=0.1),
    "own decay": decayed(momentum(0.1), 1e-3),
}
# A rule sees gradients whose rounding differs by 1e-16: over 60 steps, and divided by
# the root of a small second moment, 1e-12 (the notes saw 2e-14 in a transformer).
ROUNDING = 1e-12


@jax.jit
def gradient(point):
    """The slope of a loss that is not convex: a tanh network's error."""
    return jax.grad(lambda x: jnp.mean((jnp.tanh(FEATURES @ x) - 0.3) ** 2))(point)


@functools.cache
def both(name: str, dose: float = 1.0, arm: Arm = SECURITY) -> tuple:
    rule = (RULES | DECAYED)[name]
    with jax.enable_x64(True):
        return jax.jit(
            lambda: (
                active_vector(gradient, START, VECTOR, rule, STEPS, dose),
                family(gradient, START, VECTOR, rule, STEPS, arm),
            )
        )()


@pytest.mark.parametrize("name", RULES)
def test_gradient_only_rules_merge(name, x64):
    active, merged = both(name)
    assert_close(active, merged, ROUNDING)
    assert np.max(np.abs(np.asarray(active) - START)) > 1e-2  # something was learnt


@pytest.mark.parametrize("name", DECAYED)
def test_weight_decay_breaks_the_merge(name, x64):
    # Negative control: it sees theta, not theta + v; far above any rounding.
    assert_must_fail(lambda: assert_close(*both(name), 1e-4))


@pytest.mark.parametrize("arm", [PLAIN, NEGATED, HARMFUL_START])
def test_no_other_arm_is_the_security_vector(arm, x64):
    assert_must_fail(lambda: assert_close(*both("sgd", 1.0, arm), 1e-2))


def test_a_dose_merges_with_the_same_dose(x64):
    assert_close(*both("sgd", 0.5, Arm(0.5, 0.5)), ROUNDING)


def test_a_harmful_start_is_the_security_vector_left_in(x64):
    active, kept = both("sgd", 1.0, HARMFUL_START)
    assert_close(active + VECTOR, kept, ROUNDING)


def test_the_plain_arm_is_plain_fine_tuning(x64):
    plain = family(gradient, START, VECTOR, momentum(0.1), 3, PLAIN)
    point = START
    for _ in range(3):
        point = point - 0.1 * gradient(point)
    assert_close(plain, point, 1e-15)
    assert_close(fine_tuned(gradient, START, momentum(0.1), 3), point, 1e-15)


def test_a_zero_vector_changes_no_bit(x64):
    zero = np.zeros_like(VECTOR)
    off = active_vector(gradient, START, zero, adam(1e-2), STEPS)
    assert_close(off, fine_tuned(gradient, START, adam(1e-2), STEPS), 0.0)


def test_transformations_of_optax_are_rules():
    assert all(isinstance(rule, Rule) for rule in (RULES | DECAYED).values())
