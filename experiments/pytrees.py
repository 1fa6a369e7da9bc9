"""Trees of arrays, such as parameters or worlds, handled leaf by leaf."""

from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

Tree = TypeVar("Tree")


def picked(tree: Tree, index: Any) -> Tree:
    """Every leaf at an index of its leading axes.

    >>> picked({"weight": np.arange(6).reshape(2, 3)}, 1)
    {'weight': array([3, 4, 5])}
    """
    part: Tree = jax.tree.map(lambda leaf: leaf[index], tree)
    return part


def repeated(tree: Tree, count: int) -> Tree:
    """Every leaf `count` times along a new leading axis, without a copy.

    >>> repeated({"weight": np.arange(3)}, 2)["weight"].shape
    (2, 3)
    """
    copies: Tree = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), tree
    )
    return copies


def folded(tree: Tree, shape: tuple[int, ...]) -> Tree:
    """Every leaf with its leading axis cut into axes of these sizes.

    >>> folded({"weight": np.zeros((6, 5))}, (2, 3))["weight"].shape
    (2, 3, 5)
    """
    cut: Tree = jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), tree)
    return cut


def stacked(trees: Sequence[Tree]) -> Tree:
    """Trees of equal shapes along a new leading axis, on the host.

    >>> stacked([{"weight": 1.0}, {"weight": 2.0}])
    {'weight': array([1., 2.])}
    """
    whole: Tree = jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
    return whole
