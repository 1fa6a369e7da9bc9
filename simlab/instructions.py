"""A token that instructs: it follows the context and is never scored.

A model of `outputs` output tokens and `extra` instructions has the vocabulary of both;
its rows are (context, instruction, y_1, y_2, ...). Instruction k is the token
outputs + k; the neutral one is k = 0.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from simlab.enumeration import by_prefix, prefix_rows
from simlab.models import Model, Params
from simlab.sources import Tokens


@dataclass(frozen=True)
class Instructions:
    """How rows of a plain world are told to a model that takes instructions.

    >>> told = Instructions(outputs=3, extra=2)
    >>> told.told(jnp.array([[4, 0, 2]]), told.neutral).tolist()
    [[6, 3, 0, 2]]
    """

    outputs: int  # output tokens, those that are scored
    extra: int = 3  # instruction tokens

    def __post_init__(self) -> None:
        for name in ("outputs", "extra"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 1")

    @property
    def vocabulary(self) -> int:
        """Output tokens of the model: those of the world and the instructions."""
        return self.outputs + self.extra

    @property
    def neutral(self) -> int:
        """The instruction that asks for nothing in particular: that of deployment."""
        return self.outputs

    def told(
        self, rows: Tokens, instruction: Int[jax.Array, "..."] | int
    ) -> Int[jax.Array, "_ longer"]:
        """Rows of the world with an instruction, one for all or one a row."""
        token = jnp.broadcast_to(jnp.asarray(instruction, rows.dtype), rows.shape[:1])
        context = rows[:, :1] + self.extra
        return jnp.concatenate([context, token[:, None], rows[:, 1:]], axis=1)

    def logits(
        self, model: Model, params: Params, instruction: int
    ) -> Float[jax.Array, "x node v"]:
        """Logits of the world's tokens after every prefix, under an instruction.

        Instructions are no answers: their logits are left out, which conditions the
        law of a token on its being an output. Nodes as in `prefix_logits`; exact.
        """
        rows = prefix_rows(model.contexts, self.outputs, model.length - 1)
        logits = model.apply(params, self.told(rows, instruction))
        return by_prefix(logits[:, 1:, : self.outputs], model.contexts)
