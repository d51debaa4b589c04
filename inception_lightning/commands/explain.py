"""``lightning explain``: where a network looks in photos, or in the mistakes of a test, as pictures and one page."""

import logging
import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from inception_lightning.commands import options
from inception_lightning.commands.command_line import CommandLine
from inception_lightning.commands.data import read_data
from inception_lightning.commands.exit_codes import say_what_matters
from inception_lightning.commands.trained import Trained, accelerator, trained
from inception_lightning.commands.typos import instead
from inception_lightning.data.files import some_of
from inception_lightning.data.folder import Photos
from inception_lightning.deployment.explained_page import PAGE, Explained, Writer
from inception_lightning.deployment.explanations import chosen_stages, exact_stage, explain
from inception_lightning.errors import InputError, Stop, visible
from inception_lightning.evaluation.mistakes import worst_mistakes
from inception_lightning.evaluation.predictions_csv import BETWEEN, Predictions
from inception_lightning.evaluation.report import checkpoint_of
from inception_lightning.loading.bands import bands_of_all
from inception_lightning.loading.dataset import ImageDataset, ImageFiles
from inception_lightning.loading.decoding import ImageInputError
from inception_lightning.loading.pictured import how_pictured, pictured
from inception_lightning.runs.checkpoints import refuse_other_classes
from inception_lightning.runs.folder import forget_chosen, new_run_folder
from inception_lightning.trust import trusting

log = logging.getLogger(__name__)

CLOSE = 0.02
"""How far the probabilities of a test and of now may be apart before they are taken for another network's."""


@dataclass(frozen=True)
class Shown:
    """An image that is to be explained.

    Attributes:
        file: What a person finds it by.
        image: (C, H, W), as the network sees it; None where it cannot be read.
        reason: Why it cannot be read.
        label: The class to explain; by default the network's answer.
        probability: What a test has given to it.
        true: The true class, where it is known.
    """

    file: str
    image: Tensor | None
    reason: str = ""
    label: int | None = None
    probability: float | None = None
    true: str = ""


@dataclass(frozen=True)
class Shows:
    """All images that are to be explained.

    Attributes:
        title: What they are.
        count: How many there are.
        batches: They, some at a time.
    """

    title: str
    count: int
    batches: Iterator[list[Shown]]


@dataclass(frozen=True)
class Look:
    """How images are looked at.

    Attributes:
        network: Whose answers are explained.
        stages: Where it is looked into.
        exact: The stage whose maps are exact, if there is one.
        label: The class that is explained; by default the answer, or what a test found wrong.
    """

    network: Trained
    stages: tuple[str, ...]
    exact: str | None
    label: int | None


def main(words: Sequence[str]) -> None:
    """Run ``lightning explain``.

    Raises:
        InputError: There is no such network, stage, class, photo or test, or the folder is there already.
        Stop: The disk is full; the pictures that are drawn stay.
    """
    say_what_matters()
    forget_chosen()
    arguments = options.explain().parse_args(words[1:])
    if (arguments.folder is None) == (arguments.test is None):
        raise InputError("say either a folder of photos, or --test with the folder that a test has left")
    if arguments.out is not None and _is_taken(arguments.out):
        raise InputError(f"{arguments.out} is there already: remove it, or name another --out")
    if arguments.test is not None:
        arguments.test = _test_folder(arguments)
        if not (arguments.ckpt_path or arguments.weights):
            arguments.ckpt_path = checkpoint_of(arguments.test)
    line = CommandLine.read(words)
    with trusting(line.trusted):
        network = trained(line, arguments)
        photos = network.photos(arguments.folder or Path(), arguments, checked=arguments.test is None)
        look = _look(network, photos.image_size, arguments)
        shows = _of_photos(photos) if arguments.test is None else _of_test(network, photos, arguments.test)
    _write(look, shows, photos.batch_size, _folder(arguments))


def _look(network: Trained, image_size: int, arguments: Namespace) -> Look:
    module = network.module.to(accelerator(arguments.device))
    blank = torch.zeros(1, len(module.mean), image_size, image_size, device=module.device)
    exact, names = exact_stage(module.net, blank), network.class_names
    if arguments.label is not None and arguments.label not in names:
        raise InputError(f"there is no class {arguments.label}{instead(arguments.label, names)}")
    label = None if arguments.label is None else names.index(arguments.label)
    return Look(network, chosen_stages(module.net, arguments.stage, exact), exact, label)


def _is_taken(out: Path) -> bool:
    """Whether there is something in the folder, or something else in its place."""
    return os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir()))


def _folder(arguments: Namespace) -> Path:
    """A new folder: the one that is said, or one among the runs."""
    out: Path | None = arguments.out
    if out is None:
        return new_run_folder(Path(arguments.runs), "explain-")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None
    return out


