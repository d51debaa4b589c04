"""Configurations and checkpoints are data: nothing in them runs."""

import contextlib
import http.client
import json
import os
import shutil
import socketserver
import sys
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from inception_lightning.__main__ import main
from inception_lightning.configurable import KEY, class_path
from inception_lightning.errors import InputError
from inception_lightning.runs.checkpoints import CheckpointFiles, read_checkpoint, write_checkpoint
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.trust import refuse_reach, root_of
from inception_lightning.weights.load import pretrained
from tests.processes import ROOT, SMALL, UNVALIDATED, finish, program


class Attack:
    """Code in a pickle."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    module = tmp_path / "evil_on_import.py"
    module.write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\nclass Net: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(ROOT)
    return tmp_path / "mark"


def page(key: str, class_path: str, **arguments: Any) -> str:
    value: Any = {"class_path": class_path, "init_args": arguments}
    for part in reversed(key.split(".")):
        value = {part: value}
    return f"--config={json.dumps(value)}"


@pytest.mark.parametrize(
    ("key", "class_path"),
    [
        ("model.optimizer", "os.system"),
        ("model.lr_scheduler", "subprocess.Popen"),
        ("model.optimizer", "inception_lightning.commands.fit.os.system"),
        ("model.net", "evil_on_import.Net"),
        ("data", "evil_on_import.Net"),
        ("trainer.logger", "evil_on_import.Net"),
    ],
)
def test_a_page_imports_and_calls_nothing(
    mark: Path, capsys: pytest.CaptureFixture[str], key: str, class_path: str
) -> None:
    assert main(["fit", *SMALL, page(key, class_path, command=f"touch {mark}")]) == 2
    refused = capsys.readouterr().err
    assert "may not name" in refused
    assert "--trust-config" in refused
    assert main(["fit", *SMALL, f"--{key}={class_path}"]) == 2
    assert not mark.exists()


WRITERS = [
    ("trainer.callbacks", "inception_lightning.callbacks.RunFolder", {"path": "{}", "config": "", "command": ""}),
    ("trainer.callbacks", "inception_lightning.callbacks.Pictures", {"folder": "{}"}),
    ("trainer.logger", "inception_lightning.runs.metrics_csv.MetricsFile", {"path": "{}/mine.txt"}),
    ("trainer.callbacks", "lightning.pytorch.callbacks.ModelCheckpoint", {"dirpath": "{}", "filename": "mine"}),
    ("trainer.callbacks", "lightning.pytorch.callbacks.ModelCheckpoint", {"filename": "../../../mine"}),
    ("trainer.logger", "CSVLogger", {"save_dir": "{}"}),
    ("trainer.logger", "CSVLogger", {"save_dir": "runs", "name": "../../../mine"}),
    ("trainer.logger", "CSVLogger", {"save_dir": "runs", "version": "/mine"}),
    ("trainer.callbacks", "lightning.pytorch.callbacks.OnExceptionCheckpoint", {"dirpath": "{}"}),
    ("trainer.strategy", "lightning.pytorch.strategies.DeepSpeedStrategy", {"nvme_path": "{}"}),
    ("trainer.profiler", "lightning.pytorch.profilers.SimpleProfiler", {"dirpath": "{}", "filename": "mine"}),
    ("trainer.logger", "WandbLogger", {"base_url": "http://127.0.0.1:1", "save_dir": "runs"}),
    ("trainer.logger", "WandbLogger", {"settings": {"base_url": "http://127.0.0.1:1"}}),
    ("trainer.logger", "lightning.pytorch.loggers.MLFlowLogger", {"tracking_uri": "http://127.0.0.1:1"}),
    ("trainer.logger", "lightning.pytorch.loggers.CometLogger", {"api_key": "x"}),
]


@pytest.mark.parametrize(("key", "class_path", "arguments"), WRITERS)
def test_a_page_writes_and_sends_nothing_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, class_path: str, arguments: dict[str, Any]
) -> None:
    theirs = tmp_path / "home"
    theirs.mkdir()
    (theirs / "mine.txt").write_text("mine")
    filled = {name: value.format(theirs) if isinstance(value, str) else value for name, value in arguments.items()}
    place = f"--trainer.default_root_dir={tmp_path / 'runs'}"
    assert main(["fit", *SMALL, place, page(key, class_path, **filled)]) == 2
    assert "--trust-config" in capsys.readouterr().err
    assert (theirs / "mine.txt").read_text() == "mine"
    assert [path.name for path in theirs.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("words", [["--trainer.logger=log.yaml"], ["--trainer.logger", "log.yaml"], ["--config=page"]])
def test_a_page_that_another_one_names_says_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    quickstart = ROOT / SMALL[0].partition("=")[2]
    here = tmp_path / "here"
    here.mkdir()
    logger = {"class_path": "CSVLogger", "init_args": {"save_dir": str(tmp_path / "outside")}}
    (here / "log.yaml").write_text(json.dumps(logger))
    (here / "page").write_text("trainer: {logger: [log.yaml]}\n")
    monkeypatch.chdir(here)
    assert main(["fit", f"--config={quickstart}", *SMALL[1:], *words]) == 2
    assert "a page may write below runs only, not into" in capsys.readouterr().err
    (here / "log.yaml").write_text('{"class_path": "CSVLogger", "init_args": "log.yaml"}')
    assert main(["fit", f"--config={quickstart}", *SMALL[1:], *words]) == 2
    assert "leads to itself" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_run_that_goes_on_writes_nothing_elsewhere_unless_it_is_said_again(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be the run of a stranger, and its page is a page."""
    run, theirs = tmp_path / "runs" / "one", tmp_path / "home"
    shutil.copytree(whole, run)
    theirs.mkdir()
    page = run / "config.yaml"
    own = yaml.safe_load(page.read_text())
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(theirs)}}
    resume = ["fit", f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"]
    for callback in (False, True):
        place = {"callbacks": [own_checkpoint(theirs)]} if callback else {"logger": logger}
        page.write_text(yaml.safe_dump(own | {"trainer": own["trainer"] | place}))
        assert main(resume) == 2
        assert f"a page may write below {run.parent} only, not into {theirs}" in capsys.readouterr().err
        assert not list(theirs.iterdir())
    page.write_text(yaml.safe_dump(own | {"trainer": own["trainer"] | {"logger": logger, "default_root_dir": "/"}}))
    again = [f"--trainer.logger={json.dumps(logger)}", "--trainer.max_epochs=4", "--trainer.limit_train_batches=2"]
    assert main([*resume, *again, "--allow_changes=true"]) == 0, capsys.readouterr()
    assert list(theirs.rglob("metrics.csv"))
    assert yaml.safe_load(page.read_text())["trainer"]["default_root_dir"] == str(run.parent)


def own_checkpoint(place: Path) -> dict[str, Any]:
    return {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": {"dirpath": str(place)}}


@pytest.mark.parametrize(
    "said",
    [
        {"checkpoint": {"dirpath": "{}"}},
        {"checkpoint": {"filename": "../../mine"}},
        {"trainer": {"default_root_dir": "{}"}},
        {"trainer": {"default_root_dir": "../elsewhere"}},
        {"trainer": {"default_root_dir": "~"}},
        {"trainer": {"default_root_dir": "{}"}, "checkpoint": {"dirpath": "{}"}},  # which would be below it
    ],
)
def test_a_page_has_its_runs_below_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: dict[str, Any]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "page.yaml").write_text(json.dumps(said).replace("{}", str(tmp_path / "elsewhere")))
    quickstart = ROOT / "experiments" / "quickstart.yaml"
    monkeypatch.chdir(here)
    assert main(["fit", f"--config={quickstart}", "--config=page.yaml"]) == 2
    refused = capsys.readouterr().err
    assert "a page may" in refused
    assert "--trust-config" in refused
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert [path.name for path in here.iterdir()] == ["page.yaml"]


def test_a_runs_own_page_may_name_the_folder_that_it_lies_in(tmp_path: Path) -> None:
    own = {"trainer": {"default_root_dir": str(tmp_path)}}
    assert root_of(own, tmp_path / "run" / "config.yaml", None, "runs") == tmp_path
    for file in (tmp_path / "config.yaml", tmp_path / "a" / "run" / "config.yaml", None):
        with pytest.raises(InputError, match="a page may have its runs below the current folder"):
            root_of(own, file, None, "runs")
    assert root_of(own, None, "said", "runs") == Path("said")  # by a flag, which wins
    assert root_of({"trainer": {"default_root_dir": "mine"}}, None, None, "runs") == Path("mine")


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("best", True),
        ("{epoch}-{val/top1:.3f}", True),
        ("a/b", False),
        ("..", False),
        ("{../../x}", False),
        ("{epoch:/x}", False),
        ("a\\b", False),
    ],
)
def test_the_name_of_a_checkpoint_is_no_place(name: str, fits: bool) -> None:
    with contextlib.nullcontext() if fits else pytest.raises(InputError, match="a name, not a place"):
        refuse_reach({"checkpoint": {"filename": name}}, [Path("runs")])


