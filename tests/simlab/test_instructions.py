"""Instruction tokens: rows with them, exact logits under them, a projected stream."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simlab.enumeration import prefix_logits
from simlab.instructions import Instructions
from simlab.models import (
    Adapted,
    Edits,
    Projection,
    Projector,
    Transformer,
    carried,
    principal_directions,
)
from tests.assertions import assert_close
from tests.simlab.toys import same_bits

TOLD = Instructions(outputs=2, extra=2)
MODEL = Transformer(4, 2, 3, width=8, depth=1, heads=2, expansion=2)


def test_logits_under_an_instruction_are_those_of_whole_enumeration() -> None:
    params = jax.jit(MODEL.init)(jax.random.key(0))
    for instruction in (2, 3):
        found = TOLD.logits(MODEL, params, instruction)
        # Nodes of the whole: the root, four first tokens, sixteen pairs of tokens.
        whole = prefix_logits(MODEL, params)[..., :2]
        after = whole[:, 1 + instruction]
        pairs = whole[:, 5 + 4 * instruction : 5 + 4 * instruction + 2]
        # Rows come in batches of another size: rounding of float32.
        assert_close(found, jnp.concatenate([after[:, None], pairs], 1), 1e-5)


def test_told_rows_carry_their_own_instructions() -> None:
    rows = jnp.array([[2, 0, 1], [3, 1, 1]])
    told = TOLD.told(rows, jnp.array([2, 3]))
    assert told.tolist() == [[4, 2, 0, 1], [5, 3, 1, 1]]
    with pytest.raises(ValueError, match="extra=0 must be >= 1"):
        Instructions(2, 0)


def test_a_projection_takes_directions_out_once_and_for_all() -> None:
    rows = jax.random.normal(jax.random.key(1), (20, 8))
    basis = principal_directions(rows, 3)
    assert_close(basis.T @ basis, jnp.eye(3), 1e-5)
    edits = Edits({}, {}, {"a": Projector(basis, jnp.ones(()))})
    once = edits.at("a", rows)
    assert_close(once @ basis, 0.0, 1e-5)
    assert_close(edits.at("a", once), once, 1e-5)
    none = Edits({}, {}, {"a": Projector(0 * basis, jnp.ones(()))})
    same_bits(none.at("a", rows), rows)
    same_bits(edits.at("b", rows), rows)
    assert float(jnp.max(jnp.abs(once - rows))) > 0.1


def test_principal_directions_are_the_leading_eigenvectors() -> None:
    scales = jnp.array([5.0, 3.0, 1.0, 0.5])
    rows = jax.random.normal(jax.random.key(2), (200, 4)) * scales
    found = np.asarray(principal_directions(rows, 2))
    _, vectors = np.linalg.eigh(np.asarray(rows.T @ rows))
    # Signs are free; the iteration has thirty rounds at a ratio near (3/5)^2.
    assert_close(np.abs(np.sum(found * vectors[:, [3, 2]], 0)), 1.0, 1e-5)


def test_a_model_with_a_projection_off_is_the_model_bit_for_bit() -> None:
    carrier = Projection((0,), 2)
    model = Adapted(MODEL, carrier)
    params = jax.jit(MODEL.init)(jax.random.key(0))
    vector = {"blocks.0.residual": jnp.eye(8, 2)}
    tokens = jnp.array([[4, 2, 1], [5, 3, 0]])
    plain = MODEL.apply(params, tokens)
    # Eager: every operation gives the bits it gives alone.
    same_bits(model.apply(carried(params, vector, 0.0), tokens), plain)
    on = model.apply(carried(params, vector, 1.0), tokens)
    assert float(jnp.max(jnp.abs(on - plain))) > 1e-3


def test_two_projections_of_one_site_are_refused() -> None:
    edits = Edits({}, {}, {"a": Projector(jnp.eye(2, 1), jnp.ones(()))})
    with pytest.raises(ValueError, match="a is projected already"):
        edits.joined(edits)
    with pytest.raises(ValueError, match="directions=0 must be >= 1"):
        Projection(directions=0)
