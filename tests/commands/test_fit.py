"""The command line from end to end, in this process: one trained run is shared by all tests."""

import contextlib
import csv
import io
import os
import shlex
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from matplotlib.image import imread
from PIL import Image
from torch import Tensor
from torch.nn.functional import cross_entropy

from inception_lightning.__main__ import main
from inception_lightning.configurable import KEY
from inception_lightning.data import Digits
from inception_lightning.loading.decoding import decode
from inception_lightning.models.blocks import ResidualBlock
from inception_lightning.runs.checkpoints import read_checkpoint
from inception_lightning.training.classifier import InceptionClassifier

QUICKSTART = "--config=experiments/quickstart.yaml"
CPU = ["--trainer.accelerator=cpu", "--trainer.devices=1"]
TINY = [
    *("--model.net.init_args.width=0.05", "--model.net.init_args.depths=[1,1,1]", "--data.batch_size=32"),
    *("--trainer.max_epochs=2", "--trainer.limit_train_batches=10", *CPU),
]
FAST = [*CPU, "--trainer.fast_dev_run=true", "--trainer.enable_progress_bar=false"]


def said(*args: str) -> str:
    """What the program prints when all goes well."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(list(args)) == 0
    return out.getvalue()


def rows(metrics: Path) -> list[dict[str, str]]:
    with metrics.open(newline="") as file:
        return list(csv.DictReader(file))


def validations(folder: Path) -> list[dict[str, str]]:
    """The validation figures of a run, one row per epoch, as they are written."""
    kept = ("epoch", *(f"val/{name}" for name in ("loss", "top1", "top5", "balanced_accuracy", "f1")))
    return [{name: row[name] for name in kept} for row in rows(folder / "metrics.csv") if row["val/top1"]]


def written(folder: Path) -> dict[Path, int]:
    """When each file was last written; the logs of W&B's one background process are left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".log")
    return {path: path.stat().st_mtime_ns for path in files}


def runs(place: Path) -> list[Path]:
    return sorted(place.glob("20*"))


UMASK = 0o027


@dataclass
class Run:
    place: Path
    folder: Path
    printed: str
    args: list[str]

    def best(self) -> dict[str, str]:
        return max(validations(self.folder), key=lambda row: float(row["val/top1"]))  # the first of equals

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoints" / "best.ckpt"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("runs")
    args = ["fit", QUICKSTART, *TINY, f"--trainer.default_root_dir={place}"]
    before = os.umask(UMASK)
    printed = said(*args)
    os.umask(before)
    (folder,) = runs(place)
    return Run(place, folder, printed, args)


def evaluated(place: Path, command: str, *args: str) -> dict[str, float]:
    """The figures of ``validate`` or ``test``, unrounded."""
    said(command, *args, *CPU, "--trainer.logger=CSVLogger", f"--trainer.logger.save_dir={place}")
    (row,) = rows(max(place.rglob("metrics.csv"), key=lambda file: file.stat().st_mtime))
    return {name.partition("/")[2]: float(value) for name, value in row.items() if "/" in name}


@pytest.fixture(scope="module")
def tested(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The figures of the best checkpoint as it is."""
    return evaluated(tmp_path_factory.mktemp("tested"), "test", f"--ckpt_path={run.checkpoint}")


@pytest.fixture(scope="module")
def scaled(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Those with other residual scales, which a flag has said."""
    flag = "--model.net.residual_scales=0.3"
    return evaluated(tmp_path_factory.mktemp("scaled"), "test", "--ckpt_path", str(run.checkpoint), flag)


def directly(module: InceptionClassifier) -> dict[str, float]:
    """The figures on the validation images, computed without Trainer and command line."""
    views = Digits().views("val")
    images = torch.stack([views[index][0] for index in range(len(views))])
    labels = torch.tensor([views[index][1] for index in range(len(views))])
    with torch.inference_mode():
        logits: Tensor = module.eval()(images)
    top1 = (logits.argmax(dim=1) == labels).double().mean().item()
    return {"loss": cross_entropy(logits, labels).item(), "top1": top1}


def test_a_run_has_one_folder_with_everything(run: Run) -> None:
    names = {path.name for path in run.folder.iterdir()}
    assert names >= {
        "config.yaml",
        "command.txt",
        "metrics.csv",
        "checkpoints",
        "curves.png",
        "views.png",
        "predictions.png",
        "confusion.csv",
        "code.json",
        "wandb",
    }
    kept = {"best.ckpt", "last.ckpt", "previous.ckpt", "manifest.json"}
    assert {path.name for path in (run.folder / "checkpoints").iterdir()} == kept
    assert len(list((run.folder / "wandb").glob("offline-run-*/*.wandb"))) == 1
    for name in ("curves.png", "predictions.png", "confusion.png"):
        picture = imread(run.folder / name)
        assert min(picture.shape[:2]) > 200
        assert picture.std() > 0.01  # not blank
    shown = (run.folder / "wandb").glob("offline-run-*/files/media/images/pictures/*.png")
    assert {path.name.partition("_")[0] for path in shown} == {"confusion", "curves", "predictions"}
    assert (run.folder / "command.txt").read_text() == shlex.join(["lightning", *run.args]) + "\n"


def test_what_a_run_writes_follows_the_umask(run: Run) -> None:
    staged = "artifacts/staging"  # which W&B keeps to itself until it is uploaded
    for path in run.folder.rglob("*"):
        if not path.is_symlink() and staged not in str(path):
            assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640), path


