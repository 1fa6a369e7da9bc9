"""Claims about tokens, events and the mode-seeking twin."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.chains import Chain, next_token_table, prefix_probabilities, sequence_table
from theory.information import total_variation
from theory.laws import Law, World
from theory.ledger.cases import balanced, disjoint
from theory.ledger.record import Case, Record, Side, Sides
from theory.numerics import weighted_sum
from theory.tradeoff import reverse, sequences
from theory.tradeoff.behaviour import (
    deviation_bound,
    event_probability,
    optimal_event_probability,
)
from theory.tradeoff.bigram import Source, bigram_gap, bigram_optimum
from theory.tradeoff.gaps import gap
from theory.tradeoff.loss_constraint import (
    mixture_posterior,
    optimal_gaps,
    optimum,
    posterior_weight,
    total_weight,
)
from theory.typing import Array, Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _padded(table: Array) -> jax.Array:
    """The outputs read as two tokens: padded by impossible ones to a square."""
    table = jnp.asarray(table)
    vocabulary = _vocabulary(table)
    missing = vocabulary**2 - table.shape[-1]
    return jnp.pad(table, [(0, 0)] * (table.ndim - 1) + [(0, missing)])


def _vocabulary(table: Array) -> int:
    """The least vocabulary of which two tokens enumerate the outputs."""
    vocabulary = 2
    while vocabulary**2 < jnp.shape(table)[-1]:
        vocabulary += 1
    return vocabulary


def _by_token(case: Case) -> Float[jax.Array, "*batch t"]:
    """G_f of the policy at each of two tokens."""
    law = case.world.capability
    padded = Law(law.contexts, _padded(law.outputs))
    return sequences.token_gaps(padded, _padded(case.policy), _vocabulary(law.outputs))


def _next_token_error(case: Case, weight_depth: int) -> Nats:
    """Largest error of P*'s second-token law as a mixture by prefix weights."""
    padded = World(*(Law(law.contexts, _padded(law.outputs)) for law in case.world))
    vocabulary = _vocabulary(case.world.proxy.outputs)
    mixed = sequences.optimal_next_token(padded, case.penalty, vocabulary, 1)
    best = mixture_posterior(padded, case.penalty)
    reached = prefix_probabilities(best, vocabulary, 1)
    if weight_depth == 0:
        weight = posterior_weight(padded, case.penalty)[..., None, None]
        first, second = (
            next_token_table(law.outputs, vocabulary, 1)
            for law in (padded.proxy, padded.capability)
        )
        mixed = weight * first + (1 - weight) * second
    exact = next_token_table(best, vocabulary, 1)
    error = jnp.max(reached[..., None] * jnp.abs(mixed - exact), axis=(-2, -1))
    # Without data at a context there is no posterior to speak of.
    seen = total_weight(padded, case.penalty) > 0
    return jnp.max(jnp.where(seen, error, 0.0), axis=-1)


def _sources(case: Case) -> tuple[Source, Source]:
    """Two Markov sources whose rows are the outputs of the case's laws."""
    world = case.world
    shape = jnp.shape(world.proxy.outputs)
    rows = jnp.arange(shape[-2])[:, None] + jnp.arange(shape[-1]) + 1

    def source(law: Law) -> Source:
        outputs = jnp.asarray(law.outputs)
        return Source(law.contexts, Chain(outputs, outputs[..., rows % shape[-2], :]))

    return source(world.proxy), source(world.capability)


def _bigram_penalised(case: Case, length: int) -> Nats:
    """Penalty * G^_s + G_f of the best bigram policy for sequences of one length."""
    proxy, capability = _sources(case)
    best = bigram_optimum(proxy, capability, case.penalty, length)
    kept = bigram_gap(proxy, best, length)
    return jnp.asarray(case.penalty) * kept + bigram_gap(capability, best, length)


