"""What `simlab compress` and `simlab decompress` take. Nothing here imports JAX."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.validation import at_least, positive

SUFFIX = ".slac"
MODEL_SUFFIX = ".model"


@dataclass(frozen=True)
class CompressOptions:
    """Compresses a file with an arithmetic coder that a small transformer drives.

    The model is read from --model if that file exists; else it is trained on FILE, and
    written there: without it nobody can decompress.
    """

    file: Annotated[
        Path, tyro.conf.Positional, tyro.conf.arg(help="the file to compress")
    ]
    out: Path | None = None  # the code stream; without it FILE.slac
    model: Path | None = None  # the model file; without it FILE.model
    retrain: bool = False  # train a new model even if the model file exists
    window: int = 16  # bytes that a prediction may depend on, itself included
    width: int = 64  # width of the transformer
    depth: int = 2  # blocks of the transformer
    heads: int = 2  # attention heads of a block
    steps: int = 2000  # optimiser steps
    batch: int = 64  # windows of the file a step
    learning_rate: float = 3e-3  # peak learning rate of Adam
    seed: int = 0  # of the initial parameters and the batches
    quiet: bool = False  # no progress on standard error
    cache: bool = True  # keep compiled programs in the user's cache directory

    def __post_init__(self) -> None:
        least = {"window": 2, "width": 2, "depth": 1, "heads": 1, "steps": 1}
        at_least(self, {**least, "batch": 1, "seed": 0})
        positive(self, "learning_rate", "did you pass its logarithm?")


@dataclass(frozen=True)
class DecompressOptions:
    """Gives back the file that `simlab compress` was given, byte for byte."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="the code stream")]
    out: Path | None = None  # the file to write; without it FILE without .slac
    model: Path | None = None  # the model file; without it FILE, .model for .slac
    quiet: bool = False  # no progress on standard error
    cache: bool = True  # keep compiled programs in the user's cache directory


def stem(stream: Path) -> Path:
    """The name of the file that a code stream was made from.

    >>> stem(Path("notes.txt.slac")).name
    'notes.txt'
    """
    return stream.with_suffix("") if stream.suffix == SUFFIX else stream


def beside(file: Path, suffix: str) -> Path:
    """The file of the same name with one more suffix.

    >>> beside(Path("notes.txt"), SUFFIX).name
    'notes.txt.slac'
    """
    return file.with_name(file.name + suffix)
