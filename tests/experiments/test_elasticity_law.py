"""The elasticity law: sweeps against other ways of computing, and planted damage."""

import sys
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

from experiments import elasticity_law_tokens as tokens
from experiments.claim import Evidence, Outcome
from experiments.elasticity_law import PRESETS, Config, draw, judge
from experiments.elasticity_law_masses import (
    changes,
    finite_margin,
    masses,
    reversed_ratio,
)
from experiments.elasticity_law_samples import SAMPLED_SHARE, sampled_ratio
from experiments.elasticity_law_shares import MIDDLE, _flips
from experiments.elasticity_law_trees import HUFFMAN_K, costs, mixture
from tests.assertions import assert_below, assert_close, assert_must_fail
from tests.experiments.verdicts import question
from theory.compression import form_b, ratio

SMOKE = PRESETS["smoke"]
SMALL = Config(draws=4, leaves=63)


@pytest.fixture
def data(smoke: Any) -> xr.Dataset:
    """The smoke run's data, to be damaged."""
    stored: xr.Dataset = smoke("elasticity_law").dataset
    return stored.copy(deep=True)


def asked(data: xr.Dataset, words: str, config: Config = SMOKE) -> Evidence:
    return question(judge(config, data), words)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("draws", 1, "draws=1"), ("alphas", (), "must be > 1"),
        ("alpha", 1.0, "must be > 1"), ("parts", (1,), "one part is no mixture"),
        ("depth", 15, "must be <= 14"), ("fit_from", 3e4, "fewer than 3"),
        ("ratio_margin", 0.0, "ratio_margin=0.0"), ("level", 0.01, "error level"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_says_which_field_is_wrong(
    name: str, value: Any, hint: str
) -> None:
    with pytest.raises(ValueError, match=hint):
        Config(**{name: value})


def test_changes_between_optima_are_differences_of_cross_entropies(x64: None) -> None:
    laws = masses(SMALL, 0, 3, 63, 1.5)
    step = 0.1  # wide, so that a plain difference keeps its digits
    found = changes(form_b(laws, 10.0, 0.2), step)
    p, a, t = np.moveaxis(np.asarray(form_b(laws, 10.0, 0.0).laws), -2, 0)
    before, after = (
        (10 * p + a + share * t) / (11 + share) for share in (0.2, 0.2 + step)
    )
    for place, law in enumerate((p, a)):
        plain = np.sum(law * (np.log(before) - np.log(after)), axis=-1) / step
        assert_close(found[:, place], plain, 1e-13)  # rounding
        assert_must_fail(lambda plain=plain, place=place: assert_close(
            found[:, 1 - place], plain, 1e-4
        ))  # fmt: skip


def test_the_reversed_ratio_is_that_of_divergences_from_the_model(x64: None) -> None:
    laws = masses(SMALL, 1, 3, 63, 1.5)
    step = 0.1
    found = reversed_ratio(form_b(laws, 10.0, 0.0), step)
    p, a, t = np.moveaxis(np.asarray(form_b(laws, 10.0, 0.0).laws), -2, 0)
    models = [(10 * p + a + share * t) / (11 + share) for share in (0.0, step)]
    change_p, change_a = (
        np.subtract(*(np.sum(q * np.log(q / law), axis=-1) for q in reversed(models)))
        for law in (p, a)
    )
    assert_close(found, -change_a / (10 * change_p), 1e-9)  # digits lost in change_p


def test_flips_are_found_where_a_line_passes_zero() -> None:
    found = _flips(np.stack([MIDDLE - 1.3, MIDDLE - 9.0, MIDDLE], axis=-1))
    assert_close(found[0], 1.3, 1e-12)  # a line: exact to rounding
    assert found[1] == np.inf
    assert found[2] == 0.0


def test_the_margin_of_finite_leaves_shrinks_with_leaves_and_grows_with_tails() -> None:
    alphas = np.array([1.1, 1.5, 2.0, 5.0])
    few, many = finite_margin(alphas, 100), finite_margin(alphas, 10_000)
    assert np.all(many < few)
    assert np.all(np.diff(many) <= 0)
    assert_close(many[2:], 0.02, 1e-12)  # 2 / sqrt(M) where the variance is finite


def test_endless_samples_give_the_ratio_of_the_population(x64: None) -> None:
    laws = form_b(masses(SMALL, 2, 3, 63, 1.5), 1.0, 0.0).laws
    key = jax.random.key(0)
    middle = SAMPLED_SHARE / 2  # the slope in the middle is the difference, O(l^2)
    exact = -np.asarray(ratio(form_b_of(laws, 10.0, middle), 1, 0, 2)) / 10
    # 1e9 responses: sampling and the prior move the ratio by less than the l^2 term.
    assert_close(sampled_ratio(laws, 10.0, 1e9, key), exact, 2e-3)
    assert_must_fail(
        lambda: assert_close(sampled_ratio(laws, 10.0, 1e2, key), exact, 2e-3)
    )


def form_b_of(laws: jax.Array, k: float, share: float) -> Any:
    """Data sets k : 1 : l of laws p, a, t that are made already."""
    return form_b(laws, k, share)._replace(laws=laws)


def test_huffman_costs_are_least_for_the_mixture_itself(x64: None) -> None:
    laws = np.asarray(form_b(masses(SMALL, 3, 3, 15, 1.5)[0], HUFFMAN_K, 0.0).laws)
    sizes = np.array([HUFFMAN_K, 1.0, 3.0])
    own = sizes @ costs(laws, 3.0)
    for share in (0.0, 0.3, 30.0, 300.0):
        assert_below(own, sizes @ costs(laws, share), 1e-12)  # rounding
    assert_must_fail(
        lambda: assert_below(sizes @ costs(laws, 300.0), own)  # another's code
    )
    assert_close(mixture(laws, 3.0).sum(), 1.0, 1e-12)  # rounding


DAMAGES = {
    "powers of k": lambda d: _scale(d, "response", d["k"] ** 0.03),
    "is the ratio of the responses -k": lambda d: _scale(
        d, "response", xr.where(d["set"] == "a", 1.02, 1.0)
    ),
    "closed form": lambda d: _shift(d, "closed_error", 2e-3),
    "disjoint data": lambda d: _scale(d, "response", 1.01),
    "all pairs": lambda d: _scale(d, "flip", 1.3),
    "a single pair": lambda d: _scale(d, "flip_alone", 3.0),
    "size of the response": lambda d: _scale(d, "size", 2.0),
    "form B prints": lambda d: _scale(d, "printed_signs", 0.9),
    "unrelated data": lambda d: _scale(d, "swapped_size", -1.0),
    "more of itself": lambda d: _scale(d, "own", -1.0),
    "more pre-training": lambda d: _scale(d, "reinforced", -1.0),
    "at least k times": lambda d: _shift(d, "huffman_floor", -1e-6),
    "at most what the added": lambda d: _shift(d, "huffman_ceiling", 1e-6),
    "wherever the code switches": lambda d: _shift(d, "switch_residual", 1e-6),
}


def _scale(data: xr.Dataset, name: str, by: Any) -> None:
    data[name] = data[name] * by


def _shift(data: xr.Dataset, name: str, by: float) -> None:
    data[name] = data[name] + by


@pytest.mark.parametrize("words", DAMAGES)
def test_damage_to_what_was_measured_is_seen(words: str, data: xr.Dataset) -> None:
    assert asked(data, words).outcome is not Outcome.VIOLATED
    DAMAGES[words](data)
    assert asked(data, words).outcome is Outcome.VIOLATED
    assert judge(SMOKE, data).outcome is Outcome.VIOLATED


def test_every_question_has_its_planted_damage(data: xr.Dataset) -> None:
    data["tokens_present"] = 0 * data["tokens_present"]  # words have a test of theirs
    for item in judge(SMOKE, data).evidence:
        assert sum(words in item.question for words in DAMAGES) == 1, item.question


def test_what_is_missing_is_not_decided(data: xr.Dataset) -> None:
    data["response"][0, 0, 0, 0] = np.nan
    data["flip"][0, 0] = np.inf
    data["switches"] = 0 * data["switches"]
    data["size_margin"] = 0 * data["size_margin"] + 0.6
    for words in (
        "ratio of the responses",
        "all pairs",
        "code switches",
        "size of the",
    ):
        item = asked(data, words)
        assert item.outcome is Outcome.INCONCLUSIVE
        assert np.isnan(item.slack)


def test_both_printed_forms_get_their_own_answer(data: xr.Dataset) -> None:
    lines = judge(SMOKE, data).remarks
    version, first = (line for line in lines if line.startswith("paper (Theorem 4.2"))
    assert "signs and ratio k reproduced" in version
    assert ": not reproduced" in first
    data["printed_signs"] = 1 - data["printed_signs"]
    version, first, *_ = judge(SMOKE, data).remarks
    assert "signs and ratio k not reproduced" in version
    assert ": reproduced" in first


def test_entries_of_the_table_that_were_rounded_twice_are_named(
    data: xr.Dataset,
) -> None:
    (line,) = (line for line in judge(SMOKE, data).remarks if "notes 2.6" in line)
    assert "in 6 of 8 entries" in line
    assert "1.05 (printed 0.862" in line
    assert "3 (printed 0.057" in line
    data["table_printed"] = data["table_size"]
    (line,) = (line for line in judge(SMOKE, data).remarks if "notes 2.6" in line)
    assert line.endswith("in 8 of 8 entries")


def test_the_exponent_of_a_pareto_tail_is_found_and_no_other_tail_fits() -> None:
    places = (np.arange(20_000) + 0.5) / 20_000
    alpha, distance = tokens.pareto_fit(places ** (-1 / 1.7), 2000)
    assert_close(alpha, 1.7, 3 * 1.7 / np.sqrt(2000))  # three standard errors
    assert_below(distance, 1.25 / np.sqrt(2000))  # the level of the remark
    _, uniform = tokens.pareto_fit(2 - places, 2000)
    assert_must_fail(lambda: assert_below(uniform, 1.25 / np.sqrt(2000)))
    assert np.isnan(tokens.pareto_fit(places, 20_000)[0])


def counts() -> tokens.Counts:
    """Made-up counts: 120 first words, each before the same 30 in its own amounts."""
    words = {f"w{rank}": 1e6 / rank for rank in range(1, 2001)}
    pairs = {
        f"w{first} v{second}": 1e5 / first / (1 + (7 * first * second) % 29)
        for first in range(1, 121)
        for second in range(30)
    }
    return tokens.Counts(words, pairs)


def test_laws_of_following_words_are_laws() -> None:
    laws = tokens.following(counts().pairs, 20)
    assert laws.shape == (tokens.TRIPLES, 3, 20)
    assert_close(laws.sum(axis=-1), 1.0, 1e-12)  # rounding
    # The commonest first word comes first; its law is its own counts, normalised.
    own = np.sort([1 / (1 + (7 * second) % 29) for second in range(30)])[::-1]
    assert np.all(np.isin(np.round(laws[0, 0] / laws[0, 0].max(), 9), np.round(own, 9)))


def test_counted_words_are_measured_judged_and_drawn(
    monkeypatch: pytest.MonkeyPatch, x64: None, data: xr.Dataset
) -> None:
    loaded = SimpleNamespace(
        load=lambda: None, unigrams=counts().words, bigrams=counts().pairs
    )
    stub = SimpleNamespace(Segmenter=lambda: loaded)
    monkeypatch.setitem(sys.modules, "wordsegment", stub)
    found = tokens.token_law(SMALL)
    assert int(found["tokens_present"]) == 1
    assert np.isnan(found["token_alpha"].values[-2:]).all()  # 2000 words only
    assert np.isfinite(found["token_size"].values).all()
    both = xr.merge([data.drop_vars(found.variables, errors="ignore"), found])
    words = "the words that follow real words"
    assert asked(both, "follow real words").outcome is Outcome.HOLDS
    assert any(words in line for line in judge(SMOKE, both).remarks)
    assert draw(both, judge(SMOKE, both)).axes[-1].lines
    both["token_ratio"] = both["token_ratio"] * 1.02
    assert asked(both, "follow real words").outcome is Outcome.VIOLATED


def test_without_the_counts_nothing_is_said_of_words(
    monkeypatch: pytest.MonkeyPatch, x64: None
) -> None:
    monkeypatch.setitem(sys.modules, "wordsegment", None)  # as if not installed
    assert tokens.word_counts() is None
    found = tokens.token_law(SMALL)
    assert int(found["tokens_present"]) == 0
    for name in ("token_mass", "token_alpha", "token_size", "token_shuffled"):
        assert np.isnan(found[name].values).all()


def test_real_counts_are_of_english_words() -> None:
    pytest.importorskip("wordsegment")
    found = tokens.word_counts()
    assert found is not None
    assert max(found.words, key=found.words.__getitem__) == "the"
    assert len(found.words) > tokens.TAILS[-1]
    assert found.pairs["of the"] > found.pairs["the of"]
