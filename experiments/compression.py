"""`simlab compress` and `decompress`: files through a model and an arithmetic coder."""

import gzip
import lzma
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table

from experiments.claim import UsageError
from experiments.compression_options import (
    MODEL_SUFFIX,
    SUFFIX,
    CompressOptions,
    DecompressOptions,
    beside,
    stem,
)
from experiments.report import console
from simlab import storage
from simlab.coding import (
    Compressed,
    ModelPredictor,
    compress,
    content_size,
    decompress,
    model_predictor,
    pack_model,
    quantisation_bits,
    unpack_model,
)
from simlab.models import Model, Params, Transformer
from simlab.optimizers import Adam
from simlab.progress import SECONDS_BETWEEN_LINES, progress_bar
from simlab.sources import DatasetSource
from simlab.training import Hyper, Setup, begin, stretch
from theory.units import to_bits

BYTES = 256
MOST_WINDOWS = 2**18
"""Windows that a model is trained on; of a longer file every second, third, ... one."""

_STRETCHES = 20


class Sizes(NamedTuple):
    """What a content takes, in bytes, in one form or another."""

    content: int
    gzip: int
    xz: int
    stream: int
    model: int


def compress_file(options: CompressOptions) -> None:
    """Trains or reads a model, writes the code stream, and prints what it takes."""
    content = _read(options.file)
    where = options.model or beside(options.file, MODEL_SUFFIX)
    out = options.out or beside(options.file, SUFFIX)
    if options.retrain or not where.exists():
        packed = trained_model(content, options)
        storage.write_bytes_atomic(where, packed)
    predictor = _predictor(where)
    begin_time = time.monotonic()
    meter = _Meter("compress", len(content), options.quiet)
    made = compress(predictor, content, meter.tick)
    seconds = time.monotonic() - begin_time
    storage.write_bytes_atomic(out, made.stream)
    sizes = Sizes(
        len(content),
        len(gzip.compress(content, 9)),
        len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)),
        len(made.stream),
        where.stat().st_size,
    )
    print_sizes(sizes, made)
    print(
        f"compressed in {seconds:.1f} s: {out}\nmodel: {where} (needed to decompress)"
    )


def decompress_file(options: DecompressOptions) -> None:
    """Writes the file that a code stream was made from."""
    out = options.out or stem(options.file)
    if out.exists():
        raise UsageError(f"{out} exists; choose another file with --out")
    stream = _read(options.file)
    predictor = _predictor(options.model or beside(stem(options.file), MODEL_SUFFIX))
    begin_time = time.monotonic()
    meter = _Meter("decompress", content_size(stream), options.quiet)
    content = decompress(predictor, stream, meter.tick)
    storage.write_bytes_atomic(out, content)
    print(
        f"decompressed {len(content):,} bytes in {time.monotonic() - begin_time:.1f} s:"
        f" {out}"
    )


def trained_model(content: bytes, options: CompressOptions) -> bytes:
    """A transformer trained to predict the windows of a content, packed.

    Errors: UsageError for a content shorter than a window.
    """
    if len(content) < options.window:
        raise UsageError(
            f"{options.file} has {len(content)} bytes, fewer than "
            f"window={options.window}: nothing to learn from; give a --model"
        )
    model = Transformer(
        BYTES, 1, options.window, options.width, options.depth, options.heads
    )
    steps = -(-options.steps // _STRETCHES) * _STRETCHES
    setup = Setup(
        model, steps, options.batch, _STRETCHES, optimizer=Adam(b2=0.999),
        enumerated=False,
    )  # fmt: skip
    key_start, key = jax.random.split(jax.random.key(options.seed))
    hyper = Hyper(
        jnp.float32(options.learning_rate),
        jnp.float32(0.0),
        DatasetSource(jnp.asarray(windows(content, options.window))),
        None,
        model.init(key_start),
    )
    return pack_model(model, _trained(setup, hyper, key, options.quiet))


def _trained(setup: Setup, hyper: Hyper, key: jax.Array, quiet: bool) -> Params:
    """The parameters after all steps, with a sign of life twenty times."""
    length = setup.steps // _STRETCHES
    step = jax.jit(stretch, static_argnums=(0, 4))
    state = begin(setup, hyper)
    tokens = setup.batch * setup.model.length
    with progress_bar(
        "train", _STRETCHES, length, tokens_per_step=tokens, enabled=not quiet
    ) as bar:
        for _ in range(_STRETCHES):
            state, record = step(setup, hyper, key, state, length)
            loss = float(record.loss)
            bar.advance(1)
    if not np.isfinite(loss):
        raise UsageError("training diverged; try a lower --learning-rate")
    return state.params


def windows(content: bytes, length: int) -> np.ndarray:
    """Rows of the context token and `length` neighbouring bytes: [n, 1 + length]."""
    data = np.frombuffer(content, np.uint8).astype(np.int16)
    stride = -(-len(data) // MOST_WINDOWS)
    rows = np.lib.stride_tricks.sliding_window_view(data, length)[::stride]
    return np.concatenate([np.full((len(rows), 1), BYTES, np.int16), rows], axis=1)


def print_sizes(sizes: Sizes, made: Compressed) -> None:
    """The table: our code, its ideal, the model, gzip and xz, in bits per byte."""
    table = Table("code", "bytes", "bits per byte", "what it is")
    bits = float(to_bits(made.loss))

    def row(name: str, size: float, text: str) -> None:
        per_byte = 8 * size / max(sizes.content, 1)
        table.add_row(name, f"{size:,.0f}", f"{per_byte:.4f}", text)

    row("file", sizes.content, "as it is")
    row("model's loss", bits / 8, "-log2 p: the ideal code of the model")
    row("ideal code", made.ideal_bits / 8, "-log2 q: frequencies as whole numbers")
    row("simlab", sizes.stream, f"{made.segments} segments, headers included")
    row("simlab + model", sizes.stream + sizes.model, "what a stranger needs")
    row("gzip -9", sizes.gzip, "carries no model: it learns as it goes")
    row("xz -9e", sizes.xz, "carries no model: it learns as it goes")
    console().print(table)
    allowed = sizes.content * quantisation_bits(BYTES)
    print(
        f"whole frequencies cost {made.ideal_bits - bits:.1f} bits (at most "
        f"{allowed:.0f}), the coder {made.code_bits - made.ideal_bits:.1f} bits (at "
        f"most 2 for each of {made.segments} segments), headers and padding "
        f"{8 * sizes.stream - made.code_bits} bits"
    )


@dataclass
class _Meter:
    """A line on standard error every ten seconds."""

    title: str
    total: int
    quiet: bool
    done: int = 0
    told: float = field(default_factory=time.monotonic)

    def tick(self, symbols: int) -> None:
        """So many more bytes are done."""
        self.done += symbols
        now = time.monotonic()
        if not self.quiet and now - self.told >= SECONDS_BETWEEN_LINES:
            self.told = now
            text = f"{self.title}: {self.done:,}/{self.total:,} bytes"
            print(text, file=sys.stderr, flush=True)


def _predictor(where: Path) -> ModelPredictor:
    model, params = _unpacked(where)
    return model_predictor(model, params)


def _unpacked(where: Path) -> tuple[Model, Params]:
    try:
        return unpack_model(_read(where))
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {(error.strerror or str(error)).lower()}") from error
