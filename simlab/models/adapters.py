"""A model that carries a vector: gated on or off, and trained in part.

Security vectors, inoculation adapters, steering while training and the subtraction of
task vectors are choices of carrier, gate and trained part (security-vector notes 2).
"""

import enum
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from simlab.models.carriers import Carrier, Vector
from simlab.models.edits import NO_EDITS, Editable, Edits
from simlab.models.protocol import Model, Params, PartlyTrained


class Part(enum.Enum):
    """Which of the parameters a loss has a gradient in."""

    BASE = "base"
    VECTOR = "vector"
    BOTH = "both"


class Carried(NamedTuple):
    """The parameters of a model with a vector; the gate is never trained."""

    base: Params
    vector: Vector
    gate: Float[jax.Array, "*runs"]


@dataclass(frozen=True)
class Adapted:
    """A model with a carrier as a `Model`: what trains and measures models takes it.

    What is not `trained` acts but has a gradient of exactly zero, so that SGD, momentum
    and Adam leave it as it is, bit for bit; weight decay would not, so training takes
    updates as `held`. Adapted models of another `trained` share their parameters, and
    may themselves be adapted.

    >>> from simlab.models import LowRank, Tabular
    >>> model = Adapted(Tabular(2, 3, 2), LowRank(("logits",), rank=1))
    >>> sorted(model.init(jax.random.key(0)).vector)
    ['logits']
    """

    model: Model
    carrier: Carrier
    trained: Part = Part.BASE

    @property
    def vocabulary(self) -> int:
        """The number of output tokens."""
        return self.model.vocabulary

    @property
    def contexts(self) -> int:
        """The number of context tokens."""
        return self.model.contexts

    @property
    def length(self) -> int:
        """The number of output tokens of a sequence."""
        return self.model.length

    def init(self, key: jax.Array) -> Carried:
        """A fresh model with a fresh vector, of gate 1."""
        key_base, key_vector = jax.random.split(key)
        vector = self.carrier.init(self.model, key_vector)
        return carried(self.model.init(key_base), vector)

    def apply(
        self,
        params: Params,
        tokens: Int[jax.Array, "batch length"],
        edits: Edits = NO_EDITS,
    ) -> Float[jax.Array, "batch length vocabulary"]:
        """Logits with the vector at its gate. Errors: see the carrier's."""
        base, own = self._acting(params)
        joined = own.joined(edits)
        if joined.none:
            return self.model.apply(base, tokens)
        if not isinstance(self.model, Editable):
            name = type(self.model).__name__
            raise ValueError(f"the activations of a {name} cannot be edited")
        return self.model.apply(base, tokens, joined)

    def sites(self) -> dict[str, tuple[int, ...]]:
        """The sites of the model inside; none where it cannot be shifted."""
        return self.model.sites() if isinstance(self.model, Editable) else {}

    def held(self, updates: Params) -> Carried:
        """Updates of the trained part alone: weight decay reaches nothing else."""
        base, vector, gate = updates
        if self.trained is Part.VECTOR:
            base = jax.tree.map(jnp.zeros_like, base)
        elif isinstance(self.model, PartlyTrained):
            base = self.model.held(base)
        if self.trained is Part.BASE:
            vector = jax.tree.map(jnp.zeros_like, vector)
        return Carried(base, vector, jnp.zeros_like(gate))

    def merged(self, params: Carried) -> Params:
        """The plain parameters that act as these do: base + gate * delta.

        A gate of -beta subtracts, so FT(theta + alpha v) - beta v is `merged`, training
        of the model inside, and `merged` again. Source: security-vector notes 2,
        theorem 1. Errors: ValueError for a carrier that acts on activations.
        """
        base, edits = self.carrier.edited(*params)
        if not edits.none:
            name = type(self.carrier).__name__
            raise ValueError(
                f"a {name} acts on activations: no parameters of the model alone are "
                "equal to it; keep it at its gate, or use LowRank"
            )
        return base

    def _acting(self, params: Carried) -> tuple[Params, Edits]:
        base, vector, gate = params
        if self.trained is Part.VECTOR:
            base = jax.lax.stop_gradient(base)
        if self.trained is Part.BASE:
            vector = jax.lax.stop_gradient(vector)
        return self.carrier.edited(base, vector, jax.lax.stop_gradient(gate))


def carried(base: Params, vector: Vector, gate: float = 1.0) -> Carried:
    """Parameters of an `Adapted` model from those of a model and of a carrier."""
    dtype = jnp.result_type(*jax.tree.leaves(vector))
    return Carried(base, vector, jnp.asarray(gate, dtype))


def gated(params: Carried, gate: Float[jax.Array, ""] | float) -> Carried:
    """The same with another gate: 1 is on, 0 is the base model.

    At 0 every operation gives the bits of the base model; a compiled program of a
    carrier of activations may sum in another order than that of the model alone.
    """
    return params._replace(gate=jnp.asarray(gate, params.gate.dtype))


def squared_norms(carrier: Carrier, vector: Vector) -> dict[str, Float[jax.Array, ""]]:
    """The squared Frobenius norm of what a gate of 1 adds, module by module."""
    deltas = carrier.deltas(vector)
    return {name: jnp.sum(delta**2) for name, delta in deltas.items()}


def norms(carrier: Carrier, vector: Vector) -> dict[str, Float[jax.Array, ""]]:
    """The Frobenius norm of what a gate of 1 adds, module by module.

    Its gradient at zero counts as zero.
    """
    return {k: _root(square) for k, square in squared_norms(carrier, vector).items()}


def total_norm(carrier: Carrier, vector: Vector) -> Float[jax.Array, ""]:
    """The norm of all that a gate of 1 adds, as one vector."""
    squares = squared_norms(carrier, vector).values()
    return _root(jnp.sum(jnp.stack(list(squares))))


def random_like(carrier: Carrier, vector: Vector, key: jax.Array) -> Vector:
    """A random vector with the norm of the given one in every module.

    Normal entries, scaled module by module: the control for "any vector would do".
    """
    leaves, structure = jax.tree.flatten(vector)
    keys = jax.random.split(key, len(leaves))
    drawn = jax.tree.unflatten(
        structure,
        [
            jax.random.normal(k, leaf.shape, leaf.dtype)
            for k, leaf in zip(keys, leaves, strict=True)
        ],
    )
    wanted, found = norms(carrier, vector), norms(carrier, drawn)
    return carrier.scaled(drawn, {name: wanted[name] / found[name] for name in wanted})


def _root(square: Float[jax.Array, ""]) -> Float[jax.Array, ""]:
    some = square > 0
    return jnp.where(some, jnp.sqrt(jnp.where(some, square, 1.0)), 0.0)
