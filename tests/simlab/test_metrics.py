"""The stream of events: whole lines of strict JSON, whatever happens to the process."""

import json
import math
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.metrics import FILE, Metrics
from simlab.storage import StorageError

ROOT = Path(__file__).parents[2]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def events(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines()
    return [json.loads(line, parse_constant=pytest.fail) for line in lines]


def test_an_event_is_a_line_of_strict_json_with_its_time(tmp_path: Path) -> None:
    clock = Clock()
    with Metrics(tmp_path / "there" / FILE, clock=clock) as metrics:
        metrics.write("begin", claim="x", seeds=(1, 2))
        clock.now = 5.0
        metrics.write("chunk", loss=np.float32(math.nan), runs=np.int64(3))
        assert len(events(metrics.path)) == 2, "nothing is held back"
    assert events(tmp_path / "there" / FILE) == [
        {"event": "begin", "time": 0.0, "claim": "x", "seeds": [1, 2]},
        {"event": "chunk", "time": 5.0, "loss": "NaN", "runs": 3},
    ]
    metrics.write("after", it="was closed")
    assert len(events(tmp_path / "there" / FILE)) == 2


@given(torn=st.binary(max_size=9000).filter(lambda text: b"\n" not in text))
def test_a_torn_last_line_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory, torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("torn") / FILE
    whole = b'{"event": "begin"}\n'
    for kept in (b"", whole, 300 * whole):
        path.write_bytes(kept + torn)
        with Metrics(path, clock=Clock()) as metrics:
            metrics.write("x")
        assert path.read_bytes() == kept + b'{"event": "x", "time": 0.0}\n'


def test_an_error_is_told_as_the_reason_of_a_stop(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Metrics(tmp_path / FILE):
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), Metrics(tmp_path / FILE):
        raise ZeroDivisionError("by\nnothing")
    told = events(tmp_path / FILE)
    assert [event["reason"] for event in told] == ["KeyboardInterrupt", "by nothing"]


def test_what_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="does not fit in JSON"),
        Metrics(tmp_path / FILE) as metrics,
    ):
        metrics.write("x", field={1, 2})


def test_a_full_disk_is_told_once_and_keeps_whole_lines_only(tmp_path: Path) -> None:
    told: list[str] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Metrics(tmp_path / FILE, complain=told.append) as metrics:
        metrics.write("x", text="a" * 50)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (130, hard))
            for _ in range(3):
                metrics.write("x", text="b" * 50)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        metrics.write("x", text="c")
    assert [event["text"][0] for event in events(tmp_path / FILE)] == ["a", "c"]
    assert len(told) == 1
    assert "the run goes on" in told[0]
    assert "\n" not in told[0]


def test_a_file_that_cannot_be_opened_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "file").write_text("")
    with Metrics(tmp_path / "file" / FILE, complain=told.append) as metrics:
        metrics.write("x")
        metrics.write("y")
    assert len(told) == 1
    assert "file" in told[0]


FULL = """
import sys
from pathlib import Path
from simlab.metrics import Metrics
with Metrics(Path("/dev/full")) as metrics:
    metrics.write("x")
    metrics.write("x")
"""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_by_default_the_complaint_is_one_line_on_standard_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("simlab: /dev/full: the disk is full")
