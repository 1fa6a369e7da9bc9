"""Checkpoints: the same bits in the same places, whole or not there at all."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.benchmarks.processes import free_port
from simlab import interruption
from simlab.checkpoints import Checkpoints
from simlab.placement import is_key
from simlab.storage import StorageError
from simlab.training import advance, begin
from tests.simlab.stored import complaint
from tests.simlab.toys import hyper, same_bits, setup

ROOT = Path(__file__).parents[2]


class Mixed(NamedTuple):
    params: Any
    moments: Any
    keys: Any
    rest: Any


def mixed() -> Mixed:
    """Every kind of leaf that a run may carry."""
    mesh = Mesh(np.asarray(jax.devices()[:2]), ("run",))
    by_run = NamedSharding(mesh, PartitionSpec("run"))
    params = {"w": jnp.arange(6.0).reshape(2, 3) / 7, "b": jnp.ones(3, jnp.bfloat16)}
    values = np.array([np.nan, np.inf, -0.0, 5e-324])
    return Mixed(
        params,
        optax.adam(1e-3).init(params),
        (jax.random.key(3), jax.random.split(jax.random.key(4, impl="rbg"), 2)),
        [
            jax.device_put(jnp.arange(4.0), by_run),
            jax.device_put(jax.random.split(jax.random.key(5), 4), by_run),
            jax.device_put(jnp.int32(7), jax.devices()[1]),
            (None, jnp.zeros((2, 0, 3)), jnp.array([True, False])),
            (values, np.float32(0.1), np.arange(3, dtype=np.uint8), 3, 0.1, True),
        ],
    )


def bits(leaf: Any) -> tuple[Any, ...]:
    if is_key(leaf):
        return (str(leaf.dtype), leaf.sharding, *bits(jax.random.key_data(leaf)))
    placed = (leaf.sharding, leaf.committed) if isinstance(leaf, jax.Array) else ()
    array = np.asarray(leaf)
    return type(leaf), array.dtype, array.shape, array.tobytes(), *placed


def test_every_kind_of_leaf_comes_back_bit_by_bit_in_its_place(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "me")
    kept.save("run", 5, mixed())
    found = kept.load("run", mixed())
    assert found is not None
    step, state = found
    assert step == 5
    assert jax.tree.structure(state) == jax.tree.structure(mixed())
    for got, wanted in zip(
        jax.tree.leaves(state), jax.tree.leaves(mixed()), strict=True
    ):
        assert bits(got) == bits(wanted)


def test_shapes_alone_are_enough_to_load(tmp_path: Path) -> None:
    kept, made = Checkpoints(tmp_path, "me"), setup("tabular")
    state = begin(made, hyper(made))
    kept.save("run", 1, state)
    found = kept.load("run", jax.eval_shape(lambda: state))
    assert found is not None
    same_bits(found[1], state)
    for leaf in jax.tree.leaves(found[1]):
        assert isinstance(leaf, np.ndarray)
        assert leaf.flags.writeable


def test_training_goes_on_from_a_checkpoint_to_the_same_bits(tmp_path: Path) -> None:
    made = setup("tabular")
    start, key = hyper(made), jax.random.key(1)
    step = jax.jit(lambda state: advance(made, start, key, state)[0])
    state = begin(made, start)
    for number in range(6):
        if number == 3:
            Checkpoints(tmp_path, "me").save("run", number, state)
        state = step(state)
    found = Checkpoints(tmp_path, "me").load("run", begin(made, start))
    assert found is not None
    number, again = found
    for _ in range(number, 6):
        again = step(again)
    same_bits(again, state)


def test_only_the_newest_of_a_name_and_a_fingerprint_is_found(tmp_path: Path) -> None:
    kept, like = Checkpoints(tmp_path, "me"), jnp.zeros(3)
    assert kept.load("run", like) is None
    for step in (1, 2):
        kept.save("run", step, like + step)
    kept.save("run/../other", 9, like + 9)
    for name, step in {"run": 2, "run/../other": 9}.items():
        found = Checkpoints(tmp_path, "me").load(name, like)
        assert found is not None
        assert found[0] == step
        same_bits(found[1], like + step)
    assert Checkpoints(tmp_path, "other code").load("run", like) is None
    assert len(list(tmp_path.glob("run.p0/*"))) == 1, "the one before is removed"
    kept.clear("run")
    kept.clear("never saved")
    assert kept.load("run", like) is None
    assert kept.load("run/../other", like) is not None
    assert {place.parent for place in tmp_path.glob("*")} == {tmp_path}


def spoilings(folder: Path) -> list[tuple[Path, bytes | None]]:
    """Every file of a checkpoint cut short, changed by one bit, or gone."""
    found: list[tuple[Path, bytes | None]] = []
    for file in sorted(place for place in folder.rglob("*") if place.is_file()):
        content = file.read_bytes()
        found += [(file, None), (file, content + b" ")]
        if content:
            middle = len(content) // 2
            flipped = bytes([content[middle] ^ 1])
            found.append((file, content[:middle]))
            found.append((file, content[:middle] + flipped + content[middle + 1 :]))
    return found


def test_a_damaged_checkpoint_is_passed_over_for_an_older_one(tmp_path: Path) -> None:
    kept, like = Checkpoints(tmp_path, "me"), {"x": jnp.arange(50.0)}
    kept.save("run", 1, like)
    older, newer = (tmp_path / f"run.p0/{number:012d}" for number in (1, 2))
    aside = tmp_path / "aside"
    shutil.copytree(older, aside)
    kept.save("run", 2, like)
    shutil.copytree(aside, older)
    places = spoilings(newer)
    assert len(places) > 10
    for file, content in places:
        whole = file.read_bytes()
        file.unlink() if content is None else file.write_bytes(content)
        found = kept.load("run", like)
        assert found is not None
        # Space after the seal changes nothing that it says.
        harmless = file.name == "seal.json" and content == whole + b" "
        assert found[0] == (2 if harmless else 1), file
        file.write_bytes(whole)
    for number in (3, 4):  # what a kill leaves: half written, or half removed
        (tmp_path / f"run.p0/{number:012d}/state").mkdir(parents=True)
    shutil.copytree(newer, tmp_path / "run.p0/saving")
    found = kept.load("run", like)
    assert found is not None
    assert found[0] == 2
    kept.save("run", 3, like)
    assert [p.name for p in tmp_path.glob("run.p0/*")] == ["000000000005"]


def test_a_state_of_another_shape_is_refused(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "me")
    kept.save("run", 1, {"x": jnp.zeros(3)})
    for like in ({"y": jnp.zeros(3)}, {"x": jnp.zeros(4)}, {"x": jnp.zeros(3, int)}):
        assert "was the code changed?" in complaint(kept.load, "run", like)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_one_is_due_when_it_is_time_or_a_stop_is_asked_for(tmp_path: Path) -> None:
    clock = Clock()
    kept = Checkpoints(tmp_path, "me", every=60.0, clock=clock)
    assert not kept.due()
    clock.now = 60.0
    assert kept.due()
    kept.save("run", 1, jnp.zeros(2))
    assert not kept.due()
    with interruption.stoppable():
        interruption.request_stop()
        assert kept.due()
    assert not kept.due()
    with pytest.raises(ValueError, match="must be >= 0 seconds"):
        Checkpoints(tmp_path, "me", every=-1.0)


def test_a_disk_that_refuses_is_one_line_and_keeps_the_one_before(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kept, like = Checkpoints(tmp_path, "me"), jax.random.normal(jax.random.key(0), 9999)
    kept.save("run", 1, like)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        assert "too large" in complaint(kept.save, "run", 2, like)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert capfd.readouterr() == ("", ""), "nothing but the error"
    found = kept.load("run", like)
    assert found is not None
    assert found[0] == 1
    assert len(list(tmp_path.glob("run.p0/*"))) == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        Checkpoints(tmp_path / "file", "me").save("run", 1, like)


ONE_OF_TWO = """
import sys
import jax, numpy as np
from jax.experimental import multihost_utils
from simlab.checkpoints import Checkpoints
me, port, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
jax.config.update("jax_num_cpu_devices", 1)
jax.distributed.initialize(f"localhost:{port}", 2, me)
assert jax.process_count() == 2
kept, state = Checkpoints(out, "me"), {"x": np.arange(5.0)}
if not me:
    kept.save("run", 1, state)
    step, found = kept.load("run", state)
    assert step == 1 and (found["x"] == state["x"]).all() and not kept.due()
multihost_utils.sync_global_devices("the end")
print("fine")
"""


@pytest.mark.slow
def test_the_process_that_writes_waits_for_no_other_one(tmp_path: Path) -> None:
    port = free_port()
    pair = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_OF_TWO, str(me), str(port), str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
        )
        for me in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in pair]
    assert ["fine" in text.splitlines() for text in said] == [True] * 2, said
