"""One's own step, module, network, loss, metric, data and callbacks, from a package that lies outside the clone.

The project is a copy of experiments/own_work. Each kind trains, is killed, goes on, is tested and predicts.
"""

import csv
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from inception_lightning.__main__ import main
from inception_lightning.configurable import KEY
from inception_lightning.data import Digits
from inception_lightning.training.classifier import InceptionClassifier
from tests.processes import ROOT, UNVALIDATED, assert_same_run, finish, kill, program, rows, the_run, wait_for_rows

OWN_WORK = ROOT / "experiments" / "own_work"
TRUST = "--trust=my_project"
SHORT = [
    "--trainer.max_epochs=2",
    "--trainer.limit_train_batches=6",
    "--trainer.limit_val_batches=2",
    "--trainer.log_every_n_steps=1",
    "--trainer.accelerator=cpu",
    "--trainer.devices=1",
    "--last.every_n_steps=2",
    "--ema_decay=0.9",
]
"""12 steps in two epochs, with averaged weights."""
NARROW = "--model.net.init_args.width=0.05"
FEW = "--data.batch_size=16"
KILLED_AFTER = 8
"""Rows of metrics.csv: within the second epoch, which has the first's validation before it."""

EVERYTHING = [
    *(f"--config={page}.yaml" for page in ("base", "step", "network", "loss", "metrics", "data", "optimizer")),
    *("--config=schedule.yaml", "--config=watching.yaml", TRUST, "--model.net.init_args.width=0.5"),
    "--config=two_classes.yaml",
]
"""All that is one's own in one run."""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, outside the clone, with a few photos."""
    place = tmp_path_factory.mktemp("outside") / "my_work"
    shutil.copytree(OWN_WORK, place, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    photos(place / "photos")
    page = yaml.safe_load((place / "metrics.yaml").read_text())
    page["model"]["metrics"]["f1"]["init_args"]["num_classes"] = 2
    (place / "two_classes.yaml").write_text(yaml.safe_dump(page))
    return place


def photos(folder: Path) -> None:
    """Five of the digits as files."""
    folder.mkdir()
    images = Digits().dataset("val").images
    for index in range(5):
        Image.fromarray(images[index].permute(1, 2, 0).numpy()).resize((32, 32)).save(folder / f"{index}.png")


@pytest.fixture(autouse=True)
def project(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project as the current folder; Python forgets it afterwards."""
    monkeypatch.chdir(copied)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", str(copied))])
    yield copied
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("my_project", "trial")]:
        del sys.modules[name]


def into(place: Path) -> str:
    return f"--trainer.default_root_dir={place}"


def killed_and_resumed(args: Sequence[str], place: Path) -> Path:
    """A run that was killed within its second epoch and went on from what it had saved."""
    process = program("fit", *args, *SHORT, into(place), place=Path.cwd(), WANDB_MODE="disabled")
    wait_for_rows(process, place, KILLED_AFTER)
    kill(process)
    run = the_run(place)
    assert rows(place) < 14
    assert main(["fit", "--ckpt_path=last", TRUST, into(place)]) == 0
    assert the_run(place) == run
    return run


def whole_run(args: Sequence[str], place: Path) -> Path:
    assert main(["fit", *args, *SHORT, into(place)]) == 0
    return the_run(place)


