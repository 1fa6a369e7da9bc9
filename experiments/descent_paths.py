"""Training seen from every single step: for bounds that must hold at all of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simlab.models import Params
from simlab.sources import Tokens
from simlab.training import Hyper, Setup, State, advance, batch_at, begin

See = Callable[[Params, Tokens], Any]
"""What is looked at: parameters before a step and the data of that step."""


class Steps(NamedTuple):
    """Every step of a descent: `seen` before it, and the length of its gradient."""

    gradient_norm: Float[Array, " step"]
    seen: Any


def followed(setup: Setup, hyper: Hyper, key: jax.Array, see: See) -> Steps:
    """All steps of a run, in order; entry t is at the parameters after t steps.

    `setup.steps` entries, so the last step's outcome is not seen. Of the objective that
    training itself descends. Pure; the same data and updates as `run`.
    """

    def step(state: State, _: None) -> tuple[State, tuple[Array, Any]]:
        tokens = batch_at(setup, hyper.capability, key, state.step)
        seen = see(state.params, tokens)
        state, (*_losses, norm) = advance(setup, hyper, key, state)
        return state, (norm, seen)

    _, (norms, seen) = jax.lax.scan(step, begin(setup, hyper), None, length=setup.steps)
    return Steps(norms, seen)


def before(terms: Float[Array, "*batch step"]) -> Float[Array, "*batch step"]:
    """The sum of the terms of all earlier steps: 0 at the first.

    >>> before(jnp.array([1.0, 2.0, 3.0])).tolist()
    [0.0, 1.0, 3.0]
    """
    summed = jnp.cumsum(terms[..., :-1], axis=-1)
    return jnp.concatenate([jnp.zeros_like(terms[..., :1]), summed], axis=-1)
