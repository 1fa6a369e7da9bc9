"""Models: one interface, exact causality, and a tabular class that can be anything."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from simlab.evaluation import prefix_logits, prefix_tokens
from simlab.models import (
    Activation,
    Adapted,
    Compute,
    LowRank,
    Model,
    Params,
    Positions,
    Tabular,
    Transformer,
    exact,
)

SIZES = {"vocabulary": 3, "contexts": 2, "length": 4}
MODELS: dict[str, Model] = {
    "tabular": Tabular(**SIZES),
    **{
        f"{positions.value} {activation.value}": Transformer(
            **SIZES, width=8, depth=2, heads=2, positions=positions,
            activation=activation,
        )
        for positions in Positions
        for activation in Activation
    },
}  # fmt: skip


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    return MODELS[request.param]


def test_logits_have_one_row_a_prefix(model: Model) -> None:
    tokens = prefix_tokens(model)
    logits = model.apply(model.init(jax.random.key(0)), tokens)
    assert logits.shape == (2 * 3**3, 4, 3)
    assert logits.dtype == jnp.float32
    assert np.isfinite(np.asarray(logits)).all()


def test_what_follows_a_prefix_cannot_reach_it(model: Model) -> None:
    params = model.init(jax.random.key(0))
    tokens = prefix_tokens(model)
    changed = tokens.at[:, 3].set((tokens[:, 3] + 1) % 3)
    before, after = model.apply(params, tokens), model.apply(params, changed)
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    # Negative control: the change does reach the positions it may reach.
    assert not np.allclose(before[:, 3], after[:, 3])


def test_gradients_from_the_past_to_the_future_are_exactly_zero() -> None:
    # Through the embeddings, token ids being discrete: give every position its own id.
    model = Transformer(vocabulary=4, contexts=1, length=4, width=8, depth=2, heads=2)
    params = model.init(jax.random.key(0))
    tokens = jnp.array([[4, 0, 1, 2]])

    def early_logits(parameters: object, last: int) -> jax.Array:
        return jnp.sum(model.apply(parameters, tokens)[:, : last + 1] ** 2)

    for last in range(3):
        gradient = jax.grad(early_logits)(params, last)
        rows = np.asarray(gradient["embed"]["embedding"][...])
        assert np.all(rows[last:3] == 0), "a later token reached an earlier position"
        assert np.any(rows[:last] != 0) or last == 0


def test_positions_tell_order() -> None:
    for positions in Positions:
        model = Transformer(**SIZES, width=8, heads=2, positions=positions)
        params = model.init(jax.random.key(1))
        one = model.apply(params, jnp.array([[3, 0, 1, 2]]))[0, -1]
        other = model.apply(params, jnp.array([[3, 1, 0, 2]]))[0, -1]
        assert not np.allclose(one, other), positions


def test_initial_loss_is_near_uniform(model: Model) -> None:
    logits = model.apply(model.init(jax.random.key(0)), prefix_tokens(model))
    entropy = -jnp.sum(jax.nn.softmax(logits) * jax.nn.log_softmax(logits), -1)
    # An untrained model must not be sure: half of log(3) is a wide declared margin.
    assert float(jnp.mean(entropy)) > 0.5 * np.log(3)


def test_one_rotation_is_the_complex_one() -> None:
    from simlab.models.attention import rotated

    x = jax.random.normal(jax.random.key(0), (1, 5, 2, 6))
    rate = 10_000.0 ** (-np.arange(3) / 3)
    turn = np.exp(1j * np.arange(5)[:, None, None] * rate)
    turned = (np.asarray(x[..., :3]) + 1j * np.asarray(x[..., 3:])) * turn
    expected = np.concatenate([turned.real, turned.imag], axis=-1)
    # float32 rounding of sines of angles up to 4
    np.testing.assert_allclose(rotated(x), expected, atol=1e-5)


def test_the_tabular_model_looks_up_the_row_of_its_prefix() -> None:
    model = Tabular(vocabulary=2, contexts=2, length=3)
    rows = np.arange(2 * model.nodes * 2, dtype=np.float32).reshape(2, model.nodes, 2)
    logits = model.apply({"logits": jnp.asarray(rows)}, jnp.array([[3, 1, 0]]))
    # Context 1: the empty prefix is node 0, "1" is node 2, "10" is node 3 + 2.
    np.testing.assert_array_equal(logits[0], rows[1, [0, 2, 5]])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 10, "heads": 4}, "heads=4 must divide width=10"),
        ({"width": 6, "heads": 2}, "even width per head"),
    ],
)
def test_an_impossible_shape_is_refused(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Transformer(**SIZES, **fields)


def _loss_and_gradient(model: Transformer, params: Params) -> tuple[Any, Any]:
    tokens = jnp.tile(jnp.arange(5)[:, None], (1, model.length)) % model.vocabulary

    def loss(at: Params) -> jax.Array:
        return -jnp.mean(jax.nn.log_softmax(model.apply(at, tokens))[..., 0])

    return jax.jit(jax.value_and_grad(loss))(params)


LARGER = Transformer(vocabulary=8, contexts=2, length=6, width=32, depth=2, heads=2)


def test_products_in_bfloat16_keep_parameters_streams_and_logits_float32() -> None:
    params = LARGER.init(jax.random.key(0))
    half = replace(LARGER, compute=Compute.BFLOAT16)
    tokens = jnp.zeros((2, 6), jnp.int32)
    assert half.apply(params, tokens).dtype == jnp.float32
    assert half.streams(params, tokens).dtype == jnp.float32
    (exactly, slope), (coarsely, bent) = (
        _loss_and_gradient(model, params) for model in (LARGER, half)
    )
    assert coarsely != exactly
    # bfloat16 has 8 significant bits: 0.4 % a product, averaged over many of them.
    np.testing.assert_allclose(coarsely, exactly, rtol=1e-2)
    apart = jax.tree.map(lambda a, b: a - b, bent, slope)
    assert optax.tree.norm(apart) < 3e-2 * optax.tree.norm(slope)


def test_a_model_that_forgets_activations_has_the_same_loss_and_gradient() -> None:
    params = LARGER.init(jax.random.key(0))
    one, other = (
        _loss_and_gradient(replace(LARGER, rematerialised=flag), params)
        for flag in (False, True)
    )
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)  # float32, reordered


def test_what_is_recorded_of_a_coarse_model_is_computed_in_full() -> None:
    small = MODELS["rotary gelu"]
    assert isinstance(small, Transformer)
    params = small.init(jax.random.key(0))
    coarse = replace(small, compute=Compute.BFLOAT16)
    np.testing.assert_array_equal(
        prefix_logits(coarse, params), prefix_logits(small, params)
    )
    wrapped = Adapted(coarse, LowRank(("head",)))
    assert exact(wrapped) == Adapted(small, LowRank(("head",)))
    assert exact(MODELS["tabular"]) is MODELS["tabular"]
