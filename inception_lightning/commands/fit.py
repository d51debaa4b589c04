"""The command line: argv and YAML end here. The only file that knows LightningCLI."""

import os
import shlex
import sys
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import wandb
import yaml
from jsonargparse import ArgumentError
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger

from inception_lightning import data, models
from inception_lightning.callbacks import (
    CheckpointArtifact,
    Confusion,
    Continuation,
    DeadNetwork,
    FiniteGuard,
    LineProgress,
    NetSummary,
    Pictures,
    PredictionWriter,
    RunFolder,
    RunSummary,
    Speed,
    TerminalProgress,
    WeightAverage,
)
from inception_lightning.callbacks.continuation import KEY as CONTINUATION
from inception_lightning.callbacks.run_folder import new_run_folder
from inception_lightning.commands.complaints import sentence
from inception_lightning.commands.defaults import said, with_defaults, with_run_to_continue
from inception_lightning.commands.exit_codes import exit_code, say_what_matters
from inception_lightning.commands.trust import limit_imports
from inception_lightning.errors import InputError
from inception_lightning.runs.checkpoints import LAST, CheckpointFiles, read_checkpoint
from inception_lightning.runs.metrics_csv import MetricsFile
from inception_lightning.runs.resuming import checkpoints_of, refuse_changes, refuse_other_processes
from inception_lightning.runs.wandb import Wandb, wandb_logger
from inception_lightning.training.classifier import InceptionClassifier

SHORT_NAMES = (data, models)  # imported so that a class is found by its name alone

TRAINER_DEFAULTS: dict[str, Any] = {"default_root_dir": "runs", "log_every_n_steps": 10}
CHECKPOINT_DEFAULTS = {
    "checkpoint.monitor": "val/top1",
    "checkpoint.mode": "max",
    "checkpoint.filename": "best",
    "checkpoint.auto_insert_metric_name": False,
    "checkpoint.enable_version_counter": False,  # a better best.ckpt replaces the one before
}

LEFT_TO_CONTINUATION = {"save_last", "save_on_exception", "every_n_train_steps", "train_time_interval"}
"""What would not be saved between two batches, and so not be resumed exactly."""