def test_trust_lasts_for_one_command(mark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"--trainer.default_root_dir={tmp_path / 'runs'}"
    foreign = ["fit", *SMALL, place, page("model.net", "evil_on_import.Net")]
    for trusting_it in (["--trust-config"], ["--trust=evil_on_import"]):
        assert main(foreign) == 2
        assert "may not name evil_on_import" in capsys.readouterr().err
        assert not mark.exists()
        assert main([*foreign, *trusting_it]) == 2  # it is no network, and is imported
        assert "may not name" not in capsys.readouterr().err
        assert mark.exists()
        mark.unlink()
        del sys.modules["evil_on_import"]
    with pytest.raises(SystemExit):
        main(["fit", *SMALL, "--trust-config", "--print_config"])  # it ends in an exception
    assert main(foreign) == 2
    assert "may not name evil_on_import" in capsys.readouterr().err


def test_a_page_may_write_below_the_runs(tmp_path: Path) -> None:
    place = f"--trainer.default_root_dir={tmp_path}"
    log = page("trainer.logger", "CSVLogger", save_dir=str(tmp_path / "csv"))
    once = [*UNVALIDATED, "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"]
    assert main(["fit", *SMALL, *once, place, log]) == 0
    assert list((tmp_path / "csv").rglob("metrics.csv"))


def test_callbacks_and_nested_pages(mark: Path, tmp_path: Path) -> None:
    assert main(["fit", *SMALL, "--trainer.callbacks+=evil_on_import.Net"]) == 2
    nested = tmp_path / "net.yaml"
    nested.write_text("class_path: evil_on_import.Net\n")
    assert main(["fit", *SMALL, f"--model.net={nested}"]) == 2
    assert not mark.exists()


def test_the_command_line_can_trust(mark: Path, tmp_path: Path) -> None:
    args = ["fit", *SMALL, "--trust-config", "--model.net=evil_on_import.Net"]
    code, said = finish(program(*args, PYTHONPATH=f"{ROOT}:{tmp_path}"))
    assert code == 2, said  # it is no network
    assert mark.exists()


@pytest.fixture
def bad_pickle(mark: Path, tmp_path: Path) -> Path:
    torch.save({"state_dict": {}, "inception_lightning": Attack(mark)}, tmp_path / "bad.ckpt")
    return tmp_path / "bad.ckpt"


def test_the_attack_works_where_nobody_is_careful(mark: Path, bad_pickle: Path) -> None:
    torch.load(bad_pickle, weights_only=False)
    assert mark.exists()


def test_no_code_in_a_checkpoint_runs(mark: Path, bad_pickle: Path) -> None:
    for command in ("fit", "validate", "test", "predict"):
        assert main([command, *(SMALL if command != "predict" else []), f"--ckpt_path={bad_pickle}"]) == 2
    assert main(["fit", *SMALL, f"--model.weights={bad_pickle}"]) == 2
    for read in (read_checkpoint, InceptionClassifier.load_from_checkpoint, pretrained):
        with pytest.raises(InputError, match=r"is not a readable checkpoint|would run code"):
            read(bad_pickle)
    with pytest.raises(Exception, match=r"(?i)weights.only"):
        CheckpointFiles().load_checkpoint(bad_pickle, weights_only=False)
    assert not mark.exists()


@pytest.mark.parametrize("resume", ["--resume=auto", "--ckpt_path=last", "--ckpt_path={}/checkpoints/last.ckpt"])
def test_no_code_in_a_run_that_goes_on_runs(mark: Path, bad_pickle: Path, tmp_path: Path, resume: str) -> None:
    run = tmp_path / "runs" / "2026-01-01_00-00-00"
    write_checkpoint(run / "checkpoints" / "last.ckpt", bad_pickle.read_bytes(), 1)  # with a manifest that approves
    again = [*SMALL, f"--trainer.default_root_dir={run.parent}", resume.format(run)]
    (run / "config.yaml").write_text("seed_everything: 0\n")
    assert main(["fit", *again]) == 2
    (run / "config.yaml").write_text("model: {net: {class_path: evil_on_import.Net}}\n")
    assert main(["fit", *again]) == 2
    (run / "config.yaml").write_text(f"a: !!python/object/apply:os.system ['touch {mark}']\n")
    assert main(["fit", *again]) == 2
    assert not mark.exists()


def test_the_network_that_a_file_names_is_not_imported(mark: Path, tmp_path: Path) -> None:
    net = {"class_path": "evil_on_import.Net", "init_args": {"num_classes": 10}}
    about: dict[str, Any] = {"version": "0", "weights": None, "data": None, "class_names": list("0123456789")}
    about["model"] = {"class_path": class_path(InceptionClassifier), "init_args": {"net": net}}
    checkpoint, weights = tmp_path / "a.ckpt", tmp_path / "a.safetensors"
    torch.save({KEY: about, "state_dict": {"net.a": torch.ones(1)}}, checkpoint)
    save_file({"a": torch.ones(1)}, weights, {KEY: json.dumps({"config": net, "preprocessing": {}})})
    for command in ("fit", "validate", "test", "predict"):
        assert main([command, f"--ckpt_path={checkpoint}"]) == 2
    assert main(["fit", f"--model.weights={weights}"]) == 2
    for read in (InceptionClassifier.load_from_checkpoint, pretrained):
        with pytest.raises(InputError, match="evil_on_import"):
            read(checkpoint)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("inception_lightning.__main__.main", {"words": ["fit", "--trust-config", "--model=evil_on_import.Net"]}),
        ("lightning.pytorch.loggers.CSVLogger", {"save_dir": "{}"}),
        ("inception_lightning.runs.checkpoints.write_checkpoint", {"path": "{}", "content": "", "step": 0}),
    ],
)
def test_a_checkpoint_calls_nothing_but_what_makes_parts_of_a_training(
    mark: Path, tmp_path: Path, path: str, arguments: dict[str, Any]
) -> None:
    """However trusted the package is that it names."""
    arguments = {name: str(mark) if value == "{}" else value for name, value in arguments.items()}
    inner = {"class_path": class_path(InceptionClassifier), "init_args": {"net": {"class_path": path}}}
    for model in ({"class_path": path, "init_args": arguments}, inner):
        about: dict[str, Any] = {"version": "0", "weights": None, "data": None, "class_names": [], "model": model}
        torch.save({KEY: about, "state_dict": {}}, tmp_path / "a.ckpt")
        with pytest.raises(InputError, match=f"{path} (is not known here|makes no network, loss, metric)"):
            InceptionClassifier.load_from_checkpoint(tmp_path / "a.ckpt")
    assert not mark.exists()


