"""Every notebook is the executed twin of its source; with -m slow it runs again, top to bottom, with no network."""

from pathlib import Path

import jupytext  # type: ignore[import-untyped]  # no types
import nbformat
import pytest
from nbclient import NotebookClient

SOURCES = sorted(Path("notebooks").glob("*.py"))


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_is_its_source_executed(source: Path) -> None:
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert cells(notebook) == cells(jupytext.read(source))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_runs_headless(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESIDUAL_SCALE_RUNS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    NotebookClient(jupytext.read(source), timeout=180, kernel_name="python3").execute()
