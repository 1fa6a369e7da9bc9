"""The matrices and tables among a model's parameters, by name."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from simlab.models.protocol import Params

Tables = dict[str, jax.Array]
"""One array a module."""

_PACKED = {"query_key_value": ("query", "key", "value")}
_LEAVES = ("kernel", "embedding")


def matrices(params: Params) -> dict[str, tuple[int, ...]]:
    """The shape of every matrix, by its place in the parameters: "blocks.0.up".

    Leaves of fewer than two axes are none. The packed projections of attention count as
    three. Of an adapted model's parameters only the base has any, under its own names.
    Works on abstract parameters too.

    >>> from simlab.models.bigram import Bigram
    >>> matrices(Bigram(2, 3, 4).init(jax.random.key(0)))
    {'first': (3, 2), 'rows': (3, 2, 2)}
    """
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    return {name: s for path, leaf in leaves for name, s in _blocks(path, leaf.shape)}


def added(params: Params, deltas: Mapping[str, jax.Array]) -> Params:
    """The parameters with a delta added to every named matrix, in their own precision.

    Errors: ValueError for a name that is no matrix of these parameters.
    """
    known = matrices(params)
    lost = [name for name in deltas if name not in known]
    if lost:
        raise ValueError(
            f"{lost[0]!r} is no matrix of this model; it has: {', '.join(known)}"
        )

    def one(path: Any, leaf: jax.Array) -> jax.Array:
        blocks = _blocks(path, leaf.shape)
        if not any(name in deltas for name, _ in blocks):
            return leaf
        parts = [deltas.get(name, jnp.zeros(s, leaf.dtype)) for name, s in blocks]
        return (leaf + jnp.concatenate(parts, axis=-1)).astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(one, params)


def _blocks(path: Any, shape: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the matrices of which a leaf consists, side by side."""
    fields = [key.name for key in path if isinstance(key, jax.tree_util.GetAttrKey)]
    if len(shape) < 2 or "vector" in fields:
        return []
    inner = path[fields.count("base") :]
    parts = [jax.tree_util.keystr((key,), simple=True) for key in inner]
    ends = [parts.index(leaf) for leaf in _LEAVES if leaf in parts]
    parts = parts[: ends[0]] if ends else parts
    *places, last = parts
    names = _PACKED.get(last, (last,))
    columns = shape[-1] // len(names)
    return [(".".join([*places, n]), (*shape[:-1], columns)) for n in names]
