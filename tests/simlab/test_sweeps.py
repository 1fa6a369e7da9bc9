"""Sweeps: one compilation, the bits of single runs, nothing lost when cut off."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from simlab.storage import Parts
from simlab.sweeps import (
    Axis,
    Executor,
    Grid,
    Plan,
    SweepReport,
    rounded_chunk,
    run_task,
    sweep,
)
from simlab.training import Trace, run
from tests.simlab.toys import same_bits, setup, stacked

RUNS = 5
SETUPS = {"tabular": setup("tabular"), "transformer": setup("transformer")}


def swept(model: str = "tabular", **fields: Any) -> Trace:
    made = SETUPS[model]
    trace: Trace = sweep(run_task(made), stacked(made, RUNS), Plan(**fields))
    return trace


@functools.cache
def singles(model: str) -> list[Trace]:
    made = SETUPS[model]
    hypers, keys = stacked(made, RUNS)
    single = jax.jit(run, static_argnums=0)
    return [
        single(made, jax.tree.map(lambda leaf, i=i: leaf[i], hypers), keys[i])
        for i in range(RUNS)
    ]


def nth(trace: Trace, index: int) -> Trace:
    taken: Trace = jax.tree.map(lambda leaf: leaf[index], trace)
    return taken


@pytest.mark.parametrize("model", SETUPS)
@pytest.mark.parametrize(("devices", "chunk"), [(1, 4), (2, 2), (2, 16)])
def test_a_mapped_sweep_has_the_bits_of_single_runs(
    model: str, devices: int, chunk: int
) -> None:
    got = swept(model, chunk=chunk, devices=tuple(jax.local_devices()[:devices]))
    for index, single in enumerate(singles(model)):
        same_bits(nth(got, index), single)


def test_a_vmapped_sweep_agrees_to_rounding() -> None:
    got = swept("transformer", executor=Executor.VMAP)
    for index, single in enumerate(singles("transformer")):
        for a, b in zip(
            jax.tree.leaves(nth(got, index)), jax.tree.leaves(single), strict=True
        ):
            # float32: 8 steps of Adam on losses of order 1
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("executor", "devices", "programs"),
    [(Executor.MAP, 1, 1), (Executor.MAP, 2, 2), (Executor.VMAP, 2, 1)],
)
def test_a_sweep_compiles_once_and_map_once_a_device(
    executor: Executor, devices: int, programs: int
) -> None:
    report = SweepReport()
    on = tuple(jax.local_devices()[:devices])
    swept(executor=executor, devices=on, chunk=2, report=report)
    assert report.compilations == programs
    assert (report.runs, report.runs_found, report.devices) == (RUNS, 0, devices)


class _Cut:
    """Progress that is interrupted after some chunks, as by Ctrl-C."""

    def __init__(self, chunks: int) -> None:
        self.left = chunks

    def advance(self, runs: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


class _Count:
    def __init__(self) -> None:
        self.runs = 0

    def advance(self, runs: int) -> None:
        self.runs += runs


def test_an_interrupted_sweep_goes_on_to_the_same_bits(tmp_path: Any) -> None:
    whole = swept(chunk=2)
    with Parts(tmp_path, "same") as parts, pytest.raises(KeyboardInterrupt):
        swept(chunk=2, parts=parts, bar=_Cut(2))
    report, bar = SweepReport(), _Count()
    with Parts(tmp_path, "same") as parts:
        assert parts.finished() == [0, 1]
        resumed = swept(chunk=2, parts=parts, report=report, bar=bar)
    same_bits(resumed, whole)
    assert report.runs_found == 4
    assert bar.runs == 1
    with Parts(tmp_path, "same") as parts:  # and all of it is found, uncompiled
        report = SweepReport()
        same_bits(swept(chunk=2, parts=parts, report=report), whole)
    assert (report.compilations, report.runs_found) == (0, RUNS)


@pytest.mark.parametrize("spoil", [bytes.upper, lambda text: text[: len(text) // 2]])
def test_a_damaged_chunk_is_run_again(
    tmp_path: Any, spoil: Callable[[bytes], bytes]
) -> None:
    whole = swept(chunk=2)
    with Parts(tmp_path, "same") as parts:
        swept(chunk=2, parts=parts)
    file = sorted(tmp_path.rglob("*.part"))[1]
    file.write_bytes(spoil(file.read_bytes()))
    report = SweepReport()
    with Parts(tmp_path, "same") as parts:
        same_bits(swept(chunk=2, parts=parts, report=report), whole)
    assert report.runs_found == RUNS - 2


def test_a_run_that_diverges_leaves_its_neighbours_alone() -> None:
    made = SETUPS["tabular"]
    hypers, keys = stacked(made, RUNS)
    rates = hypers.learning_rate.at[2].set(np.nan)
    inputs = hypers._replace(learning_rate=rates), keys
    got = sweep(run_task(made), inputs, Plan(chunk=4))
    assert np.isnan(np.asarray(got.records.loss)[2, -1])
    for index in (0, 1, 3, 4):
        same_bits(nth(got, index), singles("tabular")[index])


def test_a_grid_counts_its_last_axis_fastest() -> None:
    grid = Grid(
        (
            Axis("penalty", (0.1, 1.0), "1", "penalty"),
            Axis("seed", (4, 5, 6), "1", "seed"),
        )
    )
    assert grid.shape == (2, 3)
    assert grid.size == 6
    np.testing.assert_array_equal(grid.positions()["seed"], [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(grid.values()["penalty"], [0.1] * 3 + [1.0] * 3)


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(ValueError, match="axis penalty has no values"):
        Axis("penalty", (), "1", "penalty")
    with pytest.raises(ValueError, match="chunk=0 must be >= 1"):
        Plan(chunk=0)
    assert [rounded_chunk(runs, 4) for runs in (1, 4, 5)] == [4, 4, 8]


def test_a_padded_chunk_gives_the_same_bits_and_says_its_size() -> None:
    made, report = SETUPS["tabular"], SweepReport()
    few = jax.tree.map(lambda leaf: leaf[:1], stacked(made, RUNS))
    device = tuple(jax.local_devices()[:1])
    plan = Plan(devices=device, chunk=4, padded=True, report=report)
    alone: Trace = sweep(run_task(made), few, plan)
    assert (report.chunk, report.runs) == (4, 1)
    assert len(alone.records.loss) == 1
    same_bits(nth(alone, 0), singles("tabular")[0])
