"""Finished results: their names, how one replaces another, and checks when read."""

import contextlib
import difflib
import hashlib
import io
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from simlab.storage.files import (
    StorageError,
    explained,
    flush,
    locked,
    plain,
    write_bytes_atomic,
    write_json_atomic,
)

SCHEMA = 1
MANIFEST, TRACE = "manifest.json", "trace.nc"
_NEEDED = {"schema", "claim", "config", "config_hash", "trace_sha256"}
_SPOILT = "edited, damaged or cut off; run it again with --fresh"


class Result(NamedTuple):
    """A finished result, checked and wholly in memory."""

    manifest: dict[str, Any]
    dataset: xr.Dataset
    path: Path


class Found(NamedTuple):
    """A result known by its manifest alone; `problem` is empty unless it is damaged."""

    path: Path
    claim: str
    verdict: Any
    problem: str = ""


def config_hash(claim: str, config: Mapping[str, Any]) -> str:
    """12 hexadecimal digits of the SHA-256 of a claim and its configuration.

    The order of the keys, tuple or list, and the sign of zero do not count.

    >>> config_hash("frontier", {"seeds": 8, "penalty": 0.0})
    'e2119dcb56fa'
    """
    return _digest({"claim": claim, "config": config})[:12]


def final_directory(out: Path | str, claim: str, config: Mapping[str, Any]) -> Path:
    """Where the finished result of a claim and a configuration lives."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", claim):
        raise StorageError(f"claim {claim!r}: use letters, digits and . _ - only")
    return Path(out) / f"{claim}-{config_hash(claim, config)}"


def partial_directory(out: Path | str, claim: str, config: Mapping[str, Any]) -> Path:
    """Where that result is built until it is finished."""
    return _beside(final_directory(out, claim, config), ".partial")


def finish(
    partial: Path | str,
    final: Path | str,
    manifest: Mapping[str, Any],
    dataset: xr.Dataset,
    replace: bool = False,
) -> Path:
    """The final directory, made of the partial one: call it while its Parts are open.

    The manifest needs `claim` and `config`, and gets `schema`, `config_hash` and the
    checksums. Every variable needs `units` and `long_name`. Until the last step, one
    rename, the parts are kept; a result that is replaced stays readable throughout.

    Raises:
        StorageError: result exists and not `replace`, unlabelled variable, disk full.
    """
    partial, final = Path(partial), Path(final)
    document = _checked(manifest, dataset)
    with explained(final):
        _put_back(final)
        if final.exists() and not replace:
            raise StorageError(f"{final}: exists already; pass replace=True to redo it")
        if final.exists() and not (final / MANIFEST).is_file():
            raise StorageError(f"{final}: is not a result, so it is not replaced")
    with explained(partial):
        partial.mkdir(parents=True, exist_ok=True)
        document["trace_sha256"] = _write_trace(partial / TRACE, dataset)
        document["manifest_sha256"] = _digest(document)
        write_json_atomic(partial / MANIFEST, document)
    with explained(final):
        if final.exists():
            final.rename(_beside(final, ".old"))
        partial.rename(final)
        flush(final.parent)
        shutil.rmtree(final / "parts", ignore_errors=True)
        shutil.rmtree(_beside(final, ".old"), ignore_errors=True)
    return final


def load(directory: Path | str) -> Result:
    """The result in a directory, after its checksums, schema and keys are checked.

    Raises:
        StorageError: missing, unfinished, damaged, edited, or not a result.
    """
    path = _settled(Path(directory))
    manifest = _read_manifest(path)
    with explained(path / TRACE):
        content = (path / TRACE).read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest["trace_sha256"]:
        raise StorageError(f"{path / TRACE}: {_SPOILT}")
    file = io.BytesIO(content)
    dataset = xr.load_dataset(file, engine="h5netcdf", decode_times=False)
    return Result(manifest, dataset, path)


def find(out: Path | str, claim: str, config: Mapping[str, Any]) -> Result | None:
    """The finished result of a claim and a configuration, or None; as `load` else."""
    path = _settled(final_directory(out, claim, config))
    result = load(path) if path.exists() else None
    if result and result.manifest["config_hash"] != config_hash(claim, config):
        raise StorageError(f"{path}: holds another configuration; was it renamed?")
    return result


def scan(out: Path | str) -> list[Found]:
    """Every result in a directory by its manifest, damaged ones with their problem."""
    found = []
    for file in sorted(Path(out).glob(f"[!.]*/{MANIFEST}")):
        try:
            manifest = _read_manifest(file.parent)
            found.append(Found(file.parent, manifest["claim"], manifest.get("verdict")))
        except StorageError as error:
            claim = file.parent.name.rpartition("-")[0]
            found.append(Found(file.parent, claim, None, str(error)))
    return found


def table(out: Path | str) -> list[dict[str, Any]]:
    """One flat row a result: `path`, `problem`, and the manifest as `config.seeds`."""
    return [
        {"path": str(found.path), "claim": found.claim, "problem": found.problem}
        | ({} if found.problem else _flat(_read_manifest(found.path)))
        for found in scan(out)
    ]


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        deeper = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if deeper else {prefix + key: value}
    return flat


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    if not file.is_file():
        raise StorageError(_why_no_result(path))
    with explained(file):
        content = file.read_bytes()
    try:
        manifest = json.loads(content, parse_constant=str)
        sealed = manifest.pop("manifest_sha256")
        schema = manifest["schema"]
        intact = sealed == _digest(manifest) and manifest.keys() >= _NEEDED
    except (LookupError, AttributeError, TypeError, ValueError, RecursionError):
        raise StorageError(f"{file}: {_SPOILT}") from None
    if schema != SCHEMA:
        raise StorageError(f"{file}: has schema {schema}, this version reads {SCHEMA}")
    if not intact:
        raise StorageError(f"{file}: {_SPOILT}")
    return {**manifest, "manifest_sha256": sealed}


def _why_no_result(path: Path) -> str:
    if path.is_file():
        return f"{path}: is a file; pass the directory that holds it"
    if _beside(path, ".partial").exists() and not path.is_dir():
        return f"{path}: is unfinished; run it again and it resumes"
    place = path if path.is_dir() else path.parent
    names = [found.path.name for found in scan(place)]
    near = names[:3] if path.is_dir() else difflib.get_close_matches(path.name, names)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    what = "has no manifest.json" if path.is_dir() else "no such result"
    return f"{path}: {what}{hint}"


def _checked(manifest: Mapping[str, Any], dataset: xr.Dataset) -> dict[str, Any]:
    for name, variable in dataset.variables.items():
        for label in ("units", "long_name"):
            if not str(variable.attrs.get(label, "")).strip():
                raise StorageError(f"variable {name!s} has no {label}")
    if missing := [key for key in ("claim", "config") if key not in manifest]:
        raise StorageError(f"the manifest has no {missing[0]}")
    hashed = config_hash(manifest["claim"], manifest["config"])
    document: dict[str, Any] = plain(manifest) | {
        "schema": SCHEMA,
        "config_hash": hashed,
    }
    document.pop("manifest_sha256", None)
    return document


def _write_trace(file: Path, dataset: xr.Dataset) -> str:
    # In memory first: HDF5 itself may crash the process when the disk is full.
    try:
        content = bytes(dataset.to_netcdf(engine="h5netcdf"))
    except Exception as error:  # each layer of the library has exceptions of its own
        reason = " ".join(str(error).split())
        raise StorageError(f"{file}: cannot be written as netCDF: {reason}") from error
    write_bytes_atomic(file, content)
    return hashlib.sha256(content).hexdigest()


def _digest(value: Any) -> str:
    canonical = json.dumps(plain(value), sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _beside(path: Path, suffix: str) -> Path:
    return path.parent / f".{path.name}{suffix}"


def _put_back(final: Path) -> None:
    """Undo or complete a replacement that a crash cut off; the caller has the lock."""
    if final.exists():
        shutil.rmtree(_beside(final, ".old"), ignore_errors=True)
    elif _beside(final, ".old").exists():
        _beside(final, ".old").rename(final)


def _settled(path: Path) -> Path:
    """The path of a result, or where it is while another process replaces it."""
    if not path.exists() and _beside(path, ".old").exists():
        lock = locked(_beside(path, ".partial"))
        with contextlib.suppress(StorageError, OSError), lock:
            _put_back(path)
    old = _beside(path, ".old")
    return old if old.exists() and not path.exists() else path
