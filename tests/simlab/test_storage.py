import dataclasses
import errno
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from simlab import storage
from simlab.storage import Parts, StorageError

ROOT = Path(__file__).parents[2]
CONFIG = {"seeds": 8, "penalty": 0.5, "sizes": (2, 3)}
MANIFEST = {"claim": "frontier", "config": CONFIG, "verdict": {"holds": True}}


def dataset(value=1.0):
    losses = np.array([[value, math.nan, math.inf], [-0.0, 2.0, value]])
    label = {"units": "nats", "long_name": "loss of the safety task"}
    count = {"units": "seconds", "long_name": "wall time, not a date"}
    return xr.Dataset(
        {
            "losses": (("run", "time"), losses, label),
            "walls": ("run", np.array([3, 4]), count),
            "converged": ("run", np.array([True, False]), label),
        },
        coords={"time": ("time", np.array([0.0, 1.0, 2.0], np.float32), count)},
    )


def places(out, config=CONFIG):
    where = out, "frontier", config
    return storage.partial_directory(*where), storage.final_directory(*where)


def store(out, value=1.0, replace=False):
    partial, final = places(out)
    return storage.finish(partial, final, MANIFEST, dataset(value), replace)


def complaint(action, *arguments, **options):
    with pytest.raises(StorageError) as caught:
        action(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_result_comes_back_as_it_was_written(tmp_path):
    path = store(tmp_path)
    result = storage.load(path)
    xr.testing.assert_identical(result.dataset, dataset())
    assert result.manifest["verdict"] == {"holds": True}
    assert sorted(os.listdir(path)) == ["manifest.json", "trace.nc"]
    assert os.listdir(tmp_path) == [path.name]
    assert storage.find(tmp_path, "frontier", CONFIG).path == path
    assert storage.find(tmp_path, "frontier", {"seeds": 9}) is None


def test_a_result_keeps_the_types_of_its_numbers(tmp_path):
    back = storage.load(store(tmp_path)).dataset
    want = dataset()
    assert {k: back[k].dtype for k in back} == {k: want[k].dtype for k in want}


numbers = st.sampled_from([np.float32, np.float64, np.int32, np.uint8, np.complex128])
shapes = st.sampled_from([(), (0,), (3,), (2, 2)])
pieces = st.dictionaries(
    st.text(max_size=5), arrays_of.arrays(numbers, shapes), max_size=3
)


@given(arrays=pieces, index=st.integers(0, 10**7))
def test_any_part_comes_back_bit_by_bit(tmp_path_factory, arrays, index):
    with Parts(tmp_path_factory.mktemp("out") / "partial", "me") as parts:
        parts.write(index, arrays)
        assert parts.finished() == [index]
        back = parts.read(index)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()


def spoilt(content):
    """Every kind of damage: cut off at, or one bit flipped in, many places."""
    for place in {*range(0, len(content), 97), *range(60), len(content) - 1}:
        yield content[:place]
        yield bytes([*content[:place], content[place] ^ 1, *content[place + 1 :]])


def test_a_damaged_part_reads_as_absent_and_is_listed_until_written_again(tmp_path):
    with Parts(tmp_path / "partial", "me") as parts:
        parts.write(1, {"losses": np.arange(50.0)})
        parts.write(2, {"losses": np.arange(50.0)})
        file = tmp_path / "partial/parts/000001.part"
        intact = file.read_bytes()
        for content in spoilt(intact):
            file.write_bytes(content)
            assert parts.finished() == [2]
            assert parts.read(1) is None
            assert parts.damaged == [1]
        shutil.copy(file.with_name("000002.part"), file)
        assert parts.read(1) is None, "another part in its place"
        parts.write(1, {"losses": np.arange(50.0)})
        assert (parts.finished(), parts.damaged) == ([1, 2], [])
        assert file.read_bytes() == intact


@pytest.mark.parametrize("name", ["manifest.json", "trace.nc"])
def test_a_damaged_result_is_never_loaded(tmp_path, name):
    file = store(tmp_path) / name
    # The manifest's last byte is a line break, whose loss loses nothing.
    intact = file.read_bytes().removesuffix(b"\n")
    for content in spoilt(intact):
        file.write_bytes(content)
        assert name in complaint(storage.load, file.parent)
    file.unlink()
    assert name in complaint(storage.load, file.parent)
    file.write_bytes(intact)
    storage.load(file.parent)


@pytest.mark.parametrize("text", ["[]", "{}", "3", "null", "", "[" * 10**5, "\xff"])
def test_a_manifest_of_garbage_is_refused(tmp_path, text):
    path = store(tmp_path)
    (path / "manifest.json").write_text(text, encoding="latin1")
    assert "edited, damaged" in complaint(storage.load, path)


def test_an_edited_measurement_is_noticed_and_a_new_layout_is_not_an_edit(tmp_path):
    file = store(tmp_path) / "manifest.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps(manifest, indent=7, sort_keys=True))
    storage.load(file.parent)
    file.write_text(json.dumps(manifest | {"verdict": {"holds": False}}))
    assert "edited" in complaint(storage.load, file.parent)
    file.write_text(json.dumps(manifest | {"schema": 99}))
    assert "schema 99" in complaint(storage.load, file.parent)


def test_a_missing_result_suggests_what_was_meant(tmp_path):
    path = store(tmp_path)
    places(tmp_path, {"seeds": 1})[0].mkdir()
    near = complaint(storage.load, tmp_path / path.name[:-2])
    assert f"did you mean {path.name}?" in near
    assert "no such result" in complaint(storage.load, tmp_path / "else/where")
    assert f"did you mean {path.name}?" in complaint(storage.load, tmp_path)
    assert "is a file" in complaint(storage.load, path / "trace.nc")
    assert "resumes" in complaint(storage.load, places(tmp_path, {"seeds": 1})[1])
    path.rename(places(tmp_path, {"seeds": 2})[1])
    renamed = complaint(storage.find, tmp_path, "frontier", {"seeds": 2})
    assert "another configuration" in renamed


def test_one_table_lists_every_result_and_hides_no_damaged_one(tmp_path):
    path = store(tmp_path)
    bad = tmp_path / "overlap-000000000000"
    bad.mkdir()
    (bad / "manifest.json").write_text("{")
    places(tmp_path, {"seeds": 1})[0].mkdir()
    first, second = storage.table(tmp_path)
    assert (first["path"], first["config.seeds"], first["problem"]) == (
        str(path),
        8,
        "",
    )
    assert first["verdict.holds"] is True
    assert second["claim"] == "overlap"
    assert "damaged" in second["problem"]
    assert [found.verdict for found in storage.scan(tmp_path)] == [
        {"holds": True},
        None,
    ]
    assert storage.table(tmp_path / "nowhere") == []


@dataclasses.dataclass(frozen=True)
class Settings:
    seeds: int = 8
    penalty: float = 0.0


def test_the_hash_of_a_configuration_depends_on_its_values_only():
    base = storage.config_hash("frontier", {"seeds": 8, "penalty": 0.0, "at": [1, 2]})
    same = {"at": (np.int64(1), 2), "penalty": -0.0, "seeds": np.int32(8)}
    assert storage.config_hash("frontier", same) == base
    assert storage.config_hash("frontier", {"x": Settings()}) == storage.config_hash(
        "frontier", {"x": {"penalty": 0.0, "seeds": 8}}
    )
    for change in ({"penalty": 5e-324}, {"seeds": 9}, {"at": (2, 1)}, {"new": None}):
        assert storage.config_hash("frontier", same | change) != base
    assert storage.config_hash("overlap", same) != base


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=values)
def test_json_is_strict_and_says_the_same_after_reading(tmp_path_factory, value):
    file = tmp_path_factory.mktemp("json") / "value.json"
    storage.write_json_atomic(file, value)
    back = json.loads(file.read_text(), parse_constant=pytest.fail)
    assert back == storage.plain(value) == storage.plain(back)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 0.1, 5e-324])
