"""A class that forgets its source: one bigram table for two Markov chains.

A policy that sees only the current token cannot tell which source it continues, so its
gap grows linearly with the length, where the ideal gap stays bounded.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.chains import Chain, chain_kl, stationary, visitation
from theory.information import kl
from theory.numerics import weighted_sum
from theory.tradeoff.shapes import Number, by_context
from theory.typing import Contexts, Nats


class Source(NamedTuple):
    """A data law whose outputs are Markov sequences: mu(x) and one chain a context."""

    contexts: Contexts
    chain: Chain


class TokenRates(NamedTuple):
    """What each further token costs the forgetful class: nats per token, two of [...].

    `proxy` is the slope of G^_s and `capability` that of G_f in the length.
    """

    proxy: Nats
    capability: Nats


def bigram_optimum(
    proxy: Source, capability: Source, penalty: Number, length: int
) -> Chain:
    """The best bigram policy of the penalised loss over sequences of one length.

    Formula: the first-token law is the mixture (4.1); the row of state v mixes the two
    rows with weight penalty mu^_s n^_s(v) against mu_f n_f(v), n(v) the expected number
    of transitions that leave v. States that neither source leaves keep the proxy's row.
    Shapes: penalty [...] -> Chain([..., x, v], [..., x, v, v]). Domain: length >= 1.
    Valid for policies P(y_1|x) prod P(y_t|y_{t-1}, x). Source: derived, notes 9.4.

    >>> fair, stay = jnp.array([[0.5, 0.5]]), jnp.eye(2)[None]
    >>> one = jnp.array([1.0])
    >>> still, swap = Source(one, Chain(fair, stay)), Source(one, Chain(fair, 1 - stay))
    >>> bigram_optimum(still, swap, 3.0, 5).transition[0, 0].tolist()
    [0.75, 0.25]
    """
    share_proxy = (by_context(penalty) * proxy.contexts)[..., None]
    share_capability = jnp.asarray(capability.contexts)[..., None]
    first = _mixed(
        jnp.asarray(proxy.chain.initial),
        jnp.asarray(capability.chain.initial),
        share_proxy,
        share_capability,
    )
    rows = _mixed(
        jnp.asarray(proxy.chain.transition),
        jnp.asarray(capability.chain.transition),
        (share_proxy * departures(proxy.chain, length))[..., None],
        (share_capability * departures(capability.chain, length))[..., None],
    )
    return Chain(initial=first, transition=rows)


def _mixed(
    p: Float[jax.Array, "..."],
    q: Float[jax.Array, "..."],
    share_p: Float[jax.Array, "..."],
    share_q: Float[jax.Array, "..."],
) -> Float[jax.Array, "..."]:
    """The mixture of p and q in proportion to their shares, p where both are 0."""
    weight = share_p + share_q
    positive = jnp.where(weight > 0, weight, 1.0)
    return jnp.where(weight > 0, (share_p / positive) * p + (share_q / positive) * q, p)


def departures(chain: Chain, length: int) -> Float[jax.Array, "*batch x v"]:
    """n(v), the expected number of transitions that leave each state.

    Formula: sum_{t < T} P(y_t = v). Shapes: [..., x, v]; sums to length - 1. Source:
    standard.

    >>> chain = Chain(jnp.array([[0.5, 0.5]]), jnp.eye(2)[None])
    >>> departures(chain, 5).tolist()
    [[2.0, 2.0]]
    """
    return jnp.sum(visitation(chain, length)[..., : length - 1, :], axis=-2)


def bigram_gap(source: Source, policy: Chain, length: int) -> Nats:
    """The gap of a bigram policy on one Markov source.

    Formula: sum_x mu [KL of first tokens + sum_v n(v) KL(row of v || policy's row)].
    Shapes: [...]. Unit: nats per sequence. Valid for every bigram policy. Source:
    derived, notes 9.4.

    >>> fair, stay = jnp.array([[0.5, 0.5]]), jnp.eye(2)[None]
    >>> still = Source(jnp.array([1.0]), Chain(fair, stay))
    >>> mixed = Chain(fair, jnp.full((1, 2, 2), 0.5))
    >>> print(f"{float(bigram_gap(still, mixed, 3)):.4f}")
    1.3863
    """
    return weighted_sum(source.contexts, chain_kl(source.chain, policy, length))


def bigram_limit(
    proxy: Source, capability: Source, penalty: Number
) -> Float[jax.Array, "*batch x v v"]:
    """The rows of the best bigram policy as sequences grow without end.

    Formula: the row of state v mixes the two rows with weight penalty mu^_s pi_s(v)
    against mu_f pi_f(v), pi the stationary laws. Shapes: penalty [...] -> [..., x, v,
    v]. Domain: one recurrent class a chain. Source: derived, notes 9.4.

    >>> fair, one = jnp.array([[0.5, 0.5]]), jnp.array([1.0])
    >>> rows = jnp.array([[[0.25, 0.75], [0.75, 0.25]]])
    >>> near, far = Source(one, Chain(fair, rows)), Source(one, Chain(fair, 1 - rows))
    >>> print(f"{float(bigram_limit(near, far, 3.0)[0, 0, 0]):.4f}")
    0.3750
    """
    share_proxy = (by_context(penalty) * proxy.contexts)[..., None]
    share_capability = jnp.asarray(capability.contexts)[..., None]
    return _mixed(
        jnp.asarray(proxy.chain.transition),
        jnp.asarray(capability.chain.transition),
        (share_proxy * stationary(proxy.chain.transition))[..., None],
        (share_capability * stationary(capability.chain.transition))[..., None],
    )


def bigram_gap_slope(proxy: Source, capability: Source, penalty: Number) -> TokenRates:
    """What one more token costs the best bigram policy, long after the start.

    Formula: lim G/T = sum_x mu sum_v pi(v) KL(row of v || row of the limit), for each
    source; G(T+1) - G(T) tends to it as 1/T^2, and is it for every T >= 2 if both
    chains start stationary. The ideal gap stays below log(1 + o_f/penalty) instead.
    Shapes: penalty [...] -> two of [...]. Unit: nats per token. Domain: one recurrent
    class a chain. Source: derived, notes 9.4.

    >>> fair, one = jnp.array([[0.5, 0.5]]), jnp.array([1.0])
    >>> rows = jnp.array([[[0.25, 0.75], [0.75, 0.25]]])
    >>> near, far = Source(one, Chain(fair, rows)), Source(one, Chain(fair, 1 - rows))
    >>> print(f"{float(bigram_gap_slope(near, far, 1.0).proxy):.4f}")
    0.1308
    """
    limit = bigram_limit(proxy, capability, penalty)
    paid = (
        weighted_sum(
            source.contexts,
            weighted_sum(
                stationary(source.chain.transition), kl(source.chain.transition, limit)
            ),
        )
        for source in (proxy, capability)
    )
    return TokenRates(*paid)
