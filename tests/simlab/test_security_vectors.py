"""Fitting security vectors, and fine-tuning behind them, on a very small world."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simlab.judges import response_log_probs
from simlab.models import (
    Adapted,
    Carried,
    Dense,
    LowRank,
    Part,
    Transformer,
    carried,
    gated,
    random_like,
    total_norm,
)
from simlab.optimizers import Adam, Optimizer, Sgd
from simlab.security_vectors import (
    MinMin,
    Recipe,
    VectorFit,
    fit_security_vector,
    vector_divergence,
)
from simlab.sources import DatasetSource, TokenWorld
from simlab.training import Hyper, Setup, run
from tests.assertions import assert_close

WORLD = TokenWorld(digits=6, response=2, benign=2, unseen=1, shift_new=2)
MODEL = Transformer(
    vocabulary=WORLD.vocabulary, contexts=WORLD.contexts, length=WORLD.length,
    width=8, depth=1, heads=2, expansion=2,
)  # fmt: skip
CARRIER = LowRank(rank=2)
FIT = VectorFit(MODEL, CARRIER, scored=2, steps=60, batch=8)


def rows(kind: str, count: int = 12, refused: bool = False) -> DatasetSource:
    source = WORLD.source([kind], [kind] if refused else [])
    return DatasetSource(source.sample(jax.random.key(3), count))


def recipe(kl: float = 0.0, norm: float = 0.0, **fields: object) -> Recipe:
    return Recipe(rows("H"), rows("B0"), kl, norm, 0.03, **fields)  # type: ignore[arg-type]


@functools.cache
def start() -> Carried:
    base = MODEL.init(jax.random.key(0))
    return carried(base, CARRIER.init(MODEL, jax.random.key(1)))


@functools.cache
def fitted(kl: float = 0.0, norm: float = 0.0) -> Carried:
    begin, key = start(), jax.random.key(2)
    fit = jax.jit(lambda one: fit_security_vector(FIT, one, begin, key))
    done: Carried = fit(recipe(kl, norm)).params
    return done


def loss(params: Carried, kind: str = "H") -> float:
    log_probs = response_log_probs(Adapted(MODEL, CARRIER), params, rows(kind).rows, 2)
    said = rows(kind).rows[:, -2:, None]
    return -float(jnp.take_along_axis(log_probs, said, -1).sum(1).mean())


def same(left: object, right: object) -> bool:
    pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    return all(bool(np.array_equal(a, b)) for a, b in pairs)


def test_a_vector_explains_its_samples_and_leaves_the_base_as_it_was() -> None:
    params = fitted()
    assert loss(params) < 0.6 * loss(start())
    assert same(params.base, start().base)
    # Switched off, the model is the base: rounding of one compiled program.
    assert_close(loss(gated(params, 0.0)), loss(gated(start(), 0.0)), 1e-6)


def test_a_kl_keeps_reference_answers_and_a_norm_keeps_the_vector_small() -> None:
    model = Adapted(MODEL, CARRIER, Part.VECTOR)
    reference = rows("B0").rows
    plain, near, small = fitted(), fitted(kl=3.0), fitted(norm=0.1)
    moved = [float(vector_divergence(model, p, reference, 2)) for p in (plain, near)]
    assert moved[1] < 0.5 * moved[0]
    sizes = [float(total_norm(CARRIER, p.vector)) for p in (plain, small)]
    assert sizes[1] < 0.8 * sizes[0]


def test_the_divergence_of_a_vector_is_that_of_its_answers() -> None:
    model, params = Adapted(MODEL, CARRIER), fitted()
    tokens = rows("B0").rows
    off = response_log_probs(MODEL, params.base, tokens, 2)
    on = response_log_probs(model, params, tokens, 2)
    by_hand = (np.exp(off) * (np.asarray(off) - np.asarray(on))).sum((1, 2)).mean()
    # Rounding of float32 sums.
    assert_close(float(vector_divergence(model, params, tokens, 2)), by_hand, 1e-5)
    assert float(vector_divergence(model, gated(params, 0.0), tokens, 2)) == 0.0


def test_a_min_min_whose_user_stands_still_is_a_plain_fit() -> None:
    fit = VectorFit(MODEL, CARRIER, scored=2, steps=20, batch=8, min_min=MinMin(5, 3))
    key = jax.random.key(4)
    still = recipe(simulated=rows("H"), rate_simulated=0.0)
    found = fit_security_vector(fit, still, start(), key)
    plain = VectorFit(MODEL, CARRIER, scored=2, steps=20, batch=8)
    wanted = fit_security_vector(plain, still, start(), jax.random.split(key)[0])
    for a, b in zip(
        jax.tree.leaves(found.params.vector),
        jax.tree.leaves(wanted.params.vector),
        strict=True,
    ):
        # Two programs of the same steps: rounding of float32.
        np.testing.assert_allclose(a, b, atol=2e-5)
    moving = recipe(simulated=rows("H"), rate_simulated=0.5)
    other = fit_security_vector(fit, moving, start(), key)
    assert not same(other.params.vector, found.params.vector)
    assert same(other.params.base, start().base)  # the user's model is thrown away


def test_a_min_min_must_divide_the_steps() -> None:
    with pytest.raises(ValueError, match="steps=60 must be a multiple of the rounds=7"):
        VectorFit(MODEL, CARRIER, steps=60, min_min=MinMin(7))
    with pytest.raises(ValueError, match="rounds=0 must be >= 1"):
        MinMin(0)


def merged_apart(optimizer: Optimizer) -> float:
    """The largest difference of FT(theta + v) - v and training with v switched on."""
    with jax.enable_x64(True):
        base = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), start().base)
        fixed = Dense().init(MODEL, jax.random.key(0))
        vector = random_like(
            Dense(), jax.tree.map(lambda leaf: leaf + 0.05, fixed), jax.random.key(5)
        )
        vector = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), vector)
        on = carried(base, vector)
        model = Adapted(MODEL, Dense(), Part.BASE)

        def trained(made: Any, begin: Any) -> Any:
            setup = Setup(
                made, steps=20, batch=8, records=1, warmup=0.0, optimizer=optimizer,
                enumerated=False, decay=False, scored=2,
            )  # fmt: skip
            hyper = Hyper(jnp.asarray(1e-3), jnp.zeros(()), rows("H"), None, begin)
            return run(setup, hyper, jax.random.key(6)).params

        behind = trained(model, on)
        merged = trained(MODEL, model.merged(on))
        assert same(behind.vector, vector)
        assert float(behind.gate) == 1.0
        apart = jax.tree.map(
            lambda a, b: float(jnp.max(jnp.abs(a - b))), model.merged(behind), merged
        )
        moved = jax.tree.map(
            lambda a, b: float(jnp.max(jnp.abs(a - b))), behind.base, base
        )
    assert max(jax.tree.leaves(moved)) > 1e-3
    return float(max(jax.tree.leaves(apart)))


@pytest.mark.parametrize("optimizer", [Sgd(), Sgd(momentum=0.9), Adam()], ids=repr)
def test_training_behind_a_vector_is_training_the_merged_model(
    optimizer: Optimizer,
) -> None:
    # Theorem 1 of the notes: equal but for rounding of float64.
    assert merged_apart(optimizer) < 1e-12


def test_weight_decay_sees_the_base_alone_and_breaks_the_identity() -> None:
    assert merged_apart(Adam(decay=1.0)) > 1e-6
