"""A sweep killed outright at random moments goes on to the same bits."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

from simlab import storage

COMMAND = [
    sys.executable, "-m", "experiments", "run", "tradeoff_penalty", "--preset", "smoke",
    "--seeds", "2", "--steps", "60", "--records", "2", "--quiet", "--out",
]  # fmt: skip
KILLS = 6


def finished(out: Path) -> storage.Result:
    done = subprocess.run([*COMMAND, str(out)], capture_output=True, check=False)
    assert done.returncode in (0, 1, 3), done.stderr
    return storage.load(next(out.glob("tradeoff_penalty-*")))


@pytest.mark.slow
def test_a_killed_sweep_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = finished(tmp_path / "whole")
    begin = time.monotonic()
    finished(tmp_path / "timed")
    duration = time.monotonic() - begin
    cut = tmp_path / "cut"
    for kill in range(KILLS):
        process = subprocess.Popen([*COMMAND, str(cut)], stderr=subprocess.DEVNULL)
        # Spread over the whole run; a kill after its end finds nothing to kill.
        time.sleep(duration * (kill + 1) / (KILLS + 1))
        process.kill()
        process.wait()
    xr.testing.assert_identical(finished(cut).dataset, whole.dataset)
