"""The same model at another precision."""

import dataclasses
from typing import Any, TypeVar

from simlab.models.transformer import Compute

M = TypeVar("M")


def exact(model: M) -> M:
    """The same model, of the same parameters, computing in their own precision.

    Evaluations that are called exact use it, whatever a model is trained in. A model
    that wraps another one is looked into.

    >>> from simlab.models import Transformer
    >>> exact(Transformer(2, 2, 2, compute=Compute.BFLOAT16)) == Transformer(2, 2, 2)
    True
    """
    fields: Any = getattr(model, "__dataclass_fields__", {})
    changes: dict[str, Any] = {}
    if isinstance(getattr(model, "compute", None), Compute):
        changes["compute"] = Compute.FLOAT32
    if "model" in fields:
        changes["model"] = exact(getattr(model, "model"))  # noqa: B009
    made: Any = dataclasses.replace(model, **changes) if changes else model  # type: ignore[type-var]
    return made  # type: ignore[no-any-return]
