"""Vectors on models: gates, frozen parts, merging and measuring."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from simlab.evaluation import exact_gap
from simlab.models import (
    Adapted,
    Bias,
    Carried,
    Carrier,
    LowRank,
    Model,
    Part,
    Prefix,
    Steering,
    Tabular,
    Transformer,
    carried,
    gated,
    norms,
    random_like,
    squared_norms,
    total_norm,
)
from simlab.objectives import sequence_losses
from simlab.optimizers import Adam, Normalised, Optimizer, Sgd
from simlab.training import Hyper, Setup, run
from tests.assertions import assert_close, assert_finite_gradient, assert_must_fail
from tests.simlab.toys import CAPABILITY, MODELS, V, X, same_bits, source, table

MODEL = Transformer(3, 2, 4, width=8, depth=1, heads=2, expansion=2)
CARRIERS: dict[str, Carrier] = {
    "low rank": LowRank(rank=2),
    "bias": Bias(),
    "steering": Steering((0,)),
    "prefix": Prefix(3),
}
ROWS = jnp.array([[3, 0, 1, 2, 0], [4, 2, 2, 1, 1], [3, 1, 1, 0, 2]])
ASKED = ROWS[:, :-1]
EVERY_CARRIER = pytest.mark.parametrize("name", CARRIERS)


def double(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), tree)


def noisy(tree: Any, seed: int = 5) -> Any:
    """Every leaf filled with numbers in [-1, 1] without a pattern; costs no compiling.

    No part of a vector is still zero, and no matrix of it is of low rank by chance.
    """

    def one(leaf: Any) -> jax.Array:
        index = np.arange(seed, seed + leaf.size, dtype=float)
        values = np.cos(0.7 * index**2).reshape(leaf.shape)
        return jnp.asarray(values, leaf.dtype)

    return jax.tree.map(one, tree)


def fresh(model: Model) -> Any:
    return jax.jit(model.init)(jax.random.key(0))


def made(model: Adapted, gate: float = 1.0) -> Carried:
    params = fresh(model)
    return carried(params.base, noisy(params.vector), gate)


def loss(model: Model, params: Any) -> jax.Array:
    return jnp.mean(sequence_losses(model, params, ROWS))


def descended(
    objective: Any, start: Any, optimizer: optax.GradientTransformation
) -> Any:
    """Forty steps of full-batch descent."""

    def step(state: Any, _: None) -> tuple[Any, None]:
        params, moments = state
        gradient = jax.grad(objective)(params)
        updates, moments = optimizer.update(gradient, moments, params)
        return (optax.apply_updates(params, updates), moments), None

    def whole(start: Any) -> Any:
        state = start, optimizer.init(start)
        return jax.lax.scan(step, state, None, length=40)[0][0]

    return jax.jit(whole)(start)


def furthest(left: Any, right: Any) -> float:
    gaps = jax.tree.map(lambda a, b: np.max(np.abs(a - b)), left, right)
    return float(max(jax.tree.leaves(gaps)))


def merge_gap(optimizer: optax.GradientTransformation) -> float:
    """How far FT(theta_0 + v) - v is from fine-tuning with an active v."""
    # Small vectors and steps: descent at the edge of stability is chaotic, and would
    # amplify rounding without limit.
    model = Adapted(MODEL, LowRank(rank=2, scale=0.1))
    start = double(made(model))
    active = descended(
        lambda base: loss(model, start._replace(base=base)), start.base, optimizer
    )
    plain = descended(lambda base: loss(MODEL, base), model.merged(start), optimizer)
    assert furthest(active, start.base) > 0.003  # it did train
    return furthest(model.merged(start._replace(base=active)), plain)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_an_active_vector_is_the_merged_model_less_the_vector(
    name: str, x64: None
) -> None:
    optimizers = {
        "sgd": optax.sgd(1e-3),
        "momentum": optax.sgd(1e-3, momentum=0.9),
        "adam": optax.adam(1e-3),
    }
    # Security-vector notes, theorem 1: an identity, up to rounding in double precision.
    assert_close(merge_gap(optimizers[name]), 0.0, 1e-12)


def test_weight_decay_sees_the_vector_and_breaks_the_merge_identity(x64: None) -> None:
    decayed = merge_gap(optax.adamw(1e-3, weight_decay=0.1))
    assert_must_fail(lambda: assert_close(decayed, 0.0, 1e-12))
    assert decayed > 1e-5  # not rounding: 40 steps of 1e-3 times 0.1 times v


@EVERY_CARRIER
def test_a_gate_of_zero_is_the_base_model_bit_for_bit(name: str) -> None:
    model = Adapted(MODEL, CARRIERS[name])
    params = made(model)
    plain = MODEL.apply(params.base, ASKED)
    same_bits(model.apply(gated(params, 0.0), ASKED), plain)
    # Negative control: at 1 the vector does something.
    assert not np.allclose(model.apply(params, ASKED), plain, atol=1e-2)


@EVERY_CARRIER
def test_nothing_of_a_vector_is_left_at_gate_zero_of_a_compiled_program(
    name: str,
) -> None:
    model = Adapted(MODEL, CARRIERS[name])
    params, plain = made(model), jax.jit(MODEL.apply)
    other = params._replace(vector=noisy(params.vector, 6))

    @jax.jit
    def at(params: Carried, gate: jax.Array) -> tuple[jax.Array, Any]:
        params = gated(params, gate)
        slope = jax.grad(lambda p: loss(model, p))(params)
        return model.apply(params, ASKED), slope.base

    one, two = (at(p, jnp.float32(0)) for p in (params, other))
    same_bits(one, two)
    # Up to the order of float32 sums: it is not the program of the model alone.
    assert_close(one[0], plain(params.base, ASKED), 1e-5)
    # Negative control: two vectors differ at any other gate.
    half = [at(p, jnp.float32(0.5))[0] for p in (params, other)]
    assert furthest(*half) > 1e-2


@EVERY_CARRIER
def test_a_frozen_part_has_a_gradient_of_exactly_zero(name: str) -> None:
    models = {part: Adapted(MODEL, CARRIERS[name], part) for part in Part}
    slopes = jax.jit(
        lambda params: {
            part.value: jax.grad(functools.partial(loss, model))(params)
            for part, model in models.items()
        }
    )(made(models[Part.BASE]))
    for trained in Part:
        slope = slopes[trained.value]
        assert float(slope.gate) == 0
        for one, gradient in ((Part.BASE, slope.base), (Part.VECTOR, slope.vector)):
            size = max(float(np.max(np.abs(x))) for x in jax.tree.leaves(gradient))
            moved = trained in (one, Part.BOTH)
            assert (size > 1e-4) if moved else (size == 0), (trained, one)


@pytest.mark.parametrize(
    ("part", "optimizer"),
    [
        (Part.BASE, Adam()),
        (Part.BASE, Sgd(0.9)),
        (Part.BASE, Normalised()),
        (Part.VECTOR, Adam()),
    ],
    ids=["adam", "momentum", "normalised", "vector"],
)
def test_runs_leave_a_frozen_part_as_it_is(part: Part, optimizer: Optimizer) -> None:
    model = Adapted(MODELS["tabular"], LowRank(("logits",), rank=1), part)
    start = made(model)
    one = Setup(model, steps=4, batch=8, records=2, optimizer=optimizer)
    end = jax.jit(lambda hyper, key: run(one, hyper, key))(
        given(start), jax.random.key(0)
    ).params
    frozen, moved = (
        (end.vector, end.base) if part is Part.BASE else (end.base, end.vector)
    )
    was_frozen, was = (
        (start.vector, start.base) if part is Part.BASE else (start.base, start.vector)
    )
    same_bits((frozen, end.gate), (was_frozen, start.gate))
    assert furthest(moved, was) > 1e-3


def given(start: Carried, rate: float = 0.1) -> Hyper:
    capability = source(CAPABILITY, 1)
    return Hyper(jnp.float32(rate), jnp.float32(0), capability, None, start)


@EVERY_CARRIER
def test_every_carrier_alone_can_lower_a_loss(name: str) -> None:
    model = Adapted(MODELS["transformer"], CARRIERS[name], Part.VECTOR)
    one = Setup(model, steps=20, records=2, expected=True, decay=False)
    start = fresh(model)
    losses = jax.jit(lambda hyper: run(one, hyper, jax.random.key(0)).records.loss)(
        given(start)
    )
    assert losses[1] < losses[0] - 0.02, losses


def test_a_known_law_is_learned_by_the_vector_alone_and_lost_at_gate_zero() -> None:
    model = Adapted(MODELS["tabular"], LowRank(("logits",), rank=1), Part.VECTOR)
    one = Setup(model, steps=300, records=1, expected=True)
    mu, law = np.array(CAPABILITY), table(1)
    assert law.shape == (X, V**2)

    def gap(params: Carried) -> float:
        params = gated(params, 1.0)
        return float(exact_gap(mu, law, node_logits(model.merged(params))))

    start = fresh(model)
    end = jax.jit(lambda h: run(one, h, jax.random.key(0)))(given(start)).params
    # A table of two outputs is of rank one in what its softmax sees: declared margin.
    assert gap(end) < 1e-3
    off = float(exact_gap(mu, law, node_logits(model.merged(gated(end, 0.0)))))
    assert off > 0.05
    assert_close(off, gap(start), 1e-6)  # rounding of float32


def node_logits(params: Any) -> jax.Array:
    return jnp.asarray(params["logits"])  # a table's logits are those of its nodes


def test_many_gates_are_one_program() -> None:
    model = Adapted(MODEL, LowRank(rank=2, scale=0.1))
    params, doses = made(model), jnp.array([0.0, 0.5, 1.0])

    def answer(gate: jax.Array) -> jax.Array:
        return model.apply(gated(params, gate), ASKED)

    alone, together = jax.jit(answer), jax.jit(jax.vmap(answer))(doses)
    # Rounding of float32 logits of size one.
    assert_close(together, np.stack([alone(dose) for dose in doses]), 1e-5)
    assert furthest(together[1], together[2]) > 1e-3


def test_adapted_models_nest_and_a_frozen_one_inside_stays() -> None:
    # Inoculation adapters: the user's update is a vector too.
    inner = Adapted(MODEL, LowRank(rank=2))
    outer = Adapted(inner, LowRank(("up", "head"), rank=1), Part.VECTOR)
    params = carried(made(inner), noisy(fresh(outer).vector))
    assert list(params.vector) == ["blocks.0.up", "head"]
    active = jax.jit(outer.apply)(params, ASKED)
    merged = inner.merged(outer.merged(params))
    # Rounding of float32.
    assert_close(active, jax.jit(MODEL.apply)(merged, ASKED), 1e-5)
    slope = jax.jit(jax.grad(lambda params: loss(outer, params)))(params)
    assert furthest(slope.base, jax.tree.map(jnp.zeros_like, slope.base)) == 0


def test_shifts_of_nested_carriers_add() -> None:
    outer = Adapted(Adapted(MODEL, Bias(("head",))), Bias(("head",)))
    inside = fresh(outer).base.base
    first, second = jnp.array([1.0, 2.0, 3.0]), jnp.array([0.5, 0.0, -1.0])
    params = carried(carried(inside, {"head": first}), {"head": second}, 2.0)
    plain = jax.jit(MODEL.apply)(inside, ASKED)
    expected = np.asarray(plain) + np.asarray(first + 2 * second)
    assert_close(jax.jit(outer.apply)(params, ASKED), expected, 1e-5)  # rounding


@EVERY_CARRIER
def test_norms_are_those_of_what_is_added(name: str) -> None:
    model = Adapted(MODEL, CARRIERS[name])
    vector = made(model).vector
    found = jax.jit(lambda vector: norms(model.carrier, vector))(vector)
    for module, delta in model.carrier.deltas(vector).items():
        by_numpy = np.linalg.norm(np.ravel(delta))
        assert_close(found[module], by_numpy, 1e-5 * by_numpy)  # rounding of float32
    total = np.linalg.norm([float(norm) for norm in found.values()])
    assert_close(total_norm(model.carrier, vector), total, 1e-5 * total)
    zero = jax.tree.map(jnp.zeros_like, vector)
    leaves, structure = jax.tree.flatten(zero)

    def size(*leaves: jax.Array) -> jax.Array:
        whole = jax.tree.unflatten(structure, leaves)
        squares = sum(squared_norms(model.carrier, whole).values())
        return total_norm(model.carrier, whole) + squares

    assert_finite_gradient(size, *leaves)


@EVERY_CARRIER
def test_a_random_vector_matches_the_norm_of_every_module(name: str) -> None:
    carrier = CARRIERS[name]
    vector = made(Adapted(MODEL, carrier)).vector
    other = jax.jit(lambda key: random_like(carrier, vector, key))(jax.random.key(3))
    ours, theirs = norms(carrier, vector), norms(carrier, other)
    for module, norm in ours.items():
        assert_close(theirs[module], norm, 1e-5 * float(norm))  # rounding of float32
    deltas = carrier.deltas(vector), carrier.deltas(other)
    assert furthest(*deltas) > 0.1  # negative control: it is another vector


def test_what_cannot_be_merged_or_shifted_is_refused_in_one_line() -> None:
    model = Adapted(MODEL, Prefix(2))
    params = fresh(model)
    with pytest.raises(ValueError, match="a Prefix acts on activations"):
        model.merged(params)
    twice = Adapted(model, Prefix(1))
    with pytest.raises(ValueError, match=r"blocks\.0 has a prefix already"):
        twice.apply(twice.init(jax.random.key(0)), ASKED)
    table_model = Adapted(Tabular(3, 2, 4), Bias(("head",)))
    strange = carried(fresh(table_model.model), {"head": jnp.ones(3)})
    with pytest.raises(ValueError, match="the activations of a Tabular cannot"):
        table_model.apply(strange, ASKED)