def test_metrics_hold_every_validation(run: Run) -> None:
    scores = validations(run.folder)
    assert [row["epoch"] for row in scores] == ["1", "2"]
    assert float(scores[-1]["val/loss"]) < float(scores[0]["val/loss"])
    assert all(0 <= float(row["val/top1"]) <= float(row["val/top5"]) <= 1 for row in scores)


def test_best_and_last_are_what_they_say(run: Run) -> None:
    best, last = (torch.load(run.checkpoint.with_stem(name), weights_only=True) for name in ("best", "last"))
    assert best["epoch"] == int(run.best()["epoch"]) - 1  # Lightning counts from 0
    assert last["epoch"] == 2  # saved when both were done
    assert best[KEY]["class_names"] == list("0123456789")


def test_what_is_printed_is_plain_and_short(run: Run) -> None:
    assert "\x1b" not in run.printed
    lines = run.printed.splitlines()
    assert lines[0].startswith("InceptionResNetV1, 0.03 M parameters, 10 classes, on Digits; run folder ")
    assert [line.partition("  ")[0] for line in lines if line.startswith("epoch")] == [f"epoch {n}/2" for n in (1, 2)]
    scores = [float(row["val/top1"]) for row in validations(run.folder)]
    table = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert table[0][:3] == ["best", str(scores.index(max(scores)) + 1), f"{100 * max(scores):.2f}"]
    assert table[1][:3] == ["last", "2", f"{100 * scores[-1]:.2f}"]
    assert f"test it    lightning test --ckpt_path {run.checkpoint}" in lines
    assert len(lines) <= 16  # a table of six, and the folder, two epochs, speed, memory and what to do next


def test_the_written_configuration_repeats_the_run_in_a_new_folder(run: Run) -> None:
    before = written(run.folder)
    said("fit", f"--config={run.folder / 'config.yaml'}")
    first, second = runs(run.place)
    assert first == run.folder
    assert written(first) == before
    assert validations(second) == validations(first)
    assert len(list((second / "wandb").glob("offline-run-*/*.wandb"))) == 1
    assert (second / "config.yaml").read_text() == (first / "config.yaml").read_text()


def test_the_printed_configuration_can_be_run(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*run.args, "--print_config"])
    assert stop.value.code == 0
    (tmp_path / "page.yaml").write_text(capsys.readouterr().out)
    said("fit", f"--config={tmp_path / 'page.yaml'}", *FAST)


def test_evaluating_the_best_checkpoint_repeats_its_figures(run: Run, tested: dict[str, float], tmp_path: Path) -> None:
    best = {name.removeprefix("val/"): float(value) for name, value in run.best().items() if "/" in name}
    assert evaluated(tmp_path, "validate", f"--ckpt_path={run.checkpoint}") == best
    assert tested == {name: best[name] for name in ("loss", "top1", "top5")}


def test_the_command_line_beats_the_checkpoint(run: Run, tested: dict[str, float], scaled: dict[str, float]) -> None:
    module = InceptionClassifier.load_from_checkpoint(run.checkpoint)
    held = directly(module)
    assert {name: tested[name] for name in held} == pytest.approx(held, rel=1e-5)
    for block in module.modules():
        if isinstance(block, ResidualBlock):
            block.scale = 0.3
    assert {name: scaled[name] for name in held} == pytest.approx(directly(module), rel=1e-5)
    assert abs(scaled["loss"] - held["loss"]) > 1e-3


