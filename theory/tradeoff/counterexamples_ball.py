"""False statements about Case II: its claims and the worlds that refute them.

Every claim is a pair (left, right) that the false statement orders left <= right.
"""

import jax
import jax.numpy as jnp
import numpy as np

from theory.laws import Law, World
from theory.tradeoff.gaps import gap
from theory.tradeoff.kantorovich import ball_cost, loss_cost, tabular_forms
from theory.tradeoff.loss_constraint import optimal_gaps
from theory.tradeoff.parameter_ball.solution import ball_optimum, ball_reach
from theory.tradeoff.quadratic import ball_move, local_quadratic, quadratic_gaps
from theory.tradeoff.shapes import Number
from theory.typing import Nats

_RIDGE = 0.01  # of the quadratic model, small enough for its curvatures to differ
_ALLOWED = 1e-6  # what an aligned start leaves to outputs that p_s forbids
_CHOICES = np.exp(np.linspace(-12.0, 12.0, 49))  # of Case I, times the given penalty


def wider_ball_is_less_safe(world: World, penalty: Number) -> tuple[Nats, Nats]:
    """The claim that G_s does not fall as the ball grows, with SHARED parameters.

    Formula: G_s at `penalty`, READ AS A RADIUS, <= G_s at 3/2 of it, in the quadratic
    model of the world (log-odds shared by all contexts). Shapes: [...] -> two of [...].
    Unit: nats. FALSE where the two curvatures do not commute; true in tabular logits
    (`ball_path_rate`). Source: derived, notes 11.2.

    >>> left, right = wider_ball_is_less_safe(curvatures_at_odds(), 4.0)
    >>> bool(left > right + 0.2)
    True
    """
    model, radius = local_quadratic(world, _RIDGE), jnp.asarray(penalty)
    near = quadratic_gaps(model, ball_move(model, radius))
    far = quadratic_gaps(model, ball_move(model, 1.5 * radius))
    return near.safety, far.safety


def curvatures_at_odds() -> World:
    """Safety needs only that two outputs be equally likely; the task lowers one first.

    Source: derived.

    >>> curvatures_at_odds().capability.contexts.tolist()
    [0.9, 0.1]
    """
    safe = Law(np.array([0.5, 0.5]), np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]))
    able = Law(np.array([0.9, 0.1]), np.array([[0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]))
    return World(safe, safe, able)


def ball_is_no_dearer(world: World, penalty: Number) -> tuple[Nats, Nats]:
    """The claim that a ball pays no more safety for a small gain than Case I does.

    Formula: g' H g / (2 ||g||^4) <= 1 / (2 g' H^+ g), that is kappa <= 1, in tabular
    logits from p_s. The penalty plays no part. Shapes: [...] -> two of [...]. Unit:
    1/nats. FALSE unless g is an eigenvector of H. Source: derived, notes (9.2).

    >>> left, right = ball_is_no_dearer(slanted_gradient(), 1.0)
    >>> print(f"{float(left / right):.4f}")
    1.3125
    """
    del penalty
    forms = tabular_forms(world)
    return ball_cost(forms), loss_cost(forms)


def slanted_gradient() -> World:
    """Three outputs of which the task moves two, unequally curved ones: kappa 21/16.

    Source: derived.

    >>> slanted_gradient().capability.outputs.tolist()
    [[0.2, 0.3, 0.5]]
    """
    one = np.array([1.0])
    safe = Law(one, np.array([[0.6, 0.3, 0.1]]))
    return World(safe, safe, Law(one, np.array([[0.2, 0.3, 0.5]])))


def ball_never_wins(world: World, penalty: Number) -> tuple[Nats, Nats]:
    """The claim that Case I, its penalty freely chosen, is never behind a ball.

    Formula: min over lambda of [penalty G_s + G_f] at P*_lambda <= the same of Case II
    from p_s, half-way to p_f (radius 4 if that is infinitely far); G_s is the TRUE gap,
    lambda = penalty times e^-12..e^12. Shapes: penalty [...] -> two of [...]. Unit:
    nats. FALSE with a bad proxy; true with exact safety data. Source: derived, notes
    9.1 and (5.4).

    >>> left, right = ball_never_wins(proxy_on_the_far_side(), 1.0)
    >>> bool(left > 1.5 * right)
    True
    """
    batch = jnp.ndim(world.safety.contexts) - 1
    grid = _CHOICES.reshape(-1, *(1,) * batch) * jnp.asarray(penalty)
    found = optimal_gaps(world, grid)
    best = jnp.min(jnp.asarray(penalty) * found.safety + found.capability, axis=0)
    outputs = jnp.asarray(world.safety.outputs)
    share = _ALLOWED / outputs.shape[-1]
    start = jnp.log((1 - _ALLOWED) * outputs + share)
    reach = ball_reach(world, start)
    half = jnp.where(jnp.isfinite(reach), reach, 8.0) / 2
    policy = jax.nn.softmax(ball_optimum(world, start, half), axis=-1)
    moved = jnp.asarray(penalty) * gap(world.safety, policy)
    return best, moved + gap(world.capability, policy)


def proxy_on_the_far_side() -> World:
    """A proxy beyond p_f as seen from p_s: every penalty pulls the wrong way.

    Source: derived.

    >>> proxy_on_the_far_side().proxy.outputs.tolist()
    [[0.3, 0.7]]
    """
    one = np.array([1.0])
    laws = ([0.7, 0.3], [0.3, 0.7], [0.5, 0.5])
    return World(*(Law(one, np.array([outputs])) for outputs in laws))