def test_float_reads_every_number_back_from_json(number):
    back = float(storage.plain(np.float64(number)))
    assert back == number or (math.isnan(back) and math.isnan(number))


@pytest.mark.parametrize("value", [{1: 2}, {1, 2}, 1j, Settings, len, b"text"])
def test_what_json_cannot_hold_is_refused(value):
    assert "does not fit in JSON" in complaint(storage.plain, {"key": [value]})


def test_parts_of_another_fingerprint_are_refused_or_cleared_explicitly(tmp_path):
    with Parts(tmp_path / "partial", "old code") as parts:
        parts.write(0, {"losses": np.zeros(2)})
    assert "fresh=True" in complaint(Parts, tmp_path / "partial", "new code")
    with Parts(tmp_path / "partial", "old code") as parts:
        assert (parts.finished(), parts.cleared) == ([0], 0)
    with Parts(tmp_path / "partial", "new code", fresh=True) as parts:
        assert (parts.finished(), parts.cleared) == ([], 1)
    Parts(tmp_path / "partial", "third code").close()  # nothing there to be mistaken


def test_parts_refuse_what_they_could_not_give_back(tmp_path):
    with Parts(tmp_path / "partial", "me") as parts:
        assert "object" in complaint(parts.write, 0, {"losses": np.array([None])})
        assert "from 0" in complaint(parts.write, -1, {})
        assert parts.finished() == []


OPEN = "import sys; from simlab.storage import Parts; Parts(sys.argv[1], 'me').close()"


def test_two_processes_do_not_write_the_same_parts(tmp_path):
    command = [sys.executable, "-c", OPEN, str(tmp_path / "partial")]
    with Parts(tmp_path / "partial", "me"):
        assert "in use" in complaint(Parts, tmp_path / "partial", "me")
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "in use by another run" in second.stderr.splitlines()[-1]
    subprocess.run(command, cwd=ROOT, check=True)
    assert os.listdir(tmp_path) == ["partial"], "no lock is left behind"


