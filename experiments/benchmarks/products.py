"""A worker: plain matrix products in float32, on all cores."""

import sys

import jax
import jax.numpy as jnp

from experiments.benchmarks.serving import serve
from simlab import devices


def main(rows: int, inner: int, columns: int, repeats: int) -> None:
    """Serves `repeats` products [rows, inner] x [inner, columns] in a block."""
    devices.configure(devices=1)  # one device with every core's threads
    keys = jax.random.split(jax.random.key(0))
    left = jax.random.normal(keys[0], (rows, inner))
    right = jax.random.normal(keys[1], (inner, columns))
    product = jax.jit(jnp.dot)

    def block() -> None:
        for _ in range(repeats):  # each waited for: the next must not overlap it
            jax.block_until_ready(product(left, right))

    block()
    serve(block)


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
