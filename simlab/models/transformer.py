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


class Compute(enum.Enum):
    """What matrix products are computed in; sums and norms are float32 at the least."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class Activation(enum.Enum):
    """The nonlinearity of the feed-forward half of a block."""

    GELU = "gelu"
    SWIGLU = "swiglu"


@dataclass(frozen=True)
class Transformer:
    """A decoder transformer as a `Model`; every field is static.

    RMSNorm before attention, feed-forward half and head; no bias, no dropout.
    Parameters, residual stream and logits are float32 whatever the matrix products are
    computed in. Errors: ValueError when heads do not divide the width, or rotary heads
    have odd width.
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
    compute: Compute = Compute.FLOAT32  # of the blocks' and the head's products
    rematerialised: bool = False  # forget a block's activations, for those of one layer

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


def _product(x: jax.Array, matrix: jax.Array, _: Any, **options: Any) -> jax.Array:
    """The product `x @ matrix` at every position, as one of two plain matrices.

    Left with batch and positions as two axes, XLA's CPU would copy the gradient of the
    result, transposed and computed anew, to make the matrix's own gradient of it: half
    the time of a step. A tall matrix goes through its transpose, held by a barrier, so
    that its gradient is made the same way: with the narrower factor as the rows.
    """
    rows = x.reshape(-1, x.shape[-1])
    if matrix.shape[0] > matrix.shape[1]:
        matrix = jax.lax.optimization_barrier(matrix.T).T
    plain = (((1,), (0,)), ((), ()))
    product = jax.lax.dot_general(rows, matrix, plain, **options)
    return product.reshape(*x.shape[:-1], matrix.shape[1])


def _linear(
    rows: int, columns: int, rngs: nnx.Rngs, config: Transformer, wide: bool = False
) -> nnx.Linear:
    """A matrix; one with a `wide` result gives it in float32 at the least."""
    half = config.compute is Compute.BFLOAT16
    return nnx.Linear(
        rows,
        columns,
        use_bias=False,
        dtype=jnp.bfloat16 if half else None,
        preferred_element_type=jnp.float32 if half and wide else None,
        dot_general=_product,
        rngs=rngs,
    )


def _norm(config: Transformer, rngs: nnx.Rngs) -> nnx.RMSNorm:
    half = config.compute is Compute.BFLOAT16
    return nnx.RMSNorm(config.width, dtype=jnp.bfloat16 if half else None, rngs=rngs)


class _Block(nnx.Module):
    def __init__(self, config: Transformer, rngs: nnx.Rngs) -> None:
        self.config = config
        width, hidden = config.width, config.expansion * config.width
        gates = 1 + (config.activation is Activation.SWIGLU)
        self.norm_attention = _norm(config, rngs)
        self.query_key_value = _linear(width, 3 * width, rngs, config)
        self.attention_out = _linear(width, width, rngs, config, wide=True)
        self.norm_hidden = _norm(config, rngs)
        self.up = _linear(width, gates * hidden, rngs, config)
        self.down = _linear(hidden, width, rngs, config, wide=True)

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
        self.norm = _norm(config, rngs)
        self.head = _linear(width, config.vocabulary, rngs, config, wide=True)

    def streams(self, tokens: jax.Array, edits: Edits) -> list[jax.Array]:
        # Not self.embed(tokens): that casts back to the precision of its making.
        x_BLD = _array(self.embed.embedding[tokens])
        if self.config.positions is Positions.LEARNED:
            x_BLD = x_BLD + _array(self.place.embedding[: tokens.shape[1]])
        streams = [x_BLD]
        for layer, block in enumerate(self.blocks):
            through = functools.partial(block, name=f"blocks.{layer}", edits=edits)
            again = jax.checkpoint(through) if self.config.rematerialised else through
            streams.append(again(streams[-1]))
        return streams

    def __call__(self, tokens: jax.Array, edits: Edits) -> jax.Array:
        x_BLD = self.streams(tokens, edits)[-1]
        return edits.at("head", _array(self.head(self.norm(x_BLD))))
