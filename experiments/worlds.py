"""The worlds that claims are made in: drawn from a key, handed over as exact laws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from simlab.sources import TabularSource, dirichlet_chain
from theory.chains import Chain, blended_chain, sequence_table
from theory.laws import Law, World


@dataclass(frozen=True)
class SequenceWorlds:
    """Worlds of short Markov sequences, batched over proxies and overlaps.

    `world` has leading axes [proxy, overlap]; the safety data do not vary along them.
    """

    world: World
    vocabulary: int
    length: int

    def source(self, law: Law) -> TabularSource:
        """A law of this world as something the simulator can sample."""
        return TabularSource.from_table(
            np.asarray(law.contexts),
            np.asarray(law.outputs),
            vocabulary=self.vocabulary,
            length=self.length,
        )


def sequence_worlds(
    seed: int,
    *,
    contexts: int,
    vocabulary: int,
    length: int,
    concentration: float,
    distances: Sequence[float],
    overlaps: Sequence[float],
) -> SequenceWorlds:
    """Worlds whose safety contexts are the first half of all contexts.

    Three independent random chains a context: safety p_s, capability p_f and a foreign
    teacher q. The proxy of distance d has rows (1 - d) p_s + d q on the safety
    contexts; capability contexts are mu_f = o mu_s + (1 - o) mu_outside, both uniform.
    Shapes: contexts [proxy, overlap, x], outputs [proxy, overlap, x, vocabulary **
    length]. Double precision.
    """
    safety, capability, teacher = sequence_chains(
        seed, contexts=contexts, vocabulary=vocabulary, concentration=concentration
    )
    with jax.enable_x64(True):
        inside = np.arange(contexts) < contexts // 2
        mu_safety = inside / inside.sum()
        mu_outside = ~inside / (~inside).sum()
        share = np.asarray(overlaps, float)[:, None]
        mu_capability = share * mu_safety + (1 - share) * mu_outside
        proxies = [
            np.asarray(sequence_table(blended_chain(safety, teacher, d), length))
            for d in distances
        ]
        batch = (len(proxies), len(overlaps))

        def spread(array: np.ndarray, trailing: int) -> jax.Array:
            return jnp.broadcast_to(array, (*batch, *array.shape[-trailing:]))

        def law(mu: np.ndarray, outputs: np.ndarray) -> Law:
            return Law(spread(mu, 1), spread(outputs, 2))

        original = np.asarray(sequence_table(safety, length))
        able = np.asarray(sequence_table(capability, length))
        world = World(
            safety=law(mu_safety, original),
            proxy=law(mu_safety, np.stack(proxies)[:, None]),
            capability=law(mu_capability, able),
        )
    return SequenceWorlds(world, vocabulary, length)


class SequenceChains(NamedTuple):
    """The Markov chains behind the laws of `sequence_worlds`, the same at any length.

    Shapes: initial [x, v], transition [x, v, v].
    """

    safety: Chain
    capability: Chain
    teacher: Chain


def sequence_chains(
    seed: int, *, contexts: int, vocabulary: int, concentration: float
) -> SequenceChains:
    """Three independent random chains a context."""
    keys = jax.random.split(jax.random.key(seed), 3)
    return SequenceChains(
        *(_chain(key, contexts, vocabulary, concentration) for key in keys)
    )


def _chain(
    key: jax.Array, contexts: int, vocabulary: int, concentration: float
) -> Chain:
    """A random chain a context, its rows normalised in double precision."""
    # Another precision draws other numbers: a world must not depend on the caller's.
    with jax.enable_x64(False):
        drawn = dirichlet_chain(key, contexts, vocabulary, concentration)
    rows = [np.asarray(array, np.float64) for array in drawn]
    return Chain(*(row / row.sum(-1, keepdims=True) for row in rows))
