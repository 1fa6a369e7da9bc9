"""One snapshot of a pytree of arrays in a directory, by orbax, sealed by checksums.

DIRECTORY/state/      orbax's files: the arrays, flat, named by their number
DIRECTORY/seal.json   what the snapshot is of, and the SHA-256 of every file
"""

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from simlab.placement import is_key
from simlab.storage import StorageError, write_json_atomic
from simlab.storage.files import explained, flush

_SEAL, _STATE = "seal.json", "state"
_SLACK = 1 << 16  # bytes of orbax's own files


def write(directory: Path, label: Mapping[str, Any], state: Any) -> None:
    """Makes `directory` a snapshot of a pytree of arrays, all of them on this machine.

    `label` is what `read_label` gives back. Errors: StorageError; `directory` is then
    no snapshot, but may hold something.
    """
    arrays = {
        _name(number): np.asarray(_bare(leaf))
        for number, leaf in enumerate(jax.tree.leaves(state))
        if np.size(leaf)  # orbax refuses empty arrays; `read` needs none of them
    }
    with explained(directory):
        directory.mkdir(parents=True)
        _reserve(directory / "space", sum(array.nbytes for array in arrays.values()))
    if arrays:
        _save(directory / _STATE, arrays)
    with explained(directory):
        files = _digests(directory, flushed=True)
    document = {"label": dict(label), "leaves": _described(state), "files": files}
    sealed = document | {"seal_sha256": _digest(document)}
    write_json_atomic(directory / _SEAL, sealed)


def read_label(directory: Path) -> dict[str, Any] | None:
    """The label of a snapshot, or None if there is none or it is damaged."""
    document = _sealed(directory)
    return None if document is None else document["label"]


def read(directory: Path, like: Any) -> Any:
    """The state of an intact snapshot, with the structure and placement of `like`.

    A leaf of `like` that is a mere shape and type gives an array of the host. Errors:
    StorageError if the names, shapes or types are not those that were written.
    """
    document = _sealed(directory)
    if document is None:
        raise StorageError(f"{directory}: is no snapshot, or a damaged one")
    if document["leaves"] != _described(like):
        raise StorageError(
            f"{directory}: holds a state of other names or shapes; was the code "
            "changed? start again with --fresh"
        )
    arrays = _load(directory / _STATE) if (directory / _STATE).exists() else {}
    leaves, structure = jax.tree.flatten(like)
    placed = [
        _placed(leaf, arrays.get(_name(number))) for number, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, placed)


def _described(state: Any) -> list[list[Any]]:
    """Name, shape and type of every leaf."""
    paths, _ = jax.tree.flatten_with_path(state)
    return [
        [jax.tree_util.keystr(path), list(np.shape(leaf)), str(_dtype(leaf))]
        for path, leaf in paths
    ]


def _dtype(leaf: Any) -> Any:
    return leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def _bare(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def _name(number: int) -> str:
    return f"{number:05d}"


def _placed(like: Any, value: np.ndarray | None) -> Any:
    """A leaf of the type, and on the devices, of `like`; no value: it is empty."""
    if is_key(like):
        data = _placed(jax.random.key_data(like), value)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(like))
    if value is None:
        value = np.empty(np.shape(like), _dtype(like))
    if isinstance(like, jax.Array):
        placed = jax.device_put(value, like.sharding)
        return placed if like.committed else jnp.asarray(value)
    if isinstance(like, np.generic):
        return value[()]
    return value if hasattr(like, "shape") else value.item()


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        with _orbax() as orbax:
            orbax.save(path.absolute(), arrays)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise StorageError(f"{path}: cannot be written: {reason}") from error


def _load(path: Path) -> dict[str, np.ndarray]:
    with _orbax() as orbax:
        loaded = orbax.restore(path.absolute())
    # What is read may be locked against writing, and a caller may go on filling it.
    return {name: np.require(array, requirements="W") for name, array in loaded.items()}


def _orbax() -> Any:
    """Orbax's writer and reader of a pytree; it waits for no other process."""
    # Imported here: it takes a while, and only long runs need it.
    from orbax import checkpoint

    me = jax.process_index()
    alone = checkpoint.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"p{me}"
    )
    handler = checkpoint.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return checkpoint.Checkpointer(handler, multiprocessing_options=alone)


def _reserve(path: Path, size: int) -> None:
    """Asks for the space beforehand: a disk full in its midst makes orbax shout."""
    with open(path, "wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size + _SLACK)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
        finally:
            path.unlink()


def _sealed(directory: Path) -> dict[str, Any] | None:
    """The seal, if it and every file are as they were written."""
    try:
        document = json.loads((directory / _SEAL).read_bytes())
        seal = document.pop("seal_sha256")
        intact = seal == _digest(document) and document["files"] == _digests(directory)
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return None
    return dict(document) if intact else None


def _digests(directory: Path, flushed: bool = False) -> dict[str, str]:
    """The SHA-256 of every file below, by its path, the seal excepted."""
    found = {}
    for file in sorted(directory.rglob("*")):
        if file.is_file() and file.name != _SEAL:
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256")
            found[str(file.relative_to(directory))] = digest.hexdigest()
        if flushed:
            flush(file)
    return found


def _digest(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
