"""Claims of elasticity that are false as printed, and what refutes them."""

import jax.numpy as jnp
import numpy as np

from theory.compression.datasets import with_size
from theory.compression.equilibrium import optimum
from theory.laws import Law, World
from theory.ledger.cases import at_optimum, one_context
from theory.ledger.elasticity_depth import deficits
from theory.ledger.record import Case, Record, Side, Sides, Status
from theory.ledger.responses import slopes
from theory.ledger.springs import ALIGNMENT, PERTURBATION, PRETRAINING, springs
from theory.numerics import safe_log

_EVIDENCE = "a counter-example, evaluated in every run of the tests"


def unrelated() -> Case:
    """Form A: unrelated data, p and a different and t uniform, k = 100, l = 1/101.

    >>> unrelated().world.proxy.outputs.tolist()
    [[0.5, 0.5]]
    """
    return one_context([0.9, 0.1], [0.2, 0.8], 100.0, [0.5, 0.5])


def union_of(parts: list[list[float]], penalty: float) -> Case:
    """Form B in one context: p is the mean of the parts, a the second, t the third.

    >>> union_of(np.eye(4).tolist(), 1.0).world.safety.outputs.tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    mean = np.mean(np.array(parts), axis=0)
    return one_context(mean.tolist(), parts[1], penalty, parts[2])


def like_parts_of_unlike_contexts() -> Case:
    """Form B in two contexts: a and t part in their contexts, agree in their outputs.

    >>> like_parts_of_unlike_contexts().world.safety.contexts.tolist()
    [0.5, 0.5]
    """
    weights = np.array([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]])
    outputs = np.array([[0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])
    parts = weights[:, :, None] * outputs[:, None, :]
    union = np.mean(parts, axis=0)
    contexts = np.sum(union, axis=-1)
    return at_optimum(
        World(
            Law(contexts, union / contexts[:, None]),
            Law(weights[2], np.tile(outputs[2], (2, 1))),
            Law(weights[1], np.tile(outputs[1], (2, 1))),
        ),
        1000.0,
    )


def _form_a(case: Case) -> Sides:
    """0 against the smaller of n gamma_a' and -n k gamma_p'."""
    data, slope = springs(case), slopes(case)
    scaled = jnp.sum(data.sizes, axis=-1, keepdims=True) * slope
    recovered = -data.sizes[..., PRETRAINING] * scaled[..., PRETRAINING]
    least = jnp.minimum(scaled[..., ALIGNMENT], recovered)
    return Sides(jnp.zeros_like(least), least)


def _modest_share(case: Case) -> Sides:
    """The slope n gamma_p' against 0."""
    total = jnp.sum(jnp.asarray(springs(case).sizes), axis=-1)
    slope = total * slopes(case)[..., PRETRAINING]
    return Sides(slope, jnp.zeros_like(slope))


def _reverse_order(case: Case) -> Sides:
    """How far n_a dKL(q||p_a) / (n_p dKL(q||p_p)) is from -1 at l = 0, against 0."""
    data = with_size(springs(case), PERTURBATION, 0.0)
    best = optimum(data)
    step = (data.laws[..., PERTURBATION, :] - best)[..., None, :]
    logs = safe_log(best)[..., None, :] - safe_log(data.laws)
    moved = jnp.sum(step * logs, axis=-1)
    terms = data.sizes * moved
    ratio = -terms[..., ALIGNMENT] / terms[..., PRETRAINING]
    return Sides(jnp.abs(ratio - 1), jnp.zeros_like(ratio))


RECORDS = (
    Record(
        name="elasticity theorem, form A as printed",
        statement="dgamma_p/dl < 0 < dgamma_a/dl for unrelated p, a, t, k >> 1 >> l",
        assumptions="published: Pareto masses; nothing relates the three data sets",
        source="Ji et al. 2025, Theorem 4.2 (ACL text); derived, elasticity notes 2.5: "
        "false as printed, the sign is the opposite; true in form B, l < l*",
        side=Side.FALSE,
        status=Status.FALSE,
        function=_form_a,
        evidence=_EVIDENCE,
        counter_example=unrelated,
    ),
    Record(
        name="elasticity theorem, form B at modest l",
        statement="dgamma_p/dl < 0 for l <= 1/10, however many parts p is made of",
        assumptions="published: l << 1, without saying than what",
        source="Ji et al. 2025, Theorem 4.2 (version 6); derived, elasticity notes "
        "2.5: true for l < 1/(m-1) with m parts",
        side=Side.FALSE,
        status=Status.FALSE,
        function=_modest_share,
        evidence=_EVIDENCE,
        counter_example=lambda: union_of(np.eye(30).tolist(), 10.0),
    ),
    Record(
        name="Hooke in the printed order, exact",
        statement="n_a dKL(q || p_a) = -n_p dKL(q || p_p) as l -> 0",
        assumptions="published as proportional, up to a factor; taken as exact here",
        source="Ji et al. 2025, eq. 3; derived, elasticity notes 2.8: true of "
        "KL(p_i || q), in this order up to a factor only",
        side=Side.FALSE,
        status=Status.FALSE,
        function=_reverse_order,
        evidence=_EVIDENCE,
        counter_example=lambda: union_of(
            [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]], 100.0
        ),
    ),
    Record(
        name="overlap deficit grows with depth",
        statement="1 - S_at, coarse <= 1 - S_at, fine",
        assumptions="plausible, form B: what own responses do, cross responses should",
        source="derived, elasticity notes 2.7: a warning; true of D_t = D_p",
        side=Side.FALSE,
        status=Status.FALSE,
        function=deficits,
        evidence=_EVIDENCE,
        counter_example=like_parts_of_unlike_contexts,
    ),
)
"""What must not be claimed of elasticity."""