def test_the_command_line_beats_the_checkpoint_in_a_page_too(
    run: Run, scaled: dict[str, float], tmp_path: Path
) -> None:
    page = {"model": {"net": {"init_args": {"residual_scales": [0.3, 0.3, 0.3]}}}, "ckpt_path": str(run.checkpoint)}
    (tmp_path / "page.yaml").write_text(yaml.safe_dump(page))
    assert evaluated(tmp_path, "test", f"--config={tmp_path / 'page.yaml'}") == scaled


def test_training_goes_on_in_its_own_folder(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / run.folder.name
    shutil.copytree(run.folder, folder)
    last = folder / "checkpoints" / "last.ckpt"
    held = read_checkpoint(last)[KEY]
    said("fit", f"--ckpt_path={last}", *CPU, "--trainer.max_epochs=3", "--wandb.mode=disabled")
    assert runs(tmp_path) == [folder]
    assert [row["epoch"] for row in validations(folder)] == ["1", "2", "3"]
    assert read_checkpoint(last)[KEY] == held


def test_training_starts_anew_from_the_best_checkpoint_which_then_is_the_newest_runs(run: Run, tmp_path: Path) -> None:
    older = shutil.copytree(run.folder, tmp_path / "runs" / run.folder.name)
    place = f"--trainer.default_root_dir={older.parent}"
    words = ["--trainer.max_epochs=3", "--wandb.mode=disabled", "--trainer.limit_train_batches=2"]
    said("fit", f"--ckpt_path={run.checkpoint}", *CPU, *words, place)
    first, newest = runs(older.parent)
    assert first == older
    assert [row["epoch"] for row in validations(newest)][-1] == "3"
    of_first, of_newest = (
        evaluated(tmp_path / name, "test", f"--ckpt_path={folder / 'checkpoints' / 'best.ckpt'}")
        for name, folder in (("first", first), ("newest", newest))
    )
    assert evaluated(tmp_path / "best", "test", "--ckpt_path=best", place) == of_newest != of_first


def test_photos_are_named_in_one_csv(run: Run, tmp_path: Path) -> None:
    digits, photos = Digits().dataset("val"), tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    names = [f"{index}.png" for index in range(6)] + ["more/7.jpg", "more/8.JPEG"]
    for index, name in enumerate(names):
        image = Image.fromarray(digits.images[index].permute(1, 2, 0).numpy())
        image.resize((64, 64)).save(photos / name, quality=95)
    place = f"--trainer.default_root_dir={tmp_path}"
    printed = said("predict", f"--ckpt_path={run.checkpoint}", f"--data.root={photos}", *CPU, place)
    (file,) = tmp_path.glob("predict-*/predictions.csv")
    assert f"8 predictions in {file}" in printed
    table = rows(file)
    runners_up = [f"{name}_{place}" for place in range(2, 6) for name in ("class", "probability")]
    assert list(table[0]) == ["file", "class", "probability", *runners_up]
    assert [row["file"] for row in table] == [str(photos / name) for name in sorted(names)]
    module = InceptionClassifier.load_from_checkpoint(run.checkpoint)
    data = Digits()
    view = data.evaluation.build(data.image_size)
    for row in table:
        with torch.inference_mode():
            probabilities = module(view(decode(Path(row["file"])))[None]).softmax(dim=1)[0]
        best = probabilities.argsort(descending=True)[:5].tolist()
        assert [row["class"], *(row[f"class_{place}"] for place in range(2, 6))] == [str(label) for label in best]
        assert float(row["probability"]) == pytest.approx(probabilities[best[0]].item(), abs=1e-5)
        assert float(row["probability_5"]) == pytest.approx(probabilities[best[4]].item(), abs=1e-5)


def test_several_pages_merge_and_the_later_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, page in {
        "first": {"model": {"net": {"init_args": {"width": 0.5, "dropout": 0.4}}}, "trainer": {"max_epochs": 7}},
        "second": {"model": {"net": {"init_args": {"width": 0.7}}}, "trainer": {"max_epochs": 8}},
    }.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(page))
    pages = [f"--config={tmp_path / name}.yaml" for name in ("first", "second")]
    with pytest.raises(SystemExit):
        main(["fit", QUICKSTART, *pages, "--trainer.max_epochs=9", "--print_config"])
    merged = yaml.safe_load(capsys.readouterr().out)
    knobs = merged["model"]["net"]["init_args"]
    assert (knobs["width"], knobs["dropout"], knobs["stem"]) == (0.7, 0.4, "small")
    assert merged["trainer"]["max_epochs"] == 9
    assert merged["model"]["optimizer"]["init_args"]["lr"] == 0.003
