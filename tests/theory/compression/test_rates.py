"""Compression rates of several data sets under one model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from tests.assertions import (
    assert_batching_changes_nothing,
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers, simplices
from tests.worlds import random_rows
from theory.compression.codes import shannon_lengths
from theory.compression.datasets import DataSets
from theory.compression.huffman import huffman_lengths, huffman_lengths_small
from theory.compression.rates import (
    code_rates,
    excess_rates,
    joint_rates,
    leaf_counts,
    normalised_rates,
    normalised_rates_per_token,
    rates,
    rates_per_token,
    total_rate,
    union,
    union_excess,
)
from theory.compression.trees import pushforward
from theory.information import entropy

SETS, DEPTH, LEAVES = 3, 3, 7
# Sums of 21 terms of at most some 60 nats.
ROUNDING = 1e-12

tables = simplices((SETS, LEAVES))
models = simplices((LEAVES,), kinds=("dense",))
pruned = jax.jit(pushforward, static_argnums=1)
sizes = hnp.arrays(np.float64, (SETS,), elements=numbers(1e-3, 1e3))


@jax.jit
def measured(laws, size, model):
    """All rates of one instance."""
    data = DataSets(laws, size)
    normal = normalised_rates(data, model)
    return {
        "entropy": entropy(laws),
        "rates": rates(data, model),
        "excess": excess_rates(data, model),
        "token": rates_per_token(data, model, DEPTH),
        "normal": normal,
        "normal_token": normalised_rates_per_token(data, model, DEPTH),
        "total": total_rate(data, model),
        "union": union(data),
        "union_entropy": entropy(union(data)),
        "union_rates": joint_rates(data),
        "union_total": total_rate(data, union(data)),
        "union_excess": union_excess(data),
        "size_entropy": entropy(size / jnp.sum(size)),
        "huffman": code_rates(data, huffman_lengths_small(model)),
        "shannon": code_rates(data, shannon_lengths(model)),
    }


def instance(seed=1):
    laws = random_rows(seed, SETS, LEAVES)
    return laws, np.array([5.0, 1.0, 0.5]), random_rows(seed + 100, LEAVES)


@given(laws=tables, size=sizes, model=models)
@in_x64
def test_no_rate_is_below_the_entropy_of_its_data(laws, size, model):
    found = measured(laws, size, model)
    assert_below(found["entropy"], found["rates"], ROUNDING)
    assert_close(found["rates"] - found["entropy"], found["excess"], ROUNDING)
    direct = -np.sum(laws * np.log(model), axis=-1)
    assert_close(found["rates"], direct, ROUNDING)


def test_only_the_true_law_reaches_the_entropy(x64):
    laws, size, model = instance()
    own = measured(laws, size, laws[0])
    assert_close(own["rates"][0], own["entropy"][0], ROUNDING)
    assert float(own["excess"][0]) == 0.0
    assert np.all(np.asarray(own["excess"])[1:] > 1e-3)
    other = measured(laws, size, model)["excess"]
    assert np.all(np.asarray(other) > 1e-3)  # negative control


def test_a_single_codeword_that_is_missing_costs_infinity(x64):
    laws, size, _ = instance()
    model = np.eye(LEAVES)[0]
    found = measured(laws, size, model)
    assert np.all(np.isinf([found["rates"], found["shannon"]]))
    # A data set of size 0 is not asked.
    only = np.stack([model, laws[1], laws[2]])
    assert float(measured(only, np.array([1.0, 0, 0]), model)["total"]) == 0.0


@given(laws=tables, size=sizes)
@in_x64
def test_rates_of_the_union_average_to_its_entropy(laws, size):
    found = measured(laws, size, np.full(LEAVES, 1 / LEAVES))
    assert_close(jnp.sum(found["union"]), 1.0, ROUNDING)
    share = size / size.sum()
    mean = float(np.sum(share * np.asarray(found["union_rates"])))
    assert_close(mean, found["union_entropy"], ROUNDING)
    assert_close(mean, found["union_total"], ROUNDING)
    assert_close(found["union"], share @ laws, ROUNDING)
    least = float(np.sum(share * np.asarray(found["entropy"])))
    assert_close(found["union_total"] - least, found["union_excess"], ROUNDING)


@given(laws=tables, size=sizes)
@in_x64
def test_a_common_model_loses_between_nothing_and_the_entropy_of_the_sizes(laws, size):
    found = measured(laws, size, np.full(LEAVES, 1 / LEAVES))
    assert_below(0.0, found["union_excess"], ROUNDING)
    assert_below(found["union_excess"], found["size_entropy"], ROUNDING)


def test_both_ends_of_what_a_common_model_loses_are_reached(x64):
    _, size, model = instance()
    alike = np.broadcast_to(model, (SETS, LEAVES))
    assert_close(measured(alike, size, model)["union_excess"], 0.0, ROUNDING)
    apart = measured(np.eye(SETS, LEAVES), size, model)
    assert_close(apart["union_excess"], apart["size_entropy"], ROUNDING)


@given(laws=tables, size=sizes, model=models)
@in_x64
def test_the_union_is_the_best_common_model(laws, size, model):
    found = measured(laws, size, model)
    mean = float(np.sum(size / size.sum() * np.asarray(found["rates"])))
    assert_close(found["total"], mean, ROUNDING)
    assert_below(found["union_total"], found["total"], ROUNDING)


@given(laws=tables, size=sizes, scale=numbers(1e-2, 1e2))
@in_x64
def test_only_the_ratios_of_sizes_matter(laws, size, scale):
    model = np.full(LEAVES, 1 / LEAVES)
    once, again = measured(laws, size, model), measured(laws, scale * size, model)
    for name in ("union_rates", "total", "union_excess"):
        assert_close(once[name], again[name], ROUNDING)


def test_splitting_a_data_set_changes_no_rate(x64):
    laws, size, model = instance()
    parts = np.array([0, 1, 1, 2])
    split = measured(laws[parts], size[parts] * [1, 0.25, 0.75, 1], model)
    whole = np.asarray(measured(laws, size, model)["union_rates"])
    assert_close(split["union_rates"], whole[parts], ROUNDING)


@given(laws=tables, size=sizes, model=models)
@in_x64
def test_normalised_rates_compare_with_the_uniform_code(laws, size, model):
    found = measured(laws, size, model)
    assert_close(found["normal"], found["rates"] - np.log(LEAVES), ROUNDING)
    assert_close(found["token"] * DEPTH, found["rates"], ROUNDING)
    assert_close(found["normal_token"] * DEPTH, found["normal"], ROUNDING)
    uniform = measured(laws, size, np.full(LEAVES, 1 / LEAVES))
    assert_close(uniform["normal"], 0.0, ROUNDING)
    assert_below(measured(laws, size, laws[0])["normal"][0], 0.0, ROUNDING)


def test_the_number_of_leaves_changes_no_response_to_a_size(x64):
    laws, size, _ = instance()

    def slope(rate):
        def of(size):
            data = DataSets(jnp.asarray(laws), size)
            return rate(data, union(data))

        return jax.jit(jax.jacfwd(of))(jnp.asarray(size))

    plain = np.asarray(slope(rates))
    assert np.max(np.abs(plain)) > 1e-3
    for variant in (normalised_rates, lambda d, q: normalised_rates(d, q, 3)):
        assert_close(slope(variant), plain, ROUNDING)
    token = slope(lambda d, q: normalised_rates_per_token(d, q, DEPTH))
    assert_close(token * DEPTH, plain, ROUNDING)


def test_the_leaves_of_each_data_set_are_counted_for_its_own_normalisation(x64):
    laws = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [0.0, 1.0, 0.0]])
    data = DataSets(laws, np.ones(3))
    assert leaf_counts(data).tolist() == [2, 3, 1]
    found = normalised_rates(data, np.array([0.5, 0.5, 0.0]), leaf_counts(data))
    assert_close(found[:1], 0.0, ROUNDING)
    assert_close(found[2:], np.log(2), ROUNDING)
    assert np.isinf(found[1])


@given(laws=tables, size=sizes, model=models)
@in_x64
def test_no_code_brings_a_rate_below_the_entropy_of_its_data(laws, size, model):
    found = measured(laws, size, model)
    assert_below(found["entropy"], found["huffman"], ROUNDING)
    assert_below(found["rates"], found["shannon"], ROUNDING)
    assert_below(found["shannon"], found["rates"] + np.log(2), ROUNDING)


def waste(laws, size):
    """Bits above H(q*) of Huffman's code of the union, coded on the host."""
    data = DataSets(laws, np.broadcast_to(size, laws.shape[:-1]))
    lengths = huffman_lengths(np.asarray(union_of(*data)))
    share = size / size.sum()
    mean = np.asarray(coded(*data, lengths)) @ share
    return (mean - np.asarray(union_entropy(*data))) / np.log(2)