@pytest.mark.parametrize("function", ["replace", "fsync"])
@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "full"), (errno.EROFS, "read-only")]
)
def test_a_disk_that_refuses_costs_one_line_and_no_finished_part(
    tmp_path, monkeypatch, function, number, words
):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    partial, final = places(tmp_path)
    with Parts(partial, "me") as parts:
        parts.write(0, {"losses": np.zeros(2)})
        with monkeypatch.context() as patch:
            patch.setattr(os, function, refuse)
            message = complaint(parts.write, 1, {"losses": np.zeros(2)})
            assert words in message
            assert "000001.part" in message
            assert words in complaint(
                storage.finish, partial, final, MANIFEST, dataset()
            )
        assert not list(tmp_path.rglob("*.tmp"))
        assert parts.finished() == [0]
        assert storage.find(tmp_path, "frontier", CONFIG) is None
        storage.finish(partial, final, MANIFEST, dataset())
    storage.load(final)


@pytest.mark.parametrize("label", ["units", "long_name"])
@pytest.mark.parametrize("name", ["losses", "time"])
def test_a_variable_without_a_label_is_not_stored(tmp_path, name, label):
    unlabelled = dataset()
    del unlabelled[name].attrs[label]
    message = complaint(storage.finish, *places(tmp_path), MANIFEST, unlabelled)
    assert message == f"variable {name} has no {label}"


def test_a_result_is_replaced_only_when_asked(tmp_path):
    path = store(tmp_path, 1.0)
    assert "replace=True" in complaint(store, tmp_path, 2.0)
    store(tmp_path, 2.0, replace=True)
    assert float(storage.load(path).dataset["losses"][0, 0]) == 2.0
    (path / "manifest.json").unlink()
    assert "not a result" in complaint(store, tmp_path, 3.0, replace=True)
    assert "letters" in complaint(storage.final_directory, tmp_path, "../x", CONFIG)


def test_a_crash_between_the_two_renames_loses_neither_result(tmp_path, monkeypatch):
    path, rename = store(tmp_path, 1.0), Path.rename

    def crash(source, target):
        if source.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", crash)
        with pytest.raises(KeyboardInterrupt):
            store(tmp_path, 2.0, replace=True)
    assert not path.exists()
    found = storage.find(tmp_path, "frontier", CONFIG)
    assert float(found.dataset["losses"][0, 0]) == 1.0
    assert found.path == path
    store(tmp_path, 2.0, replace=True)
    assert float(storage.load(path).dataset["losses"][0, 0]) == 2.0
    assert os.listdir(tmp_path) == [path.name]


# One process forks children that write for ever, kills each at another moment, and
# looks at what is left. Imported once, so that thirty kills take a second or two.
KILLER = """
import json, os, signal, sys, time
import numpy as np, xarray as xr
from pathlib import Path
from simlab.storage import Parts, find, final_directory, finish, partial_directory

out, where = Path(sys.argv[1]), (sys.argv[1], "frontier", {"seeds": 8})
partial, final = partial_directory(*where), final_directory(*where)
SIZE = 20_000

def write_parts():
    with Parts(partial, "me") as parts:
        for turn in range(10**9):
            parts.write(turn % 4, {"x": np.full(SIZE, turn % 4), "y": np.arange(9)})

def look_at_parts():
    with Parts(partial, "me") as parts:
        read = [parts.read(index) for index in range(4)]
        right = all(p is None or (p["x"] == i).all() for i, p in enumerate(read))
        return right and not parts.damaged and any(p is not None for p in read)

def write_results():
    for turn in range(10**9):
        label = {"units": "1", "long_name": "the turn"}
        data = xr.Dataset({"x": ("i", np.full(SIZE, float(turn)), label)})
        manifest = {"claim": "frontier", "config": {"seeds": 8}, "turn": turn}
        with Parts(partial, "me"):
            finish(partial, final, manifest, data, replace=True)

def look_at_results():
    found = find(*where)
    return found is not None and (found.dataset["x"] == found.manifest["turn"]).all()

def write_carelessly():
    while True:
        with open(out / "careless", "wb") as file:
            for _ in range(1000):
                file.write(bytes(8 * SIZE // 1000))
                file.flush()

def look_at_careless():
    return (out / "careless").stat().st_size == 8 * SIZE

def survives(write, look, ready, delay):
    child = os.fork()
    if not child:
        write()
    while not ready():
        time.sleep(1e-3)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return bool(look())

moments = [0.03 * ((0.618 * k) % 1) for k in range(30)]
part = partial / "parts/000000.part"
cases = {
    "parts": (write_parts, look_at_parts, part.exists),
    "results": (write_results, look_at_results, final.exists),
    "careless": (write_carelessly, look_at_careless, (out / "careless").exists),
}
print(json.dumps({k: [survives(*c, t) for t in moments] for k, c in cases.items()}))
"""


def test_a_kill_at_any_moment_leaves_parts_and_results_whole_or_absent(tmp_path):
    command = [sys.executable, "-c", KILLER, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    survived = json.loads(done.stdout)
    assert survived["parts"] == [True] * 30
    assert survived["results"] == [True] * 30
    # The control: the same kills do catch a writer that takes no care.
    assert not all(survived["careless"])
