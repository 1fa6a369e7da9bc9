"""What a model is to the rest of the simulator."""

from typing import Any, Protocol, runtime_checkable

import jax
from jaxtyping import Float, Int

Params = Any
"""A pytree of arrays: only the model that made it knows its structure."""


@runtime_checkable
class Model(Protocol):
    """A next-token model of `length` outputs that follow one context token.

    A token below `vocabulary` is an output; `vocabulary + x` stands for context x and
    only ever comes first. Static and hashable: it owns no array.
    """

    @property
    def vocabulary(self) -> int:
        """The number of output tokens."""

    @property
    def contexts(self) -> int:
        """The number of context tokens."""

    @property
    def length(self) -> int:
        """The number of output tokens of a sequence."""

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""

    def apply(
        self, params: Params, tokens: Int[jax.Array, "batch length"]
    ) -> Float[jax.Array, "batch length vocabulary"]:
        """Logits of the next output after every prefix of every row."""


@runtime_checkable
class PartlyTrained(Model, Protocol):
    """A model some of whose parameters never move, whatever the update rule."""

    def held(self, updates: Params) -> Params:
        """Updates, zero for the parameters that are not trained."""
