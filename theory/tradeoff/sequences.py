"""Sequences token by token: where along the output the trade-off is paid.

The outputs of the world enumerate vocabulary ** length sequences, first token most
significant. A prefix tells which source speaks, so the posterior weight of a longer
prefix is nearer 0 or 1 and only early tokens are conflicted.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.chains import kl_by_depth, next_token_table, prefix_probabilities
from theory.laws import Law, World
from theory.numerics import weighted_sum
from theory.tradeoff.bounds import proxy_gap_coarse
from theory.tradeoff.shapes import Number, Policy, by_context
from theory.typing import Nats


def prefix_posterior(
    world: World, penalty: Number, vocabulary: int, depth: int
) -> Float[jax.Array, "*batch x prefix"]:
    """w(c), the posterior probability that a prefix came from the proxy set.

    Formula: w(c) = penalty mu^_s p^_s(c) / (mu_f p_f(c) + penalty mu^_s p^_s(c)), c the
    first `depth` tokens. Shapes: penalty [...] -> [..., x, vocabulary^depth]. Domain:
    penalty >= 0; 0 where neither source reaches the prefix. Source: derived, notes 9.4.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> prefix_posterior(World(safe, safe, able), 1.0, 2, 1).tolist()
    [[1.0, 0.0]]
    """
    proxy = prefix_probabilities(world.proxy.outputs, vocabulary, depth)
    able = prefix_probabilities(world.capability.outputs, vocabulary, depth)
    share = (by_context(penalty) * world.proxy.contexts)[..., None] * proxy
    weight = share + jnp.asarray(world.capability.contexts)[..., None] * able
    return share / jnp.where(weight > 0, weight, 1.0)


def optimal_next_token(
    world: World, penalty: Number, vocabulary: int, depth: int
) -> Float[jax.Array, "*batch x prefix token"]:
    """The next-token law of P* after every prefix: again a posterior mixture.

    Formula: P*(v|c) = w(c) p^_s(v|c) + (1 - w(c)) p_f(v|c). Shapes: penalty [...] ->
    [..., x, vocabulary^depth, vocabulary]. Domain: prefixes that the proxy or the
    capability data reach. Source: derived, notes 9.4.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> optimal_next_token(World(safe, safe, able), 3.0, 2, 0).tolist()
    [[[0.75, 0.25]]]
    """
    weight = prefix_posterior(world, penalty, vocabulary, depth)[..., None]
    proxy = next_token_table(world.proxy.outputs, vocabulary, depth)
    able = next_token_table(world.capability.outputs, vocabulary, depth)
    return weight * proxy + (1 - weight) * able


def token_gaps(
    law: Law, policy: Policy, vocabulary: int
) -> Float[jax.Array, "*batch t"]:
    """The gap of a policy paid at each token: they add up to the sequence gap.

    Formula: G_t = sum_x mu sum_c p(c|x) KL(p(.|x, c) || P(.|x, c)), c the first t
    tokens; sum_t G_t = G by the chain rule. Shapes: law and policy [..., x, y] -> [...,
    t]. Unit: nats per token. Valid for every policy. Source: derived, notes 9.4.

    >>> u = jnp.full((1, 4), 0.25)
    >>> token_gaps(Law(jnp.array([1.0]), u), u, 2).tolist()
    [0.0, 0.0]
    """
    held, used = jnp.broadcast_arrays(law.outputs, policy)
    lost = jnp.swapaxes(kl_by_depth(held, used, vocabulary), -1, -2)
    return weighted_sum(jnp.asarray(law.contexts)[..., None, :], lost)


def token_gap_cap(world: World, penalty: Number, length: int) -> Nats:
    """The most that P* can lose on the proxy per token, whatever the data.

    Formula: log(1 + o_f / penalty) / T: the cap of (4.5) holds per sequence, so the
    ideal per-token trade-off vanishes as 1/T. Shapes: penalty [...] -> [...]. Unit:
    nats per token. Valid at the minimiser only. Source: derived, notes 9.4.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(token_gap_cap(World(safe, safe, able), 1.0, 10)):.5f}")
    0.06931
    """
    return proxy_gap_coarse(world, penalty) / length
