"""The one table of named worlds; every array is numpy float64."""

from collections.abc import Callable
from functools import partial

import jax
import numpy as np

from theory.laws import Law, World

SEQUENCE_VOCABULARY, SEQUENCE_LENGTH = 3, 3


def law(contexts: object, outputs: object) -> Law:
    """A law from nested lists, in double precision."""
    return Law(np.asarray(contexts, np.float64), np.asarray(outputs, np.float64))


def one_context(safety: object, proxy: object, capability: object) -> World:
    """A world of a single context, from three rows."""
    return World(*(law([1.0], [row]) for row in (safety, proxy, capability)))


def golden_a() -> World:
    """One context, exact proxy, conflict .7: the golden numbers A of notes 12."""
    return one_context([0.9, 0.1], [0.9, 0.1], [0.2, 0.8])


def golden_b() -> World:
    """A conflicted context between a safe one and a task one: golden B, notes 12."""
    uniform = [1 / 3] * 3
    return World(
        safety=law([0.6, 0.4, 0.0], [[0.7, 0.2, 0.1], [0.8, 0.1, 0.1], uniform]),
        proxy=law([0.5, 0.5, 0.0], [[0.6, 0.3, 0.1], [0.7, 0.2, 0.1], uniform]),
        capability=law([0.0, 0.5, 0.5], [uniform, [0.1, 0.1, 0.8], [0.2, 0.6, 0.2]]),
    )


def random_rows(seed: int, *shape: int, scale: float = 1.5) -> np.ndarray:
    """Softmax of normal logits: the same numbers on every machine."""
    with jax.enable_x64(True):
        logits = jax.random.normal(jax.random.key(seed), shape) * scale
        return np.asarray(jax.nn.softmax(logits, axis=-1))


def overlapping(overlap: float, contexts: int = 4, outputs: int = 4) -> World:
    """Half of the contexts are safety's; the task shares them with probability o."""
    inside = np.arange(contexts) < contexts // 2
    mu_safety, mu_outside = inside / inside.sum(), ~inside / (~inside).sum()
    safety = law(mu_safety, random_rows(1, contexts, outputs))
    mu_capability = overlap * mu_safety + (1 - overlap) * mu_outside
    capability = law(mu_capability, random_rows(2, contexts, outputs))
    return World(safety, safety, capability)


def proxied(distance: float) -> World:
    """Full overlap, and a proxy answered by a foreign teacher in that proportion."""
    world = overlapping(1.0)
    teacher = random_rows(3, *world.safety.outputs.shape)
    outputs = (1 - distance) * world.safety.outputs + distance * teacher
    return world._replace(proxy=Law(world.safety.contexts, outputs))


def identical() -> World:
    """Safety, proxy and capability data are one law: nothing to trade."""
    only = law(random_rows(4, 3), random_rows(5, 3, 4))
    return World(only, only, only)


def support_conflict() -> World:
    """The task produces outputs that the safety data never do: decay 1/penalty."""
    safety = law([0.5, 0.5], [[0.6, 0.4, 0.0], [0.3, 0.7, 0.0]])
    capability = law([0.5, 0.5], [[0.3, 0.3, 0.4], [0.5, 0.0, 0.5]])
    return World(safety, safety, capability)


def sparse() -> World:
    """Zeros everywhere: unseen contexts, forbidden outputs, a context without data."""
    return World(
        safety=law(
            [0.5, 0.3, 0.2, 0], [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1], [1, 0, 0]]
        ),
        proxy=law([0.6, 0.4, 0, 0], [[1, 0, 0], [0.4, 0.6, 0], [0, 1, 0], [0, 1, 0]]),
        capability=law(
            [0, 0.5, 0, 0.5], [[0, 1, 0], [0, 0.5, 0.5], [1, 0, 0], [0.2, 0, 0.8]]
        ),
    )


def markov_sequences() -> World:
    """Two contexts, sequences of three tokens from three random chains."""
    tables = []
    for seed in (10, 20, 30):
        first = random_rows(seed, 2, SEQUENCE_VOCABULARY)
        rows = random_rows(seed + 1, 2, SEQUENCE_VOCABULARY, SEQUENCE_VOCABULARY)
        paths = np.einsum("xa,xab,xbc->xabc", first, rows, rows)
        tables.append(paths.reshape(2, -1))
    safety, teacher, capability = tables
    return World(
        safety=law([0.5, 0.5], safety),
        proxy=law([0.5, 0.5], 0.8 * safety + 0.2 * teacher),
        capability=law([0.3, 0.7], capability),
    )


def many_contexts() -> World:
    """A random world of 64 contexts and 8 outputs, all different."""
    return World(
        *(
            law(random_rows(seed, 64), random_rows(seed + 1, 64, 8))
            for seed in (40, 50, 60)
        )
    )


def near_degenerate() -> World:
    """Rows that are nearly sure, of something else for each law."""
    tiny = 1e-9
    sure = [[1 - 2 * tiny, tiny, tiny], [tiny, tiny, 1 - 2 * tiny]]
    safety = law([1 - tiny, tiny], sure)
    capability = law([tiny, 1 - tiny], sure[::-1])
    return World(safety, safety, capability)


WORLDS: dict[str, Callable[[], World]] = {
    "golden_a": golden_a,
    "golden_b": golden_b,
    "disjoint": partial(overlapping, 0.0),
    "overlap_quarter": partial(overlapping, 0.25),
    "overlap_half": partial(overlapping, 0.5),
    "overlap_full": partial(overlapping, 1.0),
    "identical": identical,
    "near_proxy": partial(proxied, 0.1),
    "far_proxy": partial(proxied, 0.8),
    # Notes 5.4: more penalty on this proxy makes the true safety gap worse.
    "misleading_proxy": partial(one_context, [0.7, 0.3], [0.95, 0.05], [0.5, 0.5]),
    # Likelihood ratio 0 or inf: the upper ends of (3.3), (3.4), (4.4) are attained.
    "opposite_outputs": partial(one_context, [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]),
    "support_conflict": support_conflict,
    "sparse": sparse,
    "near_degenerate": near_degenerate,
    "markov_sequences": markov_sequences,
    "many_contexts": many_contexts,
}
