"""Checks of laws and worlds on the host, with messages that guess the mistake."""

import numpy as np

from theory.laws import Law, World

_ROUNDING = 1e3  # sums may be off by this many eps: thousands of summands, float32


def validate_law(law: Law, name: str = "law") -> None:
    """None; raises if the arrays are not a law of contexts and outputs.

    Checks: contexts [..., x] and outputs [..., x, y] agree in shape, hold finite
    numbers >= 0, and sum to 1 along the last axis, within 1,000 eps of their dtype.
    Raises ValueError, one line naming field, value, range and likely mistake. Reads
    the arrays back to the host: not for use under jit. Source: notes 2.

    >>> validate_law(Law(np.array([1.0]), np.array([[0.5, 0.5]])))
    >>> validate_law(Law(np.array([1.0]), np.array([[0.5, 2.5]])))
    Traceback (most recent call last):
        ...
    ValueError: law.outputs: a row sums to 3, must be 1; did you forget to normalise?
    """
    contexts, outputs = np.asarray(law.contexts), np.asarray(law.outputs)
    _check_probabilities(contexts, f"{name}.contexts", least_axes=1)
    _check_probabilities(outputs, f"{name}.outputs", least_axes=2)
    if contexts.shape[-1] != outputs.shape[-2]:
        raise ValueError(
            f"{name}.outputs: {outputs.shape[-2]} rows for {contexts.shape[-1]} "
            "contexts, must be equal; axes are [..., context, output]"
        )
    try:
        np.broadcast_shapes(contexts.shape[:-1], outputs.shape[:-2])
    except ValueError as error:
        raise ValueError(
            f"{name}: batch axes {contexts.shape[:-1]} of contexts and "
            f"{outputs.shape[:-2]} of outputs must broadcast; is an axis missing?"
        ) from error


def validate_world(world: World) -> None:
    """None; raises if a law is invalid or the three do not share their axes.

    Checks: `validate_law` for each, then equal numbers of contexts and outputs.
    Raises ValueError, one line naming field, value, range and likely mistake. Not for
    use under jit. Source: notes 2.

    >>> one, two = (Law(np.ones(1), np.full((1, k), 1 / k)) for k in (1, 2))
    >>> validate_world(World(one, one, two))
    Traceback (most recent call last):
        ...
    ValueError: world.capability: 1 contexts, 2 outputs, must be 1, 1 as in world.safety
    """
    for name, law in world._asdict().items():
        validate_law(law, f"world.{name}")
    expected = world.safety.outputs.shape[-2:]
    for name, law in world._asdict().items():
        if law.outputs.shape[-2:] != expected:
            contexts, outputs = law.outputs.shape[-2:]
            raise ValueError(
                f"world.{name}: {contexts} contexts, {outputs} outputs, must be "
                f"{expected[0]}, {expected[1]} as in world.safety"
            )


def _check_probabilities(array: np.ndarray, name: str, least_axes: int) -> None:
    """None; raises unless the last axis holds probability vectors."""
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(
            f"{name}: dtype {array.dtype} must be floating; use 1.0, not 1"
        )
    if array.ndim < least_axes or array.size == 0:
        raise ValueError(
            f"{name}: shape {array.shape} must have at least {least_axes} axes, none "
            "empty; axes are [..., context] or [..., context, output]"
        )
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array)][0]
        raise ValueError(f"{name}: {bad} must be in [0, 1]; did a division by 0 occur?")
    if array.min() < 0:
        raise ValueError(
            f"{name}: {array.min():.4g} must be in [0, 1]; did you pass logits?"
        )
    sums = np.atleast_1d(array.sum(-1))
    wrong = np.abs(sums - 1) > _ROUNDING * np.finfo(array.dtype).eps
    if wrong.any():
        raise ValueError(
            f"{name}: a row sums to {sums[wrong][0]:.9g}, must be 1; "
            f"{_guess(array, sums, least_axes)}"
        )


def _guess(array: np.ndarray, sums: np.ndarray, least_axes: int) -> str:
    """The likely mistake behind rows that do not sum to 1."""
    tolerance = _ROUNDING * float(np.finfo(array.dtype).eps)
    if array.ndim >= 2 and np.allclose(array.sum(-2), 1, rtol=0, atol=tolerance):
        return "columns do: are the rows on the wrong axis?"
    if np.any(sums == 0):
        return "rows of outputs sum to 1 even where the context has no weight"
    if least_axes == 2 and np.allclose(sums.sum(-1), 1, rtol=0, atol=tolerance):
        return "the table does: did you pass the joint law, mu(x) p(y|x)?"
    if np.allclose(sums, 100, rtol=0, atol=0.5):
        return "did you pass percentages?"
    if array.max() > 1 and np.all(array == np.round(array)):
        return "did you pass counts?"
    return "did you forget to normalise?"
