"""``lightning fit``, ``validate``, ``test``, ``predict`` and ``calibrate``. The only file that knows LightningCLI."""

import contextlib
import io
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import lightning.pytorch as pl
import torch
import yaml
from jsonargparse import ArgumentError, Namespace
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, ModelSummary, ProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger

from inception_lightning import data, models
from inception_lightning.callbacks import (
    BestCheckpoint,
    Calibrate,
    CheckpointArtifact,
    Confusion,
    Continuation,
    DeadNetwork,
    FiniteGuard,
    LineProgress,
    Monitors,
    NetSummary,
    NewRates,
    Pictures,
    PredictionWriter,
    Recipe,
    RunFolder,
    RunSummary,
    ScoresReport,
    Speed,
    TerminalProgress,
    WeightAverage,
)
from inception_lightning.callbacks.best import BEST
from inception_lightning.callbacks.continuation import KEY as CONTINUATION
from inception_lightning.commands import kept
from inception_lightning.commands.command_line import RUNS, CommandLine, in_page
from inception_lightning.commands.complaints import known_options, names, refusal, sentence
from inception_lightning.commands.defaults import Member, Start, start_of
from inception_lightning.commands.exit_codes import say_what_matters
from inception_lightning.commands.exported import is_exported, predict_by_file
from inception_lightning.commands.refusals import (
    cpu_capabilities,
    refuse_continued,
    refuse_crowd,
    refuse_options,
    refuse_pages,
    warn_of_slow_precision,
)
from inception_lightning.configurable import class_path
from inception_lightning.data import ImageDataModule
from inception_lightning.errors import InputError, Stop
from inception_lightning.loading.bands import RGB, channels
from inception_lightning.models import Inception
from inception_lightning.pages import parse_page
from inception_lightning.runs.checkpoints import LAST, CheckpointFiles, refuse_other_classes
from inception_lightning.runs.folder import (
    PAGE,
    check_place,
    checkpoints_of,
    forget_chosen,
    held,
    new_run_folder,
)
from inception_lightning.runs.metrics_csv import MetricsFile
from inception_lightning.runs.resuming import rates_change, refuse_changes, refuse_other_processes
from inception_lightning.runs.signals import SIGNALS
from inception_lightning.runs.wandb import Wandb, wandb_logger
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.training.validation_scores import KNOWN, LOWER_IS_BETTER
from inception_lightning.trust import trusting

log = logging.getLogger(__name__)

SHORT_NAMES = (data, models)  # imported so that a class is found by its name alone

TRAINER_DEFAULTS: dict[str, Any] = {"default_root_dir": RUNS, "log_every_n_steps": 10}
CHECKPOINT_DEFAULTS = {
    "checkpoint.monitor": "val/top1",
    "checkpoint.mode": "max",
    "checkpoint.filename": "best",
    "checkpoint.auto_insert_metric_name": False,
    "checkpoint.enable_version_counter": False,  # a better best.ckpt replaces the one before
}

SEVERAL = "epoch={epoch}-step={step}"
"""What checkpoints are called of which several are kept."""

NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"
"""What torch says of a CPU's memory; of a GPU's it raises an error of its own."""

ONE_VALUE = "Expected more than 1 value per channel"
"""What batch norm says of a batch that it has nothing to normalise in."""

Compile: TypeAlias = Literal["off", "default", "reduce-overhead"] | bool
COMPILE_HELP = "compile the network, which takes minutes; reduce-overhead: with CUDA graphs, for small ones"

LEFT_TO_CONTINUATION = {"save_last", "save_on_exception", "every_n_train_steps", "train_time_interval"}
"""What would not be saved between two batches, and so not be resumed exactly."""


AVERAGING = ("validate", "test", "predict")
"""The commands that show an image in several views, or to several networks, if that is said."""


