"""A pre-norm decoder transformer, small enough to read in one sitting.

Shape suffixes: B batch, L position, D width, H head, K width of a head, F hidden width.
"""

import enum
import functools
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, Int

from simlab.models.attention import causal_attention, rotated
from simlab.models.edits import NO_EDITS, Edits
from simlab.models.protocol import Params


class Positions(enum.Enum):
    """How a token knows where it stands."""

    ROTARY = "rotary"
    LEARNED = "learned"


class Activation(enum.Enum):
    """The nonlinearity of the feed-forward half of a block."""

    GELU = "gelu"
    SWIGLU = "swiglu"


@dataclass(frozen=True)
class Transformer:
    """A decoder transformer as a `Model`; every field is static.

    RMSNorm before attention, feed-forward half and head; no bias, no dropout. Errors:
    ValueError when heads do not divide the width, or rotary heads have odd width.
    """

    vocabulary: int
    contexts: int
    length: int
    width: int = 32
    depth: int = 2
    heads: int = 2
    expansion: int = 4
    positions: Positions = Positions.ROTARY
    activation: Activation = Activation.GELU

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"heads={self.heads} must divide width={self.width}")
        if self.positions is Positions.ROTARY and (self.width // self.heads) % 2:
            raise ValueError(
                f"width={self.width} over heads={self.heads} gives heads of odd "
                "width; rotary positions turn pairs: choose an even width per head"
            )

    def init(self, key: jax.Array) -> Params:
        """Fresh float32 parameters as a flax state."""
        return nnx.state(_Decoder(self, nnx.Rngs(key)))

    def apply(
        self,
        params: Params,
        tokens: Int[jax.Array, "batch length"],
        edits: Edits = NO_EDITS,
    ) -> Float[jax.Array, "batch length vocabulary"]:
        """Logits of the next output after every prefix of every row."""
        return _array(nnx.merge(_structure(self), params)(tokens, edits))

    def streams(
        self,
        params: Params,
        tokens: Int[jax.Array, "batch length"],
        edits: Edits = NO_EDITS,
    ) -> Float[jax.Array, "depth batch length width"]:
        """The residual stream after the embedding and after every block."""
        decoder = nnx.merge(_structure(self), params)
        return jnp.stack(decoder.streams(tokens, edits))

    def sites(self) -> dict[str, tuple[int, ...]]:
        """The shape of a shift at every site, by name; see `Editable`."""
        gates = 1 + (self.activation is Activation.SWIGLU)
        head, width = (self.heads, self.width // self.heads), (self.width,)
        hidden = (gates * self.expansion * self.width,)
        names = ("query", "key", "value", "attention_out", "up", "down")
        shapes = (head, head, head, width, hidden, width)
        of_block = {**dict(zip(names, shapes, strict=True)), "prefix": head}
        of_block["residual"] = width
        blocks = {
            f"blocks.{layer}.{name}": shape
            for layer in range(self.depth)
            for name, shape in of_block.items()
        }
        return {**blocks, "head": (self.vocabulary,)}


@functools.cache
def _structure(config: Transformer) -> Any:
    """The module's graph, without arrays: split once for each configuration."""
    abstract = nnx.eval_shape(lambda: _Decoder(config, nnx.Rngs(0)))
    return nnx.graphdef(abstract)


def _array(x: Any) -> jax.Array:
    return cast(jax.Array, x)  # flax's layers are not annotated


def _linear(rows: int, columns: int, rngs: nnx.Rngs) -> nnx.Linear:
    return nnx.Linear(rows, columns, use_bias=False, rngs=rngs)


class _Block(nnx.Module):
    def __init__(self, config: Transformer, rngs: nnx.Rngs) -> None:
        self.config = config
        width, hidden = config.width, config.expansion * config.width
        gates = 1 + (config.activation is Activation.SWIGLU)
        self.norm_attention = nnx.RMSNorm(width, rngs=rngs)
        self.query_key_value = _linear(width, 3 * width, rngs)
        self.attention_out = _linear(width, width, rngs)
        self.norm_hidden = nnx.RMSNorm(width, rngs=rngs)
        self.up = _linear(width, gates * hidden, rngs)
        self.down = _linear(hidden, width, rngs)

    def attend(self, x_BLD: jax.Array, name: str, edits: Edits) -> jax.Array:
        (batch, length, width), heads = x_BLD.shape, self.config.heads
        packed = self.query_key_value(self.norm_attention(x_BLD))
        packed = packed.reshape(batch, length, 3, heads, width // heads)
        query = edits.at(f"{name}.query", packed[:, :, 0])
        key = edits.at(f"{name}.key", packed[:, :, 1])
        value = edits.at(f"{name}.value", packed[:, :, 2])
        if self.config.positions is Positions.ROTARY:
            query, key = rotated(query), rotated(key)
        mixed = causal_attention(query, key, value)
        mixed = edits.attended(name, mixed, query, key)
        out_BLD = _array(self.attention_out(mixed.reshape(batch, length, width)))
        return edits.at(f"{name}.attention_out", out_BLD)

    def feed_forward(self, x_BLD: jax.Array, name: str, edits: Edits) -> jax.Array:
        up_BLF = edits.at(f"{name}.up", self.up(self.norm_hidden(x_BLD)))
        if self.config.activation is Activation.SWIGLU:
            gate, up = jnp.split(up_BLF, 2, axis=-1)
            hidden_BLF = jax.nn.silu(gate) * up
        else:
            hidden_BLF = jax.nn.gelu(up_BLF)
        return edits.at(f"{name}.down", _array(self.down(hidden_BLF)))

    def __call__(self, x_BLD: jax.Array, name: str, edits: Edits) -> jax.Array:
        x_BLD = x_BLD + self.attend(x_BLD, name, edits)
        x_BLD = x_BLD + self.feed_forward(x_BLD, name, edits)
        return edits.at(f"{name}.residual", x_BLD)


class _Decoder(nnx.Module):
    def __init__(self, config: Transformer, rngs: nnx.Rngs) -> None:
        width = config.width
        self.embed = nnx.Embed(config.vocabulary + config.contexts, width, rngs=rngs)
        if config.positions is Positions.LEARNED:
            self.place = nnx.Embed(config.length, width, rngs=rngs)
        self.config = config
        self.blocks = nnx.List([_Block(config, rngs) for _ in range(config.depth)])
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.head = _linear(width, config.vocabulary, rngs)

    def streams(self, tokens: jax.Array, edits: Edits) -> list[jax.Array]:
        # Not self.embed(tokens): that casts back to the precision of its making.
        x_BLD = _array(self.embed.embedding[tokens])
        if self.config.positions is Positions.LEARNED:
            x_BLD = x_BLD + _array(self.place.embedding[: tokens.shape[1]])
        streams = [x_BLD]
        for layer, block in enumerate(self.blocks):
            streams.append(block(streams[-1], f"blocks.{layer}", edits))
        return streams

    def __call__(self, tokens: jax.Array, edits: Edits) -> jax.Array:
        x_BLD = self.streams(tokens, edits)[-1]
        return edits.at("head", _array(self.head(self.norm(x_BLD))))