def table(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def column(run: Path, name: str) -> list[float]:
    return [float(row[name]) for row in table(run) if row[name]]


def printed_by_test(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["test", f"--ckpt_path={run / 'checkpoints' / 'best.ckpt'}", TRUST]) == 0
    return capsys.readouterr().out


def predicted(run: Path, place: Path, *args: str) -> Path:
    best = run / "checkpoints" / "best.ckpt"
    assert main(["predict", f"--ckpt_path={best}", TRUST, into(place), *args]) == 0
    (folder,) = place.glob("predict-*")
    return folder


def named_photos(run: Path, place: Path) -> list[str]:
    """The classes that prediction names for the photos."""
    with (predicted(run, place, "--data.root=photos") / "predictions.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [Path(row["file"]).name for row in found] == [f"{index}.png" for index in range(5)]
    return [row["class"] for row in found]


def best_of(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    return content


def test_everything_of_ones_own_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = whole_run(EVERYTHING, tmp_path / "whole")
    assert "." * 6 in capsys.readouterr().out  # the progress bar's
    resumed = killed_and_resumed(EVERYTHING, tmp_path / "killed")
    assert_same_run(whole, resumed)

    names = {"train/entropy", "train/loss_block_a", "val/f1", "val/doubt", "weight_norm", "train/lr"}
    assert names <= table(whole)[0].keys()
    assert len(set(column(whole, "weight_norm"))) == 2  # after the steps 5 and 10
    assert sorted(set(column(whole, "train/lr"))) != [0.0003]  # the schedule's
    assert Path("rows.json").read_text().count("train/entropy") >= 12

    shown = printed_by_test(resumed, capsys)
    assert all(name in shown for name in ("top-1 %", "test/loss", "test/f1", "test/doubt"))
    assert set(named_photos(resumed, tmp_path / "predicted")) <= {"lying", "standing"}

    module = InceptionClassifier.load_from_checkpoint(resumed / "checkpoints" / "best.ckpt", trust=["my_project"])
    assert type(module).__module__ == "my_project.step"
    assert module.get_submodule("net").__module__ == "my_project.network"
    assert type(module.loss).__module__ == "my_project.loss"
    assert module.config["init_args"]["penalty"] == 0.2
    assert module.class_names == ("lying", "standing")
    assert (
        module.config
        == InceptionClassifier.load_from_checkpoint(whole / "checkpoints" / "last.ckpt", trust=["my_project"]).config
    )


def test_the_best_checkpoint_is_chosen_by_ones_own_metric(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = whole_run(["--config=base.yaml", "--config=metrics.yaml", NARROW, FEW, TRUST], tmp_path)
    scores = column(run, "val/f1")
    best = scores.index(max(scores))
    assert len(scores) == len(set(scores)) == 2
    assert best_of(run)["epoch"] == best
    assert re.search(rf"│ best +│ +{best + 1} │ +{max(scores):.4g} │", capsys.readouterr().out)


def test_a_module_and_data_that_are_none_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    args = ["--config=module.yaml", TRUST]
    process = program("fit", *args, *SHORT, into(tmp_path), place=Path.cwd(), PYTHONUNBUFFERED="1")
    wait_for_rows(process, tmp_path, KILLED_AFTER)
    kill(process)
    run = the_run(tmp_path)
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] >= 6
    assert main(["fit", "--ckpt_path=last", TRUST, into(tmp_path)]) == 0
    assert sum("DataLoader does not know its place in the data" in said for said in caplog.messages) == 1
    output = capsys.readouterr().out
    assert "Autoencoder, 0.00 M parameters, on FlatDigits; run folder" in output
    assert [int(row["step"]) for row in table(run) if row["train/error"]] == list(range(12))
    errors = column(run, "val/error")
    assert len(errors) == 2
    assert best_of(run)["epoch"] == errors.index(min(errors))
    assert re.search(rf"│ last +│ +2 │ +{errors[-1]:.4g} │\n", output)
    names = {path.name for path in run.iterdir()}
    assert names >= {"config.yaml", "command.txt", "code.json", "metrics.csv", "checkpoints"}
    assert not names & {"confusion.csv", "predictions.png"}

    assert "test/error" in printed_by_test(run, capsys)
    features = torch.load(predicted(run, tmp_path) / "predictions-0.pt", weights_only=True)
    assert torch.cat(features).shape == (297, 8)
    assert best_of(run)[KEY]["data"]["class_path"] == "my_project.module.FlatDigits"


PAGES = sorted(OWN_WORK.glob("*.yaml"))


def command_of(page: Path) -> list[str]:
    """What the comment at the top of a page says."""
    (command,) = re.findall(r"^# command  lightning (fit .+)$", page.read_text(), re.MULTILINE)
    words = shlex.split(command)
    assert page.name in words
    return words


def narrow(page: Path) -> list[str]:
    """For pages whose network is an Inception-ResNet."""
    return [] if page.stem in ("module", "network", "plain_network") else [NARROW]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_command_of_a_page_runs(page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert page.read_text().startswith("# ")
    fast = ["--trainer.fast_dev_run=true", "--trainer.accelerator=cpu", FEW, *narrow(page)]
    assert main([*command_of(page), *fast, into(tmp_path)]) == 0, capsys.readouterr().err


def test_there_are_pages_and_files_for_all() -> None:
    files = {file.stem for file in (OWN_WORK / "my_project").glob("*.py")} - {"__init__"}
    used = set(re.findall(r"my_project\.(\w+)\.", "\n".join(page.read_text() for page in PAGES)))
    assert files == used


KINDS = {
    **{page.stem: [*command_of(page)[1:], *narrow(page)] for page in PAGES if page.stem not in ("base", "module")},
    "step by name": ["--config=base.yaml", NARROW, "--model=my_project.step.ConfidencePenalty", "--model.penalty=0.3"],
    "loss function": ["--config=base.yaml", NARROW, "--model.loss=my_project.loss.margin"],
    "focal": ["--config=base.yaml", NARROW, "--model.loss=inception_lightning.training.losses.FocalLoss"],
    "binary": ["--config=base.yaml", NARROW, "--model.loss=inception_lightning.training.losses.BinaryCrossEntropy"],
    "timm": [
        "--config=base.yaml",
        "--model.net=timm.create_model",
        "--model.net.model_name=test_resnet",
        "--trust=timm",
    ],
    "timm's optimizer": ["--config=base.yaml", NARROW, "--model.optimizer=timm.optim.Lamb"],
    "muon": ["--config=base.yaml", NARROW, "--model.optimizer=inception_lightning.training.muon.Muon"],
    "one cycle": [
        *("--config=base.yaml", NARROW, "--model.lr_scheduler=OneCycleLR", "--model.lr_scheduler.max_lr=0.01"),
    ],
    "warm-up": [
        *("--config=base.yaml", NARROW, "--model.lr_scheduler=WarmupCosineLR", "--model.lr_scheduler.total=3"),
        "--model.lr_scheduler.warmup=1",
    ],
}
"""What is one's own, one by one."""


@pytest.mark.slow
@pytest.mark.parametrize("args", KINDS.values(), ids=KINDS.keys())
def test_each_kind_is_killed_resumed_tested_and_predicts(
    args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [*args, "--trust=my_project,timm"]
    whole = whole_run(both, tmp_path / "whole")
    place = tmp_path / "killed"
    process = program("fit", *both, *SHORT, into(place), place=Path.cwd())
    wait_for_rows(process, place, KILLED_AFTER)
    kill(process)
    assert main(["fit", "--ckpt_path=last", "--trust=my_project,timm", into(place)]) == 0
    resumed = the_run(place)
    assert_same_run(whole, resumed)
    best = resumed / "checkpoints" / "best.ckpt"
    assert main(["test", f"--ckpt_path={best}", "--trust=my_project,timm"]) == 0
    assert "top-1 %" in capsys.readouterr().out
    module = InceptionClassifier.load_from_checkpoint(best, trust=["my_project", "timm"])
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, best_of(resumed)["state_dict"][name]), name
    assert main(["predict", f"--ckpt_path={best}", "--trust=my_project,timm", "--data.root=photos", into(place)]) == 0


@pytest.fixture(scope="module")
def trained(copied: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The best checkpoints of one's own step and of one's own network, by what they name."""
    place = tmp_path_factory.mktemp("trained")
    once = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=1", FEW, *UNVALIDATED]
    here = Path.cwd()
    os.chdir(copied)
    try:
        commands = {"my_project.step.ConfidencePenalty": "step", "my_project.network.TwoBlocks": "network"}
        for name, page in commands.items():
            args = [*command_of(OWN_WORK / f"{page}.yaml"), *narrow(OWN_WORK / f"{page}.yaml"), *SHORT, *once]
            assert main([*args, into(place / name)]) == 0
    finally:
        os.chdir(here)
        forget()
    return {name: the_run(place / name) / "checkpoints" / "best.ckpt" for name in commands}


@pytest.mark.parametrize("name", ["my_project.step.ConfidencePenalty", "my_project.network.TwoBlocks"])
def test_a_checkpoint_says_which_package_to_trust_or_to_install(
    trained: dict[str, Path],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = into(tmp_path)
    for words in (["test"], ["predict", "--data.root=photos"], ["fit", "--trainer.max_epochs=2"]):
        assert main([*words, f"--ckpt_path={trained[name]}", place]) == 2
        said = capsys.readouterr().err
        assert f"may not name {name}: say --trust my_project" in said
        assert len(said.splitlines()) == 1
    assert "my_project" not in sys.modules
    monkeypatch.chdir(tmp_path)  # where the package does not lie
    assert main(["test", f"--ckpt_path={trained[name]}", TRUST]) == 2
    said = capsys.readouterr().err
    assert re.search(
        rf"{name} cannot be imported \(No module named 'my_project'\): install the package my_project", said
    )
    assert len(said.splitlines()) == 1


def test_trust_reaches_no_further_than_the_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = Path("evil_was_imported")
    Path("evil_beside.py").write_text(f"open({str(mark)!r}, 'w')\nclass Net: pass\n")
    for key in ("model.net", "model.loss", "model.optimizer", "data", "trainer.callbacks", "model"):
        for named in ("evil_beside.Net", "my_project.step.nn.Linear", "os.system", "my_projects.step.Net"):
            page: Any = {"class_path": named}
            for part in reversed(key.split(".")):
                page = {part: page}
            Path("evil.yaml").write_text(yaml.safe_dump(page))
            assert main(["fit", "--config=base.yaml", "--config=evil.yaml", TRUST, into(tmp_path)]) == 2, (key, named)
            assert len(capsys.readouterr().err.splitlines()) == 1
    assert not mark.exists()
    assert not list(tmp_path.iterdir())


def test_a_package_on_pythons_path_need_not_lie_in_the_current_folder(project: Path, tmp_path: Path) -> None:
    pages = [f"--config={project / page}.yaml" for page in ("base", "step")]
    args = ["fit", *pages, TRUST, NARROW, FEW, "--trainer.fast_dev_run=true", "--trainer.accelerator=cpu"]
    code, output = finish(program(*args, place=tmp_path, PYTHONPATH=f"{ROOT}:{project}"))
    assert code == 0, output
    assert not list(tmp_path.iterdir())


def test_a_data_set_may_have_an_init_and_its_module_may_speak(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "trial.py").write_text(
        "from typing import Any\nfrom inception_lightning import Digits\nprint('a: [word of the module')\n\n"
        "class Large(Digits):\n    def __init__(self, *, times: int = 2, **kwargs: Any) -> None:\n"
        "        super().__init__(image_size=8 * times, **kwargs)\n"
    )
    args = ["--data=trial.Large", "--data.times=3", FEW, "--trust=trial", *SHORT, *UNVALIDATED]
    assert main(["fit", "--config=base.yaml", NARROW, *args, into(tmp_path)]) == 0
    assert capsys.readouterr().out.count("a: [word of the module\n") == 1
    held = best_of(the_run(tmp_path))[KEY]["data"]
    assert held["class_path"] == "trial.Large"
    assert (held["init_args"]["times"], held["init_args"]["batch_size"]) == (3, 16)
    assert "image_size" not in held["init_args"]  # the class has decided it


README = (OWN_WORK / "README.md").read_text()


def commands(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.startswith("lightning")]


def test_the_readme_can_be_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its commands in their order, but for those of the pages, which run above; only the training is cut short."""
    shutil.copytree(Path.cwd(), tmp_path / "my_work", ignore=shutil.ignore_patterns("runs"))
    os.chdir(tmp_path / "my_work")  # the fixture goes back
    *others, last = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    once = ["--trainer.accelerator=cpu", FEW, "--trainer.fast_dev_run=true"]
    limits = ["--trainer.limit_train_batches=1", "--trainer.limit_val_batches=1"]
    short = ["--trainer.accelerator=cpu", FEW, *limits]
    told = [(command, once) for block in others for command in commands(block)]
    assert len(told) >= 12
    of_pages = [command_of(page) for page in PAGES]
    for command, shortened in [*told, *((command, short) for command in commands(last))]:
        words = shlex.split(command)[1:]
        if shortened is once and words in of_pages:
            continue
        assert main([*words, *(shortened if words[0] == "fit" else [])]) == 0, f"{command}: {capsys.readouterr().err}"
    (best,) = Path("runs").glob("2*/checkpoints/best.ckpt")  # of the last block's run, which it went on with
    assert len(column(best.parent.parent, "val/top1")) == 4
    best.rename("best.ckpt")
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
