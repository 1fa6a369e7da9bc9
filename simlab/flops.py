"""Floating-point operations of matrix products, counted in a traced program."""

import math
from collections.abc import Iterable
from typing import Any


def matmul_flops(program: Any) -> float:
    """Multiplications and additions of all matrix products of a closed jaxpr.

    A product of [b, m, k] and [b, k, n] counts 2 b m k n; the body of a scan counts
    once an iteration and the program of a mesh once a device; of a conditional the
    dearest branch counts. A `while` of unknown length counts once: a lower bound.
    Elementwise work is not counted: this is what a fraction of a machine's matmul rate
    is made of. (XLA's own cost analysis counts the body of a loop once.)

    >>> import jax, jax.numpy as jnp
    >>> step = lambda x, _: (x @ x, None)
    >>> loop = jax.make_jaxpr(lambda x: jax.lax.scan(step, x, length=5))
    >>> matmul_flops(loop(jnp.eye(3)))
    270.0
    """
    return math.fsum(_of(equation) for equation in _plain(program).eqns)


def _of(equation: Any) -> float:
    name, parameters = equation.primitive.name, equation.params
    if name == "dot_general":
        return _product(equation)
    if name == "cond":
        return max(matmul_flops(branch) for branch in parameters["branches"])
    inner = math.fsum(matmul_flops(part) for part in _parts(parameters.values()))
    if name == "scan":
        return inner * float(parameters["length"])
    if name == "shard_map":
        sizes, dealt = parameters["mesh"].shape, parameters["newly_manual_axes"]
        return inner * float(math.prod(sizes[axis] for axis in dealt))
    return inner


def _product(equation: Any) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    depth = math.prod(left[axis] for axis in contracted)
    return 2.0 * float(depth * math.prod(equation.outvars[0].aval.shape))


def _parts(values: Iterable[Any]) -> Iterable[Any]:
    """The programs among an equation's parameters."""
    for value in values:
        if isinstance(value, tuple | list):
            yield from _parts(value)
        elif hasattr(value, "jaxpr") or hasattr(value, "eqns"):
            yield value


def _plain(program: Any) -> Any:
    return program.jaxpr if hasattr(program, "jaxpr") else program
