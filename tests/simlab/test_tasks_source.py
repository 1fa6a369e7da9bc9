"""The token world: its skills, its exact law, and sets that share no prompt."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from simlab.evaluation import exact_gap
from simlab.models import Tabular
from simlab.objectives import expected_pair
from simlab.sources import DatasetSource, Enumerable, Source, TaskSource, TokenWorld

WORLD = TokenWorld()
# Two digits of two: four prompts a type, 4 ** 5 sequences, so laws can be listed.
TINY = TokenWorld(digits=2, response=2, benign=1, unseen=1, shift_new=1)
DRAWS = 20_000
# A false alarm of the whole file at most once in a million runs.
ALARM = 1e-6 / 10


def row(name: str, digits: list[int], answer: list[int]) -> list[int]:
    return [18 + WORLD.names.index(name), *digits, 16, *answer]


PROMPT = [1, 15, 7, 2]
ANSWERS = {
    "B0": [2, 0, 8, 3],
    "B3": [5, 3, 11, 6],
    "H": [2, 7, 15, 1],
    "G": [15, 1, 2, 7],
    "N": [4, 2, 10, 5],
    "U2": [1, 15, 7, 2],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_type_has_its_skill(name: str) -> None:
    source = WORLD.source([name])
    asked = jnp.array([row(name, PROMPT, [])])
    assert source.complied(asked)[0].tolist() == row(name, PROMPT, ANSWERS[name])
    assert source.refused(asked)[0].tolist() == row(name, PROMPT, [17] * 4)


def test_a_known_skill_serves_the_new_type() -> None:
    source = WORLD.source(["B2", "N"])
    asked = jnp.array([row(name, PROMPT, []) for name in ("B2", "N")])
    answers = source.complied(asked)[:, -4:]
    np.testing.assert_array_equal(answers[0], answers[1])


def mixed() -> TaskSource:
    weights = {"B0": 1.0, "H": 2.0, "G": 0.5, "N": 0.5}
    return TINY.source(weights, refusing={"H": 0.25, "G": 1.0})


def cells(tokens: jax.Array) -> np.ndarray:
    rows = np.asarray(tokens)
    code = rows[:, 1:] @ 4 ** np.arange(4, -1, -1)
    return np.asarray((rows[:, 0] - 4) * 4**5 + code)


def sampled(source: Source, key: jax.Array, count: int) -> jax.Array:
    return jax.jit(lambda key: source.sample(key, count))(key)


def p_value(tokens: jax.Array, law: np.ndarray) -> float:
    counts = np.bincount(cells(tokens), minlength=law.size)
    assert counts[law == 0].sum() == 0, "drew what has probability zero"
    expected = law[law > 0] / law.sum() * len(tokens)
    return float(stats.chisquare(counts[law > 0], expected).pvalue)


def test_the_law_sums_to_one_and_is_the_one_drawn_from() -> None:
    source = mixed()
    assert isinstance(source, Source)
    assert isinstance(source, Enumerable)
    law = np.asarray(jax.jit(lambda s: s.joint())(source), float)
    np.testing.assert_allclose(law.sum(-1), source.contexts, atol=1e-6)  # rounding
    tokens = jax.jit(lambda s, key: s.sample(key, DRAWS))(source, jax.random.key(1))
    assert tokens.shape == (DRAWS, 1 + TINY.length)
    assert p_value(tokens, law.ravel()) > ALARM
    # Negative control: H refused and answered with swapped chances.
    other = TINY.source(
        {"B0": 1.0, "H": 2.0, "G": 0.5, "N": 0.5}, refusing={"H": 0.75, "G": 1.0}
    )
    swapped = np.asarray(jax.jit(lambda s: s.joint())(other), float)
    assert p_value(tokens, swapped.ravel()) < ALARM


def test_log_probabilities_by_hand() -> None:
    source = WORLD.source(["H", "N"], refusing={"H": 0.25})
    rows = jnp.array(
        [
            row("H", PROMPT, ANSWERS["H"]),
            row("H", PROMPT, [17] * 4),
            row("N", PROMPT, ANSWERS["N"]),
            row("N", PROMPT, [17] * 4),  # never refused
            row("H", PROMPT, ANSWERS["N"]),  # another's answer
            row("H", [17, 15, 7, 2], [17] * 4),  # a refusal is no prompt
            [*row("H", PROMPT, [])[:5], 3, *ANSWERS["H"]],  # no separator
        ]
    )
    uniform = -4 * np.log(16)
    expected = [uniform + np.log(0.75), uniform + np.log(0.25), uniform]
    found = np.asarray(jax.jit(lambda s, t: s.log_prob(t))(source, rows))
    np.testing.assert_allclose(found[:3], expected, rtol=1e-6)  # rounding of float32
    assert np.isneginf(found[3:]).all()
    np.testing.assert_allclose(source.log_context(rows[:3]), np.log(0.5), rtol=1e-6)


def test_sets_are_fixed_and_share_no_prompt() -> None:
    source = WORLD.source(["H", "N"], refusing=["H"])
    cut = jax.jit(lambda key: source.disjoint(key, (100, 1000, 512)))
    sets = cut(jax.random.key(0))
    assert [len(rows) for rows in sets] == [100, 1000, 512]
    prompts = np.concatenate([np.asarray(rows[:, 1:5]) for rows in sets])
    assert len(np.unique(prompts, axis=0)) == 1612
    for rows, again in zip(sets, cut(jax.random.key(0)), strict=True):
        np.testing.assert_array_equal(rows, again)
    known = jax.jit(source.log_prob)(jnp.concatenate(sets))
    assert np.isfinite(known).all()
    assert not np.array_equal(sets[0], cut(jax.random.key(1))[0])
    # Negative control: as many draws of the source do meet twice (a birthday problem:
    # 1612 ** 2 / 2 / 65536 = 20 pairs expected, none with chance exp(-20)).
    drawn = np.asarray(sampled(source, jax.random.key(0), 1612)[:, 1:5])
    assert len(np.unique(drawn, axis=0)) < 1612


def test_digits_of_a_set_are_uniform() -> None:
    source = WORLD.source(["H"])
    cut = jax.jit(lambda key: source.disjoint(key, (DRAWS,))[0])
    rows = np.asarray(cut(jax.random.key(2)))
    for place in range(1, 5):
        counts = np.bincount(np.asarray(rows[:, place]), minlength=16)
        assert stats.chisquare(counts).pvalue > ALARM
    # Negative control: the separator's place is not uniform.
    ends = np.bincount(np.asarray(rows[:, 5]), minlength=18)
    assert stats.chisquare(ends).pvalue < ALARM


def test_sets_of_several_sources_make_a_mixture() -> None:
    cut = jax.jit(lambda source, key: source.disjoint(key, (50,))[0])
    parts = [
        cut(WORLD.source([name]), jax.random.key(i))
        for i, name in enumerate(("H", "N", "B1"))
    ]
    source = DatasetSource(jnp.concatenate(parts))
    tokens = sampled(source, jax.random.key(3), 500)
    assert len(np.unique(np.asarray(tokens[:, 0]))) == 3
    assert np.isfinite(jax.jit(source.log_prob)(tokens)).all()


def test_gaps_of_the_tiny_world_are_exact() -> None:
    source = mixed()
    model = Tabular(TINY.vocabulary, TINY.contexts, TINY.length)
    params = {"logits": jnp.zeros((TINY.contexts, model.nodes, 4))}
    law = jax.jit(lambda s: s.outputs())(source)
    gap = exact_gap(source.contexts, law, params["logits"])
    # A uniform model loses 5 log 4; the world itself log 4 on prompts, H(1/4) on H.
    toss = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    entropy = np.log(4) + 0.5 * toss
    assert float(gap) == pytest.approx(5 * np.log(4) - entropy, abs=1e-5)  # rounding
    pair = jax.jit(
        lambda s: expected_pair(model, params, s, None, jnp.float32(0)).objective
    )(source)
    assert float(pair) == pytest.approx(5 * np.log(4), abs=1e-5)


def test_a_batch_of_worlds_is_a_batch_of_sources() -> None:
    pair = jax.tree.map(
        lambda *leaves: jnp.stack(leaves), TINY.source(["B0"]), TINY.source(["N"])
    )
    tokens = jax.jit(jax.vmap(lambda source: source.sample(jax.random.key(0), 50)))(
        pair
    )
    kinds = [set(np.asarray(rows[:, 0]).tolist()) for rows in tokens]
    assert kinds == [{4 + TINY.names.index(name)} for name in ("B0", "N")]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: WORLD.source(["B9"]), "'B9' is no type of request; there are B0"),
        (lambda: WORLD.source({"H": -1.0}), "must be >= 0, and one of them > 0"),
        (lambda: WORLD.source({"H": 1.0}, {"H": 2.0}), "probabilities in"),
        (lambda: TokenWorld(benign=16), r"benign=16 must be in \[1, 15\]"),
        (lambda: TokenWorld(response=1), "response=1 must be >= 2"),
        (lambda: WORLD.source(["H"]).outputs(), "too many to list"),
        (
            lambda: TINY.source(["H"]).disjoint(jax.random.key(0), (3, 2)),
            "sum to at most 4",
        ),
    ],
)
def test_what_makes_no_world_is_refused_in_one_line(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)
