import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from simlab import storage
from simlab.storage import Parts
from tests.simlab.stored import (
    CONFIG,
    MANIFEST,
    Settings,
    complaint,
    dataset,
    places,
    spoilt,
    store,
)


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
