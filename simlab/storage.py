"""Results on disk: written once and atomically, and checked whenever they are read.

    OUT/<claim>-<hash>/           manifest.json, trace.nc, figures: a finished result
    OUT/.<claim>-<hash>.partial/  what a run in progress, or a cut-off one, has so far
    OUT/.<claim>-<hash>.old/      a finished result while it is being replaced

The hash is that of the configuration, so the same configuration finds its result.
"""

import contextlib
import dataclasses
import difflib
import enum
import errno
import fcntl
import hashlib
import io
import json
import math
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Shaped

SCHEMA = 1
_NEEDED = {"schema", "claim", "config", "config_hash", "trace_sha256"}
MANIFEST, TRACE = "manifest.json", "trace.nc"
_FULL = "the disk is full; free some space and run again, finished parts are kept"
_SPOILT = "edited, damaged or cut off; run it again"
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "the file system is read-only; choose another output directory",
    errno.EACCES: "no permission; choose another output directory",
}


class StorageError(ValueError):
    """What is wrong with a file or directory, and the likely mistake, in one line."""


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


def plain(value: Any) -> Any:
    """The value as strict JSON can hold it.

    Dataclasses and NamedTuples become objects, tuples and arrays lists, -0.0 becomes
    0.0; the floats JSON lacks become "NaN", "Infinity", "-Infinity", as `float` reads.
    Raises StorageError for anything else, and for a key that is not text.

    >>> plain({"rate": np.float32(0.5), "limit": math.inf, "shape": (2, 3)})
    {'rate': 0.5, 'limit': 'Infinity', 'shape': [2, 3]}
    """
    if isinstance(value, enum.Enum | os.PathLike):
        return plain(value.value if isinstance(value, enum.Enum) else str(value))
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value) + 0.0
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(float(value))]
    if value is None or isinstance(value, bool | int | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__array__") and np.asarray(value).dtype.kind in "biufU":
        return plain(np.asarray(value).tolist())
    raise StorageError(
        f"a {type(value).__name__} does not fit in JSON: give numbers, "
        "text, lists, or objects whose keys are text"
    )


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


def write_bytes_atomic(path: Path | str, content: bytes) -> None:
    """Write so that a reader, or a crash, finds the old content or all of the new."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _explained(path), contextlib.ExitStack() as stack:
        path.parent.mkdir(parents=True, exist_ok=True)
        stack.callback(temporary.unlink, missing_ok=True)
        temporary.write_bytes(content)
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)


def write_text_atomic(path: Path | str, text: str) -> None:
    """Write a text atomically, in UTF-8."""
    write_bytes_atomic(path, text.encode())


def write_json_atomic(path: Path | str, value: Any) -> None:
    """Write strict JSON, as `plain` encodes it, atomically."""
    text = json.dumps(plain(value), indent=2, allow_nan=False)
    write_text_atomic(path, text + "\n")


class Parts:
    """The numbered pieces of an unfinished result, kept for a run that is cut off.

    `fingerprint` says what makes the parts (configuration, code version): parts of
    another fingerprint are refused, or with `fresh=True` deleted (`cleared` counts
    them). A part that fails its checksum is listed in `damaged` and reads as absent.
    While this is open no other process can open the directory.

    Raises:
        StorageError: directory in use, other fingerprint, disk full or read-only.
    """

    def __init__(
        self, directory: Path | str, fingerprint: str, *, fresh: bool = False
    ) -> None:
        self.directory = Path(directory)
        self.damaged: list[int] = []
        self._folder = self.directory / "parts"
        self._fingerprint = fingerprint.encode()
        with contextlib.ExitStack() as stack, _explained(self._folder):
            stack.enter_context(_locked(self.directory))
            old = self._indices()
            self.cleared = len(old) if fresh else 0
            mark = self._folder / "fingerprint"
            same = mark.is_file() and mark.read_bytes() == self._fingerprint
            if old and not same and not fresh:
                raise StorageError(
                    f"{self.directory}: holds {len(old)} parts of another "
                    "configuration or code version; start again with fresh=True"
                )
            if not same or fresh:
                shutil.rmtree(self._folder, ignore_errors=True)
                write_bytes_atomic(mark, self._fingerprint)
            for leftover in self.directory.rglob(".*.tmp"):
                leftover.unlink()
            self._stack = stack.pop_all()

    def write(self, index: int, arrays: Mapping[str, Any]) -> None:
        """Keep the arrays of a part (what np.asarray takes), whole or not at all."""
        if index < 0:
            raise StorageError(f"part {index}: parts are numbered from 0")
        values = {name: np.asarray(array) for name, array in arrays.items()}
        for name, array in values.items():
            if array.dtype.kind not in "biufcUS":
                raise StorageError(f"part {index}: {name} has dtype {array.dtype}")
        payload = io.BytesIO()
        payload.write(json.dumps(list(values)).encode() + b"\n")
        np.savez(payload, *values.values())
        body = payload.getvalue()
        write_bytes_atomic(self._file(index), self._seal(index, body) + body)
        self.damaged = [other for other in self.damaged if other != index]

    def read(self, index: int) -> dict[str, Shaped[np.ndarray, "..."]] | None:
        """The arrays of a part, or None if it is absent or damaged."""
        body = self._body(index)
        if body is None:
            return None
        names, _, archive = body.partition(b"\n")
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return {n: arrays[f"arr_{i}"] for i, n in enumerate(json.loads(names))}

    def finished(self) -> list[int]:
        """The indices of the undamaged parts, in order."""
        return [index for index in self._indices() if self._body(index) is not None]

    def close(self) -> None:
        """Let other processes open the directory."""
        self._stack.close()

    def __enter__(self) -> "Parts":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _file(self, index: int) -> Path:
        return self._folder / f"{index:06d}.part"

    def _indices(self) -> list[int]:
        stems = [file.stem for file in self._folder.glob("*.part")]
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def _seal(self, index: int, body: bytes) -> bytes:
        return hashlib.sha256(self._fingerprint + b"\n%d\n" % index + body).digest()

    def _body(self, index: int) -> bytes | None:
        with _explained(self._file(index)):
            if not self._file(index).exists():
                return None
            content = self._file(index).read_bytes()
        if content[:32] == self._seal(index, content[32:]):
            return content[32:]
        self.damaged = sorted({*self.damaged, index})
        return None


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
    with _explained(final):
        _put_back(final)
        if final.exists() and not replace:
            raise StorageError(f"{final}: exists already; pass replace=True to redo it")
        if final.exists() and not (final / MANIFEST).is_file():
            raise StorageError(f"{final}: is not a result, so it is not replaced")
    with _explained(partial):
        partial.mkdir(parents=True, exist_ok=True)
        document["trace_sha256"] = _write_trace(partial / TRACE, dataset)
        document["manifest_sha256"] = _digest(document)
        write_json_atomic(partial / MANIFEST, document)
    with _explained(final):
        if final.exists():
            final.rename(_beside(final, ".old"))
        partial.rename(final)
        _flush(final.parent)
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
    with _explained(path / TRACE):
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
    with _explained(file):
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
        lock = _locked(_beside(path, ".partial"))
        with contextlib.suppress(StorageError, OSError), lock:
            _put_back(path)
    old = _beside(path, ".old")
    return old if old.exists() and not path.exists() else path


def _flush(path: Path) -> None:
    """Ask for a file or a directory to reach the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot do this for a directory.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or path.is_file():
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the operating system's errors into one line about a path."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
        raise StorageError(f"{path}: {' '.join(reason.split())}") from error


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keep other processes out of a directory by a lock on a file beside it."""
    path = directory.with_name(directory.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        while True:
            file = stack.enter_context(open(path, "wb"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                busy = f"{directory}: in use by another run; wait for it or stop it"
                raise StorageError(busy) from error
            # The one who had the lock may have deleted this very file meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    break
        stack.callback(path.unlink, missing_ok=True)
        yield
