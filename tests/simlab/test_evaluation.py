"""Gaps by enumeration, by chain rule and by sampling are one number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simlab.evaluation import (
    certificate,
    divergences,
    estimated_gap,
    exact_gap,
    prefix_logits,
    prefix_tokens,
    sequence_log_table,
    split_nodes,
)
from simlab.models import Tabular, Transformer
from simlab.objectives import sequence_losses
from simlab.sources import TabularSource, dirichlet_table

V, X, T = 3, 2, 3


def law() -> tuple[np.ndarray, np.ndarray]:
    outputs = np.asarray(dirichlet_table(jax.random.key(0), (X,), V**T, 0.7), float)
    return np.array([0.3, 0.7]), outputs / outputs.sum(-1, keepdims=True)


def trained() -> tuple[Transformer, object]:
    model = Transformer(vocabulary=V, contexts=X, length=T, width=8, depth=1, heads=2)
    return model, model.init(jax.random.key(4))


def test_prefixes_are_every_context_with_every_beginning() -> None:
    tokens = np.asarray(prefix_tokens(Tabular(vocabulary=V, contexts=X, length=T)))
    assert tokens.shape == (X * V**2, T)
    assert len({tuple(row) for row in tokens.tolist()}) == X * V**2
    assert set(tokens[:, 0].tolist()) == {V, V + 1}


def test_a_sequence_has_the_loss_that_its_prefixes_give() -> None:
    model, params = trained()
    table = sequence_log_table(prefix_logits(model, params))
    grid = np.indices((X, V, V, V)).reshape(4, -1).T + np.array([V, 0, 0, 0])
    losses = sequence_losses(model, params, jnp.asarray(grid, jnp.int32))
    # float32 rounding of three logarithms
    np.testing.assert_allclose(table.ravel(), -losses, atol=2e-6)


def test_a_policy_is_normalised(x64: None) -> None:
    logits = jax.random.normal(jax.random.key(1), (X, 1 + V + V**2, V))
    total = jnp.exp(sequence_log_table(logits)).sum(-1)
    np.testing.assert_allclose(total, 1.0, atol=1e-14)  # rounding


def test_the_gap_is_the_sum_of_its_tokens_gaps(x64: None) -> None:
    # Chain rule: sum over prefixes of p(prefix) KL(next token).
    mu, outputs = law()
    logits = jax.random.normal(jax.random.key(1), (X, 1 + V + V**2, V))
    total = np.zeros(X)
    for depth, layer in enumerate(split_nodes(logits)):
        tree = outputs.reshape(X, V**depth, V, -1).sum(-1)
        prefix = tree.sum(-1)
        following = tree / prefix[..., None]
        log_ratio = np.log(following) - np.asarray(jax.nn.log_softmax(layer))
        total += (prefix * (following * log_ratio).sum(-1)).sum(-1)
    np.testing.assert_allclose(divergences(outputs, logits), total, rtol=1e-12)
    gap = exact_gap(mu, outputs, logits)
    np.testing.assert_allclose(gap, mu @ total, rtol=1e-12)  # rounding


def test_the_gap_of_the_law_itself_is_zero(x64: None) -> None:
    mu, outputs = law()
    nodes = [outputs.reshape(X, V**d, V, -1).sum(-1) for d in range(T)]
    logits = np.log(np.concatenate(nodes, axis=1))
    assert abs(float(exact_gap(mu, outputs, logits))) < 1e-14  # rounding


def test_impossible_outputs_and_absent_contexts_count_nothing(x64: None) -> None:
    _, outputs = law()
    outputs[:, 0] = 0.0
    outputs /= outputs.sum(-1, keepdims=True)
    logits = jnp.zeros((X, 1 + V + V**2, V))
    gap = exact_gap(np.array([0.0, 1.0]), outputs, logits)
    expected = np.log(V**T) + np.sum(outputs[1, 1:] * np.log(outputs[1, 1:]))
    assert float(gap) == pytest.approx(expected, rel=1e-12)  # rounding


def test_the_estimate_agrees_with_enumeration() -> None:
    model, params = trained()
    mu, outputs = law()
    source = TabularSource.from_table(mu, outputs, vocabulary=V, length=T)
    exact = float(exact_gap(mu, outputs, prefix_logits(model, params)))
    got = estimated_gap(model, params, source, jax.random.key(2), 50_000)
    # Five standard errors: a false alarm in two million.
    assert abs(float(got.mean) - exact) < 5 * float(got.sem)
    # Negative control: the test has the power to see a gap one tenth off.
    assert abs(float(got.mean) - 1.1 * exact) > 5 * float(got.sem)


def test_an_estimates_error_is_calibrated() -> None:
    model, params = trained()
    mu, outputs = law()
    source = TabularSource.from_table(mu, outputs, vocabulary=V, length=T)
    exact = exact_gap(mu, outputs, prefix_logits(model, params))

    def sigmas(key: jax.Array) -> jax.Array:
        got = estimated_gap(model, params, source, key, 2_000)
        return (got.mean - exact) / got.sem

    errors = np.asarray(jax.lax.map(sigmas, jax.random.split(jax.random.key(3), 200)))
    # 200 unit normals: the mean square is 1 +- 0.1; five sigmas are 0.5.
    assert abs(np.mean(errors**2) - 1) < 0.5
    assert abs(np.mean(errors)) < 5 / np.sqrt(200)


def test_one_sample_has_no_error_and_is_refused() -> None:
    model, params = trained()
    mu, outputs = law()
    source = TabularSource.from_table(mu, outputs, vocabulary=V, length=T)
    with pytest.raises(ValueError, match="samples=1 must be >= 2"):
        estimated_gap(model, params, source, jax.random.key(0), 1)


def test_the_certificate_is_the_formula() -> None:
    values = (jnp.array(v) for v in (0.5, 0.25, 2.0, 0.75))
    assert float(certificate(*values)) == 0.25
