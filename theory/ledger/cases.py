"""The instances at which bounds are tight: small worlds with a reason."""

import numpy as np

from theory.laws import Law, World
from theory.ledger.record import Case
from theory.tradeoff.loss_constraint import mixture_posterior


def one_context(
    safety: list[float],
    capability: list[float],
    penalty: float,
    proxy: list[float] | None = None,
) -> Case:
    """A case with one context; the proxy is exact unless given, the policy is P*.

    >>> one_context([1.0, 0.0], [0.0, 1.0], 1.0).policy.tolist()
    [[0.5, 0.5]]
    """
    one = np.array([1.0])
    laws = (
        Law(one, np.array([outputs]))
        for outputs in (safety, safety if proxy is None else proxy, capability)
    )
    return at_optimum(World(*laws), penalty)


def at_optimum(world: World, penalty: float) -> Case:
    """The case in which the policy is the best one, P*.

    >>> case = one_context([0.5, 0.5], [0.5, 0.5], 1.0)
    >>> at_optimum(case.world, 2.0).penalty.item()
    2.0
    """
    return Case(world, mixture_posterior(world, penalty), np.array(penalty))


def disjoint(penalty: float) -> Case:
    """Outputs that never coincide: the worst conflict there is.

    >>> disjoint(1.0).world.capability.outputs.tolist()
    [[0.0, 1.0]]
    """
    return one_context([1.0, 0.0], [0.0, 1.0], penalty)


def balanced(conflict: float, penalty: float = 1.0) -> Case:
    """Two symmetric outputs at a chosen total variation: where Pinsker is tight.

    >>> balanced(0.5).world.capability.outputs.tolist()
    [[0.25, 0.75]]
    """
    more, less = (1 + conflict) / 2, (1 - conflict) / 2
    return one_context([more, less], [less, more], penalty)


def partly_disjoint(penalty: float) -> Case:
    """Likelihood ratios in {0, 1, inf}: half shared, half disjoint, conflict 1/2.

    >>> partly_disjoint(1.0).world.safety.outputs.tolist()
    [[0.5, 0.5, 0.0]]
    """
    return one_context([0.5, 0.5, 0.0], [0.5, 0.0, 0.5], penalty)


def golden(penalty: float) -> Case:
    """Golden A of the notes: two outputs, conflict 0.7.

    >>> golden(1.0).world.capability.outputs.tolist()
    [[0.2, 0.8]]
    """
    return one_context([0.9, 0.1], [0.2, 0.8], penalty)


def foreign_proxy(penalty: float) -> Case:
    """Golden A with a proxy whose outputs are a little off.

    >>> foreign_proxy(1.0).world.proxy.outputs.tolist()
    [[0.8, 0.2]]
    """
    return one_context([0.9, 0.1], [0.2, 0.8], penalty, proxy=[0.8, 0.2])
