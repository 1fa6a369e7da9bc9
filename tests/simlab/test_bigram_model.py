"""The bigram model: it sees the context and the output before, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.worlds import sequence_chains
from simlab.evaluation import exact_gap, prefix_logits, prefix_tokens
from simlab.models import Bigram, Model, Params, Transformer
from tests.assertions import assert_close, assert_must_fail
from theory.chains import Chain, sequence_table
from theory.tradeoff import Source, bigram_gap

SIZES = {"vocabulary": 3, "contexts": 2, "length": 4}
MODEL = Bigram(**SIZES)
LOGITS = jax.jit(prefix_logits, static_argnums=0)
CONTEXTS = np.array([0.25, 0.75])


def distant_past_reaches(model: Model, params: Params) -> bool:
    """Does an output reach the logits two positions later, or another context's?"""
    tokens = prefix_tokens(model)
    before = np.asarray(model.apply(params, tokens))
    changed = tokens.at[:, 1].set((tokens[:, 1] + 1) % 3)
    after = np.asarray(model.apply(params, changed))
    return not np.array_equal(before[:, [0, 2, 3]], after[:, [0, 2, 3]])


def table_of(chain: Chain) -> Params:
    return {
        "first": jnp.log(jnp.asarray(chain.initial)),
        "rows": jnp.log(jnp.asarray(chain.transition)),
    }


def test_it_is_a_model_with_one_row_a_prefix() -> None:
    assert isinstance(MODEL, Model)
    logits = MODEL.apply(MODEL.init(jax.random.key(0)), prefix_tokens(MODEL))
    assert logits.shape == (2 * 3**3, 4, 3)
    assert logits.dtype == jnp.float32


def test_only_the_context_and_the_output_before_are_seen() -> None:
    assert not distant_past_reaches(MODEL, MODEL.init(jax.random.key(0)))
    # Negative control: a transformer's later logits do change.
    remembering = Transformer(3, 2, 4, width=8, depth=1, heads=2)
    assert distant_past_reaches(remembering, remembering.init(jax.random.key(0)))


def test_every_row_of_the_table_is_used_where_it_belongs() -> None:
    rows = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)
    params = {"first": jnp.asarray(-rows[:, 0] - 1), "rows": jnp.asarray(rows)}
    logits = MODEL.apply(params, jnp.array([[4, 2, 0, 2]]))
    expected = np.stack([-rows[1, 0] - 1, rows[1, 2], rows[1, 0], rows[1, 2]])
    np.testing.assert_array_equal(logits[0], expected)


def test_a_single_token_is_told_by_the_context_alone() -> None:
    model = Bigram(vocabulary=3, contexts=2, length=1)
    params = model.init(jax.random.key(0))
    np.testing.assert_array_equal(prefix_logits(model, params)[:, 0], params["first"])


def test_it_realises_every_chain(x64: None) -> None:
    chain = sequence_chains(0, contexts=2, vocabulary=3, concentration=1.0).safety
    logits = LOGITS(MODEL, table_of(chain))
    outputs = np.asarray(sequence_table(chain, 4))
    # Rounding: a sum of 81 terms of logarithms below 30 in double precision.
    assert_close(exact_gap(CONTEXTS, outputs, logits), 0.0, 1e-12)


def test_its_gap_by_enumeration_is_the_theory_of_chains(x64: None) -> None:
    chains = sequence_chains(0, contexts=2, vocabulary=3, concentration=1.0)
    outputs = np.asarray(sequence_table(chains.safety, 4))
    measured = exact_gap(CONTEXTS, outputs, LOGITS(MODEL, table_of(chains.capability)))
    source = Source(CONTEXTS, chains.safety)
    # Rounding, as above.
    assert_close(measured, bigram_gap(source, chains.capability, 4), 1e-12)
    # Negative control: one transition fewer costs less.
    shorter = bigram_gap(source, chains.capability, 3)
    assert_must_fail(lambda: assert_close(measured, shorter, 1e-3))
