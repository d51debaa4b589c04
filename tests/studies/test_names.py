"""Settings, folders and metrics of strangers in what a sweep, a report and the dashboard print, write and draw."""

import contextlib
import html
import io
import json
import logging
import shutil
import xml.etree.ElementTree
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
import yaml
from rich.console import Console

from inception_lightning.__main__ import main
from inception_lightning.errors import visible
from inception_lightning.studies.report import CAPTIONS, KNOB, cells, figures
from inception_lightning.studies.results import history, table
from inception_lightning.studies.sweep import _display
from inception_lightning.studies.sweep import table as live_table
from inception_lightning.studies.sweep_process import Process
from inception_lightning.studies.sweep_run import Run
from tests.evaluation.test_names import drawn
from tests.strangers import NASTY
from tests.studies.test_report import write

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")  # the font that comes with matplotlib has no cats


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs whose residual scale, width and folder are nasty."""
    place = tmp_path_factory.mktemp("nasty")
    for name in NASTY:
        folder = place / name.replace("/", "_").replace("\ud800", "")[:200]
        write(folder, name, 1.0, 0, dead=0.0)
        log = pd.read_csv(folder / "metrics.csv")
        log = log.rename(columns={"residual/ratio/inception_a.0": "residual/ratio/$a$ [b]"})
        if name not in NASTY[:2]:  # drawing the telemetry of many runs takes a minute
            log = log[["step", "epoch", "val/top1"]].dropna()
        log.to_csv(folder / "metrics.csv", index=False)
    write(place / "other", NASTY[0], 0.5, 0, dead=0.0)  # a second width, so that the panels have titles
    page = place / "other" / "config.yaml"
    page.write_text(page.read_text().replace("width: 0.5", f"width: {json.dumps(NASTY[0] + NASTY[4])}"))
    return place


@pytest.fixture(scope="module")
def report(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on them, with what the terminal was told beside it."""
    out, terminal = tmp_path_factory.mktemp("out") / "\x1b[31m", io.StringIO()
    with contextlib.redirect_stdout(terminal):
        assert main(["report", str(runs), f"--out={out}"]) == 0
    (out.parent / "said").write_text(terminal.getvalue())
    return out


def test_every_figure_shows_text(runs: Path, report: Path) -> None:
    assert {path.stem for path in report.glob("*.png")} == set(CAPTIONS)
    for path in report.glob("*.svg"):
        xml.etree.ElementTree.parse(path)
    rows = table([runs])
    watched = rows[rows["before_pool/dead"].notna()]
    made = [*figures(rows.drop(columns="before_pool/dead"), history(rows)).values()]
    made += figures(watched, history(watched)).values()
    assert len(made) == 7
    for figure in made:
        figure.canvas.draw()
        texts = [drawn(text) for text in figure.findobj(lambda one: hasattr(one, "_preprocess_math"))]
        assert "Ba$$in" in " ".join(texts)
        assert all(line.isprintable() for text in texts for line in text.split("\n"))
        assert max(map(len, texts)) < 200
    legend = {drawn(text).strip() for text in made[1].legends[0].get_texts()}
    shown = map(visible, NASTY)
    assert legend == {name if len(name) <= 40 else f"{name[:39]}…" for name in shown}


@pytest.mark.parametrize("name", NASTY)
def test_html_holds_text(report: Path, name: str) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert f"<td>{html.escape(visible(name))}</td>" in page
    assert "<script" not in page
    assert all(line.isprintable() for line in page.split("\n"))


def test_markdown_holds_text(runs: Path, report: Path) -> None:
    lines = (report / "table.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + len(NASTY) + 1
    rows = cells(table([runs]))
    for line, row in zip([lines[0], *lines[2:]], rows, strict=True):
        assert [part.strip() for part in line.replace(r"\|", "\0").strip("|").split("|")][2:] == row[2:]
        assert not {"<", "`", "$", "*"} & set(
            line.replace("\\<", "").replace("\\`", "").replace("\\$", "").replace("\\*", "")
        )
        assert "](" not in line.replace("\\](", "")


def test_csv_files_hold_names_as_they_are(runs: Path, report: Path) -> None:
    held = {
        file: pd.read_csv(report / f"{file}.csv", encoding_errors="surrogateescape", lineterminator="\n")
        for file in ("runs", "steps")
    }
    folders = {str(path.parent) for path in runs.glob("*/config.yaml")}
    assert set(held["runs"]["folder"]) == set(held["steps"]["folder"]) == folders
    known = {visible(name) if "\ud800" in name else name for name in NASTY}  # no bytes stand for half a pair
    assert set(held["runs"][KNOB]) == known


def test_the_terminal_is_told_text(report: Path) -> None:
    said = (report.parent / "said").read_text()
    assert visible(str(report / "report.html")) in said
    assert all(line.isprintable() for line in said.split("\n"))


@pytest.mark.parametrize("name", NASTY)
def test_a_sweeps_table_and_lines_hold_text(tmp_path: Path, name: str) -> None:
    (tmp_path / "output.log").write_text(f"begun\n{name}", errors="surrogatepass")
    process = Process(Run({"a.b": name}, ("fit",), tmp_path), "failed", exit_code=3)
    screen = io.StringIO()
    console = Console(file=screen, width=200, soft_wrap=True)
    console.print(live_table([process]))
    with _display(console, [process]) as show:
        show(process)
    said = screen.getvalue()
    assert all(line.isprintable() for line in said.split("\n"))
    (line,) = [line for line in said.split("\n") if line.startswith("[1/1] ")]
    assert "exit code 3: " in line
    assert "b=" in line


@pytest.mark.parametrize("name", NASTY)
def test_the_dashboard_holds_the_projects_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    folder = tmp_path / name.replace("/", "_").replace("\ud800", "")[:200]
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"wandb": {"project": name}}))
    assert main(["dashboard", str(folder)]) == 0
    assert json.loads((folder / "dashboard.json").read_text())["project"] == name
    assert capsys.readouterr().out.strip("\n").isprintable()


def test_a_run_that_cannot_be_read_is_left_out(runs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(runs / "other", tmp_path / "good")
    for name, file, content in (
        ("a", "config.yaml", b"[1, 2]"),
        ("b", "config.yaml", b"\xff\xfe"),
        ("c", "metrics.csv", b""),
        ("d", "metrics.csv", b"\xff\xfe\x00"),
        ("e", "metrics.csv", b"a,b\n1,2\n"),
    ):
        shutil.copytree(runs / "other", tmp_path / name)
        (tmp_path / name / file).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert table([tmp_path])["folder"].tolist() == [str(tmp_path / "good")]
    assert len(caplog.messages) == 5
    assert main(["report", str(tmp_path / "a")]) == 2
