"""A result says which code it is from, and whether that code was committed."""

import subprocess
from pathlib import Path

import pytest

from experiments.runner import code_version


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("simlab/models/a.py", "experiments/b.py", "experiments/golden/c.nc"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    git(tmp_path, *identity, "commit", "--quiet", "-m", "first")
    return tmp_path


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_committed_code_is_unchanged(repository: Path) -> None:
    found = code_version(repository / "experiments")
    assert found == {"commit": git(repository, "rev-parse", "HEAD"), "changed": False}


@pytest.mark.parametrize("file", ["simlab/models/a.py", "experiments/new.py"])
def test_changed_and_new_code_is_told(repository: Path, file: str) -> None:
    (repository / file).write_text("2\n")
    # Asked from a folder beside the change: paths count from the top.
    assert code_version(repository / "experiments")["changed"] is True


def test_kept_results_and_notes_are_no_code(repository: Path) -> None:
    (repository / "experiments/golden/c.nc").write_text("2\n")
    (repository / "experiments/benchmarks/results").mkdir(parents=True)
    (repository / "experiments/benchmarks/results/new.json").write_text("2\n")
    (repository / "README.md").write_text("2\n")
    assert code_version(repository / "experiments")["changed"] is False


def test_outside_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert code_version(tmp_path) == {"commit": None, "changed": None}