def _sequence_optimum(case: Case, length: int) -> Nats:
    """J of whole sequences of one length."""
    proxy, capability = _sources(case)
    safe, able = (
        Law(source.contexts, sequence_table(source.chain, length))
        for source in (proxy, capability)
    )
    return optimum(World(safe, safe, able), case.penalty)


def _event(case: Case) -> Bool[jax.Array, "1 y"]:
    """Every other output."""
    return jnp.arange(jnp.shape(case.world.safety.outputs)[-1])[None, :] % 2 == 0


def _mixed_event(case: Case) -> Float[jax.Array, "*batch x"]:
    """The mixture of the sources' P(A|x); p_s(A|x) where neither has weight."""
    weight = posterior_weight(case.world, case.penalty)
    proxy, able, kept = (
        event_probability(law.outputs, _event(case))
        for law in (case.world.proxy, case.world.capability, case.world.safety)
    )
    seen = (jnp.asarray(case.world.proxy.contexts) > 0) | (
        jnp.asarray(case.world.capability.contexts) > 0
    )
    return jnp.where(seen, weight * proxy + (1 - weight) * able, kept)


def _deviation(case: Case) -> Nats:
    """E_{mu_s} of the largest change of any event's probability."""
    world = case.world
    return weighted_sum(
        world.safety.contexts, total_variation(case.policy, world.safety.outputs)
    )


def _reverse(case: Case) -> Nats:
    """The reverse objective of the policy that all parties allow."""
    return reverse.reverse_objective(case.world, _allowed(case), case.penalty)


def _allowed(case: Case) -> Float[jax.Array, "*batch x y"]:
    """The policy moved onto the outputs that the geometric mixture allows."""
    best = reverse.geometric_mixture(case.world, case.penalty)
    moved = jnp.where(best > 0, case.policy, 0.0) + 1e-3 * best
    return moved / jnp.sum(moved, axis=-1, keepdims=True)