def _write(look: Look, shows: Shows, batch_size: int, folder: Path) -> None:
    net, source = type(look.network.module.net).__name__, look.network.source
    pixels = "uint8" if look.network.data is None else look.network.module.pixels  # of weights nobody knows them
    how = how_pictured(len(look.network.module.mean), pixels)
    told = f"{source[0].upper()}{source[1:]}.{f' {how}' if how else ''}"
    writer = Writer(folder, f"Where {net} looks: {shows.title}", told)
    try:
        with writer.opened():
            total = -(-shows.count // batch_size)
            for batch in track(shows.batches, "explaining", total, console=Console(stderr=True), transient=True):
                _explain(look, batch, writer)
    except OSError as error:
        raise Stop(f"cannot write {folder}: {error.strerror}", 74) from None
    print(f"{counted(writer.explained, 'image')} explained in {visible(str(folder / PAGE))}")
    for sentence in writer.told[1:]:
        print(sentence)


def counted(number: int, what: str) -> str:
    """So many of them, in words."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _of_photos(photos: Photos) -> Shows:
    files = photos.files

    def batches() -> Iterator[list[Shown]]:
        for images, indices in photos.predict_dataloader():
            pairs = zip(images, indices.tolist(), strict=True)
            yield [
                Shown(str(files[index]), image)
                if index >= 0
                else Shown(str(files[-1 - index]), None, photos.why_unreadable(-1 - index))
                for image, index in pairs
            ]

    return Shows(counted(len(files), "photo"), len(files), batches())


def _of_test(network: Trained, photos: Photos, folder: Path) -> Shows:
    """The worst mistakes of a test."""
    predictions = Predictions.read(folder / "predictions.csv")
    if len(predictions.class_names) != network.module.num_classes:
        raise InputError(
            f"{folder} has {len(predictions.class_names)} classes and the network {network.module.num_classes}: say "
            "--ckpt_path with the checkpoint that was tested"
        )
    refuse_other_classes(network.module.class_names, predictions.class_names)
    mistakes = worst_mistakes(predictions)
    images = _images(network, predictions, folder)
    view, names = photos.evaluation.build(photos.image_size), predictions.class_names

    def batches() -> Iterator[list[Shown]]:
        for start in range(0, len(mistakes), photos.batch_size):
            batch = []
            for one in mistakes[start : start + photos.batch_size]:
                target, file = predictions.targets[one.index], predictions.files[one.index]
                true = BETWEEN.join(names[k] for k in target.nonzero()[0]) if target.ndim else names[int(target)]
                try:
                    image, reason = view.show(images.open(one.index)), ""
                except ImageInputError as error:
                    image, reason = None, error.reason
                batch.append(Shown(file, image, reason, one.label, one.probability, true))
            yield batch

    return Shows(f"the worst mistakes of {folder.name}", len(mistakes), batches())


def _test_folder(arguments: Namespace) -> Path:
    """The folder that ``--test`` names, by its path, or by its name among the runs."""
    for folder in (arguments.test, Path(arguments.runs) / arguments.test):
        if folder.is_dir():
            return folder
    example = f"{arguments.runs}/test-DATE"
    raise InputError(f"there is no folder {arguments.test}: name one that lightning test has left, such as {example}")


def _images(network: Trained, predictions: Predictions, folder: Path) -> ImageDataset:
    """The images that were tested: their files, or the data that the network was trained on."""
    files = [Path(file) for file in predictions.files]
    if any(file.is_file() for file in files):  # one that is gone has a reason
        listed = ImageFiles(files, torch.zeros(len(files), dtype=torch.long))
        said = network.page("test").get("init_args", {})
        return listed.seen_as(bands_of_all(some_of(listed), said.get("channels"), said.get("scale")))
    if network.data is None:
        raise InputError(f"the images of {folder} are not here: its files are no files, seen from {Path.cwd()}")
    data = read_data([{"data": network.page("test")}], None, ())
    images = data.dataset("val" if (folder / "validate.html").is_file() else "test")
    if len(images) != len(predictions.files):
        raise InputError(
            f"{folder} is of {len(predictions.files):,} images and {type(data).__name__} has {len(images):,}"
        )
    return images


def _explain(look: Look, batch: Sequence[Shown], writer: Writer) -> None:
    """Explain those of a batch that can be read, and say why the others cannot."""
    readable = [one for one in batch if one.image is not None]
    labels = [one.label if look.label is None else look.label for one in readable]
    known = [label for label in labels if label is not None]
    classes = torch.tensor(known) if len(known) == len(labels) else None  # a test knows all, a folder none
    found = None
    if readable:
        images = torch.stack([one.image for one in readable if one.image is not None])
        found = explain(look.network.module, images, look.stages, look.exact, classes)
    place = 0
    for one in batch:
        if one.image is None or found is None:
            writer.add_unreadable(one.file, one.reason)
            continue
        share, label = float(found.probabilities[place]), look.network.class_names[int(found.classes[place])]
        if look.label is None and one.probability is not None and abs(one.probability - share) > CLOSE:
            log.warning(
                "%s: the test gives %.3f and this network %.3f: another checkpoint, several crops or an ensemble",
                *(visible(one.file), one.probability, share),
            )
        maps = {stage: places[place] for stage, places in found.maps.items()}
        writer.add(Explained(one.file, label, share, one.true, pictured(one.image), maps))
        place += 1
