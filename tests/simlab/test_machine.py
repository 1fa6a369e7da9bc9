"""What is known of a machine: free memory, what a program needs, its rate, its work."""

import jax
import jax.numpy as jnp
import pytest

from simlab import devices
from simlab.flops import matmul_flops
from simlab.memory import ExhaustedError, free_bytes, needed_bytes

SQUARE = jnp.ones((64, 64))


def test_products_are_counted_through_gradients_branches_loops_and_batches() -> None:
    once = 2.0 * 64**3

    def count(function: object, *inputs: jax.Array) -> float:
        return matmul_flops(jax.make_jaxpr(function)(*inputs)) / once  # type: ignore[arg-type]

    def loss(x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sin(x @ x))

    def branching(x: jax.Array) -> jax.Array:
        return jax.lax.cond(x[0, 0] > 0, lambda y: y @ y @ y, lambda y: y @ y, x)

    assert count(lambda x: x + x, SQUARE) == 0
    assert count(jax.grad(loss), SQUARE) == 3  # forward, and by each of two factors
    assert count(branching, SQUARE) == 2  # the dearest branch
    assert count(jax.vmap(loss), jnp.ones((5, 64, 64))) == 5
    mapped = jax.jit(lambda xs: jax.lax.map(jax.checkpoint(jax.grad(loss)), xs))
    assert count(mapped, jnp.ones((4, 64, 64))) == 12


def test_a_program_needs_its_arguments_results_and_what_lies_between() -> None:
    large = jnp.ones((256, 256))
    compiled = jax.jit(lambda x: (x @ x) @ (x + 1)).lower(large).compile()
    assert 2 * large.nbytes <= needed_bytes(compiled) <= 8 * large.nbytes


def test_host_devices_share_the_free_memory() -> None:
    free = free_bytes(jax.local_devices()[0])
    assert 2**20 < free < 2**50
    assert "needs 2 MiB, 1 MiB are free" in str(ExhaustedError(2.0**21, 2.0**20))
    assert str(ExhaustedError(None, 2.0**20)) == "needs more, 1 MiB are free"


def test_the_rate_is_that_of_products_and_measured_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rate = devices.matmul_rate(width=256, seconds=0.01)
    assert 1e8 < rate < 1e15
    monkeypatch.setattr("simlab.devices.time", None)
    assert devices.matmul_rate(width=256, seconds=0.01) == rate
