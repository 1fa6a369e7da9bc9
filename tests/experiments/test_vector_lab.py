"""The lab of security vectors: its rows, its confined vectors, its arms."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.vector_arms import Spec, _confined, dense, random_of, zero_of
from experiments.vector_lab import (
    SMOKE,
    VectorLab,
    half_rows,
    keys_of,
    repeated_rows,
    rows_of,
    transformer,
    vector_fit,
    world,
)
from simlab.models import LowRank, carried, norms
from simlab.security_vectors import Recipe, fit_security_vector
from simlab.sources import DatasetSource
from tests.assertions import assert_close

LAB = VectorLab(**{**SMOKE, "depth": 2, "classes": 2, "seeds": 2})


def prompts(rows: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(row) for row in np.asarray(rows)[:, 1 : LAB.response + 1].tolist()}


def test_no_prompt_is_used_twice() -> None:
    rows = rows_of(LAB)
    uses = [rows.fit["H"][0], rows.reference[0], rows.held_out["H"][0]]
    uses += [rows.tune[kind][0] for kind in ("H", "G", "N", "B")]
    assert sum(len(prompts(use)) for use in uses) == len(
        set().union(*(prompts(use) for use in uses))
    )
    # The same prompts, refused: another answer of the same request.
    assert prompts(rows.held_out["H"][0]) == prompts(rows.held_out["H refused"][0])
    assert not np.array_equal(rows.fit["H"][0], rows.fit["H"][1])  # another seed


def test_halves_share_no_prompt_and_keep_their_number() -> None:
    rows = rows_of(LAB)
    lower, upper = rows.fit["H lower"][0], rows.tune["H upper"][0]
    assert lower.shape == rows.fit["H"][0].shape
    assert lower[:, 1].max() < LAB.digits // 2 <= upper[:, 1].min()
    made = world(LAB)
    kinds = {made.names[i] for i in rows.fit["H and G"][0][:, 0] - made.vocabulary}
    assert kinds == {"H", "G"}
    with pytest.raises(ValueError, match="none of 1 rows is in that half"):
        half_rows(LAB, lower[:1], upper=True)


def test_rows_are_repeated_whole_or_not_at_all() -> None:
    rows = np.arange(6).reshape(3, 2)
    assert repeated_rows(rows, 6).tolist() == [*rows.tolist(), *rows.tolist()]
    with pytest.raises(ValueError, match="3 rows do not divide 7"):
        repeated_rows(rows, 7)


def test_seeds_and_uses_have_keys_of_their_own() -> None:
    keys = np.concatenate([keys_of(LAB, use) for use in range(4)])
    assert len({tuple(key) for key in keys.tolist()}) == 8


def test_what_is_confined_never_moves() -> None:
    rows = rows_of(LAB)
    fit = vector_fit(replace(LAB, vector_steps=4, rank=3))
    carrier = fit.carrier
    assert isinstance(carrier, LowRank)
    key = jax.random.key(0)
    vector = _confined(
        carrier.init(transformer(LAB), key), Spec(only=("blocks.1", "up"), rank=2)
    )
    base = transformer(LAB).init(key)
    recipe = Recipe(
        DatasetSource(jnp.asarray(rows.fit["H"][0])),
        DatasetSource(jnp.asarray(rows.reference[0])),
        1.0, 0.004, 0.01,
    )  # fmt: skip
    trained = jax.jit(
        lambda one: fit_security_vector(fit, recipe, one, key).params.vector
    )(carried(base, vector))
    for name, size in norms(carrier, trained).items():
        allowed = name.startswith("blocks.1") or name.endswith(".up")
        assert (float(size) > 0) == allowed, name
    assert np.linalg.matrix_rank(carrier.deltas(trained)["blocks.1.up"]) == 2


def on_device(tree: Any, seed: int) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[seed]), tree)


def test_dense_deltas_and_random_controls_have_the_vectors_norms() -> None:
    carrier = LowRank(rank=2)
    model = transformer(LAB)
    each = []
    for seed in range(2):
        vector = carrier.init(model, jax.random.key(seed))
        each.append({k: v._replace(right=v.right + 0.1) for k, v in vector.items()})
    vectors = jax.tree.map(lambda *leaves: np.stack(leaves), *each)
    drawn = random_of(LAB, carrier, vectors)
    whole = dense(carrier, vectors)
    for seed in range(2):
        wanted, found = (
            norms(carrier, on_device(vectors, seed)),
            norms(carrier, on_device(drawn, seed)),
        )
        for name, size in wanted.items():
            assert_close(float(found[name]), float(size), 1e-4)  # float32
        for name, delta in carrier.deltas(on_device(vectors, seed)).items():
            np.testing.assert_allclose(whole[name][seed], delta, atol=1e-6)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(zero_of(vectors)))
