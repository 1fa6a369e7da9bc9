"""What a policy loses: safety gap, proxy safety gap, capability gap."""

from typing import NamedTuple

from theory.information import kl
from theory.laws import Law, World
from theory.numerics import weighted_sum
from theory.tradeoff.shapes import Policy
from theory.typing import Nats


class Gaps(NamedTuple):
    """G_s, G^_s and G_f of one policy, in nats (per sequence if y is a sequence)."""

    safety: Nats
    proxy: Nats
    capability: Nats


def gap(law: Law, policy: Policy) -> Nats:
    """The excess loss of a policy over the best conditional law, for one data law.

    Formula: G(P) = sum_x mu(x) KL(p(.|x) || P(.|x)), a KL and never the difference of
    two losses. Shapes: law [..., x], [..., x, y], policy [..., x, y] -> [...]. Unit:
    nats. A context of zero weight counts 0 even where its KL is infinite; the gap is
    inf where the policy forbids what the data hold. Valid for every policy of a class
    that contains p. Source: derived, notes (2.2).

    >>> import jax.numpy as jnp
    >>> law = Law(jnp.array([1.0, 0.0]), jnp.array([[0.5, 0.5], [1.0, 0.0]]))
    >>> float(gap(law, jnp.array([[0.5, 0.5], [0.0, 1.0]])))
    0.0
    """
    return weighted_sum(law.contexts, kl(law.outputs, policy))


def gaps(world: World, policy: Policy) -> Gaps:
    """The three gaps of one policy: true safety, proxy safety, capability.

    Formula: (2.2) for D_s, D^_s and D_f. Shapes: policy [..., x, y] -> three of [...].
    Unit: nats. Valid for every policy. Source: derived, notes (2.2).

    >>> import jax.numpy as jnp
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[1, 0.0]])), Law(one, jnp.array([[0.5, 0.5]]))
    >>> gap_safety, _, gap_capability = gaps(World(safe, safe, able), able.outputs)
    >>> print(f"{float(gap_safety):.4f} {float(gap_capability):.4f}")
    0.6931 0.0000
    """
    return Gaps(
        safety=gap(world.safety, policy),
        proxy=gap(world.proxy, policy),
        capability=gap(world.capability, policy),
    )
