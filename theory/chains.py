"""Markov chains of tokens, and sequence laws seen token by token."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.information import entropy, kl
from theory.laws import Law, Number
from theory.numerics import weighted_sum
from theory.typing import Array, Contexts, Table


class Chain(NamedTuple):
    """A first-order Markov chain of tokens, one a context.

    `initial` is the law of the first token, shape [..., x, v]; `transition` holds the
    law of the next token in its rows, shape [..., x, v (from), v (to)].
    """

    initial: Float[Array, "*batch x v"]
    transition: Float[Array, "*batch x v v"]


def sequence_table(chain: Chain, length: int) -> Float[jax.Array, "*batch x y"]:
    """The probability of every sequence of the given length, at every context.

    Formula: p(y_1 .. y_T | x) = initial(y_1) prod_t transition(y_t-1, y_t). The first
    token is the most significant digit of y. Shapes: -> [..., x, v**T]. Domain: T >= 1.
    Raises ValueError otherwise. Source: standard.

    >>> chain = Chain(jnp.array([[0.5, 0.5]]), jnp.array([[[1, 0], [0.5, 0.5]]]))
    >>> sequence_table(chain, 2).tolist()
    [[0.5, 0.0, 0.25, 0.25]]
    """
    _require_length(length)
    initial, transition = jnp.asarray(chain.initial), jnp.asarray(chain.transition)
    vocabulary = initial.shape[-1]
    table = initial
    for _ in range(length - 1):
        by_last = table.reshape(*table.shape[:-1], -1, vocabulary)
        longer = by_last[..., None] * transition[..., None, :, :]
        table = longer.reshape(*longer.shape[:-3], -1)
    return table


def sequence_law(contexts: Contexts, chain: Chain, length: int) -> Law:
    """The law of contexts and whole sequences.

    Formula: D(x, y) = mu(x) p(y_1 .. y_T | x). Shapes: [..., x], [..., x, v**T].
    Source: standard.

    >>> chain = Chain(jnp.array([[0.5, 0.5]]), jnp.full((1, 2, 2), 0.5))
    >>> sequence_law(jnp.ones(1), chain, 3).outputs.shape
    (1, 8)
    """
    return Law(contexts, sequence_table(chain, length))


def blended_chain(chain: Chain, teacher: Chain, distance: Number) -> Chain:
    """The chain whose every row is moved towards a teacher's.

    Formula: (1-d) chain + d teacher, row by row: a mixture at each token, not of whole
    sequences. Shapes: as the chains, distance [...]. Domain: d in [0, 1]. Source: notes
    12 (near and far proxies).

    >>> one = Chain(jnp.array([[0.0, 1.0]]), jnp.eye(2)[None])
    >>> teacher = Chain(jnp.array([[1.0, 0.0]]), jnp.eye(2)[None])
    >>> blended_chain(one, teacher, 0.25).initial.tolist()
    [[0.25, 0.75]]
    """
    share = (jnp.asarray(distance) * 1.0)[..., None, None]
    return Chain(
        (1 - share) * chain.initial + share * teacher.initial,
        (1 - share[..., None]) * chain.transition
        + share[..., None] * teacher.transition,
    )


def visitation(chain: Chain, length: int) -> Float[jax.Array, "*batch x t v"]:
    """The law of the token at each position.

    Formula: m_1 = initial, m_t+1(w) = sum_v m_t(v) transition(v, w). Shapes: ->
    [..., x, T, v]. Domain: T >= 1. Raises ValueError otherwise. Cost: T v^2 a context.
    Source: standard.

    >>> chain = Chain(jnp.array([[1, 0.0]]), jnp.array([[[0, 1], [1, 0.0]]]))
    >>> visitation(chain, 3).tolist()
    [[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]]
    """
    _require_length(length)
    transition = jnp.asarray(chain.transition)
    initial = jnp.broadcast_to(chain.initial, transition.shape[:-1])

    def step(marginal: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        return jnp.sum(marginal[..., None] * transition, axis=-2), marginal

    _, marginals = jax.lax.scan(step, initial, None, length=length)
    return jnp.moveaxis(marginals, 0, -2)


def stationary(
    transition: Float[Array, "*batch v v"],
) -> Float[jax.Array, "*batch v"]:
    """The law of tokens that a transition leaves as it is.

    Formula: pi = 1' (I - P + 1 1')^-1, the only solution of pi P = pi, sum pi = 1.
    Shapes: [..., v, v] -> [..., v]. Domain: one recurrent class (periodic or not);
    otherwise the system is singular and the answer inf or NaN. Source: standard.

    >>> pi = stationary(jnp.array([[0.5, 0.5], [0.25, 0.75]]))
    >>> print(" ".join(f"{float(p):.6f}" for p in pi))
    0.333333 0.666667
    """
    transition = jnp.asarray(transition)
    size = transition.shape[-1]
    system = jnp.eye(size, dtype=transition.dtype) - transition + 1
    ones = jnp.ones((*transition.shape[:-1], 1), transition.dtype)
    solution = jnp.linalg.solve(jnp.swapaxes(system, -1, -2), ones)
    return jnp.squeeze(solution, axis=-1)


def entropy_rate(chain: Chain) -> Float[jax.Array, "*batch x"]:
    """The entropy of one more token, long after the start.

    Formula: sum_v pi(v) H(transition(v, .)), pi stationary. Shapes: -> [..., x]. Unit:
    nats per token. Domain: one recurrent class. Source: standard.

    >>> chain = Chain(jnp.array([[0.5, 0.5]]), jnp.full((1, 2, 2), 0.5))
    >>> print(f"{float(entropy_rate(chain)[0]):.6f}")
    0.693147
    """
    return weighted_sum(stationary(chain.transition), entropy(chain.transition))


def chain_kl(
    chain_p: Chain, chain_q: Chain, length: int
) -> Float[jax.Array, "*batch x"]:
    """The divergence of two sequence laws, without enumerating sequences.

    Formula: KL(p(y_1)||q(y_1)) + sum_{t<T} sum_v m_t(v) KL(P(v,.)||Q(v,.)), m_t the
    visitation of p. Shapes: -> [..., x]. Unit: nats per sequence. Domain: T >= 1; inf
    unless p << q. Cost: T v^2 a context. Source: standard (chain rule).

    >>> p = Chain(jnp.array([[1.0, 0.0]]), jnp.eye(2)[None])
    >>> q = Chain(jnp.array([[0.5, 0.5]]), jnp.full((1, 2, 2), 0.5))
    >>> print(f"{float(chain_kl(p, q, 3)[0] / jnp.log(2.0)):.6f}")
    3.000000
    """
    first = kl(chain_p.initial, chain_q.initial)
    if length == 1:
        return first
    visits = jnp.sum(visitation(chain_p, length - 1), axis=-2)
    return first + weighted_sum(visits, kl(chain_p.transition, chain_q.transition))


def prefix_probabilities(
    table: Table, vocabulary: int, depth: int
) -> Float[jax.Array, "*batch x c"]:
    """The probability that a sequence begins with each prefix of the given length.

    Formula: p(c | x) = sum over sequences y that begin with c of p(y|x). Shapes:
    [..., x, v**T] -> [..., x, v**depth]; depth 0 gives the sums of the rows, which are
    1. Domain: 0 <= depth <= T. Raises ValueError otherwise. Source: standard.

    >>> prefix_probabilities(jnp.array([[0.5, 0.0, 0.25, 0.25]]), 2, 1).tolist()
    [[0.5, 0.5]]
    """
    table = jnp.asarray(table)
    length = sequence_length(table.shape[-1], vocabulary)
    if not 0 <= depth <= length:
        raise ValueError(f"depth={depth} must be in [0, {length}], the sequence length")
    return jnp.sum(table.reshape(*table.shape[:-1], vocabulary**depth, -1), axis=-1)


def next_token_table(
    table: Table, vocabulary: int, depth: int
) -> Float[jax.Array, "*batch x c v"]:
    """The law of the next token after each prefix of the given length.

    Formula: p(v | c, x) = p(c v | x) / p(c | x); uniform where p(c | x) = 0. Shapes:
    [..., x, v**T] -> [..., x, v**depth, v]. Domain: 0 <= depth < T. Raises ValueError
    otherwise. Source: standard.

    >>> next_token_table(jnp.array([[0.0, 0.0, 0.25, 0.75]]), 2, 1).tolist()
    [[[0.5, 0.5], [0.25, 0.75]]]
    """
    longer = prefix_probabilities(table, vocabulary, depth + 1)
    by_prefix = longer.reshape(*longer.shape[:-1], -1, vocabulary)
    mass = jnp.sum(by_prefix, axis=-1, keepdims=True)
    return jnp.where(mass > 0, by_prefix / jnp.where(mass > 0, mass, 1), 1 / vocabulary)


def kl_by_depth(
    table_p: Table, table_q: Table, vocabulary: int
) -> Float[jax.Array, "*batch x t"]:
    """What each position adds to the divergence of two sequence laws.

    Formula: sum_c p(c) KL(p(.|c) || q(.|c)) over prefixes c of each depth; by the chain
    rule the terms sum to KL(p || q). Shapes: [..., x, v**T] -> [..., x, T]. Unit: nats
    per sequence. Source: standard (chain rule).

    >>> p, q = jnp.array([[1.0, 0, 0, 0]]), jnp.full((1, 4), 0.25)
    >>> print(" ".join(f"{float(d):.4f}" for d in kl_by_depth(p, q, 2)[0]))
    0.6931 0.6931
    """
    return jnp.stack(
        [
            weighted_sum(
                prefix_probabilities(table_p, vocabulary, depth),
                kl(
                    next_token_table(table_p, vocabulary, depth),
                    next_token_table(table_q, vocabulary, depth),
                ),
            )
            for depth in range(sequence_length(table_p.shape[-1], vocabulary))
        ],
        axis=-1,
    )


def sequence_length(outputs: int, vocabulary: int) -> int:
    """The length T of the sequences that an output axis enumerates.

    Formula: outputs = vocabulary ** T. Domain: vocabulary >= 2. Raises ValueError if
    there is no such T >= 1. Source: standard.

    >>> sequence_length(81, 3)
    4
    """
    length, size = 0, 1
    while vocabulary >= 2 and size < outputs:
        length, size = length + 1, size * vocabulary
    if length == 0 or size != outputs:
        raise ValueError(
            f"outputs={outputs} must be a power of vocabulary={vocabulary} >= 2; "
            "is the last axis the sequences?"
        )
    return length


def _require_length(length: int) -> None:
    """None; raises unless the length is a positive number of tokens."""
    if length < 1:
        raise ValueError(f"length={length} must be >= 1 token")
