"""What a command starts from before anything is said: the default data, a checkpoint, a run, public weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
from lightning.pytorch.utilities.model_helpers import is_overridden

from inception_lightning import models
from inception_lightning.commands.command_line import RUNS, CommandLine, as_flag, in_page, without_class
from inception_lightning.configurable import KEY, class_path, subclasses
from inception_lightning.data.files import ImagesInFiles
from inception_lightning.data.folder import Photos
from inception_lightning.errors import InputError
from inception_lightning.runs.checkpoints import Checkpoint, local, read_checkpoint
from inception_lightning.runs.folder import newest, run_of, run_to_continue
from inception_lightning.runs.resuming import Continued
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.trust import locate
from inception_lightning.weights.load import describe

OURS = {name: f"{models.__name__}.{name}" for name in models.__all__}
"""The networks that a name alone means, though torchvision and timm have classes of the same name."""

SHOWN = ("image_size", "evaluation")
"""How data are shown to a network: what a checkpoint says about data that it has not seen."""

BANDS = ("channels", "scale")
"""How files are read: what it says besides about data in files."""


class Member(NamedTuple):
    """A further network of an ensemble: its checkpoint, and the side of the images that it was trained on, if known."""

    path: Path
    image_size: int | None


@dataclass(frozen=True)
class Start:
    """What a command starts from.

    Attributes:
        model_class: The LightningModule that is trained or evaluated.
        pages: What is known before the command line's own pages.
        checkpoint: The checkpoint that it goes on from or evaluates.
        continued: The run that it goes on with.
        members: What answers together with the checkpoint.
    """

    model_class: type[pl.LightningModule]
    pages: tuple[dict[str, Any], ...] = ()
    checkpoint: Checkpoint | None = None
    continued: Continued | None = None
    members: tuple[Member, ...] = ()

    def arguments(self, line: CommandLine) -> list[str]:
        """The parser's arguments: pages in their order, flags after them, what a checkpoint settles last."""
        pages = [as_flag(_with_our_network(without_class(page))) for page in (*self.pages, *line.pages)]
        settled_flags = ["model", "model.class_path"]
        named = OURS.get(line.named("model.net", flags_only=True) or "")
        if named is not None:
            settled_flags += ["model.net", "model.net.class_path"]
            pages.append(as_flag({"model": {"net": named}}))
        if self.checkpoint is None:
            return [*pages, *line.without(*settled_flags)]
        # a page's weights are where training once started: the checkpoint's take their place
        settled = {"ckpt_path": str(self.checkpoint.path)}
        if issubclass(self.model_class, InceptionClassifier):
            settled |= {"model": {"weights": None}}  # type: ignore[dict-item]  # a page of any shape
        return [*pages, *line.without("ckpt_path", "model.weights", *settled_flags), as_flag(settled)]


def start_of(line: CommandLine) -> Start:
    """What ``line`` starts from.

    ``--ckpt_path last`` and a run's own ``last.ckpt`` name a run that ``fit`` goes on with; ``--resume auto``
    takes the newest, or none. ``last`` and ``best`` of the newest run can be evaluated. Without a checkpoint,
    ``model.weights`` choose the network and how it is shown images, and the default data are `Digits`.

    Raises:
        InputError: There is no such checkpoint or class, or prediction names none.
    """
    if line.asks_for_help:
        return Start(_model_class(line, ()))
    run = _run(line)
    if run is not None:
        held = Continued.read(run)
        page = {key: value for key, value in held.page.items() if key != "allow_changes"}  # it is said each time
        if isinstance(trainer := page.get("trainer"), dict):  # the run may have been moved
            page["trainer"] = trainer | {"default_root_dir": str(run.parent)}
        return Start(_model_class(line, (page,)), (page,), held.checkpoint, held)
    named = [] if (said := line.said("ckpt_path")) is None else [str(said)]
    named += _ensemble(line)
    if named:
        return _from_checkpoint(line, *named)
    if line.command in ("predict", "calibrate"):
        raise InputError(f"{line.command} needs the checkpoint of a trained network: say --ckpt_path FILE")
    model_class = _model_class(line, ())
    data, weights = line.named("data"), line.said("model.weights")
    if weights:
        return Start(model_class, (weights_page(str(weights), data or "Digits"),))
    has_own_data = not issubclass(model_class, InceptionClassifier) and is_overridden(
        "train_dataloader", model_class, pl.LightningModule
    )
    return Start(model_class, () if has_own_data and data is None else ({"data": data or "Digits"},))