def _overlap_in_outputs(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether some policy has a finite reverse objective."""
    return jnp.isfinite(reverse.reverse_optimum(case.world, case.penalty))


RECORDS = (
    Record(
        name="tokens add up",
        statement="sum_t G_t(P) = G_f(P)",
        assumptions="any world, any policy; outputs read as two tokens",
        source="derived, notes 9.4 (chain rule)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            jnp.sum(_by_token(c), axis=-1), gap(c.world.capability, c.policy)
        ),
        evidence=_WORLDS,
        planted=lambda c: Sides(
            _by_token(c)[..., 0], gap(c.world.capability, c.policy)
        ),
    ),
    Record(
        name="next token of the optimum",
        statement="P*(v|c) = w(c) p^_s(v|c) + (1 - w(c)) p_f(v|c)",
        assumptions="any world, prefixes in the data; outputs read as two tokens",
        source="derived, notes 9.4",
        side=Side.IDENTITY,
        function=lambda c: Sides(_next_token_error(c, 1), jnp.array(0.0)),
        evidence=_WORLDS,
        planted=lambda c: Sides(_next_token_error(c, 0), jnp.array(0.0)),
    ),
    Record(
        name="cap per sequence",
        statement="sum_t G^_t(P*) <= log(1 + o_f / penalty), whatever the length",
        assumptions="any world, at the minimiser, penalty > 0",
        source="derived, notes 9.4",
        side=Side.UPPER,
        function=lambda c: Sides(
            optimal_gaps(c.world, c.penalty).proxy / 2,
            sequences.token_gap_cap(c.world, c.penalty, 2),
        ),
        evidence=_WORLDS,
        tight_when="disjoint outputs",
        tight_case=lambda: disjoint(1.0),
        tight_within=1e-9,
        vacuous_when="small tau",
        planted=lambda c: Sides(
            optimal_gaps(c.world, c.penalty).proxy / 2,
            sequences.token_gap_cap(c.world, c.penalty, 6),
        ),
    ),
    Record(
        name="bigram class, two tokens",
        statement="the best bigram policy of two tokens is the best policy",
        assumptions="Markov sources, length 2",
        source="derived, notes 9.4",
        side=Side.IDENTITY,
        function=lambda c: Sides(_bigram_penalised(c, 2), _sequence_optimum(c, 2)),
        evidence=_WORLDS,
        planted=lambda c: Sides(_bigram_penalised(c, 3), _sequence_optimum(c, 2)),
    ),
    Record(
        name="bigram class, longer",
        statement="J of whole sequences <= penalty G^_s + G_f of any bigram policy",
        assumptions="Markov sources (here of length 3)",
        source="derived, notes 9.4",
        side=Side.LOWER,
        function=lambda c: Sides(_sequence_optimum(c, 3), _bigram_penalised(c, 3)),
        evidence=_WORLDS,
        tight_when="length 2, or sources that the first token tells apart",
        tight_case=lambda: disjoint(1.0),
        tight_within=1e-9,
        vacuous_when="long sequences: J is bounded, the bigram class pays by the token",
        planted=lambda c: Sides(_sequence_optimum(c, 3), _bigram_penalised(c, 2)),
    ),
    Record(
        name="event under the optimum",
        statement="P*(A|x) = w p^_s(A|x) + (1 - w) p_f(A|x)",
        assumptions="any world, any event, at the minimiser, penalty > 0",
        source="derived, notes 9.5",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            optimal_event_probability(c.world, c.penalty, _event(c)), _mixed_event(c)
        ),
        evidence=_WORLDS,
        planted=lambda c: Sides(
            optimal_event_probability(c.world, 2 * c.penalty, _event(c)),
            _mixed_event(c),
        ),
    ),
    Record(
        name="deviation of any event",
        statement="E_{mu_s} |P(A|x) - p_s(A|x)| <= min{sqrt(G_s/2), sqrt(1-exp(-G_s))}",
        assumptions="any world, any policy, any event",
        source="derived, notes 9.5",
        side=Side.UPPER,
        function=lambda c: Sides(
            _deviation(c), deviation_bound(gap(c.world.safety, c.policy))
        ),
        evidence=_WORLDS,
        tight_when="small gaps with a balanced likelihood ratio",
        tight_case=lambda: balanced(0.01),
        tight_within=1e-3,
        vacuous_when="G_s > 5 nats: within 1% of 1",
        planted=lambda c: Sides(
            _deviation(c), deviation_bound(gap(c.world.safety, c.policy) / 4)
        ),
    ),
    Record(
        name="reverse objective",
        statement="sum_x [penalty mu^_s KL(P||p^_s) + mu_f KL(P||p_f)] = optimum + "
        "sum_x M KL(P || geometric mixture)",
        assumptions="any world, any policy where the optimum is finite",
        source="derived, notes 11.4 item 8",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _reverse(c),
            reverse.reverse_optimum(c.world, c.penalty)
            + reverse.reverse_excess(c.world, _allowed(c), c.penalty),
        ),
        domain=_overlap_in_outputs,
        evidence=_WORLDS,
        planted=lambda c: Sides(
            _reverse(c), reverse.reverse_excess(c.world, _allowed(c), c.penalty)
        ),
    ),
    Record(
        name="reverse objective, lower",
        statement="sum_x M (-log sum_y p^_s^w p_f^(1-w)) <= reverse objective of P",
        assumptions="any world, any policy, penalty > 0",
        source="derived, notes 11.4 item 8",
        side=Side.LOWER,
        function=lambda c: Sides(
            reverse.reverse_optimum(c.world, c.penalty),
            reverse.reverse_objective(c.world, c.policy, c.penalty),
        ),
        evidence=_WORLDS,
        tight_when="P the geometric mixture",
        tight_case=lambda: balanced(0.5),
        tight_within=1e-9,
        vacuous_when="disjoint contexts, or equal outputs on the overlap: 0",
        planted=lambda c: Sides(
            reverse.reverse_optimum(c.world, c.penalty),
            reverse.reverse_objective(c.world, c.policy, c.penalty) / 8,
        ),
    ),
)
"""9.4, 9.5 and item 8 of 11.4."""
