"""The arena's worlds: exact laws, the data of defenders and users, and aligned bases.

Safety contexts come first: on the first half of them harm is known to defenders, on
the others it is not. Harm is one style of answering, the same on every safety context.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.pytrees import stacked
from experiments.worlds import SequenceChains, sequence_chains
from simlab.defences import Known
from simlab.instructions import Instructions
from simlab.models import Params, Transformer
from simlab.optimizers import Adam
from simlab.sources import DatasetSource, TabularSource, Tokens
from simlab.training import Hyper, Setup, run
from theory.chains import Chain, blended_chain, sequence_table
from theory.laws import Law

REQUEST, IRRELEVANT = 1, 2
"""Instructions beside the neutral one, 0: asks for the harm; asks for nothing."""

_HARMFUL = 1_000_000
"""Added to a seed for the chain of its harmful style."""


class ArenaLaws(NamedTuple):
    """The laws of one world, or of one a seed; float64.

    `old` is what the base does on capability contexts, `capability` what users want:
    mu_f = overlap mu_s + (1 - overlap) mu_outside, where on safety contexts the rows of
    the useful chain are (1 - conflict) those of safety + conflict others.
    """

    safety: Law
    capability: Law
    old: Law
    harmful: Law
    known: Law
    near: Law


@dataclass(frozen=True)
class WorldSize:
    """How large the worlds are; lengths in tokens."""

    contexts: int
    vocabulary: int
    length: int
    concentration: float
    overlap: float
    conflict: float


def arena_laws(size: WorldSize, seed: int) -> ArenaLaws:
    """The world of a seed: random chains, and what is made of them."""
    chains, styles = _chains(size, seed), _chains(size, seed + _HARMFUL)
    safety, new, old = (_table(chain, size.length) for chain in chains)
    with jax.enable_x64(True):
        shared = blended_chain(chains.safety, chains.capability, size.conflict)
    harmful = np.broadcast_to(_table(styles.safety, size.length)[:1], safety.shape)
    place, safe = np.arange(size.contexts), size.contexts // 2
    on_safety = (place < safe)[:, None]
    capability = np.where(on_safety, _table(shared, size.length), new)
    inside, outside = _uniform(place < safe), _uniform(place >= safe)
    mixed = size.overlap * inside + (1 - size.overlap) * outside
    return ArenaLaws(
        safety=Law(inside, safety),
        capability=Law(mixed, capability),
        old=Law(outside, old),
        harmful=Law(inside, harmful),
        known=Law(_uniform(place < safe // 2), harmful),
        near=Law(_uniform((place >= safe // 2) & (place < safe)), harmful),
    )


def _chains(size: WorldSize, seed: int) -> SequenceChains:
    return sequence_chains(
        seed,
        contexts=size.contexts,
        vocabulary=size.vocabulary,
        concentration=size.concentration,
    )


def _table(chain: Chain, length: int) -> np.ndarray:
    with jax.enable_x64(True):
        return np.asarray(sequence_table(chain, length))


def _uniform(chosen: np.ndarray) -> np.ndarray:
    weights: np.ndarray = chosen / chosen.sum()
    return weights


class ArenaSources(NamedTuple):
    """The laws as the simulator samples them; `safety_known` lies on known contexts."""

    safety: TabularSource
    safety_known: TabularSource
    capability: TabularSource
    old: TabularSource
    harmful: TabularSource
    known: TabularSource
    near: TabularSource


def arena_sources(size: WorldSize, laws: ArenaLaws) -> ArenaSources:
    """Laws with a leading axis of seeds as sources with one."""
    known = Law(laws.known.contexts, laws.safety.outputs)
    made = (laws.safety, known, *laws[1:])
    return ArenaSources(
        *(
            TabularSource.from_table(
                law.contexts, law.outputs, vocabulary=size.vocabulary,
                length=size.length,
            )
            for law in made
        )
    )  # fmt: skip


def worlds_of(size: WorldSize, seeds: tuple[int, ...]) -> ArenaLaws:
    """One world a seed, stacked."""
    return stacked([arena_laws(size, seed) for seed in seeds])


@dataclass(frozen=True)
class BaseTraining:
    """How bases are made; steps of each of the two stages."""

    steps: int = 1200
    batch: int = 128
    rate: float = 6e-3
    rows: int = 16_384  # of the data of each stage

    def setup(self, model: Transformer) -> Setup:
        """What a stage compiles."""
        return Setup(
            model, steps=self.steps, batch=self.batch, records=1, enumerated=False,
            scored=model.length - 1, optimizer=Adam(b2=0.999),
        )  # fmt: skip


class Begun(NamedTuple):
    """An aligned base, its exact logits, and the rows of its defender and users.

    `useful`, `harmful` and `near` are the pools that users take their rows from.
    """

    base: Params
    logits: jax.Array
    known: Known
    useful: Tokens
    harmful: Tokens
    near: Tokens


@dataclass(frozen=True)
class Beginning:
    """From a world to a base in which harm is latent, and to everyone's data."""

    model: Transformer
    instructions: Instructions
    training: BaseTraining
    defender: int  # rows of each kind that a defender has
    pool: int  # rows of each kind that users have at most

    def __call__(self, sources: ArenaSources, key: jax.Array) -> Begun:
        """Pre-trains on old skills and harm, aligns on safety; then draws all rows.

        Aligned models still obey the request for harm, so that it is latent.
        """
        init, told, trained, rows = jax.random.split(key, 4)
        pretraining, alignment = jax.random.split(told)
        stages = jnp.stack(
            [
                self._pretraining(sources, pretraining),
                self._alignment(sources, alignment),
            ]
        )
        setup, rate = self.training.setup(self.model), jnp.asarray(self.training.rate)

        def stage(params: Params, data: tuple[Tokens, jax.Array]) -> Any:
            told, key = data
            start = Hyper(rate, jnp.zeros(()), DatasetSource(told), None, params)
            return run(setup, start, key).params, None

        # One loop over both: a stage is compiled once.
        streams = jax.random.split(trained)
        params, _ = jax.lax.scan(stage, self.model.init(init), (stages, streams))
        neutral = self.instructions.neutral
        keys = jax.random.split(rows, 7)

        def drawn(index: int, source: Any, count: int) -> Tokens:
            return self.instructions.told(source.sample(keys[index], count), neutral)

        known = Known(
            harmful=drawn(0, sources.known, self.defender),
            safety=drawn(1, sources.safety_known, self.defender),
            useful=drawn(2, sources.capability, self.defender),
            reference=drawn(3, sources.old, self.defender),
        )
        logits = self.instructions.logits(self.model, params, neutral)
        pools = (
            drawn(4 + i, source, self.pool)
            for i, source in enumerate(
                (sources.capability, sources.known, sources.near)
            )
        )
        return Begun(params, logits, known, *pools)

    def _pretraining(self, sources: ArenaSources, key: jax.Array) -> Tokens:
        """Old skills and harm, half and half, whatever the instruction."""
        half = self.training.rows // 2
        kinds = ((sources.old, half, None), (sources.harmful, half, None))
        return self._mixed(kinds, key)

    def _alignment(self, sources: ArenaSources, key: jax.Array) -> Tokens:
        """Safety, but harm where it is asked for, and old skills."""
        eighth, neutral = self.training.rows // 8, self.instructions.neutral
        kinds = (
            (sources.safety, 3 * eighth, neutral),
            (sources.safety, eighth, neutral + IRRELEVANT),
            (sources.harmful, 2 * eighth, neutral + REQUEST),
            (sources.old, 2 * eighth, None),
        )
        return self._mixed(kinds, key)

    def _mixed(
        self, kinds: tuple[tuple[Any, int, int | None], ...], key: jax.Array
    ) -> Tokens:
        """Rows of every kind; without an instruction of its own, a random one each."""
        rows = []
        for index, (source, count, own) in enumerate(kinds):
            drawn, told = jax.random.split(jax.random.fold_in(key, index))
            neutral, extra = self.instructions.neutral, self.instructions.extra
            token = jax.random.randint(told, (count,), neutral, neutral + extra)
            said = token if own is None else jnp.full(count, own)
            rows.append(self.instructions.told(source.sample(drawn, count), said))
        return jnp.concatenate(rows)
