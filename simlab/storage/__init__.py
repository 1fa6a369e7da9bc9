"""Results on disk: written once and atomically, and checked whenever they are read.

    OUT/<claim>-<hash>/           manifest.json, trace.nc, figures: a finished result
    OUT/.<claim>-<hash>.partial/  what a run in progress, or a cut-off one, has so far
    OUT/.<claim>-<hash>.old/      a finished result while it is being replaced

The hash is that of the configuration, so the same configuration finds its result.
"""

from simlab.storage.files import (
    StorageError,
    plain,
    write_bytes_atomic,
    write_json_atomic,
    write_text_atomic,
)
from simlab.storage.parts import Parts
from simlab.storage.results import (
    MANIFEST,
    SCHEMA,
    TRACE,
    Found,
    Result,
    config_hash,
    final_directory,
    find,
    finish,
    load,
    partial_directory,
    scan,
    table,
)

__all__ = [
    "MANIFEST",
    "SCHEMA",
    "TRACE",
    "Found",
    "Parts",
    "Result",
    "StorageError",
    "config_hash",
    "final_directory",
    "find",
    "finish",
    "load",
    "partial_directory",
    "plain",
    "scan",
    "table",
    "write_bytes_atomic",
    "write_json_atomic",
    "write_text_atomic",
]
