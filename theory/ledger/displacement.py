"""How the claims about Case II read a case: a start, an end and the way between.

A claim needs a start and an end with finite logits. The start is the case's policy,
mixed with a little of the uniform law; the end lies on the way from there to p_f, mixed
likewise, after the fraction 1 / (1 + penalty) of it.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.laws import Law
from theory.ledger.record import Case
from theory.tradeoff.bounds import Interval
from theory.tradeoff.parameter_ball import gap_change, hoeffding_change, logit_norm
from theory.typing import Array, Nats

FLOOR = 1e-3  # the share of the uniform law in every policy of these claims


def positive(policy: Float[Array, "*batch y"]) -> Float[jax.Array, "*batch y"]:
    """The policy with a floor under every output.

    >>> print([f"{p:.4f}" for p in positive(jnp.array([1.0, 0.0])).tolist()])
    ['0.9995', '0.0005']
    """
    policy = jnp.asarray(policy)
    return (1 - FLOOR) * policy + FLOOR / policy.shape[-1]


def start(case: Case) -> Float[jax.Array, "*batch x y"]:
    """The logits of the case's policy.

    >>> from theory.ledger.cases import golden
    >>> start(golden(1.0)).shape
    (1, 2)
    """
    return jnp.log(positive(case.policy))


def share(case: Case) -> Nats:
    """1 / (1 + penalty): how much of the way to p_f is gone.

    >>> from theory.ledger.cases import golden
    >>> float(share(golden(3.0)))
    0.25
    """
    return 1 / (1 + jnp.asarray(case.penalty))


def end(case: Case) -> Float[jax.Array, "*batch x y"]:
    """Logits on the way from the start to p_f.

    >>> from theory.ledger.cases import golden
    >>> end(golden(1.0)).shape
    (1, 2)
    """
    goal = jnp.log(positive(case.world.capability.outputs))
    return start(case) + share(case)[..., None, None] * (goal - start(case))


def moved(case: Case) -> Float[jax.Array, "*batch x y"]:
    """The displacement from start to end, without what softmax does not see.

    >>> from theory.ledger.cases import golden
    >>> abs(float(moved(golden(1.0)).sum())) < 1e-6
    True
    """
    displacement = end(case) - start(case)
    return displacement - jnp.mean(displacement, axis=-1, keepdims=True)


def radius(case: Case) -> Nats:
    """How far the end is from the start: eps.

    >>> from theory.ledger.cases import golden
    >>> float(radius(golden(1.0))) > 0
    True
    """
    return logit_norm(moved(case))


def change(law: Law, case: Case) -> Nats:
    """G(end) - G(start).

    >>> from theory.ledger.cases import golden
    >>> case = golden(1.0)
    >>> float(change(case.world.capability, case)) < 0
    True
    """
    return gap_change(law.contexts, law.outputs, start(case), end(case))


def hoeffding(law: Law, case: Case) -> Interval:
    """The range that Hoeffding's lemma leaves for that change.

    >>> from theory.ledger.cases import golden
    >>> case = golden(1.0)
    >>> float(hoeffding(case.world.capability, case).lower) < 0
    True
    """
    return hoeffding_change(law.contexts, law.outputs, start(case), end(case))


def aligned(case: Case) -> Case:
    """The case with a start that fits the safety data perfectly.

    >>> from theory.ledger.cases import golden
    >>> case = aligned(golden(1.0))
    >>> bool((case.world.safety.outputs == positive(case.policy)).all())
    True
    """
    law = Law(case.world.safety.contexts, positive(case.policy))
    return case._replace(world=case.world._replace(safety=law))


def attainable(case: Case) -> Case:
    """The case with capability data that finite logits can fit.

    >>> from theory.ledger.cases import disjoint
    >>> float(attainable(disjoint(1.0)).world.capability.outputs.min()) > 0
    True
    """
    able = case.world.capability
    law = Law(able.contexts, positive(able.outputs))
    return case._replace(world=case.world._replace(capability=law))
