"""What is measured of a model that carries a vector, against the plain definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from simlab.diagnosis import Diagnose, Diagnosis, VectorExam, answered, force
from simlab.models import Adapted, Carried, LowRank, Transformer, carried, gated
from simlab.sources import TokenWorld
from tests.assertions import assert_close

WORLD = TokenWorld(digits=6, response=2, benign=2, unseen=1, shift_new=2)
MODEL = Transformer(
    vocabulary=WORLD.vocabulary, contexts=WORLD.contexts, length=WORLD.length,
    width=8, depth=1, heads=2, expansion=2,
)  # fmt: skip
CARRIER = LowRank(rank=2)
WHOLE = Adapted(MODEL, CARRIER)
ROWS = {
    name: WORLD.source([name]).sample(jax.random.key(i), 16)
    for i, name in enumerate(("H", "N", "B0"))
}


def model_with(size: float) -> Carried:
    keys = jax.random.split(jax.random.key(7), 3)
    vector = CARRIER.init(MODEL, keys[1])
    filled = {
        name: one._replace(right=size * jax.random.normal(keys[2], one.right.shape))
        for name, one in vector.items()
    }
    return carried(MODEL.init(keys[0]), filled)


def diagnosed(params: Carried, deploy: float = 0.0) -> Diagnosis:
    exam = VectorExam(ROWS, jax.tree.map(lambda x: x + 0.01, params.base), deploy)
    measure = Diagnose(2, ("H", "N"))
    found: Diagnosis = jax.jit(lambda p: measure(WHOLE, p, exam))(params)
    return found


def test_without_effect_on_and_off_are_the_same() -> None:
    found = diagnosed(model_with(0.0))
    for answers in found.answers.values():
        for value in answers:
            assert value[0] == value[1]
    gram = np.asarray(found.gram)
    assert_close(gram[0, 0, 0, 1] / gram[0, 0, 0, 0], 1.0, 1e-6)  # float32


def test_the_gram_matrix_holds_inner_products_of_gradients() -> None:
    params = model_with(0.5)
    found = diagnosed(params)
    off = force(WHOLE, gated(params, 0.0), ROWS["H"], 2)
    on = force(WHOLE, params, ROWS["N"], 2)
    # Sums of some hundred float32 products.
    assert_close(float(found.gram[0, 0, 1, 1]), float(optax.tree.vdot(off, on)), 1e-4)
    assert_close(float(found.gram[1, 1, 1, 1]), float(optax.tree.norm(on)) ** 2, 1e-3)
    slope = jax.grad(lambda base: answered(MODEL, base, ROWS["H"], 2).loss)(params.base)
    apart = jax.tree.map(lambda a, b: float(jnp.max(jnp.abs(a - b))), slope, off)
    assert max(jax.tree.leaves(apart)) < 1e-5
    assert found.gram[0, 0, 0, 1] != found.gram[0, 0, 0, 0]  # the vector acts


def test_the_drift_is_the_distance_from_the_exams_base() -> None:
    params = model_with(0.5)
    count = sum(leaf.size for leaf in jax.tree.leaves(params.base))
    assert_close(float(diagnosed(params).drift), 0.01 * count**0.5, 1e-4)


def test_off_is_the_gate_of_deployment() -> None:
    params = model_with(0.5)
    negated = diagnosed(params, deploy=-1.0).answers["H"].loss[0]
    by_hand = answered(WHOLE, gated(params, -1.0), ROWS["H"], 2).loss
    assert_close(float(negated), float(by_hand), 1e-5)


def test_a_greedy_match_is_a_greedy_answer() -> None:
    params, tokens = model_with(0.5), ROWS["H"]
    spoken = np.array(tokens)
    spoken[:, -2:] = 0
    for place in (-2, -1):
        logits = MODEL.apply(params.base, jnp.asarray(spoken[:, :-1]))
        spoken[:, place] = np.asarray(logits[:, place].argmax(-1))
    said = answered(MODEL, params.base, jnp.asarray(spoken), 2)
    assert float(said.match) == 1.0
    other = spoken.copy()
    other[:4, -1] = (other[:4, -1] + 1) % WORLD.vocabulary
    assert float(answered(MODEL, params.base, jnp.asarray(other), 2).match) == 0.75


def test_loss_and_error_are_those_of_the_answer_alone() -> None:
    params, tokens = model_with(0.5).base, ROWS["N"]
    log_probs = jax.nn.log_softmax(MODEL.apply(params, tokens[:, :-1]), -1)
    said = np.take_along_axis(np.asarray(log_probs), np.asarray(tokens)[:, 1:, None], 2)
    found = answered(MODEL, params, tokens, 2)
    assert_close(float(found.loss), float(-said[:, -2:, 0].sum(1).mean()), 1e-5)
    assert_close(float(found.error), float(1 - np.exp(said[:, -2:, 0]).mean()), 1e-5)