class InceptionCLI(LightningCLI):
    """LightningCLI with a folder per run, and with the last word for what the command line says."""

    def __init__(self, args: list[str]) -> None:
        """Parse, build and run ``args``."""
        self.said = args
        super().__init__(
            InceptionClassifier,
            data.ImageDataModule,
            subclass_mode_data=True,
            save_config_callback=None,  # RunFolder does it: Lightning's aborts the second run in a folder
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=0,
            auto_configure_optimizers=False,  # they belong to the model
            load_from_checkpoint_support=False,  # the checkpoint describes itself
            args=args,
        )

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """A parser with a short usage that takes no shortened option for a whole one: that is a typo."""
        usage = "lightning COMMAND [options]"
        return super().init_parser(**kwargs, usage=usage, exit_on_error=False, allow_abbrev=False)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what every run has."""
        parser.add_class_arguments(ModelCheckpoint, "checkpoint", skip=LEFT_TO_CONTINUATION)
        parser.add_class_arguments(Continuation, "last")
        parser.add_class_arguments(DeadNetwork, "dead_network")
        parser.add_argument("--resume", type=Literal["auto"] | None, help="auto: go on with the newest run, or start")
        parser.add_argument("--allow_changes", type=bool, default=False, help="go on though another run comes of it")
        parser.add_class_arguments(Wandb, "wandb")
        parser.add_argument("--ema_decay", type=float | None, help="average the weights: see callbacks.WeightAverage")
        parser.add_argument("--compile", type=bool, default=False, help="compile the network, which takes minutes")
        parser.add_argument("--recompute", type=list[str], default=[], help="stages to compute twice, for memory")
        parser.set_defaults(CHECKPOINT_DEFAULTS)
        parser.link_arguments("seed_everything", "data.init_args.seed")
        parser.link_arguments("data.num_classes", "model.net.init_args.num_classes", apply_on="instantiate")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, with what the checkpoint knows before everything that was said."""
        assert isinstance(args, list)
        self.continued, args = with_run_to_continue(args, TRAINER_DEFAULTS["default_root_dir"])
        try:
            self.config = parser.parse_args(with_defaults(args, TRAINER_DEFAULTS["default_root_dir"]))
        except ArgumentError as error:
            parsers = self._subcommand_parsers.values()
            options = [action.dest for subparser in parsers for action in subparser._actions]
            raise InputError(sentence(str(error), options)) from None
        if self.continued is not None and not self.config["fit"]["allow_changes"]:
            before = (self.continued / "config.yaml").read_text()
            refuse_changes(yaml.safe_load(before), yaml.safe_load(self._page("fit")))

    def _parse_ckpt_path(self) -> None:
        # Lightning 2.6.6 would let the checkpoint's hyper-parameters beat the flags (#21455)
        pass

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The Trainer, with the run's folder, loggers and callbacks, once network and data are known to fit."""
        self._check_num_classes()
        self.model.check_data(self.datamodule)
        self.datamodule.allow_changes = self._get(self.config_init, "allow_changes")
        self._prepare_network()
        plugins = _as_list(self._get(self.config_init, "trainer")["plugins"])
        plugins += [CheckpointFiles(), *([SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else [])]
        options = self._for_run() | {"plugins": plugins} | kwargs
        try:
            trainer = super().instantiate_trainer(**options)
        except (TypeError, ValueError) as error:
            raise InputError(f"the Trainer refuses an option: {error}") from None
        if trainer.strategy.root_device.type == "cpu" and self._get(self.config_init, "trainer")["sync_batchnorm"]:
            raise InputError("sync_batchnorm needs GPUs: torch synchronises batch norm there only, so leave it out")
        if int(os.environ.get("WORLD_SIZE", 1)) > 1 and trainer.world_size == 1:
            raise InputError(
                f"torchrun started {os.environ['WORLD_SIZE']} processes that would each train alone: "
                "say --trainer.devices with the processes per machine, and --trainer.strategy ddp"
            )
        self._check_continued(trainer)
        return trainer

    def after_fit(self) -> None:
        """Close the W&B run, so that the next one in this process is a new one."""
        wandb.finish()

    @cached_property
    def _held(self) -> dict[str, Any]:
        """What the run to go on with says of itself."""
        held: dict[str, Any] = read_checkpoint(self._get(self.config_init, "ckpt_path"))[CONTINUATION]
        return held

    def _check_continued(self, trainer: pl.Trainer) -> None:
        if self.continued is not None and not self._get(self.config_init, "allow_changes"):
            refuse_other_processes(len(self._held["processes"]), trainer.world_size)

    def _check_num_classes(self) -> None:
        # the link from the data would replace it silently
        for key in ("model.net.init_args.num_classes", "model.net.num_classes"):
            wanted = said(self.said, key)
            if wanted is not None and str(wanted) != str(self.datamodule.num_classes):
                raise InputError(
                    f"{key} is {wanted}, and {type(self.datamodule).__name__} has {self.datamodule.num_classes} "
                    "classes: leave it out, it is taken from the data"
                )

    def _prepare_network(self) -> None:
        compiled, recomputed = self._get(self.config_init, "compile"), self._get(self.config_init, "recompute")
        if compiled and recomputed:
            raise InputError("recompute and compile exclude each other: torch cannot compile stages computed twice")
        self.model.net.recompute(recomputed)
        if compiled:
            self.model.compile()

    def _for_run(self) -> dict[str, Any]:
        wanted = self._get(self.config_init, "trainer")
        terminal = sys.stdout.isatty()
        summarise = terminal and wanted["enable_model_summary"] is not False
        callbacks: list[Callback] = _as_list(wanted["callbacks"])
        decay = self._get(self.config_init, "ema_decay")
        if decay is not None and str(wanted["strategy"]).startswith(("fsdp", "deepspeed", "model_parallel")):
            raise InputError("ema_decay averages whole weights, which no process has with this strategy: leave one out")
        if decay is not None and self.subcommand == "fit":
            callbacks.insert(0, WeightAverage(decay))
        if wanted["enable_progress_bar"] is not False:
            callbacks.append(TerminalProgress() if terminal else LineProgress())
        if summarise:
            callbacks.append(NetSummary())
        if self.subcommand not in ("fit", "predict") or wanted["fast_dev_run"]:
            return {"callbacks": callbacks, "logger": wanted["logger"] or False, "enable_model_summary": summarise}
        kind = "predict-" if self.subcommand == "predict" else ""
        folder = self.continued or new_run_folder(Path(wanted["default_root_dir"]), kind)
        if self.subcommand == "predict":
            return {"callbacks": [*callbacks, PredictionWriter(folder)], "logger": False}
        return {
            "callbacks": [*callbacks, *self._callbacks(folder)],
            "logger": self._loggers(folder, wanted["logger"]),
            "enable_model_summary": summarise,
        }

    def _callbacks(self, folder: Path) -> list[Callback]:
        checkpoint, continuation = self._get(self.config_init, "checkpoint"), self._get(self.config_init, "last")
        checkpoint.dirpath = str(checkpoints_of(folder, checkpoint.dirpath))
        continuation.folder = Path(checkpoint.dirpath)
        best = Path(checkpoint.dirpath) / f"{checkpoint.filename}.ckpt"
        artifact = CheckpointArtifact(best, Path(checkpoint.dirpath) / LAST)
        speed = Speed(folder)
        return [
            RunFolder(folder, self._page("fit"), shlex.join(["lightning", *self.said])),
            FiniteGuard(),
            self._get(self.config_init, "dead_network"),
            continuation,
            checkpoint,
            Pictures(folder),
            Confusion(folder),
            *([artifact] if self._get(self.config_init, "wandb").log_model else []),
            RunSummary(folder, best, speed),
            speed,  # last, so that what the others do counts as the step's time
        ]

    def _page(self, subcommand: str) -> str:
        return self._parser(subcommand).dump(self.config[subcommand], skip_unset=False)

    def _loggers(self, folder: Path, wanted: Any) -> list[Logger]:
        if wanted is False:
            return []
        before = self._held["wandb"] if self.continued else None
        weights_and_biases = wandb_logger(folder, self._get(self.config_init, "wandb"), before)
        others = [weights_and_biases] if weights_and_biases else []
        return [MetricsFile(folder / "metrics.csv"), *(others if wanted in (None, True) else _as_list(wanted))]


def run(args: list[str]) -> int:
    """Run a command; the exit code."""
    say_what_matters()
    return exit_code(lambda: InceptionCLI(limit_imports(args)))


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
