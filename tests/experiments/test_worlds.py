"""Worlds of experiments: one world, whatever the caller's precision."""

import jax
import numpy as np
import pytest

from experiments.worlds import SequenceWorlds, sequence_worlds
from theory.validation import validate_world

DISTANCES, OVERLAPS = (0.0, 0.3), (0.0, 0.5, 1.0)


def made() -> SequenceWorlds:
    return sequence_worlds(
        1, contexts=4, vocabulary=2, length=3, concentration=1.0,
        distances=DISTANCES, overlaps=OVERLAPS,
    )  # fmt: skip


def test_a_world_does_not_depend_on_the_precision_of_its_caller() -> None:
    plain = made()
    with jax.enable_x64(True):
        double = made()
    for a, b in zip(
        jax.tree.leaves(plain.world), jax.tree.leaves(double.world), strict=True
    ):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_every_world_is_a_world() -> None:
    validate_world(made().world)


def test_overlap_and_distance_are_what_they_are_called() -> None:
    world = made().world
    mu_safety = np.asarray(world.safety.contexts)
    mu_capability = np.asarray(world.capability.contexts)
    overlap = np.minimum(mu_safety, mu_capability).sum(-1)
    np.testing.assert_allclose(overlap, np.broadcast_to(OVERLAPS, (2, 3)), atol=1e-12)
    # Distance 0 is the safety law itself; another distance is not.
    safety, proxy = np.asarray(world.safety.outputs), np.asarray(world.proxy.outputs)
    np.testing.assert_array_equal(proxy[0], safety[0])
    assert np.abs(proxy[1] - safety[1]).max() > 0.01


def test_the_source_samples_the_law() -> None:
    world = made()
    law = jax.tree.map(lambda leaf: leaf[0, 0], world.world.safety)
    source = world.source(law)
    tokens = np.asarray(source.sample(jax.random.key(0), 500))
    assert tokens.shape == (500, 4)
    assert set(tokens[:, 0]) == {2, 3}  # the safety contexts, after two outputs
    with pytest.raises(ValueError, match="vocabulary"):
        SequenceWorlds(world.world, 3, 3).source(law)
