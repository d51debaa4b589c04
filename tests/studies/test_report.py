import shutil
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
import yaml

from inception_lightning.__main__ import main
from inception_lightning.errors import InputError
from inception_lightning.studies.figures import ordered
from inception_lightning.studies.report import figures, markdown, page
from inception_lightning.studies.results import history, run_folders, summary, table, varied

KNOB = "model.net.init_args.residual_scales"


def write(folder: Path, scale: object, width: float, seed: int, *, dead: float, loss: object = 1.0) -> None:
    folder.mkdir(parents=True)
    net = {"class_path": "InceptionResNetV1", "init_args": {"width": width, "residual_scales": scale}}
    config = {
        "seed_everything": seed,
        "model": {"net": net},
        "data": {"init_args": {"seed": seed}},
        "trainer": {"default_root_dir": str(folder)},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    rows = [
        {"step": 0, "epoch": 1, "before_pool/dead": 0.0, "residual/ratio/inception_a.0": 1.0},
        {"step": 0, "train/loss": loss},
        {"step": 9, "epoch": 1, "val/top1": 0.5 + seed / 100},
        {"step": 10, "epoch": 2, "before_pool/dead": dead, "residual/ratio/inception_a.0": 0.1},
        {"step": 19, "epoch": 2, "val/top1": 0.8},
        {"step": 29, "epoch": 3, "val/top1": 0.75},
    ]
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    place = tmp_path / "runs"
    for width in (0.25, 1.0):
        for seed in (0, 1):
            write(place / f"a{width}{seed}", 0.1, width, seed, dead=0.0)
            write(place / f"b{width}{seed}", 1.0, width, seed, dead=0.95)
            write(place / f"c{width}{seed}", [0.1, 0.2, 0.3], width, seed, dead=0.2)
    return place


def test_a_row_tells_what_became_of_a_run(runs: Path) -> None:
    rows = table([runs])
    assert len(rows) == 12
    assert varied(rows) == ["model.net.init_args.residual_scales", "model.net.init_args.width"]
    row = rows[rows["folder"].str.endswith("b1.01")].iloc[0]
    expected = {"best": 0.8, "last": 0.75, "steps_to_90": 19, "steps": 30, "seed": 1, "died": True, "finished": False}
    assert {name: row[name] for name in expected} == expected
    assert row["residual/ratio/inception_a.0"] == 0.1
    assert rows["died"].sum() == 4
    means = summary(rows)
    assert list(means["runs"]) == [2] * 6
    assert np.allclose(means["best_std"], 0)


def test_a_knob_that_some_runs_have_not_set_varies_too(tmp_path: Path) -> None:
    write(tmp_path / "unclipped", 0.1, 1.0, 0, dead=0.0)
    write(tmp_path / "clipped", 0.1, 1.0, 0, dead=0.0)
    page = yaml.safe_load((tmp_path / "clipped" / "config.yaml").read_text())
    page["trainer"]["gradient_clip_val"] = 2.0
    (tmp_path / "clipped" / "config.yaml").write_text(yaml.safe_dump(page))
    rows = table([tmp_path])
    assert varied(rows) == ["trainer.gradient_clip_val"]
    assert sorted(summary(rows)["trainer.gradient_clip_val"]) == ["2.0", "none"]


@pytest.mark.parametrize("loss", ["nan", "inf"])
def test_a_loss_that_is_not_finite_is_a_death(tmp_path: Path, loss: str) -> None:
    write(tmp_path / "run", 0.1, 1.0, 0, dead=0.0, loss=loss)
    assert table([tmp_path])["died"].tolist() == [True]


def test_of_several_attempts_at_a_run_of_a_sweep_the_newest_counts(tmp_path: Path) -> None:
    for name in ("2026-01-01_00-00-00", "2026-01-01_00-00-01"):
        write(tmp_path / "width=1" / name, 0.1, 1.0, 0, dead=0.0)
    assert len(run_folders([tmp_path])) == 2
    (tmp_path / "width=1" / "lock").touch()
    assert [folder.name for folder in run_folders([tmp_path])] == ["2026-01-01_00-00-01"]


def test_the_report_is_one_page_that_needs_no_other_file(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    assert main(["report", str(runs), f"--out={out}"]) == 0
    assert "| 1.0 | 0.25 | 2 (2 unfinished) | 80.0 ± 0.0 | 75.0 | 19 | 95.0 ± 0.0 | 2 of 2 |" in capsys.readouterr().out
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert 'src="data' in page
    assert "http" not in page
    assert {path.name for path in out.glob("*.svg")} == {
        "accuracy.svg",
        "curves.svg",
        "dead.svg",
        "dead_last.svg",
        "ratios.svg",
    }


def test_the_figures_are_drawn_from_the_tables_alone(runs: Path, tmp_path: Path) -> None:
    rows = table([runs])
    history(rows).to_csv(tmp_path / "steps.csv", index=False)
    rows.to_csv(tmp_path / "runs.csv", index=False)
    shutil.rmtree(runs)
    drawn = figures(pd.read_csv(tmp_path / "runs.csv"), pd.read_csv(tmp_path / "steps.csv"))
    panels = [axis for axis in drawn["dead"].axes if axis.get_lines()]
    assert [axis.get_title() for axis in panels] == ["width 0.25", "width 1.0"]
    lines = {str(line.get_label()): np.asarray(line.get_xydata()).tolist() for line in panels[0].get_lines()}
    assert lines["1.0"] == [[0, 0], [10, pytest.approx(95)]]
    assert lines["0.1"] == [[0, 0], [10, 0]]
    (ratios,) = drawn["ratios"].axes[0].collections
    assert np.asarray(ratios.get_array()).ravel().tolist() == pytest.approx([0, -1])  # logarithms of 1 and 0.1
    dead = [line for line in drawn["dead_last"].axes[0].get_lines() if line.get_marker() == "x"]
    assert sum([len(np.asarray(line.get_xdata())) for line in dead]) == 4


def judged_by(folder: Path, monitor: str, *scores: str) -> None:
    """Have a run chosen by ``monitor`` and log ``scores`` in place of top-1."""
    write(folder, 0.1, 1.0, 0, dead=0.0)
    settings = yaml.safe_load((folder / "config.yaml").read_text()) | {"checkpoint": {"monitor": monitor}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    log = pd.read_csv(folder / "metrics.csv")
    log.assign(**dict.fromkeys(scores, log["val/top1"])).drop(columns="val/top1").to_csv(
        folder / "metrics.csv", index=False
    )


def test_runs_of_several_labels_are_judged_by_average_precision_and_others_by_what_chose_them(tmp_path: Path) -> None:
    for seed in (0, 1):
        judged_by(tmp_path / f"labels{seed}", "val/loss", "val/f1", "val/average_precision")
    rows = table([tmp_path])
    assert set(rows["score"]) == {"val/average_precision"}
    assert "| best average precision % | last average precision % |" in markdown(rows)
    drawn = figures(rows, history(rows))
    assert "validation average precision (%)" in [axis.get_ylabel() for axis in drawn["curves"].axes]
    assert any(np.asarray(line.get_ydata()).size == 3 for line in drawn["curves"].axes[0].get_lines())
    judged_by(tmp_path / "f1", "val/f1", "val/f1", "val/average_precision")
    mixed = table([tmp_path])
    assert set(mixed["score"]) == {"val/average_precision", "val/f1"}
    assert "| best score % | last score % |" in markdown(mixed)
    assert len(figures(mixed, history(mixed))["curves"].axes[0].get_lines()) == 1
    assert "last F1 %" in page(table([tmp_path / "f1"]), {})


def test_runs_without_validation_are_drawn_by_their_telemetry(tmp_path: Path) -> None:
    write(tmp_path / "run", 0.1, 1.0, 0, dead=0.0)
    log = pd.read_csv(tmp_path / "run" / "metrics.csv")
    log.drop(columns="val/top1").to_csv(tmp_path / "run" / "metrics.csv", index=False)
    rows = table([tmp_path])
    assert set(figures(rows, history(rows))) == {"dead_last", "dead", "ratios"}
    rows = rows.drop(columns="before_pool/dead")
    with pytest.raises(InputError, match="no run has a validation accuracy or telemetry yet"):
        figures(rows, history(table([tmp_path])))


def test_nothing_to_report_is_said(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert main(["report", str(runs), "--knob=model.net.init_args.depht"]) == 2
    error = capsys.readouterr().err
    assert "no runs in" in error
    assert "say --knob with one of model.net.init_args.residual_scales" in error


def test_knobs_are_ordered_as_numbers() -> None:
    assert ordered(pd.Series(["learned", 1.0, 0.1, "[0.1, 0.2]", 0.0])) == [
        "0.0",
        "0.1",
        "1.0",
        "[0.1, 0.2]",
        "learned",
    ]


def test_the_numbers_of_the_study_are_those_of_its_tables() -> None:
    study = Path("experiments/residual_scale")
    rows = pd.read_csv(study / "results" / "runs.csv")
    claim = summary(rows[rows["folder"].str.startswith("runs/residual_claim/")])
    written = (study / "README.md").read_text()
    width = "model.net.init_args.width"
    for scale in ("0.1", "[0.17, 0.1, 0.2]", "0.3", "1.0"):
        cells = [scale.strip("[]")]
        for _, row in claim[claim[KNOB] == scale].sort_values(width).iterrows():
            cells += [f"{100 * row['dead_mean']:.1f} ± {100 * row['dead_std']:.1f}", f"{row['died']} of {row['runs']}"]
        assert f"| {' | '.join(cells)} |" in written
    others = summary(rows[~rows["folder"].str.startswith("runs/residual_claim/")])
    assert len(others) == 5
    for _, row in others.iterrows():
        dead, best = (f"{100 * row[f'{name}_mean']:.1f} ± {100 * row[f'{name}_std']:.1f}" for name in ("dead", "best"))
        assert f"| {dead} | {row['died']} of {row['runs']} | {best} |" in written


def test_the_report_of_one_run_is_about_it(tmp_path: Path) -> None:
    write(tmp_path / "run", 0.1, 1.0, 0, dead=0.0)
    (tmp_path / "run" / "curves.png").write_bytes(b"a picture")
    assert main(["report", str(tmp_path / "run"), f"--out={tmp_path / 'out'}"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h1>Run run</h1>" in page
    assert "<td>finished</td>" in page
    assert "Losses, accuracy and rate" in page
    assert "Mean ±" not in page
    assert f'href="{(tmp_path / "run").as_uri()}"' in page


def test_unfinished_runs_are_marked(runs: Path, tmp_path: Path) -> None:
    (runs / "a0.250" / "curves.png").touch()  # this one is finished
    rows = table([runs])
    assert summary(rows)["unfinished"].tolist() == [1, 2, 2, 2, 2, 2]
    assert ", not finished</li>" in page(rows, {})
    assert page(rows, {}).count(", not finished</li>") == 11
