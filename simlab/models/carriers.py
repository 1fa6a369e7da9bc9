"""Small sets of parameters that ride on a model: low-rank, bias, prefix, steering."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from simlab.models.edits import NO_EDITS, AttentionPrefix, Editable, Edits
from simlab.models.matrices import Tables, added, matrices
from simlab.models.protocol import Model, Params
from simlab.models.transformer import Transformer

Vector = Any
"""A carrier's parameters: a dict of modules, which only the carrier itself reads."""

Scalar = Float[jax.Array, ""] | float

PROJECTIONS = ("query", "key", "value", "attention_out", "up", "down")
"""The linear maps of a transformer's block."""


@runtime_checkable
class Carrier(Protocol):
    """A static choice of where extra parameters act on a model, and how.

    Modules are named by their place, "blocks.0.up". A target selects every module of
    whose dotted name it is a part: "up" those of all blocks, "blocks.0" a whole block.
    """

    def init(self, model: Model, key: jax.Array) -> Vector:
        """A fresh vector: small, or without effect, but with a gradient."""

    def edited(
        self, params: Params, vector: Vector, gate: Scalar
    ) -> tuple[Params, Edits]:
        """The parameters and the activations of the model that carries the vector."""

    def deltas(self, vector: Vector) -> Tables:
        """What a gate of 1 adds, module by module."""

    def scaled(self, vector: Vector, factors: Mapping[str, Scalar]) -> Vector:
        """The vector whose deltas are multiplied, module by module."""


class Factors(NamedTuple):
    """A matrix of low rank as left @ right: [*batch, rows, r] and [*batch, r, columns].

    Tables of more than two axes are as many matrices.
    """

    left: Float[jax.Array, "*batch rows r"]
    right: Float[jax.Array, "*batch r columns"]


@dataclass(frozen=True)
class LowRank:
    """Adds scale * left @ right to every selected matrix (LoRA): additive in weights.

    Query, key and value are matrices of their own. Left starts as N(0, 1 / rows), right
    as zero. `scale` is what LoRA calls alpha / rank. Acts on any model whose parameters
    have matrices or tables. Errors: ValueError for a rank < 1, or a target that selects
    nothing.

    >>> from simlab.models.tabular import Tabular
    >>> vector = LowRank(("logits",), rank=1).init(Tabular(2, 3, 2), jax.random.key(0))
    >>> vector["logits"].left.shape, vector["logits"].right.shape
    ((3, 3, 1), (3, 1, 2))
    """

    targets: tuple[str, ...] = PROJECTIONS
    rank: int = 4
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank={self.rank} must be >= 1")

    def init(self, model: Model, key: jax.Array) -> Vector:
        """Random left factors, zero right ones: no effect yet."""
        shapes = matrices(jax.eval_shape(model.init, key))
        vector = {}
        for index, name in enumerate(selected(self.targets, list(shapes))):
            *batch, rows, columns = shapes[name]
            keyed = jax.random.fold_in(key, index)
            left = jax.random.normal(keyed, (*batch, rows, self.rank)) / rows**0.5
            vector[name] = Factors(left, jnp.zeros((*batch, self.rank, columns)))
        return vector

    def edited(
        self, params: Params, vector: Vector, gate: Scalar
    ) -> tuple[Params, Edits]:
        """W + gate * scale * left @ right; activations untouched."""
        deltas = self.deltas(vector)
        return added(params, {k: gate * delta for k, delta in deltas.items()}), NO_EDITS

    def deltas(self, vector: Vector) -> Tables:
        """The products: scale * left @ right."""
        return {
            name: self.scale * factors.left @ factors.right
            for name, factors in vector.items()
        }

    def scaled(self, vector: Vector, factors: Mapping[str, Scalar]) -> Vector:
        """The right factors multiplied."""
        return {
            name: Factors(one.left, factors[name] * one.right)
            for name, one in vector.items()
        }


@dataclass(frozen=True)
class Bias:
    """Adds a bias to the output of every selected linear map, at every position.

    The same for all inputs: it cannot tell contexts apart. Starts at zero. "head" is an
    offset of the logits. Errors: ValueError for a target that selects nothing.
    """

    targets: tuple[str, ...] = PROJECTIONS

    def init(self, model: Model, key: jax.Array) -> Vector:
        """Zeros."""
        special = (".residual", ".prefix")
        shapes = {k: v for k, v in _sites(model).items() if not k.endswith(special)}
        return {k: jnp.zeros(shapes[k]) for k in selected(self.targets, list(shapes))}

    def edited(
        self, params: Params, vector: Vector, gate: Scalar
    ) -> tuple[Params, Edits]:
        """Activations shifted by gate * bias; weights untouched."""
        return params, _shifted(vector, gate)

    def deltas(self, vector: Vector) -> Tables:
        """The biases."""
        return dict(vector)

    def scaled(self, vector: Vector, factors: Mapping[str, Scalar]) -> Vector:
        """The biases multiplied."""
        return {name: factors[name] * bias for name, bias in vector.items()}


