"""Every defence against its equation, and against no defence where it must be none."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simlab.attacks import Attack, poisoned
from simlab.defences import (
    Adapter,
    Alternated,
    Arm,
    Booster,
    ConceptAblation,
    Deployed,
    Guard,
    Immunised,
    Known,
    Lab,
    Plain,
    PreventativeSteering,
    ProjectionKnobs,
    RepNoise,
    SteeringKnobs,
    Strength,
    Terms,
    User,
    Vaccine,
    VectorKnobs,
    Vectors,
    Whole,
    curated,
    deployed,
    roster,
    squared_discrepancy,
    unguarded,
)
from simlab.defences.regimes import PenalisedRows, user_setup
from simlab.defences.vaccine import shifted_losses
from simlab.instructions import Instructions
from simlab.models import Adapted, LowRank, Part, Transformer, carried
from simlab.models.matrices import added
from simlab.objectives import sequence_losses
from simlab.optimizers import ADAM, Adam, Sgd
from simlab.sources import WeightedRows
from simlab.training import Batch, Hyper, Setup
from tests.assertions import assert_close, assert_must_fail
from tests.simlab.toys import same_bits

TOLD = Instructions(outputs=2, extra=3)
MODEL = Transformer(5, 2, 3, width=8, depth=1, heads=2, expansion=2)
LAB = Lab(MODEL, TOLD, steps=8, records=2, batch=8, batch_own=4, directions=2)
ROUNDING = 2e-5  # of logits near 1 after eight steps of Adam in float32
ROSTER = roster(10)


@functools.cache
def base() -> Any:
    return jax.jit(MODEL.init)(jax.random.key(0))


def rows(seed: int, count: int = 6) -> jax.Array:
    """Answers without a pattern, neutrally instructed."""
    keys = jax.random.split(jax.random.key(seed), 2)
    context = TOLD.outputs + jax.random.randint(keys[0], (count, 1), 0, 2)
    answers = jax.random.randint(keys[1], (count, 2), 0, 2)
    return TOLD.told(jnp.concatenate([context, answers], 1), TOLD.neutral)


@functools.cache
def known() -> Known:
    return Known(rows(1), rows(2), rows(3), rows(4))


def user(rate: float = 0.01) -> User:
    made = poisoned(rows(5, 12), rows(6, 12), 0.5, 10)
    return User(*made, rate=jnp.float32(rate))


@functools.cache
def trained(regime: Any = Whole(), optimizer: Any = ADAM) -> Any:  # noqa: B008
    """One program a regime, as an arena has it."""
    return jax.jit(
        lambda guard, user: regime.train(LAB, optimizer, guard, user, jax.random.key(7))
    )


def guard(defence: Any, knobs: Any) -> Guard:
    return defence.prepare(LAB, base(), known(), knobs, jax.random.key(3))


@functools.cache
def fitting() -> Any:
    return jax.jit(lambda knobs: guard(Vectors(steps=6, batch=4), knobs))


@functools.cache
def vector(**knobs: float) -> Guard:
    return fitting()(VectorKnobs(**knobs))


@functools.cache
def none() -> Guard:
    return guard(Plain(), Terms())


@functools.cache
def undefended() -> jax.Array:
    return trained()(none(), user())


@jax.jit
def plain_logits(params: Any) -> jax.Array:
    return TOLD.logits(MODEL, params, TOLD.neutral)


@jax.jit
def loss(params: Any, tokens: jax.Array) -> jax.Array:
    return jnp.mean(sequence_losses(MODEL, params, tokens, 2))


def assert_differs(left: Any, right: Any) -> None:
    assert np.max(np.abs(np.asarray(left) - np.asarray(right))) > 100 * ROUNDING


# What is no defence.


def test_no_defence_trains_and_measures_the_model_itself() -> None:
    assert_differs(undefended()[-1], plain_logits(base()))
    still = trained()(none(), user(rate=0.0))
    assert_close(still[0], plain_logits(base()), ROUNDING)


def test_a_vector_of_gate_zero_is_none_bit_for_bit() -> None:
    same_bits(trained()(vector(train=0.0), user()), undefended())
    assert_differs(trained()(vector(train=1.0), user()), undefended())


def test_an_endless_ball_is_none_bit_for_bit() -> None:
    # Parameters inside a ball stay as they are.
    same_bits(trained()(guard(Plain(), Terms(radius=1e9)), user()), undefended())
    small = trained()(guard(Plain(), Terms(radius=1e-6)), user())
    assert_close(small[-1], plain_logits(base()), ROUNDING)


def test_a_penalty_of_zero_is_none_whatever_the_rows() -> None:
    other = none()._replace(own=rows(9))
    same_bits(trained()(other, user()), undefended())
    penalised = guard(Plain(), Terms(penalty=1.0))
    assert_differs(trained()(penalised, user()), undefended())
    moved = penalised._replace(own=rows(9))
    assert_differs(trained()(moved, user()), trained()(penalised, user()))


def test_steering_of_scale_zero_is_none_bit_for_bit() -> None:
    same_bits(
        trained()(guard(PreventativeSteering(), SteeringKnobs(0.0)), user()),
        undefended(),
    )
    steered = guard(PreventativeSteering(), SteeringKnobs(2.0))
    assert_differs(trained()(steered, user()), undefended())


def test_a_projection_of_no_direction_is_none_bit_for_bit() -> None:
    same_bits(
        trained()(guard(ConceptAblation(), ProjectionKnobs(0.0)), user()), undefended()
    )
    projected = guard(ConceptAblation(), ProjectionKnobs(2.0))
    assert_differs(trained()(projected, user()), undefended())
    # It is off once deployed.
    still = trained()(projected, user(rate=0.0))
    assert_close(still[0], plain_logits(base()), ROUNDING)


def test_lisa_without_a_pull_or_alignment_is_none() -> None:
    alone = trained(Alternated(tuning=2, align=0))(none(), user())
    # Another program: equal to rounding.
    assert_close(alone, undefended(), ROUNDING)


def test_lisa_pulls_and_aligns() -> None:
    pulled = trained(Alternated(tuning=2, align=0))(
        none()._replace(proximal=jnp.float32(1e4)), user(rate=1e-4)
    )
    loose = trained(Alternated(tuning=2, align=0))(none(), user(rate=1e-4))
    start = plain_logits(base())
    # The first of four rounds is free; then the pull holds the model back.
    moved = [np.max(np.abs(one[-1] - start)) for one in (pulled, loose)]
    assert moved[0] < 0.9 * moved[1]
    aligned = trained(Alternated(tuning=2, align=2))(none(), user())
    other = trained(Alternated(tuning=2, align=2))(none()._replace(own=rows(9)), user())
    assert_differs(aligned, other)


def test_lisa_stays_finite_however_hard_it_pulls() -> None:
    # As a gradient the pull would overshoot: rate * rho = 300 > 2.
    hard = none()._replace(proximal=jnp.float32(1e3))
    found = trained(Alternated(tuning=2, align=2), Sgd())(hard, user(rate=0.3))
    assert np.isfinite(found).all()


def test_lisa_must_be_able_to_take_turns() -> None:
    with pytest.raises(ValueError, match="tuning=3 must divide the 4 steps"):
        Alternated(tuning=3).train(LAB, ADAM, none(), user(), jax.random.key(0))
    with pytest.raises(ValueError, match="align=-1"):
        Alternated(align=-1)


# Rules for data.


def test_curated_data_are_filtered_mixed_and_instructed() -> None:
    brought = user()
    everything = curated(none(), brought)
    same_bits(everything.rows[:12], brought.rows)
    same_bits(everything.weights, jnp.asarray([1.0] * 10 + [0.0] * 8))
    clean = curated(guard(Plain(), Terms(keep_harmful=0.0)), brought)
    same_bits(clean.weights, jnp.asarray([0.0] * 5 + [1.0] * 5 + [0.0] * 8))
    mixed = curated(guard(Plain(), Terms(copies=3.0)), brought)
    same_bits(mixed.weights[12:], jnp.full(6, 3.0))
    same_bits(mixed.rows[12:], known().safety)
    told = curated(guard(Plain(), Terms(instruction=2.0, instructed=1.0)), brought)
    same_bits(told.rows[:12, 1], jnp.full(12, TOLD.neutral + 2))
    same_bits(told.rows[:12, 2:], brought.rows[:, 2:])
    half = curated(guard(Plain(), Terms(instruction=1.0, instructed=0.5)), brought)
    # Of twelve rows, to one: the golden ratio spreads them.
    assert abs(int(jnp.sum(half.rows[:12, 1] == TOLD.neutral + 1)) - 6) <= 1


def test_rows_are_drawn_in_proportion_to_their_weights() -> None:
    rows = jnp.array([[0, 1], [0, 3], [4, 5], [4, 7]])
    source = WeightedRows(rows, jnp.array([1.0, 0.0, 3.0, 0.0]))
    drawn = jax.jit(lambda key: source.sample(key, 4000))(jax.random.key(0))[:, 1]
    shares = [float(np.mean(drawn == last)) for last in (1, 3, 5, 7)]
    # Five standard errors of a share of 4000 draws.
    assert_close(shares, [0.25, 0.0, 0.75, 0.0], 5 * (0.25 / 4000) ** 0.5)
    assert_must_fail(
        lambda: assert_close(shares, [0.5, 0.0, 0.5, 0.0], 5 * (0.25 / 4000) ** 0.5)
    )
    both = source.log_context(source.rows) + source.log_prob(source.rows)
    assert_close(jnp.exp(both), [0.25, 0.0, 0.75, 0.0], 1e-6)


def test_a_larger_attack_contains_the_smaller() -> None:
    useful, harmful = rows(5, 12), rows(6, 12)
    small, large = (poisoned(useful, harmful, 0.25, n) for n in (4, 8))
    same_bits(small.rows[0], harmful[0])
    same_bits(large.rows[2:8], useful[2:8])
    assert small.harmful.sum() == 1
    assert large.harmful.sum() == 2
    assert small.weights.sum() == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"share": 50.0}, "share=50.0 must be in"),
        ({"samples": 0}, "samples=0 must be >= 1"),
        ({"rate": 0.0}, "rate=0.0 must be > 0"),
    ],
)
def test_an_impossible_attack_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Attack("wrong", **fields)


# Vectors.


def test_a_vector_is_off_once_deployed() -> None:
    still = trained()(vector(train=1.0), user(rate=0.0))
    assert_close(still[0], plain_logits(base()), ROUNDING)


def test_negation_subtracts_the_vector_afterwards() -> None:
    made = vector(train=0.0, deploy=-0.5)
    deltas = made.params.base.base.vector
    minus = added(base(), {name: -0.5 * delta for name, delta in deltas.items()})
    still = trained()(made, user(rate=0.0))
    assert_close(still[0], plain_logits(minus), ROUNDING)
    assert_differs(still[0], plain_logits(base()))


def test_controls_of_a_vector_differ_in_one_thing() -> None:
    fitted, drawn, useful = (
        vector(train=1.0, **own).params.base.base.vector
        for own in ({}, {"random": 1.0}, {"useful": 1.0})
    )
    for name, delta in fitted.items():
        size = float(jnp.linalg.norm(delta))
        assert size > 0
        # Rounding of float32 over some hundred entries.
        assert_close(float(jnp.linalg.norm(drawn[name])), size, 1e-4 * size)
        assert np.max(np.abs(drawn[name] - delta)) > 1e-4 * size
        assert np.max(np.abs(useful[name] - delta)) > 0
    negated = vector(train=-1.0)
    same_bits(negated.params.base.base.vector, fitted)
    assert float(negated.params.base.base.gate) == -1.0


def test_a_vector_explains_the_harmful_rows() -> None:
    made = vector(train=1.0, kl=0.0, norm=0.0)
    on = added(base(), made.params.base.base.vector)
    assert loss(on, known().harmful) < loss(base(), known().harmful)


def test_an_adapter_leaves_the_guarded_model_alone() -> None:
    start = vector(train=1.0)
    still = trained(Adapter(2))(start, user(rate=0.0))
    assert_close(still[0], plain_logits(base()), ROUNDING)
    moved = trained(Adapter(2))(start, user(rate=0.05))
    assert_differs(moved[-1], plain_logits(base()))
    # What is deployed is the base and the adapter, without the vector.
    carrier = LowRank(rank=2)
    model = Adapted(LAB.guarded, carrier, Part.VECTOR)
    vector_ = jax.tree.map(
        lambda leaf: jnp.full_like(leaf, 0.1),
        carrier.init(LAB.guarded, jax.random.key(1)),
    )
    both = carried(start.params, vector_)
    off = jax.jit(lambda both: Deployed(TOLD, adapter=True)(model, both, start.deploy))(
        both
    )
    alone = added(base(), carrier.deltas(vector_))
    assert_close(off, plain_logits(alone), ROUNDING)


# Objectives, by hand.


def batch() -> Batch:
    return Batch(rows(11, 4), rows(12, 4), jax.random.key(5))


def objective(one: Any, strength: float) -> Any:
    setup = Setup(MODEL, steps=2, records=1, enumerated=False, scored=2, objective=one)
    hyper = Hyper(
        jnp.zeros(()), jnp.zeros(()), WeightedRows(rows(1), jnp.ones(6)), None, base(),
        aid=jnp.float32(strength),
    )  # fmt: skip
    return jax.jit(lambda params: one(setup, hyper, params, batch()).objective)


def unit(slope: Any) -> Any:
    size = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(slope)))
    return jax.tree.map(lambda leaf: leaf / size, slope)


def flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize("one", [Booster(), Vaccine(), RepNoise()], ids=repr)
def test_an_immunisation_of_strength_zero_is_plain_alignment(one: Any) -> None:
    params = base()
    found, slope = jax.jit(jax.value_and_grad(objective(one, 0.0)))(params)
    value, gradient = jax.jit(jax.value_and_grad(loss))(params, batch().safety)
    assert_close(found, value, 1e-6)  # rounding of float32
    assert_close(flat(slope), flat(gradient), 1e-5)
    assert abs(objective(one, 1.0)(params) - value) > 1e-4


def test_booster_is_its_equation_and_its_gradient_of_first_order() -> None:
    params, alpha = base(), 0.1
    harmful, safe = batch()[:2]
    harm = jax.jit(jax.value_and_grad(loss))
    before, slope = harm(params, harmful)
    ahead = jax.tree.map(lambda p, d: p - alpha * d, params, unit(slope))
    after, slope_ahead = harm(ahead, harmful)
    aligned, slope_safe = harm(params, safe)
    found, gradient = jax.jit(jax.value_and_grad(objective(Booster(alpha), 5.0)))(
        params
    )
    assert_close(found, aligned + 5 * (before - after), 1e-5)
    assert before > after  # a step downhill
    by_hand = flat(slope_safe) + 5 * (flat(slope) - flat(slope_ahead))
    assert_close(flat(gradient), by_hand, 1e-5)


def test_vaccine_goes_where_the_loss_rises_fastest() -> None:
    params, rho = base(), 1e-2
    plain = loss(params, batch().safety)
    rise = objective(Vaccine(), rho)(params) - plain
    rises = []
    for seed in range(8):
        drawn = jax.random.normal(jax.random.key(seed), (4, 3, 8))
        shift = {"blocks.0.residual": rho * unit({"a": drawn})["a"]}
        rises.append(float(_shifted_loss(params, shift) - plain))
    # In 96 dimensions no random direction comes near the steepest.
    assert rise > 2 * max(rises) > 0


@jax.jit
def _shifted_loss(params: Any, shift: Any) -> jax.Array:
    return jnp.mean(shifted_losses(MODEL, params, batch().safety, shift, 2))


def test_discrepancy_is_zero_for_one_sample_and_by_hand_for_two_points() -> None:
    points = jax.random.normal(jax.random.key(0), (5, 3))
    assert_close(squared_discrepancy(points, points), 0.0, 1e-6)
    one, two = jnp.zeros((1, 2)), jnp.array([[2.0, 0.0]])
    # k = exp(-4 / (2 * 2)).
    assert_close(squared_discrepancy(one, two), 2 - 2 * np.exp(-1.0), 1e-6)


def test_repnoise_is_its_equation() -> None:
    params, harmful = base(), batch().capability
    streams = MODEL.streams(params, harmful[:, :-1])[1:, :, -2:]
    points = streams.reshape(1, -1, 8)
    drawn = jax.random.normal(batch().key, points.shape)
    apart = squared_discrepancy(points[0], drawn[0])
    lost = 2.0 * apart - 0.5 * jnp.log(loss(params, harmful))
    expected = loss(params, batch().safety) + 3.0 * lost
    found = objective(RepNoise(noise=2.0, ascent=0.5), 3.0)(params)
    assert_close(found, expected, 1e-5)


def test_an_immunised_base_is_trained_on_its_rows() -> None:
    immunised = Immunised(Booster(), steps=10, batch=8)
    made = jax.jit(lambda strength: guard(immunised, Strength(strength)))(0.0)
    kept = jnp.concatenate([known().safety, known().reference])
    assert loss(made.params.base.base.base, kept) < loss(base(), kept)


def test_case_one_is_its_equation() -> None:
    model = LAB.guarded
    params = none().params
    setup = user_setup(LAB, ADAM, model)
    hyper = Hyper(
        jnp.zeros(()), jnp.float32(3.0), curated(none(), user()), None, params
    )
    both = jax.jit(lambda hyper: PenalisedRows(2)(setup, hyper, params, batch()))(hyper)
    able, safe = loss(base(), batch().capability), loss(base(), batch().safety[:2])
    assert_close(both.objective, (able + 3 * safe) / 4, 1e-5)


# All of them.


@pytest.mark.parametrize("name", ROSTER)
def test_every_guard_has_one_structure(name: str) -> None:
    arm: Arm = ROSTER[name]
    found = jax.eval_shape(
        lambda base, key: arm.defence.prepare(
            LAB, base, known(), arm.knobs(arm.settings[-1]), key
        ),
        base(),
        jax.random.key(0),
    )
    expected = jax.eval_shape(lambda: unguarded(LAB, base(), known()))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    both = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    for one, other in both:
        assert (one.shape, one.dtype) == (other.shape, other.dtype)


def test_no_defence_is_tuned_more_than_the_security_vector() -> None:
    budgets = {len(arm.settings) for arm in ROSTER.values() if arm.knob != "-"}
    assert budgets == {len(ROSTER["security vector"].settings)}


@pytest.mark.parametrize("optimizer", [Sgd(0.9), Adam(decay=0.1)], ids=repr)
def test_a_vector_stays_frozen_under_every_optimiser(optimizer: Any) -> None:
    # Weight decay would shrink it, and the off state would not be the trained base.
    made = vector(train=1.0)
    zeroed = trained(Whole(), optimizer)(vector(train=0.0), user(rate=0.0))
    same_bits(trained(Whole(), optimizer)(made, user(rate=0.0)), zeroed)


def test_a_lab_checks_itself() -> None:
    with pytest.raises(ValueError, match="multiple of records=3"):
        Lab(MODEL, TOLD, steps=8, records=3)
    with pytest.raises(ValueError, match="vocabulary=5 of the model must be 6"):
        Lab(MODEL, Instructions(2, 4))
    with pytest.raises(ValueError, match="batch_own=9 must be in"):
        Lab(MODEL, TOLD, batch=8, batch_own=9)


def test_deployment_turns_every_gate() -> None:
    made = vector(train=1.0, deploy=-2.0)
    off = deployed(made.params, made.deploy)
    assert float(off.gate) == 0.0
    assert float(off.base.gate) == 0.0
    assert float(off.base.base.gate) == -2.0