union_of = jax.jit(lambda *parts: union(DataSets(*parts)))
union_entropy = jax.jit(lambda *parts: entropy(union(DataSets(*parts))))
coded = jax.jit(lambda laws, size, lengths: code_rates(DataSets(laws, size), lengths))


def test_huffmans_code_of_the_union_serves_all_within_a_bit(x64):
    size = np.array([5.0, 1.0, 0.5])
    bits = waste(random_rows(4, 200, SETS, LEAVES), size)
    assert_below(0.0, bits, ROUNDING)
    assert_below(bits, 1.0, ROUNDING)
    # Negative control: half a bit is not enough when a leaf is heavy.
    heavy = np.array([0.97, *[0.005] * (LEAVES - 1)])
    all_heavy = waste(np.broadcast_to(heavy, (200, SETS, LEAVES)), size)
    assert_must_fail(lambda: assert_below(all_heavy, 0.5))


def cut(laws, size, model, depth):
    """All rates of the instance pruned to a depth."""
    return measured(pruned(laws, depth), size, pruned(model, depth))


@given(laws=tables, size=sizes, model=models)
@in_x64
def test_a_deeper_tree_never_has_lower_rates_a_block(laws, size, model):
    fine = measured(laws, size, model)
    for depth in (1, 2):
        coarse = cut(laws, size, model, depth)
        for name in ("entropy", "rates", "excess", "union_excess", "union_entropy"):
            assert_below(coarse[name], fine[name], ROUNDING)


