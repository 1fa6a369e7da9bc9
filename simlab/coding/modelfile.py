"""A model as bytes: its structure, its float32 parameters, and a checksum."""

import dataclasses
import enum
import hashlib
import io
import json
from typing import Any

import jax
import numpy as np

from simlab.coding.arithmetic import CodingError
from simlab.models import Bigram, Model, Params, Tabular, Transformer

MAGIC = b"SLMD\x01"
_CLASSES: dict[str, Any] = {
    kind.__name__: kind for kind in (Bigram, Tabular, Transformer)
}


def pack_model(model: Model, params: Params) -> bytes:
    """The model as bytes. Errors: CodingError unless its class is this project's."""
    name = type(model).__name__
    if type(model) is not _CLASSES.get(name):
        raise CodingError(f"a {name} cannot be kept: only {', '.join(_CLASSES)} can")
    fields = {
        field.name: _plain(getattr(model, field.name))
        for field in dataclasses.fields(_CLASSES[name])
    }
    head = json.dumps({"class": name, "fields": fields}).encode()
    arrays = [np.asarray(leaf, "<f4") for leaf in jax.tree.leaves(params)]
    body = io.BytesIO()
    body.write(head + b"\n")
    np.savez(body, *arrays)
    content = body.getvalue()
    return MAGIC + hashlib.sha256(content).digest() + content


def unpack_model(content: bytes) -> tuple[Model, Params]:
    """The model and the parameters that `pack_model` was given, in float32.

    Errors: CodingError for other bytes than it makes.
    """
    mark, seal, body = content[:5], content[5:37], content[37:]
    if mark != MAGIC:
        raise CodingError("this is no model file of simlab: its first bytes are others")
    if hashlib.sha256(body).digest() != seal:
        raise CodingError("the model file is truncated or damaged")
    head, _, archive = body.partition(b"\n")
    written = json.loads(head)
    kind = _CLASSES[written["class"]]
    model: Model = kind(
        **{
            field.name: _typed(field.type, written["fields"][field.name])
            for field in dataclasses.fields(kind)
        }
    )
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        leaves = [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
    structure = jax.tree.structure(jax.eval_shape(model.init, jax.random.key(0)))
    return model, jax.tree.unflatten(structure, leaves)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _typed(kind: Any, value: Any) -> Any:
    is_enum = isinstance(kind, type) and issubclass(kind, enum.Enum)
    return kind(value) if is_enum else value