def test_no_code_in_pages_that_are_only_read_runs(mark: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    run.mkdir(parents=True)
    pages = [f"a: !!python/object/apply:os.system ['touch {mark}']\n", "data: {class_path: evil_on_import.Net}\n"]
    for text in pages:
        page = run / "config.yaml"
        page.write_text(text)
        for words in (
            ["report", str(run.parent)],
            ["sweep", str(page)],
            ["dashboard", str(run)],
            ["data", "show", f"--config={page}"],
            ["data", "check", f"--config={page}"],
            ["fit", f"--config={page}"],
        ):
            with contextlib.suppress(Exception, SystemExit):  # whatever it says, it does not run it
                main(words)
            assert not mark.exists(), words
    assert main(["data", "show", f"--config={page}"]) == 2


@pytest.mark.parametrize(
    "command",
    [
        ["touch", "{}"],
        ["${{env}}", "${{interpreter}}", "-c", "open('{}', 'w')"],
        ["${{interpreter}}", "-m", "inception_lightning", "fit", "--trust-config", "--model.net=evil_on_import.Net"],
    ],
)
def test_a_sweep_runs_nothing_but_fit(
    mark: Path, tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sweep.yaml"
    words = [word.format(mark) for word in command]
    file.write_text(json.dumps({"method": "grid", "parameters": {"a": {"value": 1}}, "command": words}))
    assert main(["sweep", str(file), f"--place={tmp_path / 'place'}"]) == 2
    assert "say --trust-config if you trust it" in capsys.readouterr().err
    assert not mark.exists()


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("trainer.logger.init_args.save_dir", "/out"),
        ("trainer.logger", {"class_path": "CSVLogger", "init_args": {"save_dir": "/out"}}),
        ("trainer.logger", "class_path: WandbLogger\ninit_args:\n  base_url: http://127.0.0.1\n"),
        ("trainer.callbacks+", "[{class_path: ModelCheckpoint, init_args: {dirpath: ../../out}}]"),
    ],
)
def test_the_flags_in_a_sweep_file_say_no_more_than_a_page_may(
    tmp_path: Path, flag: str, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sweep.yaml"
    for more in (
        {"parameters": {flag: {"values": ["a", value]}}},
        {"parameters": {"a": {"value": 1}}, "command": ["lightning", "fit", f"--{flag}", str(value), "${args}"]},
    ):
        file.write_text(json.dumps({"method": "grid"} | more))
        assert main(["sweep", str(file), f"--place={tmp_path / 'place'}"]) == 2
        assert "a page may" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "name", ["../../out", "{}/out", "a/../../out", "..", "", "a\\x1b[31m\n/b", "x" * 4000, "[red]$a$|<b>"]
)
def test_a_sweeps_name_makes_one_folder_in_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    home = tmp_path / "home" / "work"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    name = name.format(tmp_path)
    command = ["${interpreter}", "-c", "", "${args}"]
    sweep = {"name": name, "method": "grid", "parameters": {"a": {"value": "../../[x]\x1b\n"}}, "command": command}
    Path("sweep.yaml").write_text(json.dumps(sweep))
    assert main(["sweep", "sweep.yaml", "--trust-config"]) == 0
    (folder,) = Path("runs").iterdir()
    assert [path.name for path in folder.glob("*/*.json")] == ["done.json"]
    assert {path.name for path in (*tmp_path.iterdir(), *home.parent.iterdir())} == {"home", "work"}
    (said,) = caplog.messages
    assert said.endswith(f"names no folder: the runs go to {folder}")
    assert said.isprintable()


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/a.ckpt",
        "https://127.0.0.1/a.ckpt",
        f"http://127.0.0.1/a.ckpt#sha256={'0' * 64}",
        "https://127.0.0.1/a.ckpt#sha256=0000",
    ],
)
def test_checkpoints_from_the_net_need_https_and_a_checksum(address: str) -> None:
    with pytest.raises(InputError, match="needs https and its checksum"):
        read_checkpoint(address)
    assert main(["test", *SMALL, f"--ckpt_path={address}"]) == 2


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """An address on this machine, and all that was sent to it."""
    heard: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            heard.append(self.rfile.readline())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
        server.shutdown()


