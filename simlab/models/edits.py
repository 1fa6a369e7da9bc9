"""What changes a transformer's activations from outside: shifts, projections, prefixes.

Shape suffixes: B batch, L position, M the attended one, P prefix, H head, K width of a
head.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from simlab.models.protocol import Model, Params


class AttentionPrefix(NamedTuple):
    """Keys and values that every position may attend to, before the first token.

    Shapes: keys and values [P, H, K]; the keys have no position. `weight` >= 0
    multiplies the prefix's share of attention: 1 is that of tokens, 0 is none.
    """

    keys: Float[jax.Array, "P H K"]
    values: Float[jax.Array, "P H K"]
    weight: Float[jax.Array, ""]


class Projector(NamedTuple):
    """Directions [D, r], orthonormal or zero, and the share of them that is removed."""

    basis: Float[jax.Array, "D r"]
    weight: Float[jax.Array, ""]


class Edits(NamedTuple):
    """Shifts and projections by site, attention prefixes by block ("blocks.0").

    Names are static. A shift may have one row a position, or one a row of the batch.
    """

    shifts: Mapping[str, jax.Array]
    prefixes: Mapping[str, AttentionPrefix]
    projections: Mapping[str, Projector] = MappingProxyType({})

    @property
    def none(self) -> bool:
        """Whether there is nothing to be edited."""
        return not (self.shifts or self.prefixes or self.projections)

    def at(self, site: str, x: jax.Array) -> jax.Array:
        """The activation, shifted if this site is, then projected if it is.

        Formula: x <- x + shift; x <- x - weight (x Q) Q^T, at every position of every
        row. A shift or a weight of 0 changes no bit.
        """
        shifted = x + self.shifts[site] if site in self.shifts else x
        if site not in self.projections:
            return shifted
        basis, weight = self.projections[site]
        return shifted - weight * ((shifted @ basis) @ basis.T)

    def attended(
        self, block: str, mixed: jax.Array, query: jax.Array, key: jax.Array
    ) -> jax.Array:
        """What attention mixed without a prefix, with the block's prefix if any."""
        if block not in self.prefixes:
            return mixed
        return with_prefix(mixed, query, key, self.prefixes[block])

    def joined(self, other: "Edits") -> "Edits":
        """Both. Errors: ValueError where both have a prefix, or a projection."""
        twice = sorted(set(self.prefixes) & set(other.prefixes))
        if twice:
            raise ValueError(f"{twice[0]} has a prefix already: one carrier a block")
        twice = sorted(set(self.projections) & set(other.projections))
        if twice:
            raise ValueError(f"{twice[0]} is projected already: one carrier a site")
        shifts = {**self.shifts}
        for site, shift in other.shifts.items():
            shifts[site] = shifts[site] + shift if site in shifts else shift
        projections = {**self.projections, **other.projections}
        return Edits(shifts, {**self.prefixes, **other.prefixes}, projections)


NO_EDITS = Edits({}, {})
"""Nothing: a model applies it at no cost, bit for bit."""


@runtime_checkable
class Editable(Model, Protocol):
    """A model whose activations can be shifted."""

    def sites(self) -> dict[str, tuple[int, ...]]:
        """The shape of a shift at every site; at "*.prefix", of one key or value."""

    def apply(
        self,
        params: Params,
        tokens: Int[jax.Array, "batch length"],
        edits: Edits = NO_EDITS,
    ) -> Float[jax.Array, "batch length vocabulary"]:
        """Logits of the next output after every prefix of every row."""


def with_prefix(
    mixed_BLHK: jax.Array,
    query_BLHK: jax.Array,
    key_BLHK: jax.Array,
    prefix: AttentionPrefix,
) -> jax.Array:
    """Causal attention over a prefix and the past, from that over the past alone.

    Formula: (1 - s) mixed + s mixed_prefix with the prefix's share of the softmax,
    s = w Z_prefix / (w Z_prefix + Z_past), Z = sum exp(q k / sqrt K). Written as
    mixed + s (mixed_prefix - mixed), so a weight of 0 changes no bit.
    """
    root = math.sqrt(query_BLHK.shape[-1])
    past_LL = jnp.tril(jnp.ones((query_BLHK.shape[1],) * 2, bool))
    own_BLHM = jnp.einsum("BLHK,BMHK->BLHM", query_BLHK, key_BLHK) / root
    own_BLHM = jnp.where(past_LL[:, None], own_BLHM, -jnp.inf)
    ahead_BLHP = jnp.einsum("BLHK,PHK->BLHP", query_BLHK, prefix.keys) / root
    odds_BLH = jax.nn.logsumexp(ahead_BLHP, -1) - jax.nn.logsumexp(own_BLHM, -1)
    some = prefix.weight > 0
    log_weight = jnp.log(jnp.where(some, prefix.weight, 1.0))
    share_BLH = jnp.where(some, jax.nn.sigmoid(odds_BLH + log_weight), 0.0)
    weights_BLHP = jax.nn.softmax(ahead_BLHP, axis=-1)
    added_BLHK = jnp.einsum("BLHP,PHK->BLHK", weights_BLHP, prefix.values)
    return mixed_BLHK + share_BLH[..., None] * (added_BLHK - mixed_BLHK)