def test_a_deeper_tree_may_have_lower_rates_a_layer(x64):
    # Non-claim: all is decided by the first bit, and the second adds nothing.
    laws = np.array([[0.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.0]])
    deep = measured(laws, np.ones(1), laws[0])["union_rates"]
    flat = cut(laws, np.ones(1), laws[0], 2)["union_rates"]
    assert_close(deep, flat, ROUNDING)
    assert_close(deep, np.log(2), ROUNDING)
    assert float(deep[0]) / 3 < float(flat[0]) / 2


def test_the_printed_rate_without_the_model_would_not_see_the_other_data(x64):
    # One source prints p_i log p_i: it cannot change with the sizes, the rate must.
    laws, size, model = instance()
    small, large = measured(laws, size, model), measured(laws, size**2, model)
    assert_close(small["entropy"], large["entropy"], 0.0)
    assert np.max(np.abs(small["union_rates"] - large["union_rates"])) > 0.01


@pytest.mark.parametrize("name", ["rates", "excess", "normal", "union_rates"])
def test_batches_change_no_rate(name, x64):
    made = [instance(seed) for seed in (1, 2)]
    assert_batching_changes_nothing(
        lambda *parts: measured(*parts)[name],
        *(np.stack(parts) for parts in zip(*made, strict=True)),
        multiple=64,
    )


def test_single_precision_agrees_to_its_rounding():
    parts = instance()
    with jax.enable_x64(True):
        exact = {name: np.asarray(v) for name, v in measured(*parts).items()}
    single = measured(*(part.astype(np.float32) for part in parts))
    for name, value in single.items():
        assert value.dtype == np.float32
        assert_close_to_rounding(value, exact[name], multiple=64, scale=1.0)


def test_gradients_are_finite_at_the_corners_of_the_simplex(x64):
    corner = jnp.eye(SETS, LEAVES)

    def total(laws, size):
        data = DataSets(laws, size)
        return total_rate(data, union(data)) + union_excess(data)

    slopes = jax.jit(jax.grad(total, argnums=(0, 1)))(corner, jnp.array([1.0, 2, 0]))
    assert all(bool(jnp.isfinite(slope).all()) for slope in slopes)
