"""Every notebook runs from top to bottom, explains, and defines nothing itself.

Notebooks are kept as text; here they become notebooks and run in a kernel of this very
interpreter, from the root of the repository.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext  # type: ignore[import-untyped]  # it ships no type information
import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
KERNEL = "under-test"
SECONDS_A_CELL = 300  # against a hanging kernel, not a promise of speed

each_notebook = pytest.mark.parametrize(
    "source", [pytest.param(file, id=file.stem) for file in NOTEBOOKS]
)


def as_notebook(text: str) -> NotebookNode:
    """A text in percent format as a notebook without outputs."""
    notebook: NotebookNode = jupytext.reads(text, fmt="py:percent")
    nbformat.validate(notebook)
    return notebook


def shown_by(file: Path) -> list[NotebookNode]:
    """All outputs of an .ipynb file that runs in the root of the repository."""
    client = NotebookClient(
        jupytext.read(file),
        timeout=SECONDS_A_CELL,
        kernel_name=KERNEL,
        resources={"metadata": {"path": str(ROOT)}},
    )
    cells = client.execute().cells
    return [output for cell in cells for output in cell.get("outputs", ())]


def written(text: str, folder: Path) -> Path:
    """The .ipynb file that jupytext makes of a text."""
    file = folder / "notebook.ipynb"
    jupytext.write(as_notebook(text), file)
    return file


def definitions(text: str) -> list[str]:
    """The lines of a notebook that define something to be called."""
    cells = [
        cell.source for cell in as_notebook(text).cells if cell.cell_type == "code"
    ]
    # A line of IPython, `%matplotlib inline`, is no Python.
    lines = [line for line in "\n".join(cells).splitlines() if line[:1] not in "%!"]
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    tree = ast.walk(ast.parse("\n".join(lines)))
    return [lines[node.lineno - 1] for node in tree if isinstance(node, kinds)]


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Jupyter that knows one kernel, this interpreter, and no user's settings."""
    spec = {
        "argv": [
            sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}",
        ],
        "display_name": KERNEL,
        "language": "python",
    }  # fmt: skip
    place = tmp_path / "jupyter" / "kernels" / KERNEL
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return tmp_path


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


@each_notebook
def test_a_notebook_runs_and_shows_figures_and_no_warning(
    source: Path, kernel: Path
) -> None:
    shown = shown_by(written(source.read_text(), kernel))
    assert any("image/png" in output.get("data", {}) for output in shown)
    errors = [output.text for output in shown if output.get("name") == "stderr"]
    assert not [text for text in errors if "Warning" in text]


def test_a_failing_cell_is_named_with_its_error(kernel: Path) -> None:
    broken = "# %%\nanswer = 42\n\n# %%\nassert answer == 43, 'no answer'\n"
    with pytest.raises(CellExecutionError, match="answer == 43") as raised:
        shown_by(written(broken, kernel))
    assert raised.value.ename == "AssertionError"
    assert raised.value.evalue == "no answer"


@each_notebook
def test_a_notebook_defines_no_function_and_no_class(source: Path) -> None:
    assert definitions(source.read_text()) == []


@pytest.mark.parametrize(
    "line", ["def f(): pass", "class C: pass", "f = lambda: 0", "async def f(): pass"]
)
def test_a_definition_in_a_notebook_is_seen(line: str) -> None:
    assert definitions(f"# %%\n# %matplotlib inline\nx = 1\n{line}\n") == [line]


def test_only_text_is_committed_never_outputs() -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout: nothing is committed")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "notebooks"],
        cwd=ROOT,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip(f"git cannot list files here: {listed.stderr.strip()}")
    names = listed.stdout.split()
    assert names
    assert {Path(name).suffix for name in names} == {".py"}
