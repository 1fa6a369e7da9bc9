"""Assertions that say where they failed, and by how much."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

P = ParamSpec("P")
Function = Callable[..., Any]


def in_x64(test: Callable[P, None]) -> Callable[P, None]:
    """The same test in double precision; goes below `@given`."""

    @wraps(test)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        with jax.enable_x64(True):
            test(*args, **kwargs)

    return wrapped


@contextmanager
def one_line(match: str) -> Iterator[pytest.ExceptionInfo[ValueError]]:
    """A ValueError is raised meanwhile, whose message matches and is a single line."""
    with pytest.raises(ValueError, match=match) as caught:
        yield caught
    assert "\n" not in str(caught.value)


def assert_below(
    left: object, right: object, tolerance: float = 0.0, relative: float = 0.0
) -> None:
    """left <= right + tolerance + relative * |right|, everywhere; NaN never passes."""
    left, right = np.broadcast_arrays(_host(left), _host(right))
    allowed = tolerance + relative * np.where(np.isfinite(right), np.abs(right), 0)
    passed = left <= right + allowed
    if not passed.all():
        excess = np.where(passed, -np.inf, left - right)
        _report(left, right, excess, ~passed, "<=", f"tolerance {tolerance:g}")


def assert_close(left: object, right: object, tolerance: float) -> None:
    """|left - right| <= tolerance, or both the same infinity; NaN never passes."""
    left, right = np.broadcast_arrays(_host(left), _host(right))
    with np.errstate(invalid="ignore"):
        error = np.where(left == right, 0.0, np.abs(left - right))
    passed = error <= tolerance
    if not passed.all():
        _report(left, right, error, ~passed, "==", f"tolerance {tolerance:g}")


def assert_close_to_rounding(
    left: object, right: object, multiple: float = 16, scale: float = 0.0
) -> None:
    """|left - right| <= multiple * eps * max(|right|, scale), eps of left's dtype.

    With scale 0 every digit counts, however small the number.
    """
    left = _host(left)
    eps = float(np.finfo(left.dtype).eps)
    left, right = np.broadcast_arrays(left, _host(right))
    size = np.maximum(np.where(np.isfinite(right), np.abs(right), 0.0), scale)
    with np.errstate(invalid="ignore"):
        error = np.where(left == right, 0.0, np.abs(left - right))
    passed = error <= multiple * eps * size
    if not passed.all():
        ulps = error / np.maximum(eps * size, 1e-300)
        _report(left, right, ulps, ~passed, "==", f"within {multiple:g} roundings")


def assert_finite_gradient(function: Function, *arguments: object) -> tuple[Any, ...]:
    """The gradients of sum(function) in every argument, after checking for NaN, inf."""
    arrays = tuple(jnp.asarray(argument) for argument in arguments)
    gradients = jax.grad(
        lambda *values: jnp.sum(function(*values)), argnums=tuple(range(len(arrays)))
    )(*arrays)
    for position, gradient in enumerate(gradients):
        if not jnp.isfinite(gradient).all():
            raise AssertionError(f"gradient in argument {position}: {gradient}")
    return tuple(gradients)


def assert_batching_changes_nothing(
    function: Function, *batches: np.ndarray, multiple: float = 16
) -> None:
    """function(batch) agrees with a Python loop over the leading axis, to rounding.

    Not bit by bit: XLA may order a sum differently for another shape.
    """
    compiled = jax.jit(function)
    rows = [np.asarray(compiled(*row)) for row in zip(*batches, strict=True)]
    assert_close_to_rounding(compiled(*batches), np.stack(rows), multiple)


def assert_jit_changes_nothing(
    function: Function, *arguments: object, multiple: float = 16, scale: float = 0.0
) -> None:
    """jit(function) agrees with function to rounding: fusion may contract a*b + c."""
    compiled = jax.jit(function)(*arguments)
    assert_close_to_rounding(compiled, function(*arguments), multiple, scale)


def assert_must_fail(check: Callable[[], object]) -> None:
    """The check raises AssertionError: the negative control of a test."""
    try:
        check()
    except AssertionError:
        return
    raise AssertionError("the negative control passed: this test cannot fail")


def least_found(
    slack: Function, starts: np.ndarray, steps: int = 300, rate: float = 0.05
) -> float:
    """The least slack that gradient descent finds from any of the starts.

    `slack` maps one start to a number; every start walks down by Adam-like steps, and
    the least value on the way counts. A bound that holds leaves it >= 0.
    """

    def walk(start: jax.Array) -> jax.Array:
        def step(state: Any, _: None) -> Any:
            point, mean, square = state
            value, gradient = jax.value_and_grad(slack)(point)
            gradient = jnp.where(jnp.isfinite(gradient), gradient, 0.0)
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.99 * square + 0.01 * gradient**2
            move = rate * mean / (jnp.sqrt(square) + 1e-12)
            return (point - move, mean, square), value

        zero = jnp.zeros_like(start)
        _, values = jax.lax.scan(step, (start, zero, zero), None, length=steps)
        return jnp.nanmin(values)

    return float(jax.jit(lambda points: jnp.nanmin(jax.vmap(walk)(points)))(starts))


def _host(value: object) -> np.ndarray:
    """The value as a numpy array of floats."""
    array = np.asarray(value)
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(float)


def _report(
    left: np.ndarray,
    right: np.ndarray,
    badness: np.ndarray,
    failed: np.ndarray,
    relation: str,
    rule: str,
) -> None:
    """None; raises with the worst entry and its place."""
    ranked = np.where(np.isnan(badness), np.inf, badness)
    worst = np.unravel_index(int(np.argmax(np.where(failed, ranked, -1))), left.shape)
    place = tuple(int(index) for index in worst)
    raise AssertionError(
        f"{int(failed.sum())} of {left.size} entries break left {relation} right "
        f"({rule}); worst at {place}: {left[worst]!r} against {right[worst]!r}, "
        f"off by {badness[worst]:.6g}"
    )