def weights_page(source: str, data: str) -> dict[str, Any]:
    """The page that public weights or a file of weights fill: the network, and how it sees ``data``.

    Raises:
        InputError: There are no such weights.
    """
    net, seen = describe(source)
    for name in ("num_classes", "in_channels"):  # they come from the data
        net["init_args"].pop(name, None)
    evaluation = {"fraction": seen.crop_fraction, "interpolation": seen.interpolation}
    shown = {"image_size": seen.image_size, "evaluation": evaluation}
    return {"model": {"net": net}, "data": {"class_path": data, "init_args": shown}}


def checkpoint_page(held: dict[str, Any], command: str, data: str | None) -> dict[str, Any]:
    """The page that a checkpoint's plain data fill: ``model``, and ``data`` or its own data."""
    model = held["model"]["init_args"]
    net = model.get("net")
    if isinstance(net, dict):
        for kind in ("init_args", "dict_kwargs"):
            net.get(kind, {}).pop("num_classes", None)  # it comes from the data
    arguments = held["data"]["init_args"] if held["data"] else {}
    for name in ("seed", "allow_changes"):  # they come from the command line
        arguments.pop(name, None)
    shown = {name: arguments[name] for name in SHOWN if name in arguments}
    bands = {name: arguments[name] for name in BANDS if name in arguments}
    if data is not None:
        known = {"class_path": data, "init_args": shown | (bands if _in_files(data) else {})}
    elif command == "predict" and held["class_names"]:
        known = {"class_path": class_path(Photos), "init_args": {"class_names": held["class_names"], **shown, **bands}}
    else:
        known = held["data"] or {"class_path": "Digits"}
    return {"model": {"class_path": held["model"]["class_path"], "init_args": model}, "data": known}


def _in_files(data: str) -> bool:
    """Whether a class of data, by its name or import path, has images in files."""
    return data.rpartition(".")[2] in (cls.__name__ for cls in subclasses(ImagesInFiles))


def _run(line: CommandLine) -> Path | None:
    """The run that ``fit`` goes on with."""
    if line.command != "fit":
        return None
    named, place = line.said("ckpt_path"), _place(line)
    if named == "last":
        run = run_to_continue(place)
        if run is None:
            raise InputError(f"no run in {place} has a checkpoint 'last': give the path of a checkpoint file")
        return run
    if named:
        return run_of(Path(named))
    return run_to_continue(place) if line.said("resume") == "auto" else None


def _ensemble(line: CommandLine) -> list[str]:
    """The checkpoints that ``--ensemble a.ckpt,b.ckpt``, or a page's list, names; ``fit`` has no such option."""
    said = None if line.command in ("fit", "calibrate") else line.said("ensemble")
    names = said.strip("[] ").split(",") if isinstance(said, str) else said or []
    return [str(name).strip(" '\"") for name in names]


def _from_checkpoint(line: CommandLine, named: str, *others: str) -> Start:
    path, *paths = (newest(_place(line), one) if one in ("last", "best") else local(one) for one in (named, *others))
    members = tuple(Member(other, _image_size(read_checkpoint(other)[KEY])) for other in paths)
    checkpoint = Checkpoint(path, read_checkpoint(path))
    page = checkpoint_page(checkpoint.content[KEY], line.command, line.named("data"))
    return Start(_model_class(line, (page,)), (page,), checkpoint, members=members)


def _image_size(held: dict[str, Any]) -> int | None:
    size = in_page(held, "data.init_args.image_size")
    return size if isinstance(size, int) else None


def _place(line: CommandLine) -> Path:
    return Path(line.said("trainer.default_root_dir") or RUNS)


def _model_class(line: CommandLine, known: tuple[dict[str, Any], ...]) -> type[pl.LightningModule]:
    """The class that the command line names, or else what is known; `InceptionClassifier` where nobody names one.

    Raises:
        InputError: It is no LightningModule, or cannot be had.
    """
    named = [line.named("model"), *(in_page(page, "model.class_path") for page in known)]
    name = next((one for one in named if isinstance(one, str)), None)
    if name is None:
        return InceptionClassifier
    ours = {cls.__name__: cls for cls in (InceptionClassifier, *subclasses(InceptionClassifier))}
    if name not in ours and "." not in name:
        raise InputError(f"model: there is no class {name}: give its import path, such as my_project.{name}")
    found = ours.get(name) or locate(name)
    if not (isinstance(found, type) and issubclass(found, pl.LightningModule)):
        raise InputError(f"model: {name} is no LightningModule, so it cannot be trained")
    return found


def _with_our_network(page: dict[str, Any]) -> dict[str, Any]:
    """A page whose network is ours, where it is called by the name alone."""
    model = page.get("model")
    if not isinstance(model, dict):
        return page
    net = model.get("net")
    if isinstance(net, str) and net in OURS:
        return page | {"model": {**model, "net": OURS[net]}}
    if isinstance(net, dict) and net.get("class_path") in OURS:
        return page | {"model": {**model, "net": net | {"class_path": OURS[net["class_path"]]}}}
    return page
