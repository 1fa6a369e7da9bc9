"""Sweeps: one compilation, the bits of single runs, nothing lost when cut off."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
import pytest

from simlab.executors import Costs, Stage
from simlab.memory import needed_bytes
from simlab.placement import OneDevice
from simlab.storage import Parts
from simlab.stretches import Watch
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
from tests.assertions import one_line
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


def assert_near(left: Trace, right: Trace) -> None:
    """Equal to rounding: float32, 8 steps of Adam on losses of order 1."""
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


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


@pytest.mark.parametrize("executor", [Executor.VMAP, Executor.SHARDED])
def test_runs_at_once_agree_to_rounding(executor: Executor) -> None:
    got = swept("transformer", executor=executor)
    for index, single in enumerate(singles("transformer")):
        assert_near(nth(got, index), single)


@pytest.mark.parametrize(
    ("executor", "devices", "programs"),
    [
        (Executor.MAP, 1, 1),
        (Executor.MAP, 2, 2),
        (Executor.VMAP, 1, 1),
        (Executor.SHARDED, 2, 1),
    ],
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


@dataclass
class _Memory:
    """A keeper in memory: asked to keep every stretch, cut off after some."""

    left: int
    kept: dict[str, tuple[int, Any]] = field(default_factory=dict)

    def due(self) -> bool:
        return True

    def load(self, name: str, like: Any) -> tuple[int, Any] | None:
        found = self.kept.get(name)
        if found is not None:
            kept = jax.tree.leaves(found[1])
            for a, b in zip(jax.tree.leaves(like), kept, strict=True):
                assert (a.shape, a.dtype) == (b.shape, b.dtype)
        return found

    def save(self, name: str, step: int, state: Any) -> None:
        self.kept[name] = (step, jax.tree.map(np.copy, state))

    def clear(self, name: str) -> None:
        self.kept.pop(name, None)

    def stopped(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("executor", Executor)
@pytest.mark.parametrize("model", SETUPS)
def test_a_chunk_cut_off_between_stretches_goes_on_to_the_same_bits(
    model: str, executor: Executor
) -> None:
    whole = swept(model, executor=executor, keeper=_Memory(0))
    keeper = _Memory(1)
    watch = Watch(stopped=keeper.stopped)
    with pytest.raises(KeyboardInterrupt):
        swept(model, executor=executor, keeper=keeper, watch=watch)
    assert [step for step, _ in keeper.kept.values()] == [1]
    heard: list[tuple[str, dict[str, Any]]] = []
    watch = Watch(hear=lambda event, **fields: heard.append((event, fields)))
    same_bits(swept(model, executor=executor, keeper=keeper, watch=watch), whole)
    assert not keeper.kept
    stretches = [fields["stretch"] for event, fields in heard if event == "stretch"]
    assert stretches == [2, 3, 4][: SETUPS[model].records - 1]


@pytest.mark.parametrize("model", SETUPS)
def test_a_mapped_sweep_in_stretches_has_the_bits_of_single_runs(model: str) -> None:
    got = swept(model, keeper=_Memory(0))
    for index, single in enumerate(singles(model)):
        same_bits(nth(got, index), single)


def test_too_large_a_batch_is_split_and_said() -> None:
    whole = swept("transformer", executor=Executor.VMAP)
    said: list[str] = []
    room = [2**40.0]

    def free(device: jax.Device) -> float:
        return room[0]

    report = SweepReport()
    swept("transformer", executor=Executor.VMAP, free=free, report=report)
    assert (report.batch, said) == (RUNS, [])
    made = SETUPS["transformer"]
    place, alone = OneDevice(jax.local_devices()[0]), stacked(made, 2)
    stage = Stage(run_task(made), place, Costs())
    stage(*(place.put(each) for each in alone))
    room[0] = needed_bytes(stage.compiled[0])  # as much as two runs need
    got = swept(
        "transformer", executor=Executor.VMAP, free=free, report=report,
        watch=Watch(say=said.append),
    )  # fmt: skip
    assert report.batch <= 2
    assert any("runs at once needs" in line for line in said)
    assert_near(got, whole)
    room[0] = 1.0
    with pytest.raises(MemoryError, match="a single run a device needs"):
        swept("transformer", executor=Executor.VMAP, free=free)


def test_a_part_of_another_chunking_is_not_mistaken_for_ours(tmp_path: Any) -> None:
    whole = swept(chunk=2)
    with Parts(tmp_path, "same") as parts:
        swept(chunk=4, parts=parts)
    report = SweepReport()
    with Parts(tmp_path, "same") as parts:
        same_bits(swept(chunk=2, parts=parts, report=report), whole)
    assert report.runs_found == 0


def test_products_are_counted_the_same_however_runs_are_placed() -> None:
    counted = []
    for executor in Executor:
        report = SweepReport()
        swept("transformer", executor=executor, chunk=6, report=report)
        counted.append(report.matmul_flops / report.chunk)
    assert counted[0] > 0
    np.testing.assert_allclose(counted, counted[0])


def test_a_plan_that_does_not_fit_the_machine_is_refused() -> None:
    with one_line(match="data=2 devices a run need the executor sharded, got map"):
        swept(data=2)
    with one_line(match="data=3 devices a run must divide the 2 devices"):
        swept(executor=Executor.SHARDED, data=3)


def test_devices_that_share_a_run_agree_with_one_to_rounding() -> None:
    got = swept("transformer", executor=Executor.SHARDED, data=2)
    assert_near(got, swept("transformer", executor=Executor.VMAP))