def main(words: Sequence[str], cli: "type[InceptionCLI] | None" = None) -> None:
    """Run the command ``words[0]``, by a subclass of the CLI if one is given."""
    say_what_matters()
    forget_chosen()
    line = CommandLine.read(words)
    if line.command == "predict" and is_exported(line.named("model")):
        predict_by_file(line)
        return
    with trusting(line.trusted), contextlib.ExitStack() as until_the_end:
        refuse_pages(line)
        try:
            start = start_of(line)
            if start.continued is not None:
                refuse_continued(start.continued, line)
            (cli or InceptionCLI)(line, start, until_the_end).run()
        except Stop:
            raise
        except Exception as error:
            if SIGNALS.code:  # it came first, whatever it broke
                raise SIGNALS.stop() from None
            if isinstance(error, torch.OutOfMemoryError) or NO_MEMORY in str(error):
                raise InputError(
                    "the memory does not hold a step of this training: say a smaller --data.batch_size (with "
                    "--trainer.accumulate_grad_batches for the same step) or --data.image_size, or --recompute stages"
                ) from None
            if ONE_VALUE in str(error):
                raise InputError(
                    "a batch of one image leaves batch norm a single value of each channel: say --data.batch_size 2 "
                    "or more, or leave out the auxiliary head (--model.net.aux false)"
                ) from None
            raise
    if line.command == "fit" and SIGNALS.code:  # while the pictures were drawn
        raise SIGNALS.stop()


