"""What theory says of Case I at every length, for two classes of policies.

A policy that remembers its prefix reaches the mixture over whole sequences, whose gaps
no length lifts above a cap. A bigram policy lives in a smaller world whose contexts are
pairs of context and state and whose outputs are single tokens: the same theory applied
to that world is its class optimum, and grows with the length.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.labels import labelled
from experiments.pytrees import picked, stacked
from experiments.worlds import SequenceChains, sequence_chains, sequence_worlds
from theory.chains import Chain, sequence_table
from theory.laws import Law, World
from theory.tradeoff import (
    Source,
    bigram_gap_slope,
    capability_gap_coarse,
    certified_cap,
    departures,
    optimal_gaps,
    optimum,
    proxy_gap_coarse,
    reach,
    support_overlap_capability,
    support_overlap_proxy,
)
from theory.typing import Array

CLASSES = TRANSFORMER, BIGRAM = "transformer", "bigram"
NATS = "nats per sequence"
_CELLS = ("model", "length", "overlap", "penalty")
_CURVE = ("model", "fine", "overlap", "penalty")
_FLAT = ("overlap", "penalty")


class LengthWorlds(NamedTuple):
    """The worlds of both classes at several lengths, and the chains behind them all.

    Leading axes of the worlds: [length, overlap]. `ideal` is made of whole sequences,
    its outputs padded by ones of probability zero; `bigram` is `bigram_world`. Safety
    data are their own proxy.
    """

    ideal: World
    bigram: World
    chains: SequenceChains


def length_worlds(
    seed: int,
    *,
    contexts: int,
    vocabulary: int,
    lengths: Sequence[int],
    concentration: float,
    overlaps: Sequence[float],
) -> LengthWorlds:
    """The worlds of `sequence_worlds` at every length, double precision."""
    sizes = {"contexts": contexts, "vocabulary": vocabulary}
    chains = sequence_chains(seed, **sizes, concentration=concentration)
    first = sequence_worlds(
        seed,
        **sizes,
        length=1,
        concentration=concentration,
        distances=(0.0,),
        overlaps=overlaps,
    ).world
    shares = first.safety.contexts[0], first.capability.contexts[0]

    def build(chains: SequenceChains) -> tuple[World, World]:
        ideal, bigram = [], []
        for length in lengths:
            safety, able = (
                _sequence_law(mu, chain, length)
                for mu, chain in zip(shares, chains[:2], strict=True)
            )
            ideal.append(World(safety, safety, able))
            bigram.append(bigram_world(ideal[-1], chains, length))
        return _padded(ideal), _padded(bigram)

    with jax.enable_x64(True):
        ideal, bigram = jax.jit(build)(chains)
    return LengthWorlds(ideal, bigram, chains)


def _sequence_law(contexts: Array, chain: Chain, length: int) -> Law:
    """Whole sequences over a batch of laws of contexts."""
    table = sequence_table(chain, length)
    return Law(contexts, jnp.broadcast_to(table, (len(contexts), *table.shape)))


def bigram_world(world: World, chains: SequenceChains, length: int) -> World:
    """The world that a bigram policy trades in; its policies are bigram policies.

    Formula: contexts (x, start) of weight mu(x) with the first token's law, contexts
    (x, v) of weight mu(x) n(v) with the row of v, n(v) the expected departures from v
    in `length` tokens. The weights sum to the length. By the chain rule gaps in this
    world are gaps per sequence, hence `optimum`, `optimal_gaps` and `reach` of this
    world are those of the class. Shapes: contexts [..., x (1 + v)], outputs [..., x (1
    + v), v]. Source: derived, notes 9.4.
    """

    def law(contexts: Array, chain: Chain) -> Law:
        mu = jnp.asarray(contexts)[..., None]
        weights = jnp.concatenate([mu, mu * departures(chain, length)], axis=-1)
        first = jnp.asarray(chain.initial)[:, None]
        rows = jnp.concatenate([first, jnp.asarray(chain.transition)], axis=1)
        batch = weights.shape[:-2]
        flat = rows.reshape(-1, rows.shape[-1])
        return Law(
            weights.reshape(*batch, -1), jnp.broadcast_to(flat, (*batch, *flat.shape))
        )

    safety = law(world.safety.contexts, chains.safety)
    return World(safety, safety, law(world.capability.contexts, chains.capability))


def predicted(
    fine: LengthWorlds,
    lengths: Sequence[int],
    penalties: Sequence[float],
    zeta: float,
) -> xr.Dataset:
    """Gaps of the best policy of each class, what zeta leaves open, caps and rates.

    The certificate allowed at a penalty is zeta (1 + penalty): zeta nats per sequence
    of the training mixture. `fine` holds the lengths 1, 2, ... of the curves, and among
    them those of the cells.
    """
    grid, at = np.asarray(penalties), np.asarray(lengths) - 1
    with jax.enable_x64(True):
        curve = _over_classes(fine, grid, optimal_gaps)
        made = fine._replace(
            ideal=picked(fine.ideal, at), bigram=picked(fine.bigram, at)
        )
        least = _over_classes(made, grid, optimum)
        allowed = _over_classes(
            made, grid, lambda world, value: reach(world, value, zeta * (1 + value))
        )
    nats = {
        "best_safety": (_CELLS, curve.safety[:, at], "safety gap, best of the class"),
        "best_capability": (_CELLS, curve.capability[:, at], "its capability gap"),
        "optimum": (_CELLS, least, "least penalised gap J of the class"),
        "safety_low": (_CELLS, allowed.proxy.lower, "least safety gap in reach"),
        "safety_high": (_CELLS, allowed.proxy.upper, "largest safety gap in reach"),
        "capability_low": (_CELLS, allowed.capability.lower, "least in reach"),
        "capability_high": (_CELLS, allowed.capability.upper, "largest in reach"),
        "curve_safety": (_CURVE, curve.safety, "safety gap, best of the class"),
        "curve_capability": (_CURVE, curve.capability, "capability gap, same policy"),
    }
    every = np.arange(1, len(curve.safety[0]) + 1)
    flat = _without_length(made, grid, zeta)
    return labelled(
        {name: (dims, v, NATS, text) for name, (dims, v, text) in nats.items()}
        | {name: (_FLAT, v, unit, text) for name, (v, unit, text) in flat.items()},
        {"fine": (("fine",), every, "tokens", "length of a curve")},
    )


def _without_length(
    made: LengthWorlds, grid: np.ndarray, zeta: float
) -> dict[str, tuple[np.ndarray, str, str]]:
    """Caps that no length lifts, and the bigram class's cost of one more token."""
    with jax.enable_x64(True):
        world = picked(made.ideal, np.s_[0, :, None])
        share_f = np.asarray(support_overlap_capability(world))
        share_s = np.asarray(support_overlap_proxy(world))
        caps = proxy_gap_coarse(world, grid), capability_gap_coarse(world, grid)
        rates = jax.jit(bigram_gap_slope)(
            Source(world.safety.contexts, made.chains.safety),
            Source(world.capability.contexts, made.chains.capability),
            grid,
        )
    allowed = zeta * (1 + grid)
    with jax.enable_x64(True):
        high_safety = np.asarray(certified_cap(share_f / grid, allowed / grid))
        high_capability = np.asarray(certified_cap(share_s * grid, allowed))
    rate = "nats per token"
    return {
        "overlap_capability": (share_f + 0 * grid, "1", "o_f, shared capability mass"),
        "overlap_safety": (share_s + 0 * grid, "1", "o_s, shared safety mass"),
        "cap_safety": (np.asarray(caps[0]), NATS, "log(1 + o_f / penalty)"),
        "cap_capability": (np.asarray(caps[1]), NATS, "log(1 + penalty o_s)"),
        "cap_safety_high": (high_safety, NATS, "that cap, certificate allowed for"),
        "cap_capability_high": (high_capability, NATS, "that cap, the same"),
        "rate_safety": (np.asarray(rates.proxy), rate, "bigram's G_s a further token"),
        "rate_capability": (np.asarray(rates.capability), rate, "bigram's G_f, same"),
    }


def _over_classes(made: LengthWorlds, grid: np.ndarray, function: Any) -> Any:
    """function(world, penalties) of both classes' worlds, [model, length, ...]."""
    compiled = jax.jit(function)
    both = [
        compiled(picked(world, np.s_[:, :, None]), grid)
        for world in (made.ideal, made.bigram)
    ]
    return stacked(both)


def _padded(worlds: Sequence[World]) -> World:
    """Worlds on one leading axis, outputs padded by ones of probability zero."""
    widest = max(world.safety.outputs.shape[-1] for world in worlds)

    def padded(outputs: jax.Array) -> jax.Array:
        missing = [(0, 0)] * (outputs.ndim - 1) + [(0, widest - outputs.shape[-1])]
        return jnp.pad(outputs, missing)

    return World(
        *(
            Law(
                jnp.stack([jnp.asarray(law.contexts) for law in laws]),
                jnp.stack([padded(jnp.asarray(law.outputs)) for law in laws]),
            )
            for laws in zip(*worlds, strict=True)
        )
    )