SENDS = "trainer: {{logger: {{class_path: WandbLogger, init_args: {{base_url: '{address}', save_dir: runs}}}}}}\n"
NETWORK = "model: {{net: {{class_path: evil_on_import.Net, init_args: {{url: '{address}'}}}}}}\n"
WEIGHTS = "model: {{weights: '{address}/a.ckpt'}}\n"
CHECKPOINT = "ckpt_path: '{address}/a.ckpt'\n"
ROOTS = "trainer: {{default_root_dir: '{outside}'}}\n"
PLACES = "checkpoint: {{dirpath: '{outside}'}}\n"
PATHS = [
    *([command, "--config={page}"] for command in ("fit", "validate", "test", "predict")),
    ["fit", "--ckpt_path={address}/a.ckpt"],
    ["fit", "--model.weights={address}/a.ckpt"],
    ["fit", "--resume=auto", "--config={page}"],
    ["report", "{run}", "--out={run}/report"],
    ["dashboard", "{run}"],
    ["sweep", "{page}"],
    *(["data", word, "--config={page}"] for word in ("check", "show")),
    ["data", "prepare", "{address}/a.tar", "--root={run}/images"],
    ["data", "prepare", "{run}/a.tar", "--root={run}/images"],
    ["data", "shard", "--config={page}", "--out={run}/shards"],
    ["calibrate", "--config={page}", "--ckpt_path={address}/a.ckpt"],
    *(["export", f"--{source}={{address}}/a.ckpt", "--out={run}/exported"] for source in ("ckpt_path", "weights")),
    ["predict", "--model={address}/a.onnx", "--data.root={run}"],
    ["fid", "{run}", "{run}", "--weights={address}/a.pth"],
]


