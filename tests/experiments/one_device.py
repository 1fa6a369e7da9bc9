"""The first device alone: programs are compiled for each, and a second only costs."""

import jax

from experiments.runner import Way


def first_device() -> tuple[jax.Device, ...]:
    """What `Bench.devices` and `Way.on` take."""
    return tuple(jax.local_devices()[:1])


def on_first() -> Way:
    """The usual way, on the first device."""
    return Way(on=first_device())
