"""Every logger gets the whole configuration; TensorBoard's and MLflow's own files have it where they are installed."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import yaml
from lightning.pytorch.loggers import Logger

from inception_lightning.__main__ import main
from inception_lightning.callbacks.run_folder import RunFolder
from tests.processes import SMALL, the_run

PAGE = "trainer: {max_epochs: 3}\nmodel: {net: {class_path: InceptionV4, init_args: {width: 0.5}}}\n"


class Kept(Logger):
    """Keeps the settings that it is given, or fails."""

    name = version = ""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.fails = fails
        self.params: dict[str, Any] = {}

    def log_metrics(self, metrics: Any, step: int | None = None) -> None: ...

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        if self.fails:
            raise ConnectionError("nobody answers")
        assert isinstance(params, dict)
        self.params |= params


def test_every_logger_gets_the_settings_and_the_code(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loggers = [Kept(fails=True), Kept(fails=False)]
    trainer = pl.Trainer(logger=loggers, accelerator="cpu", default_root_dir=tmp_path)
    RunFolder(tmp_path, PAGE, "lightning fit").setup(trainer, pl.LightningModule(), "fit")
    code = loggers[1].params.pop("code")
    assert loggers[1].params == yaml.safe_load(PAGE)
    assert code["version"]
    assert "the settings in Kept could not be made (nobody answers); the run is not affected" in caplog.text


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tensorboard", reason="the extra loggers is not installed; .ci/run installs it")
    pytest.importorskip("mlflow", reason="the extra loggers is not installed; .ci/run installs it")
    place = tmp_path_factory.mktemp("boards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        told = f"[{{class_path: TensorBoardLogger, init_args: {{save_dir: {place}/board}}}}, "
        told += f"{{class_path: MLFlowLogger, init_args: {{save_dir: {place}/mlruns}}}}]"
        short = [f"--trainer.default_root_dir={place / 'runs'}", "--trainer.max_epochs=1"]
        assert main(["fit", *SMALL, *short, "--trust=lightning", f"--trainer.logger={told}"]) == 0
    return place


def flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Settings by their path, as Lightning names them for both; what is empty has none."""
    if isinstance(settings, list) and all(isinstance(one, dict) for one in settings):
        settings = dict(enumerate(settings))
    if not isinstance(settings, dict):
        return {prefix: settings}
    return {
        name: value
        for key, inner in settings.items()
        for name, value in flat(inner, f"{prefix}/{key}" if prefix else str(key)).items()
    }


def settings(place: Path) -> dict[str, Any]:
    return flat(yaml.safe_load((the_run(place / "runs") / "config.yaml").read_text()))


def test_tensorboard_has_the_whole_configuration(place: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    (folder,) = {file.parent for file in place.rglob("events.out.tfevents.*")}
    events = EventAccumulator(str(folder))
    events.Reload()
    assert {"val/top1", "train/lr"} <= set(events.Tags()["scalars"])
    told = HParamsPluginData.FromString(events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    hparams = told.session_start_info.hparams
    wanted = settings(place)
    assert wanted.keys() <= set(hparams)
    assert hparams["data/init_args/batch_size"].number_value == wanted["data/init_args/batch_size"]
    assert hparams["model/net/class_path"].string_value == wanted["model/net/class_path"]


def test_mlflow_has_the_whole_configuration(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(f"file:{place / 'mlruns'}")
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    wanted = settings(place)
    assert wanted.keys() <= set(run.data.params)
    assert all(run.data.params[name] == str(value)[:250] for name, value in wanted.items())
    assert "val/top1" in run.data.metrics
