"""What every carrier adds, where, against arithmetic by hand."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simlab.models import (
    Activation,
    Adapted,
    Bias,
    Bigram,
    Carrier,
    LowRank,
    Model,
    Positions,
    Prefix,
    Steering,
    Tabular,
    Transformer,
    carried,
    mean_difference,
)
from simlab.models.attention import causal_attention
from simlab.models.carriers import PROJECTIONS
from simlab.models.edits import AttentionPrefix, with_prefix
from simlab.models.matrices import added, matrices
from tests.assertions import assert_close
from tests.simlab.test_adapters import fresh, noisy

MODEL = Transformer(
    3, 2, 4, width=8, depth=2, heads=2, expansion=2, positions=Positions.LEARNED
)
SWIGLU = Transformer(
    3, 2, 4, width=8, depth=1, heads=2, expansion=2, activation=Activation.SWIGLU
)
TOKENS = jnp.array([[3, 0, 1, 2], [4, 2, 2, 1]])


@pytest.mark.parametrize(
    ("targets", "rank"),
    [
        (("query",), 3),
        (("key", "up"), 1),
        (("blocks.1",), 2),
        (("embed", "place", "head"), 20),
    ],
)
def test_any_matrices_of_any_rank_change_and_no_others(
    targets: tuple[str, ...], rank: int
) -> None:
    carrier = LowRank(targets, rank, scale=0.5)
    base = fresh(MODEL)
    vector = noisy(carrier.init(MODEL, jax.random.key(1)))
    weights, edits = carrier.edited(base, vector, 2.0)
    assert not edits.shifts
    assert not edits.prefixes
    moved = by_name(weights, base)
    shapes = matrices(base)
    assert set(moved) == set(shapes)
    assert any(name not in vector for name in shapes)
    for name, change in moved.items():
        expected = np.zeros(shapes[name])
        if name in vector:
            left, right = (np.asarray(part, float) for part in vector[name])
            assert left.shape[-1] == rank
            expected = 2.0 * 0.5 * left @ right
            assert np.linalg.matrix_rank(expected) == min(rank, *shapes[name])
        # Rounding of float32 sums of up to 20 terms; no change is no change.
        assert_close(change, expected, 1e-4 if name in vector else 0.0)


def by_name(weights: object, base: object) -> dict[str, np.ndarray]:
    """weights - base of every matrix, read from the flax state by hand."""
    found = {}
    for name in matrices(base):
        *places, last = name.split(".")
        packed = last in ("query", "key", "value")
        places.append("query_key_value" if packed else last)
        pair = []
        for at in (weights, base):
            for place in places:
                at = at[int(place) if place.isdigit() else place]  # type: ignore[index]
            leaf = "embedding" if last in ("embed", "place") else "kernel"
            whole = np.asarray(at[leaf][...], float)  # type: ignore[index]
            index = ("query", "key", "value").index(last) if packed else 0
            pair.append(np.split(whole, 3, -1)[index] if packed else whole)
        found[name] = pair[0] - pair[1]
    return found


def test_a_low_rank_map_of_the_head_adds_its_product_to_the_logits() -> None:
    carrier = LowRank(("head",), rank=1, scale=0.7)
    model = Adapted(MODEL, carrier)
    base = fresh(MODEL)
    vector = noisy(carrier.init(MODEL, jax.random.key(1)))
    stream = np.asarray(jax.jit(MODEL.streams)(base, TOKENS)[-1], float)
    normed = stream / np.sqrt(np.mean(stream**2, -1, keepdims=True) + 1e-6)
    left, right = (np.asarray(part, float) for part in vector["head"])
    change = jax.jit(model.apply)(carried(base, vector, 1.5), TOKENS) - jax.jit(
        MODEL.apply
    )(base, TOKENS)
    # Rounding of float32 logits.
    assert_close(change, 1.5 * 0.7 * (normed @ left) @ right, 1e-4)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (Tabular(2, 3, 2), ("logits",)),
        (Bigram(2, 3, 4), ("first", "rows")),
        (SWIGLU, PROJECTIONS),
    ],
    ids=["tabular", "bigram", "swiglu"],
)
def test_low_rank_acts_on_every_model(model: Model, names: tuple[str, ...]) -> None:
    adapted = Adapted(model, LowRank(names, rank=1))
    params = fresh(adapted)
    tokens = jnp.array([[model.vocabulary + 1] + [1] * (model.length - 1)])
    before = jax.jit(adapted.apply)(params, tokens)
    np.testing.assert_array_equal(before, jax.jit(model.apply)(params.base, tokens))
    params = params._replace(vector=noisy(params.vector))
    active = jax.jit(adapted.apply)(params, tokens)
    assert_close(
        active, jax.jit(model.apply)(adapted.merged(params), tokens), 1e-5
    )  # rounding
    assert not np.allclose(active, before, atol=1e-2)


@pytest.mark.parametrize("model", [MODEL, SWIGLU], ids=["gelu", "swiglu"])
def test_every_bias_reaches_the_logits(model: Transformer) -> None:
    adapted = Adapted(model, Bias())
    params, apply = fresh(adapted), jax.jit(adapted.apply)
    zeros, full = params.vector, noisy(params.vector)
    assert all(not np.any(bias) for bias in zeros.values())
    assert len(zeros) == model.depth * len(PROJECTIONS)
    before = apply(params, TOKENS)
    for name, bias in full.items():
        one = params._replace(vector={**zeros, name: bias})
        moved = float(np.max(np.abs(apply(one, TOKENS) - before)))
        # A shift of all keys alike cancels in the softmax, unless positions turn them.
        turned = model.positions is Positions.ROTARY
        lost = name.endswith("key") and not turned
        assert (moved < 1e-5) if lost else (moved > 1e-4), name


def test_a_bias_of_the_head_is_an_offset_of_the_logits() -> None:
    adapted = Adapted(MODEL, Bias(("head",)))
    base, bias = fresh(MODEL), jnp.array([1.0, -2.0, 0.5])
    logits = jax.jit(adapted.apply)(carried(base, {"head": bias}, 0.5), TOKENS)
    # Rounding of float32.
    assert_close(
        logits, np.asarray(jax.jit(MODEL.apply)(base, TOKENS) + 0.5 * bias), 1e-6
    )


def test_steering_shifts_the_stream_after_its_layer_as_a_bias_would() -> None:
    base = fresh(MODEL)
    direction = jnp.arange(8.0)
    vector = {"blocks.0.residual": direction}
    _, edits = Steering((0,)).edited(base, vector, 0.5)
    shifted = jax.jit(lambda base, x: MODEL.streams(base, x, edits))
    before, after = jax.jit(MODEL.streams)(base, TOKENS), shifted(base, TOKENS)
    np.testing.assert_array_equal(before[0], after[0])
    # Rounding of float32.
    assert_close(after[1] - before[1], np.tile(0.5 * direction, (2, 4, 1)), 1e-5)
    steered = Adapted(MODEL, Steering((0,))).apply(carried(base, vector, 0.5), TOKENS)
    biased = Adapted(MODEL, Bias(("blocks.0.down",))).apply(
        carried(base, {"blocks.0.down": direction}, 0.5), TOKENS
    )
    assert_close(steered, biased, 1e-5)  # rounding of another order of sums
    assert not np.allclose(steered, jax.jit(MODEL.apply)(base, TOKENS), atol=1e-2)


def test_a_mean_difference_carries_one_mean_to_the_other() -> None:
    base = fresh(MODEL)
    trait = jnp.array([[3, 0, 1, 2, 0], [3, 1, 1, 2, 0]])
    plain = jnp.array([[4, 2, 2, 1, 1]])
    steering = Steering((0, 1))
    plain = jnp.tile(plain, (2, 1))  # as many rows: one program for both ways

    @jax.jit
    def difference(ours: jax.Array, theirs: jax.Array) -> Any:
        return mean_difference(MODEL, base, ours, theirs, steering, 2)

    @jax.jit
    def streams(tokens: jax.Array, vector: Any) -> jax.Array:
        return MODEL.streams(base, tokens, steering.edited(base, vector, 1.0)[1])

    there, back = difference(trait, plain), difference(plain, trait)
    zeros = jax.tree.map(jnp.zeros_like, there)
    for layer in steering.layers:
        name = f"blocks.{layer}.residual"
        # Up to rounding of float32.
        assert_close(there[name], -np.asarray(back[name]), 1e-6)
        steered = streams(plain[:, :-1], {**zeros, name: there[name]})[layer + 1]
        target = streams(trait[:, :-1], zeros)[layer + 1]
        means = (np.mean(s[:, -2:], axis=(0, 1)) for s in (steered, target))
        assert_close(*means, 1e-5)  # rounding of float32
        assert np.linalg.norm(there[name]) > 0.1


@pytest.mark.parametrize("weight", [0.3, 1.0, 4.0])
def test_a_prefix_is_attention_over_more_keys(weight: float) -> None:
    keys = jax.random.split(jax.random.key(0), 5)
    query, key, value = (jax.random.normal(k, (2, 4, 2, 6)) for k in keys[:3])
    more = [jax.random.normal(k, (3, 2, 6)) for k in keys[3:]]
    mixed = causal_attention(query, key, value)
    prefix = AttentionPrefix(*more, jnp.float32(weight))
    found = jax.jit(with_prefix)(mixed, query, key, prefix)
    # The textbook way: prepend to keys and values, add log(weight) to the scores.
    longer_keys, longer_values = (
        np.concatenate([np.tile(np.asarray(a), (2, 1, 1, 1)), np.asarray(b)], 1)
        for a, b in zip(more, (key, value), strict=True)
    )
    scores = np.einsum("blhk,bmhk->bhlm", query, longer_keys) / math.sqrt(6)
    scores[..., :3] += math.log(weight)
    scores[..., ~np.tril(np.ones((4, 7), bool), 3)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    expected = np.einsum("bhlm,bmhk->blhk", weights, longer_values)
    assert_close(found, expected, 1e-5)  # rounding of float32
    assert not np.allclose(found, mixed, atol=1e-2)


def test_every_query_sees_the_prefix_and_causality_stays() -> None:
    adapted = Adapted(MODEL, Prefix(2))
    params = fresh(adapted)
    params = params._replace(vector=noisy(params.vector))
    changed = TOKENS.at[:, 3].set((TOKENS[:, 3] + 1) % 3)
    before, after = (
        jax.jit(adapted.apply)(params, TOKENS),
        jax.jit(adapted.apply)(params, changed),
    )
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    off = jax.jit(MODEL.apply)(params.base, TOKENS)
    assert np.all(np.max(np.abs(before - off), axis=-1) > 1e-3)


@pytest.mark.parametrize(
    ("carrier", "model", "message"),
    [
        (LowRank(("logit",)), Tabular(2, 3, 2), "target 'logit' selects .* logits"),
        (LowRank(()), MODEL, r"target \(\) selects nothing"),
        (Bias(("blocks.0.residual",)), MODEL, "selects nothing"),
        (Bias(), Tabular(2, 3, 2), "nothing to a carrier of this kind"),
        (Steering((2,)), MODEL, r"'blocks\.2\.residual' selects nothing"),
        (Prefix(), Bigram(2, 3, 2), "target 'prefix' selects nothing"),
    ],
)
def test_a_carrier_that_does_not_fit_is_refused_in_one_line(
    carrier: Carrier, model: Model, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        carrier.init(model, jax.random.key(0))
    assert "\n" not in str(refused.value)


def test_sizes_and_strangers_are_refused() -> None:
    with pytest.raises(ValueError, match="rank=0 must be >= 1"):
        LowRank(rank=0)
    with pytest.raises(ValueError, match="length=0 must be >= 1"):
        Prefix(0)
    with pytest.raises(ValueError, match="'up' is no matrix of this model"):
        added(fresh(Tabular(2, 3, 2)), {"up": jnp.zeros((2, 2))})
