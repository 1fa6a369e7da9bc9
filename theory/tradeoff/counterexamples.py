"""Plausible statements that are false, each with the world that refutes it.

Every claim is a pair (left, right) that the false statement orders left <= right.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from theory.laws import Law, World, output_conflict
from theory.numerics import weighted_sum
from theory.tradeoff import counterexamples_ball as ball
from theory.tradeoff.loss_constraint import optimal_gaps, posterior_weight
from theory.tradeoff.proxy import price, price_bound
from theory.tradeoff.shapes import Number
from theory.typing import Nats


class CounterExample(NamedTuple):
    """A false statement, the inequality it claims and the case that breaks it."""

    statement: str
    claim: Callable[[World, Number], tuple[Nats, Nats]]
    world: Callable[[], World]
    penalty: float


def _one_context(
    safety: list[float], proxy: list[float], capability: list[float]
) -> World:
    """A world of a single context."""
    one = np.array([1.0])
    laws = (Law(one, np.array([outputs])) for outputs in (safety, proxy, capability))
    return World(*laws)


def more_penalty_is_safer(world: World, penalty: Number) -> tuple[Nats, Nats]:
    """The claim G_s(P* at 2 penalty) <= G_s(P* at penalty), for the TRUE gap.

    Shapes: penalty [...] -> two of [...]. Unit: nats. FALSE: needs proxy adequacy.
    Source: derived, notes 5.4.

    >>> case = safety_gap_that_rises()
    >>> left, right = more_penalty_is_safer(case, 0.8)
    >>> bool(left > right + 0.01)
    True
    """
    now = optimal_gaps(world, penalty)
    stricter = optimal_gaps(world, 2 * jnp.asarray(penalty))
    return stricter.safety, now.safety


def safety_gap_that_rises() -> World:
    """A proxy so sharp that the best weight on it is 4/9, that is penalty 0.8.

    Source: derived, notes 5.4.

    >>> safety_gap_that_rises().proxy.outputs.tolist()
    [[0.95, 0.05]]
    """
    return _one_context([0.7, 0.3], [0.95, 0.05], [0.5, 0.5])


def more_overlap_costs_capability(world: World, penalty: Number) -> tuple[Nats, Nats]:
    """The claim that G_f at a fixed penalty does not fall as contexts overlap more.

    Formula: G_f at mu_f <= G_f at (mu_f + mu_s) / 2. Shapes: penalty [...] -> two of
    [...]. Unit: nats. FALSE: the weight w falls with overlap; the frontier F(g) is what
    rises. Source: derived, notes 6.4.

    >>> left, right = more_overlap_costs_capability(overlap_that_helps(), 0.1)
    >>> bool(left > 1.2 * right)
    True
    """
    nearer = (jnp.asarray(world.capability.contexts) + world.safety.contexts) / 2
    moved = world._replace(capability=Law(nearer, world.capability.outputs))
    less, more = optimal_gaps(world, penalty), optimal_gaps(moved, penalty)
    return less.capability, more.capability


def overlap_that_helps() -> World:
    """Overlap 0.3 at penalty 0.1: more overlap lowers the weight of the proxy.

    Source: derived, notes 6.4.

    >>> overlap_that_helps().capability.contexts.tolist()
    [0.3, 0.7]
    """
    safe = Law(np.array([1.0, 0.0]), np.array([[0.9, 0.1], [0.5, 0.5]]))
    able = Law(np.array([0.3, 0.7]), np.array([[0.2, 0.8], [0.5, 0.5]]))
    return World(safe, safe, able)


def bretagnolle_huber_beats_pinsker(world: World, penalty: Number) -> tuple[Nats, Nats]:
    """The claim that -log(1 - t^2) is the better lower bound at t = (1 - w) tau.

    Shapes: penalty [...] -> two of [...]. Unit: nats. FALSE below t = 0.893: take the
    larger of both. Source: derived, notes 11.4 item 4.

    >>> left, right = bretagnolle_huber_beats_pinsker(half_conflict(), 1.0)
    >>> bool(left > 1.5 * right)
    True
    """
    distance = (1 - posterior_weight(world, penalty)) * output_conflict(world)
    inside = jnp.clip(distance, 0.0, 1.0)
    weights = world.proxy.contexts
    square = jnp.where(inside < 1, inside, 0.0) ** 2
    huber = jnp.where(inside < 1, -jnp.log1p(-square), jnp.inf)
    return weighted_sum(weights, 2 * inside**2), weighted_sum(weights, huber)


def half_conflict() -> World:
    """Disjoint outputs, so that t = 1/2 at penalty 1. Source: derived.

    >>> half_conflict().capability.outputs.tolist()
    [[0.0, 1.0]]
    """
    return _one_context([1.0, 0.0], [1.0, 0.0], [0.0, 1.0])


def proxy_gap_decays_as_inverse(world: World, penalty: Number) -> tuple[Nats, Nats]:
    """The claim that ten times the penalty divides G^_s by at most ten.

    Formula: G^_s(penalty) / 10 <= G^_s(10 penalty). Shapes: penalty [...] -> two of
    [...]. Unit: nats. FALSE without support conflict, where the decay is penalty^-2.
    Source: derived, notes (4.7), (4.8).

    >>> left, right = proxy_gap_decays_as_inverse(shared_supports(), 10.0)
    >>> bool(left > 5 * right)
    True
    """
    now = optimal_gaps(world, penalty)
    stricter = optimal_gaps(world, 10 * jnp.asarray(penalty))
    return now.proxy / 10, stricter.proxy


def shared_supports() -> World:
    """Golden A: both sources produce both outputs. Source: derived, notes 12.

    >>> shared_supports().capability.outputs.tolist()
    [[0.2, 0.8]]
    """
    return _one_context([0.9, 0.1], [0.9, 0.1], [0.2, 0.8])


def floor_bounds_price(world: World, penalty: Number) -> tuple[Nats, Nats]:
    """The claim that the price of any proxy is at most penalty * Delta_s.

    Shapes: penalty [...] -> two of [...]. Unit: nats. FALSE when the proxy weighs
    contexts otherwise than the safety data do. Source: derived, notes 5.3.

    >>> left, right = floor_bounds_price(misweighed_contexts(), 1.0)
    >>> bool(left > right + 0.05)
    True
    """
    return price(world, penalty), price_bound(world, penalty)


def misweighed_contexts() -> World:
    """A proxy with exact outputs on the wrong contexts: floor 0, price above 0.

    Source: derived, notes 5.3.

    >>> misweighed_contexts().proxy.contexts.tolist()
    [0.1, 0.9]
    """
    outputs = np.array([[0.9, 0.1], [0.9, 0.1]])
    able = Law(np.array([0.5, 0.5]), np.array([[0.2, 0.8], [0.2, 0.8]]))
    return World(
        Law(np.array([0.9, 0.1]), outputs), Law(np.array([0.1, 0.9]), outputs), able
    )


def counter_examples() -> dict[str, CounterExample]:
    """The kept counter-examples by name. Source: derived.

    >>> len(counter_examples())
    8
    """
    return {
        "safety gap falls with penalty": CounterExample(
            "G_s(P*) is non-increasing in the penalty for every proxy",
            more_penalty_is_safer,
            safety_gap_that_rises,
            0.8,
        ),
        "capability gap rises with overlap": CounterExample(
            "G_f(P*) at a fixed penalty is non-decreasing in the overlap of contexts",
            more_overlap_costs_capability,
            overlap_that_helps,
            0.1,
        ),
        "Bretagnolle-Huber beats Pinsker": CounterExample(
            "-log(1 - TV^2) >= 2 TV^2 for every total variation",
            bretagnolle_huber_beats_pinsker,
            half_conflict,
            1.0,
        ),
        "proxy gap decays as 1/penalty": CounterExample(
            "G^_s(10 penalty) >= G^_s(penalty) / 10 in every world",
            proxy_gap_decays_as_inverse,
            shared_supports,
            10.0,
        ),
        "floor bounds price": CounterExample(
            "the price of a proxy is at most penalty * Delta_s in every world",
            floor_bounds_price,
            misweighed_contexts,
            1.0,
        ),
        "wider ball is less safe": CounterExample(
            "G_s of Case II is non-decreasing in the radius, parameters shared or not",
            ball.wider_ball_is_less_safe,
            ball.curvatures_at_odds,
            4.0,
        ),
        "ball is no dearer": CounterExample(
            "for a small gain, Case II pays no more safety than Case I: kappa <= 1",
            ball.ball_is_no_dearer,
            ball.slanted_gradient,
            1.0,
        ),
        "ball never wins": CounterExample(
            "for every proxy, some penalty of Case I does as well as any ball",
            ball.ball_never_wins,
            ball.proxy_on_the_far_side,
            1.0,
        ),
    }