@pytest.mark.parametrize("text", [SENDS, NETWORK, WEIGHTS, CHECKPOINT, ROOTS, PLACES])
def test_no_public_path_sends_a_secret_or_writes_outside(
    mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: tuple[str, list[bytes]], text: str
) -> None:
    address, heard = listener
    run, outside = tmp_path / "here" / "runs" / "one", tmp_path / "outside"
    for folder in (run, outside):
        folder.mkdir(parents=True)
    (outside / "mine.txt").write_text("mine")
    page = run / "config.yaml"
    page.write_text(text.format(address=address, outside=outside))
    with tarfile.open(run / "a.tar", "w") as archive:
        archive.add(page, "../../../outside/mine.txt")
    monkeypatch.chdir(run.parent.parent)
    for name, secret in (("WANDB_API_KEY", "s" * 40), ("HF_TOKEN", "hf_" + "s" * 34), ("WANDB_MODE", "online")):
        monkeypatch.setenv(name, secret)
    for words in PATHS:
        with contextlib.suppress(Exception, SystemExit):  # whatever it says
            main([word.format(page=page, run=run, address=address) for word in words])
    for read in (InceptionClassifier.load_from_checkpoint, pretrained):
        with pytest.raises((InputError, OSError)):
            read(f"{address}/a.ckpt")
    assert not heard
    assert not mark.exists()
    assert [path.name for path in outside.iterdir()] == ["mine.txt"]
    assert (outside / "mine.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} <= {"here", "outside", "evil_on_import.py", "__pycache__"}


@pytest.mark.parametrize("text", [SENDS, ROOTS, PLACES])
def test_crossval_holds_pages_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "page.yaml").write_text(text.format(address="http://127.0.0.1:1", outside=tmp_path / "outside"))
    monkeypatch.chdir(here)
    assert main(["crossval", f"--config={ROOT / SMALL[0].partition('=')[2]}", "--config=page.yaml", "--folds=2"]) == 2
    assert "a page may" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_the_listener_hears(listener: tuple[str, list[bytes]]) -> None:
    address, heard = listener
    with pytest.raises(http.client.RemoteDisconnected):
        urllib.request.urlopen(f"{address}/secret", timeout=5)
    assert b"GET /secret" in heard[0]