@dataclass(frozen=True)
class Steering:
    """Adds a direction to the residual stream after every selected layer.

    At every position of every row. Starts at zero; `mean_difference` makes the vector
    of persona steering. Errors: ValueError for a layer that the model lacks.
    """

    layers: tuple[int, ...] = (0,)

    def init(self, model: Model, key: jax.Array) -> Vector:
        """Zeros."""
        streams = stream_sites(model, self.layers)
        return {name: jnp.zeros(shape) for name, shape in streams.items()}

    def edited(
        self, params: Params, vector: Vector, gate: Scalar
    ) -> tuple[Params, Edits]:
        """Streams shifted by gate * direction; weights untouched."""
        return params, _shifted(vector, gate)

    def deltas(self, vector: Vector) -> Tables:
        """The directions."""
        return dict(vector)

    def scaled(self, vector: Vector, factors: Mapping[str, Scalar]) -> Vector:
        """The directions multiplied."""
        return {name: factors[name] * one for name, one in vector.items()}


@dataclass(frozen=True)
class Prefix:
    """Puts `length` trainable keys and values before every block's attention.

    The gate g >= 0 multiplies the prefix's share of attention (scores + log g): 1 is a
    full prefix, 0 none, below 0 counts as 0. Keys have no position, whatever the
    model's. Starts as N(0, 0.02^2). `deltas` and norms are of keys and values. Errors:
    ValueError for a length < 1, or a model without attention.
    """

    length: int = 4

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"length={self.length} must be >= 1")

    def init(self, model: Model, key: jax.Array) -> Vector:
        """Small keys and values."""
        shapes = {k: v for k, v in _sites(model).items() if k.endswith(".prefix")}
        vector = {}
        for index, name in enumerate(selected(("prefix",), list(shapes))):
            keys = jax.random.split(jax.random.fold_in(key, index))
            for part, keyed in zip(("keys", "values"), keys, strict=True):
                made = jax.random.normal(keyed, (self.length, *shapes[name]))
                vector[f"{name}.{part}"] = 0.02 * made
        return vector

    def edited(
        self, params: Params, vector: Vector, gate: Scalar
    ) -> tuple[Params, Edits]:
        """Attention over the prefix too, of weight gate; weights untouched."""
        prefixes = {
            name.removesuffix(".prefix.keys"): AttentionPrefix(
                keys, vector[name.removesuffix("keys") + "values"], jnp.asarray(gate)
            )
            for name, keys in vector.items()
            if name.endswith(".keys")
        }
        return params, Edits({}, prefixes)

    def deltas(self, vector: Vector) -> Tables:
        """The keys and the values."""
        return dict(vector)

    def scaled(self, vector: Vector, factors: Mapping[str, Scalar]) -> Vector:
        """Keys and values multiplied."""
        return {name: factors[name] * one for name, one in vector.items()}


def selected(targets: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names of which a target is a dotted part, in the order of the names.

    Errors: ValueError for a target that selects nothing.

    >>> selected(("up", "head"), ["blocks.0.up", "blocks.0.down", "head"])
    ['blocks.0.up', 'head']
    """
    hits = {one: [n for n in names if f".{one}." in f".{n}."] for one in targets}
    lost = [repr(one) for one, found in hits.items() if not found]
    if lost or not hits:
        offered = ", ".join(names) or "nothing to a carrier of this kind"
        raise ValueError(
            f"target {lost[0] if lost else '()'} selects nothing of this model, which "
            f"offers: {offered}"
        )
    chosen = {name for found in hits.values() for name in found}
    return [name for name in names if name in chosen]


def stream_sites(model: Model, layers: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The residual stream after each of these layers: its site and shape.

    Errors: ValueError for a layer that the model lacks.
    """
    shapes = {k: v for k, v in _sites(model).items() if k.endswith(".residual")}
    wanted = [f"blocks.{layer}.residual" for layer in layers]
    return {name: shapes[name] for name in selected(wanted, list(shapes))}


def mean_difference(
    model: Transformer,
    params: Params,
    trait: Int[jax.Array, "n width"],
    plain: Int[jax.Array, "m width"],
    steering: Steering,
    scored: int,
) -> Vector:
    """The steering vector mean(h | trait) - mean(h | plain) of every layer.

    Means over rows and over the positions from which the last `scored` outputs are
    foretold. Source: persona vectors (2507.21509), by security-vector notes 4.
    """
    ours, theirs = (
        jnp.mean(model.streams(params, tokens[:, :-1])[:, :, -scored:], axis=(1, 2))
        for tokens in (trait, plain)
    )
    # Row 0 is the embedding's stream.
    return {
        f"blocks.{layer}.residual": ours[layer + 1] - theirs[layer + 1]
        for layer in steering.layers
    }


def _sites(model: Model) -> dict[str, tuple[int, ...]]:
    return model.sites() if isinstance(model, Editable) else {}


def _shifted(vector: Vector, gate: Scalar) -> Edits:
    return Edits({name: gate * shift for name, shift in vector.items()}, {})