class InceptionCLI(LightningCLI):
    """LightningCLI with a folder per run, and with the last word for what the command line says."""

    def __init__(self, line: CommandLine, start: Start, until_the_end: contextlib.ExitStack) -> None:
        """Parse and build.

        Args:
            line: What was said.
            start: What it starts from.
            until_the_end: Lets go of what the run holds.
        """
        self.line = line
        self.start = start
        self.until_the_end = until_the_end
        super().__init__(
            start.model_class,
            subclass_mode_data=True,
            save_config_callback=None,  # RunFolder does it: Lightning's aborts the second run in a folder
            trainer_defaults=TRAINER_DEFAULTS,
            seed_everything_default=0,
            auto_configure_optimizers=False,  # they belong to the model
            load_from_checkpoint_support=False,  # the checkpoint describes itself
            run=False,  # one command needs one parser; Lightning would build four
            args=start.arguments(line),
        )

    def run(self) -> None:
        """Do what the command says."""
        method = getattr(self.trainer, self._method)
        options = {name: self.config[name] for name in self.of_method}
        if isinstance(self.model, InceptionClassifier) and "verbose" in options:
            options["verbose"] = False  # ScoresReport says more
        method(self.model, datamodule=self.datamodule, **options)
        if "wandb" in sys.modules:
            sys.modules["wandb"].finish()  # so that the next run of this process is a new one

    @property
    def _method(self) -> str:
        """The Trainer's method: to calibrate is to validate, and to learn from it."""
        return "validate" if self.line.command == "calibrate" else self.line.command

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """A parser with a short usage that takes no shortened option for a whole one: that is a typo."""
        usage = f"lightning {self.line.command} [options]"
        return super().init_parser(**kwargs, usage=usage, exit_on_error=False, allow_abbrev=False)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what every run has."""
        parser.add_class_arguments(ModelCheckpoint, "checkpoint", skip=LEFT_TO_CONTINUATION, instantiate=False)
        parser.add_class_arguments(Continuation, "last", skip={"folder", "signals"}, instantiate=False)
        parser.add_class_arguments(DeadNetwork, "dead_network")
        parser.add_argument("--resume", type=Literal["auto"] | None, help="auto: go on with the newest run, or start")
        parser.add_argument("--allow_changes", type=bool, default=False, help="go on though another run comes of it")
        parser.add_class_arguments(Wandb, "wandb")
        parser.add_argument("--ema_decay", type=float | None, help="average the weights: see callbacks.WeightAverage")
        parser.add_argument("--compile", type=Compile, default=False, help=COMPILE_HELP)
        parser.add_argument("--recompute", type=list[str], default=[], help="stages to compute twice, for memory")
        if self.line.command in AVERAGING:
            parser.add_argument("--crops", type=Literal[1, 10, 12, 144], help="views of an image: see loading.crops")
            parser.add_argument("--flips", type=bool | None, help="show each image's mirror image too")
            parser.add_argument("--scales", type=list[float] | None, help="show each image at these scales: [1,1.15]")
            parser.add_argument("--ensemble", type=str | list[str] | None, help="further checkpoints: a.ckpt,b.ckpt")
        parser.set_defaults(CHECKPOINT_DEFAULTS)
        loaders = {"model", "train_dataloaders", "val_dataloaders", "dataloaders", "datamodule"}
        self.of_method = parser.add_method_arguments(pl.Trainer, self._method, skip=loaders)

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, with what is known before everything that was said."""
        printed = io.StringIO()
        if self.start.model_class is InceptionClassifier and kept.read(kept.names_of(self.line.command)) is None:
            kept.write(kept.names_of(self.line.command), names(parser).text())
        try:
            with contextlib.redirect_stdout(printed):
                self.config = _plain(parser.parse_args(args))  # type: ignore[arg-type]  # a list, as it was given
        except ArgumentError as error:
            raise InputError(sentence(error, known_options(parser))) from None
        finally:  # help, the page that --print_config asks for, or what a module says when it is imported
            text = printed.getvalue()
            print(self._printable(text) if self.line.asks_for_page else text, end="")

    def before_instantiate_classes(self) -> None:
        """Give the data what holds for the whole run."""
        arguments = (self.config.data or Namespace()).get("init_args", {})
        if self.line.command == "fit":
            self._compute_what_selects()
        if "seed" in arguments and not isinstance(self.config.seed_everything, bool | None):
            arguments["seed"] = self.config.seed_everything
        if "allow_changes" in arguments:
            arguments["allow_changes"] = self.config.allow_changes
        if self.line.command in AVERAGING:
            self._say_which_views(arguments)

    def _say_which_views(self, arguments: Any) -> None:
        """Hand ``--crops``, ``--flips`` and ``--scales`` to the data."""
        for flag, name in (("crops", "count"), ("flips", "flips"), ("scales", "scales")):
            value = self.config[flag]
            if value is not None and "crops" not in arguments:
                raise InputError(f"--{flag} is for data that show images in views, as ours do")
            if value is not None:
                arguments["crops"][name] = tuple(value) if name == "scales" else value

    def _compute_what_selects(self) -> None:
        """Have validation compute the score that checkpoints, or the schedule, are to go by.

        Raises:
            InputError: The best were the highest of a score that is better when lower.
        """
        model = self.config.model
        if self.start.model_class is not InceptionClassifier or "validation_scores" not in model:
            return
        own = {*(model.get("metrics") or {})}
        for said in (self.config.checkpoint.monitor, model.lr_monitor):
            split, _, name = str(said).partition("/")
            if split == "val" and name in KNOWN and name not in (*own, *model.validation_scores):
                model.validation_scores = [*model.validation_scores, name]
        monitor = str(self.config.checkpoint.monitor).removeprefix("val/")
        if monitor in LOWER_IS_BETTER and monitor not in own and self.config.checkpoint.mode == "max":
            raise InputError(f"val/{monitor} is the better the lower: say --checkpoint.mode min")

    def instantiate_classes(self) -> None:
        """Make the data, then the model for as many classes as they have, then the Trainer."""
        self.datamodule = self._made(Namespace(data=self.config.data), groups=False).data
        self._fill_in_classes()
        self._fill_in_channels()
        if self.start.continued is not None and not self.config.allow_changes:
            refuse_changes(self.start.continued.page, self.content)
        rest = self.config.clone()
        rest.data = None
        self.config_init = self._made(rest)
        self.model = self.config_init.model
        self.trainer = self.instantiate_trainer()

    def _made(self, config: Namespace, groups: bool = True) -> Namespace:
        try:
            made: Namespace = self.parser.instantiate(config, instantiate_groups=groups)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(refusal(str(error), dict(config.items()))) from None
        return made

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """The Trainer, with the run's folder, loggers and callbacks, once network and data are known to fit."""
        if isinstance(self.model, InceptionClassifier) and isinstance(self.datamodule, ImageDataModule):
            self.model.check_data(self.datamodule)
        self._prepare_network()
        wanted = vars(self.config_init.trainer)
        plugins = [*_as_list(wanted["plugins"]), CheckpointFiles(self.start.checkpoint)]
        if SLURMEnvironment.detect():
            plugins.append(SLURMEnvironment(auto_requeue=False))
        options = wanted | self._for_run(wanted) | {"plugins": plugins} | kwargs
        try:
            trainer = pl.Trainer(**options)
        except (TypeError, ValueError) as error:
            raise InputError(f"the Trainer refuses an option: {error}") from None
        refuse_crowd(trainer)
        warn_of_slow_precision(trainer, cpu_capabilities())
        if trainer.strategy.root_device.type == "cpu" and wanted["sync_batchnorm"]:
            raise InputError("sync_batchnorm needs GPUs: torch synchronises batch norm there only, so leave it out")
        if int(os.environ.get("WORLD_SIZE", 1)) > 1 and trainer.world_size == 1:
            raise InputError(
                f"torchrun started {os.environ['WORLD_SIZE']} processes that would each train alone: "
                "say --trainer.devices with the processes per machine, and --trainer.strategy ddp"
            )
        if self.start.continued is not None and not self.config.allow_changes:
            refuse_other_processes(len(self._held["processes"]), trainer.world_size)
        return trainer

    @cached_property
    def page(self) -> str:
        """Every setting, as a page that repeats the run; known once the data have given the number of classes."""
        return self._with_class(self.parser.dump(self.config, skip_unset=False))

    @cached_property
    def content(self) -> dict[str, Any]:
        """What `page` says, as plain data."""
        return parse_page(self.page, "this run")

    def _printable(self, page: str) -> str:
        """A page that was printed before anything was built: classes and channels are still to come from the data."""
        if not page.strip():
            return page
        content = yaml.safe_load(page)
        net = in_page(content, "model.net.init_args")
        if isinstance(net, dict):
            net.pop("num_classes", None)
            net.pop("in_channels", None)
        return self._with_class(yaml.safe_dump(content, sort_keys=False))

    def _with_class(self, page: str) -> str:
        """A page, which names the model's class where it is not the usual one."""
        if self.start.model_class is InceptionClassifier:
            return page
        content = yaml.safe_load(page)
        content["model"] = {"class_path": class_path(self.start.model_class), "init_args": content.get("model") or {}}
        return yaml.safe_dump(content, sort_keys=False)

    @property
    def _held(self) -> dict[str, Any]:
        """What the run to go on with says of itself."""
        assert self.start.checkpoint is not None
        held: dict[str, Any] = self.start.checkpoint.content[CONTINUATION]
        return held

    def _fill_in_classes(self) -> None:
        """Give the network as many classes as the data have, and tell the model where images have several labels."""
        if getattr(self.datamodule, "several_labels", False) and "several_labels" in self.config.model:
            self.config.model.several_labels = True
            if self.line.said("checkpoint.monitor") is None:
                self.config.checkpoint.monitor = "val/average_precision"
        net, classes = self.config.model.get("net"), getattr(self.datamodule, "num_classes", None)
        if not isinstance(net, Namespace) or classes is None:
            return
        for key in ("model.net.init_args.num_classes", "model.net.num_classes"):
            wanted = self.line.said(key)
            if wanted is not None and str(wanted) != str(classes):
                raise InputError(
                    f"{key} is {wanted}, and {type(self.datamodule).__name__} has {classes} "
                    "classes: leave it out, it is taken from the data"
                )
        if "num_classes" in net.get("init_args", {}):
            net.init_args.num_classes = classes
        elif net.class_path == "timm.create_model":  # hands it on by **kwargs
            net.dict_kwargs = net.get("dict_kwargs", {}) | {"num_classes": classes}

    def _fill_in_channels(self) -> None:
        """Give a new network as many channels as the images have, and let the page say how these are read."""
        data, net = self.datamodule, self.config.model.get("net")
        if not isinstance(data, ImageDataModule):
            return
        if data.bands is not None and "channels" in (self.config.data or Namespace()).get("init_args", {}):
            self.config.data.init_args.channels = data.bands.channels
        if self.start.checkpoint is not None:  # which knows its own: check_data compares them
            return
        if "pixels" in self.config.model and self.line.said("model.pixels") is None:
            self.config.model.pixels = data.pixels
        for key in ("model.net.init_args.in_channels", "model.net.in_channels"):
            wanted = self.line.said(key)
            if wanted is not None and str(wanted) != str(data.num_channels):
                raise InputError(
                    f"{key} is {wanted}, and the images of {type(data).__name__} have "
                    f"{channels(data.num_channels)}: leave it out, it is taken from the data"
                )
        if not isinstance(net, Namespace):
            return
        if "in_channels" in net.get("init_args", {}):
            net.init_args.in_channels = data.num_channels
        elif net.class_path == "timm.create_model" and data.num_channels != RGB:  # hands it on by **kwargs
            net.dict_kwargs = net.get("dict_kwargs", {}) | {"in_chans": data.num_channels}

    def _prepare_network(self) -> None:
        said, recomputed = self.config.compile, self.config.recompute
        mode = "default" if said is True else said or "off"
        if mode != "off" and recomputed:
            raise InputError("recompute and compile exclude each other: torch cannot compile stages computed twice")
        net = getattr(self.model, "net", None)
        if isinstance(net, Inception):
            net.recompute(recomputed)
        elif recomputed:
            raise InputError(f"recompute names stages of an Inception network, and this is {type(net).__name__}")
        if mode != "off":
            self.model.compile(mode=mode)
        if self.start.members:
            self._join(self.start.members)

    def _join(self, members: Sequence[Member]) -> None:
        """Add the other networks of an ensemble.

        Raises:
            InputError: One is for other classes, or cannot be had.
        """
        if not isinstance(self.model, InceptionClassifier):
            raise InputError(f"an ensemble is one of InceptionClassifiers, and this is {type(self.model).__name__}")
        read = [InceptionClassifier.load_from_checkpoint(member.path, trust=self.line.trusted) for member in members]
        size = getattr(self.datamodule, "image_size", None)
        for member, network in zip(members, read, strict=True):
            if not self.config.allow_changes:
                refuse_other_classes(network.class_names, getattr(self.datamodule, "class_names", ()))
            if None not in (member.image_size, size) and member.image_size != size:
                log.warning("%s was trained on %s pixels, and is shown %s", member.path, member.image_size, size)
        self.model.ensemble(read)

    def _for_run(self, wanted: dict[str, Any]) -> dict[str, Any]:
        terminal = sys.stdout.isatty()
        callbacks: list[Callback] = _as_list(wanted["callbacks"])
        fits = self.line.command == "fit"
        refuse_options(wanted, callbacks, fits=fits)
        if fits and self.config.ema_decay is not None:
            callbacks.insert(0, self._average(wanted))
        if wanted["enable_progress_bar"] is not False and not _has(callbacks, ProgressBar):
            callbacks.append(TerminalProgress() if terminal else LineProgress())
        summarise = terminal and wanted["enable_model_summary"] is not False
        if summarise and isinstance(self.model, InceptionClassifier) and not _has(callbacks, ModelSummary):
            callbacks.append(NetSummary())
        summarise = summarise or _has(callbacks, ModelSummary)
        if fits:
            self._checkpoint(None)  # a run of one batch finds its mistakes too
        place = Path(wanted["default_root_dir"] or RUNS)
        evaluates = self.line.command in ("validate", "test", "calibrate")
        if evaluates or wanted["fast_dev_run"]:
            if self.line.command == "calibrate":
                callbacks = [*callbacks, self._calibrate()]
            elif evaluates and isinstance(self.model, InceptionClassifier) and not wanted["fast_dev_run"]:
                callbacks = [*callbacks, self._scores(place)]
            return {"callbacks": callbacks, "logger": wanted["logger"] or False, "enable_model_summary": summarise}
        if not fits:
            return {"callbacks": [*callbacks, PredictionWriter(new_run_folder(place, "predict-"))], "logger": False}
        folder = self.start.continued.run if self.start.continued else new_run_folder(place, "")
        self.until_the_end.enter_context(held(folder))
        return {
            "callbacks": [*callbacks, *self._callbacks(folder)],
            "logger": self._loggers(folder, wanted["logger"]),
            "enable_model_summary": summarise,
        }

    def _scores(self, place: Path) -> ScoresReport:
        """The folder of scores, beside the run whose checkpoint is evaluated, unless another place is said."""
        command, facts = self.line.command, []
        path = self.start.checkpoint.path if self.start.checkpoint is not None else None
        if path is not None:
            facts.append(f"Checkpoint {path}.")
            run = path.absolute().parent.parent
            if (run / PAGE).is_file() and self.line.said("trainer.default_root_dir") is None:
                place = Path(os.path.relpath(run.parent)) if run.is_relative_to(Path.cwd()) else run.parent
        return ScoresReport(new_run_folder(place, f"{command}-"), name=command, facts=facts, checkpoint=path)

    def _calibrate(self) -> Calibrate:
        assert self.start.checkpoint is not None  # or there was nothing to start from
        path = self.start.checkpoint.path
        run = path.absolute().parent.parent
        if (run / PAGE).is_file():
            self.until_the_end.enter_context(held(run))
        return Calibrate(path)

    def _average(self, wanted: dict[str, Any]) -> WeightAverage:
        if str(wanted["strategy"]).startswith(("fsdp", "deepspeed", "model_parallel")):
            raise InputError("ema_decay averages whole weights, which no process has with this strategy: leave one out")
        return WeightAverage(self.config.ema_decay)

    def _callbacks(self, folder: Path) -> list[Callback]:
        place = checkpoints_of(folder, self.config.checkpoint.dirpath)
        if self.config.checkpoint.dirpath:
            check_place(place)
        checkpoint = self._checkpoint(place)
        best = place / BEST
        before = self.start.continued.page if self.start.continued else self.content
        speed = Speed(folder)
        monitor, mode = str(checkpoint.monitor), checkpoint.mode
        return [
            RunFolder(folder, self.page, shlex.join(["lightning", *self.line.words])),
            self._recipe(),
            *([NewRates()] if rates_change(before, self.content) else []),
            FiniteGuard(),
            self.config_init.dead_network,
            Continuation(folder=place, signals=SIGNALS, **vars(self.config_init.last)),
            Monitors(),
            checkpoint,
            Pictures(folder, best, monitor=monitor, mode=mode),
            Confusion(folder, monitor=monitor, mode=mode),
            *([CheckpointArtifact(best, place / LAST)] if self.config_init.wandb.log_model else []),
            RunSummary(folder, best, speed, monitor=monitor, mode=mode, trusted=self.line.trusted or ()),
            speed,  # last, so that what the others do counts as the step's time
        ]

    def _checkpoint(self, place: Path | None) -> BestCheckpoint:
        said = vars(self.config_init.checkpoint)
        several = said["save_top_k"] not in (0, 1)
        name = (
            SEVERAL if several and said["filename"] == CHECKPOINT_DEFAULTS["checkpoint.filename"] else said["filename"]
        )
        return BestCheckpoint(**said | {"dirpath": place, "filename": name})

    def _recipe(self) -> Recipe:
        described = self.content["model"]
        if self.start.model_class is InceptionClassifier:
            described = {"class_path": class_path(InceptionClassifier), "init_args": described}
        return Recipe(described, self.content["data"])

    def _loggers(self, folder: Path, wanted: Any) -> list[Logger]:
        if wanted is False:
            return []
        metrics = MetricsFile(folder / "metrics.csv")
        if wanted not in (None, True):
            return [metrics, *_as_list(wanted)]
        before = self._held["wandb"] if self.start.continued else None
        weights_and_biases = wandb_logger(folder, self.config_init.wandb, before)
        return [metrics, *([weights_and_biases] if weights_and_biases else [])]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _has(callbacks: Sequence[Callback], kind: type[Callback]) -> bool:
    return any(isinstance(callback, kind) for callback in callbacks)


def _plain(config: Any) -> Any:
    """A configuration in which the members of an enum, which no page can hold, are their values."""
    if isinstance(config, Namespace):
        for key, value in vars(config).items():
            setattr(config, key, _plain(value))
    elif isinstance(config, list):
        return [_plain(item) for item in config]
    return config.value if isinstance(config, Enum) else config
