"""One pure run: the same bits however it is cut, and everything sweepable traced."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simlab.evaluation import exact_gap
from simlab.executors import counted_compilations
from simlab.models import Model, Params
from simlab.objectives import (
    Anchor,
    distance,
    drawn,
    penalised_pair,
    sequence_losses,
)
from simlab.optimizers import Adam, Sgd
from simlab.sweeps import SweepReport
from simlab.training import advance, batch_at, begin, learning_rate_shape, run
from tests.simlab.toys import CAPABILITY, MODELS, SAFETY, hyper, same_bits, setup, table

trained = jax.jit(run, static_argnums=0)


def test_a_run_is_a_function() -> None:
    made = setup()
    once, again = (trained(made, hyper(made), jax.random.key(1)) for _ in range(2))
    same_bits(once, again)


def test_another_key_gives_another_run() -> None:
    made = setup()
    one, other = (trained(made, hyper(made), jax.random.key(k)) for k in (1, 2))
    assert not np.array_equal(one.records.loss, other.records.loss)


@pytest.mark.parametrize("records", [1, 2, 8])
def test_however_the_steps_are_cut_the_parameters_have_the_same_bits(
    records: int,
) -> None:
    whole, cut = setup(records=4), setup(records=records)
    key = jax.random.key(3)
    ends = [trained(made, hyper(made), key).params for made in (whole, cut)]
    same_bits(*ends)


def test_a_state_taken_up_again_goes_on_with_the_same_bits() -> None:
    made, key = setup(), jax.random.key(3)
    step = jax.jit(advance, static_argnums=0)
    state = begin(made, hyper(made))
    halves = []
    for index in range(8):
        state, _ = step(made, hyper(made), key, state)
        if index == 3:  # through the host, as a checkpoint would go
            state = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), state)
            halves.append(state)
    continued = halves[0]
    for _ in range(4):
        continued, _ = step(made, hyper(made), key, continued)
    same_bits(continued, state)


def test_learning_rate_penalty_and_laws_do_not_compile_again() -> None:
    made = setup()
    compiled = jax.jit(run, static_argnums=0)  # one of this test's own
    runs = [hyper(made, seed, 0.01 * seed, seed) for seed in range(1, 4)]
    compiled(made, runs[0], jax.random.key(0))
    report = SweepReport()
    with counted_compilations(report):
        for each in runs[1:]:
            compiled(made, each, jax.random.key(1))
    assert report.compilations == 0
    with counted_compilations(report):  # the counter can count
        other = setup(batch=9)
        compiled(other, hyper(other), jax.random.key(0))
    assert report.compilations >= 1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimizer", [Adam(), Sgd(), Sgd(momentum=0.9)])
def test_training_lowers_the_penalised_gap(model: str, optimizer: Adam | Sgd) -> None:
    # The sum, not each gap: where the data conflict, one of them may rise.
    rate = 0.02 if isinstance(optimizer, Adam) else 0.3
    made = setup(model, steps=200, batch=32, records=2, optimizer=optimizer)

    def gap(logits: jax.Array) -> float:
        sides = ((CAPABILITY, 1), (SAFETY, 2))
        return sum(
            float(exact_gap(np.asarray(contexts), table(seed), logits))
            for contexts, seed in sides
        )

    after = trained(made, hyper(made, rate=rate), jax.random.key(0))
    before = trained(made, hyper(made, rate=0.0), jax.random.key(0))
    assert gap(after.records.logits[-1]) < 0.9 * gap(before.records.logits[-1])


def test_a_rate_of_zero_changes_nothing() -> None:
    made = setup()
    trace = trained(made, hyper(made, rate=0.0), jax.random.key(0))
    same_bits(trace.params, hyper(made).start)


def test_the_objective_is_the_weighted_mean_of_its_halves() -> None:
    made = setup()
    params, key = hyper(made).start, jax.random.key(0)
    capability = hyper(made).capability.sample(key, 5)
    safety = hyper(made).safety.sample(key, 7)
    for penalty in (0.0, 0.3, 30.0):
        got = penalised_pair(
            made.model, params, capability, safety, jnp.float32(penalty)
        )
        means = [
            float(jnp.mean(sequence_losses(made.model, params, tokens)))
            for tokens in (capability, safety)
        ]
        expected = (means[0] + penalty * means[1]) / (1 + penalty)
        # float32 rounding
        assert float(got.objective) == pytest.approx(expected, rel=1e-5)
        assert float(got.capability) == pytest.approx(means[0], rel=1e-5)
        assert float(got.safety) == pytest.approx(means[1], rel=1e-5)


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    made = setup(steps=100, records=1, warmup=0.1)
    shape = np.asarray(
        [learning_rate_shape(made, jnp.int32(step)) for step in range(100)]
    )
    assert shape.argmax() in (9, 10)
    assert np.all(np.diff(shape[:10]) > 0)
    assert np.all(np.diff(shape[10:]) < 0)
    assert shape.max() <= 1
    assert shape[-1] < 1e-3


def test_without_decay_the_learning_rate_stays_up() -> None:
    made = setup(steps=100, records=1, warmup=0.1, decay=False)
    shape = np.asarray(
        [learning_rate_shape(made, jnp.int32(step)) for step in range(100)]
    )
    assert np.all(np.diff(shape[:10]) > 0)
    assert np.all(shape[10:] == 1)


@pytest.mark.parametrize("expected", [False, True])
def test_without_safety_data_the_penalty_changes_nothing(expected: bool) -> None:
    made = setup(expected=expected)
    key = jax.random.key(1)
    runs = [
        trained(made, hyper(made, penalty=penalty)._replace(safety=None), key)
        for penalty in (0.0, 3.0)
    ]
    same_bits(runs[0].params, runs[1].params)
    same_bits(runs[0].records.loss, runs[0].records.loss_capability)
    both = trained(made, hyper(made, penalty=3.0), key)  # the comparison can fail
    assert not np.array_equal(both.records.loss, runs[0].records.loss)


def test_only_the_scored_outputs_count() -> None:
    made = setup()
    params = made.model.init(jax.random.key(0))
    tokens = hyper(made).capability.sample(jax.random.key(1), 6)
    log_probs = jax.nn.log_softmax(made.model.apply(params, tokens[:, :-1]))
    last = -log_probs[np.arange(6), 1, tokens[:, 2]]
    got = sequence_losses(made.model, params, tokens, scored=1)
    # float32 rounding
    np.testing.assert_allclose(got, last, rtol=1e-5)
    whole = sequence_losses(made.model, params, tokens, scored=2)
    np.testing.assert_array_equal(whole, sequence_losses(made.model, params, tokens))
    trace = trained(setup(scored=1), hyper(made), jax.random.key(1))
    assert np.all(
        trace.records.loss < trained(made, hyper(made), jax.random.key(1)).records.loss
    )


def test_a_batch_can_be_seen_again() -> None:
    made = setup(steps=1, records=1)
    key = jax.random.key(4)
    hypers = hyper(made)._replace(safety=None)
    seen = batch_at(made, hypers.capability, key, jnp.int32(0))
    loss = jnp.mean(sequence_losses(made.model, hypers.start, seen))
    trace = trained(made, hypers, key)
    # float32 rounding
    assert float(trace.records.loss[0]) == pytest.approx(float(loss), rel=1e-6)
    other = batch_at(made, hypers.capability, key, jnp.int32(1))
    assert not np.array_equal(other, seen)


@dataclass(frozen=True)
class FirstWeight:
    """A measure that can be checked: the exam times the first entry of a leaf."""

    def __call__(self, model: Model, params: Params, exam: Any, /) -> Any:
        del model
        return {"weight": exam * jax.tree.leaves(params)[0].ravel()[0]}


def test_what_is_measured_is_kept_at_every_record() -> None:
    made = setup(measure=FirstWeight())
    hypers = hyper(made)._replace(exam=jnp.float32(2.0))
    trace = trained(made, hypers, jax.random.key(1))
    kept = trace.records.measured["weight"]
    assert kept.shape == (4,)
    assert kept[-1] == 2 * jax.tree.leaves(trace.params)[0].ravel()[0]
    assert trained(setup(), hyper(made), jax.random.key(1)).records.measured is None


def test_a_diverged_run_stays_in_the_records() -> None:
    made = setup()
    trace = trained(made, hyper(made, rate=float("nan")), jax.random.key(0))
    assert np.isnan(np.asarray(trace.records.loss)[-1])
    assert np.isnan(np.asarray(trace.records.logits)[-1]).all()


def test_logits_are_left_out_where_prefixes_are_too_many() -> None:
    made = setup(enumerated=False)
    trace = trained(made, hyper(made), jax.random.key(0))
    assert trace.records.logits.shape == (4, 2, 0, 2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 0}, "steps=0 must be >= 1"),
        ({"batch": 0}, "batch=0 must be >= 1"),
        ({"steps": 10, "records": 4}, "steps=10 must be a multiple of records=4"),
        ({"warmup": 20.0}, "did you pass a number of steps"),
        ({"scored": 3}, "scored=3 must be in .1, 2., the outputs of a sequence"),
        ({"scored": 1, "expected": True}, "must be None where losses are expected"),
    ],
)
def test_an_impossible_setup_is_refused(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        setup(**fields)


def test_an_anchor_draws_by_the_proximal_step() -> None:
    params, center = {"a": jnp.array([1.0, -2.0])}, {"a": jnp.array([0.0, 0.5])}
    rate, weight = 0.3, 10.0
    found = drawn(params, Anchor(center, jnp.float32(weight)), jnp.float32(rate))["a"]
    # The minimiser of |x - theta|^2 / 2 + rate weight |x - c|^2 / 2: rounding.
    best = (params["a"] + rate * weight * center["a"]) / (1 + rate * weight)
    np.testing.assert_allclose(found, best, rtol=1e-6)
    # A gradient step of the same term would overshoot the center.
    sides = [np.sign(one - center["a"]) for one in (found, params["a"])]
    assert np.array_equal(*sides)
    kept = drawn(center, Anchor(center, jnp.float32(weight)), jnp.float32(rate))["a"]
    assert np.array_equal(kept, center["a"])


def test_a_run_with_an_anchor_stays_nearer_to_it() -> None:
    made = setup("tabular", optimizer=Sgd(), warmup=0.0)
    free = hyper(made)
    held = free._replace(anchor=Anchor(free.start, jnp.float32(100.0)))
    far, near = (run(made, one, jax.random.key(0)).params for one in (free, held))
    moved = [float(distance(one, free.start)) for one in (far, near)]
    assert 0 < moved[1] < 0.5 * moved[0]
