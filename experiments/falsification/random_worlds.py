"""Random worlds, policies and penalties by the million, without paying for each.

Drawing a table costs more than asking a closed-form bound about it. So a `Bank` of rows
is drawn, and worlds are combined from it: every role (safety, proxy, capability,
policy, penalty) reads the bank from a place of its own, so that other places give other
worlds. Worlds that share rows are not independent, and need not be: a violation is one
wherever it is found. Draws are in single precision, whatever the caller's mode, and
normalised in the caller's.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from theory.laws import Law, World
from theory.ledger import Case
from theory.tradeoff import mixture_posterior

# Spread of the logits: ratios of probabilities up to about e^6, e^12, e^25, e^80.
KINDS = {"dense": 1.0, "sparse": 2.0, "heavy_tailed": 4.0, "near_degenerate": 12.0}
PENALTIES = 4.0  # penalties are log-uniform on [e^-4, e^4]

_KINDS, _PLACES = 4, 11  # what a Choice holds
_NEAR = (0.5, 0.5, 0.75)  # shares of rounds with a near proxy, task and policy


def rows(kind: str, keys: Iterator[jax.Array], shape: tuple[int, ...]) -> jax.Array:
    """Probability vectors of one kind on the last axis.

    Formula: softmax of spread * normal noise; sparse ones lose every outcome but the
    likeliest with probability 1/3, which takes a second key.
    """
    logits = KINDS[kind] * jax.random.normal(next(keys), shape, jnp.float32)
    logits = logits.astype(float)
    if kind == "sparse":
        likeliest = logits == logits.max(-1, keepdims=True)
        drawn = jax.random.uniform(next(keys), shape, jnp.float32)
        logits = jnp.where((drawn < 2 / 3) | likeliest, logits, -jnp.inf)
    return jax.nn.softmax(logits, axis=-1)


def cases(
    kind: str, key: jax.Array, count: int, contexts: int = 6, outputs: int = 8
) -> Case:
    """Random worlds, policies near and far from the best one, penalties e^-4 to e^4.

    Shapes: contexts [count, x], outputs [count, x, y], penalty [count]. All roles are
    of one kind and independent; the policy is P* blended with a foreign one.
    """
    keys = iter(jax.random.split(key, 24))

    def table(*shape: int) -> jax.Array:
        return rows(kind, keys, (count, *shape))

    laws = (Law(table(contexts), table(contexts, outputs)) for _ in range(3))
    world = World(*laws)
    penalty = _penalties(next(keys), count)
    foreign = table(contexts, outputs)
    return Case(
        world, _blended_policy(world, penalty, foreign, _shares(keys, count)), penalty
    )


class Bank(NamedTuple):
    """Rows to combine worlds from; the first of them are repeated at the end.

    `contexts` [kind, row, x], `outputs` [kind, row, x, y], `penalties` [row] and
    `shares` [row], the shares with which laws are blended: most near 0, an eighth at 0.
    """

    contexts: Float[jax.Array, "kind row x"]
    outputs: Float[jax.Array, "kind row x y"]
    penalties: Float[jax.Array, " row"]
    shares: Float[jax.Array, " row"]


class Choice(NamedTuple):
    """Where each role of a round reads the bank, and which laws are near another.

    `kinds` are those of safety, proxy, capability and policy; `places` the first rows
    of three contexts, four outputs, penalties and three shares; `near` says whether the
    proxy is blended with the safety data, the capability data with the proxy, and the
    policy with P*. A policy that is not may forbid what the data hold.
    """

    kinds: Int[jax.Array, "*rounds 4"]
    places: Int[jax.Array, "*rounds 11"]
    near: Bool[jax.Array, "*rounds 3"]


def bank(key: jax.Array, size: int, repeated: int, contexts: int, outputs: int) -> Bank:
    """A bank of `size` rows a kind, its first `repeated` once more at the end."""
    keys = iter(jax.random.split(key, 4 * len(KINDS) + 2))
    tables = {
        shape: jnp.stack([rows(kind, keys, (size, *shape)) for kind in KINDS])
        for shape in ((contexts,), (contexts, outputs))
    }

    def wrapped(array: jax.Array, axis: int) -> jax.Array:
        first = jax.lax.slice_in_dim(array, 0, repeated, axis=axis)
        return jnp.concatenate([array, first], axis=axis)

    return Bank(
        contexts=wrapped(tables[(contexts,)], 1),
        outputs=wrapped(tables[(contexts, outputs)], 1),
        penalties=wrapped(_penalties(next(keys), size), 0),
        shares=wrapped(_exact_or(_shares(keys, size)), 0),
    )


def choices(key: jax.Array, rounds: int, size: int) -> Choice:
    """Where `rounds` rounds read a bank of `size` rows a kind.

    In half of the rounds all roles are of one kind, in the others each of its own. The
    proxy is near in half of them, the capability data too, the policy in three of four.
    """
    kind_key, mixed_key, place_key, near_key = jax.random.split(key, 4)
    kinds = jax.random.randint(kind_key, (rounds, _KINDS), 0, len(KINDS), jnp.int32)
    alike = jax.random.uniform(mixed_key, (rounds, 1), jnp.float32) < 0.5
    return Choice(
        kinds=jnp.where(alike, kinds[:, :1], kinds),
        places=jax.random.randint(place_key, (rounds, _PLACES), 0, size, jnp.int32),
        near=jax.random.uniform(near_key, (rounds, len(_NEAR)), jnp.float32)
        < jnp.array(_NEAR, jnp.float32),
    )


def combined(bank: Bank, choice: Choice, count: int) -> Case:
    """The `count` cases of one round, contexts [count, x], outputs [count, x, y].

    Formula: near laws are (1 - d) * other + d * own with the bank's shares d; the
    policy is P* blended likewise with rows of the bank. Domain: `count` is at most what
    the bank repeats.
    """
    places = iter(choice.places)

    def column(array: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice_in_dim(array, next(places), count)

    def table(array: jax.Array, law: int) -> jax.Array:
        rest = (jnp.int32(0),) * (array.ndim - 2)
        start = (choice.kinds[law], next(places), *rest)
        return jax.lax.dynamic_slice(array, start, (1, count, *array.shape[2:]))[0]

    contexts = [table(bank.contexts, law) for law in range(3)]
    outputs = [table(bank.outputs, law) for law in range(4)]
    penalty = column(bank.penalties)
    # A share of 1 keeps a law as it is.
    shares = (jnp.where(near, column(bank.shares), 1.0) for near in choice.near)
    safety = Law(contexts[0], outputs[0])
    proxy = _near(safety, Law(contexts[1], outputs[1]), next(shares))
    capability = _near(proxy, Law(contexts[2], outputs[2]), next(shares))
    world = World(safety, proxy, capability)
    policy = _blended_policy(world, penalty, outputs[3], next(shares))
    return Case(world, policy, penalty)


def _near(other: Law, own: Law, share: jax.Array) -> Law:
    """The law that is `own` with probability `share`, else `other`."""
    contexts, outputs = share[:, None], share[:, None, None]
    return Law(
        (1 - contexts) * other.contexts + contexts * own.contexts,
        (1 - outputs) * other.outputs + outputs * own.outputs,
    )


def _penalties(key: jax.Array, count: int) -> jax.Array:
    """Log-uniform penalties."""
    exponent = jax.random.uniform(
        key, (count,), jnp.float32, minval=-PENALTIES, maxval=PENALTIES
    )
    return jnp.exp(exponent.astype(float))


def _shares(keys: Iterator[jax.Array], count: int) -> jax.Array:
    """Shares in [0, 1], most of them near 0: one in six is below a thousandth."""
    return jax.random.uniform(next(keys), (count,), jnp.float32).astype(float) ** 4


def _exact_or(shares: jax.Array) -> jax.Array:
    """The shares, but for the smallest eighth, which are 0: the other law itself."""
    return jnp.where(shares < 0.125**4, 0.0, shares)


def _blended_policy(
    world: World, penalty: jax.Array, foreign: jax.Array, share: jax.Array
) -> jax.Array:
    """P* but for a share of a foreign policy."""
    best = mixture_posterior(world, penalty)
    return (1 - share[:, None, None]) * best + share[:, None, None] * foreign
