"""`simlab compress` and `decompress`, from this process and from a fresh one."""

import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments.__main__ import main
from experiments.compression import BYTES, windows
from experiments.compression_options import CompressOptions
from simlab.coding import pack_model
from simlab.models import Transformer

TYPED = "--window 4 --width 4 --depth 1 --heads 1 --steps 20 --batch 4 --quiet"
SMALL = TYPED.split()


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests have configured JAX already; a process can do so only once."""
    monkeypatch.setattr("simlab.devices.configure", lambda **_: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file, beside it the model that was trained on it, and its code stream."""
    numbers = jax.random.geometric(jax.random.key(0), 0.02, (1500,))
    path = tmp_path_factory.mktemp("compressed") / "data.bin"
    path.write_bytes((np.asarray(numbers) % 256).astype(np.uint8).tobytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simlab.devices.configure", lambda **_: None)
        assert main(["compress", str(path), *SMALL]) == 0
    return path


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    """Copies of the three files that a test may spoil."""
    for suffix in ("", ".model", ".slac"):
        shutil.copy(f"{made}{suffix}", tmp_path)
    return tmp_path / made.name


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a wrong command gets, with exit code 2."""
    capsys.readouterr()
    assert main(words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_file_comes_back_in_a_fresh_process(
    capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path
) -> None:
    stream, model = Path(f"{file}.slac"), Path(f"{file}.model")
    before = stream.read_bytes(), model.read_bytes()
    assert main(["compress", str(file), *SMALL]) == 0
    shown = capsys.readouterr().out
    for word in ("gzip", "xz", "ideal code", "model's loss", "simlab + model"):
        assert word in shown
    assert "needed to decompress" in shown
    # The model that is there was used again, and gave the same code stream.
    assert (stream.read_bytes(), model.read_bytes()) == before

    again = tmp_path / "again.bin"
    words = ["decompress", str(stream), "--out", str(again), "--quiet"]
    # A process of its own: other threads, other devices, nothing in memory.
    subprocess.run([sys.executable, "-m", "experiments", *words], check=True)
    assert again.read_bytes() == file.read_bytes()


def test_every_mistake_gets_one_line(
    capsys: pytest.CaptureFixture[str], file: Path, tmp_path: Path
) -> None:
    stream, model = Path(f"{file}.slac"), Path(f"{file}.model")
    whole = stream.read_bytes()
    back = ["decompress", str(stream), "--out", str(tmp_path / "back")]
    assert "exists; choose another file" in complaint(capsys, "decompress", str(stream))

    stream.write_bytes(whole[:-50])
    assert "truncated" in complaint(capsys, *back)
    stream.write_bytes(whole[:200] + b"\xff" + whole[201:])
    assert "damaged" in complaint(capsys, *back)
    stream.write_bytes(file.read_bytes())
    assert "no code stream of simlab" in complaint(capsys, *back)
    stream.write_bytes(whole)

    other = tmp_path / "other.model"
    foreign = Transformer(BYTES, 1, 4, 4, 1, 1)
    other.write_bytes(pack_model(foreign, foreign.init(jax.random.key(1))))
    assert "another model" in complaint(capsys, *back, "--model", str(other))
    assert "no such file" in complaint(capsys, *back, "--model", str(tmp_path / "no"))
    model.write_bytes(model.read_bytes()[:-3])
    assert "model file is truncated or damaged" in complaint(capsys, *back)
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("compress", "missing"),
        ("compress nowhere.txt", "nowhere.txt: no such file"),
        ("compress nowhere.txt --window 1", "window=1 must be >= 2"),
        ("compress nowhere.txt --steps 0", "steps=0 must be >= 1"),
        ("compress nowhere.txt --learning-rate -3", "did you pass its logarithm"),
        ("compress nowhere.txt --modle x", "did you mean --model"),
        ("decompress nowhere.slac", "nowhere.slac: no such file"),
    ],
)
def test_a_wrong_word_gets_one_line(
    capsys: pytest.CaptureFixture[str],
    words: str,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named.lower() in complaint(capsys, *words.split()).lower()


def test_too_short_a_file_needs_a_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"abc")
    line = complaint(capsys, "compress", str(short), *SMALL)
    assert "has 3 bytes, fewer than window=4" in line
    assert not (tmp_path / "short.slac").exists()


def test_windows_are_neighbouring_bytes_behind_the_context() -> None:
    rows = windows(b"abcdef", 4)
    assert rows.tolist() == [[BYTES, *b"abcd"], [BYTES, *b"bcde"], [BYTES, *b"cdef"]]


def test_the_defaults_are_a_model_that_can_be_made() -> None:
    options = CompressOptions(Path("x"))
    assert options.width % options.heads == 0
    assert options.window > 1
