"""``lightning export``: a trained network as files that other programs run, with the proof that they agree with it."""

import argparse
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from inception_lightning.commands.command_line import CommandLine
from inception_lightning.commands.data import read_data
from inception_lightning.commands.exit_codes import say_what_matters
from inception_lightning.commands.options import Options, add_network
from inception_lightning.commands.trained import Trained, trained
from inception_lightning.data.base import ImageDataModule
from inception_lightning.data.show import spread
from inception_lightning.deployment.card import Origin, card
from inception_lightning.deployment.deployed import About
from inception_lightning.deployment.formats import FORMATS, opened
from inception_lightning.deployment.hub import check_name, push
from inception_lightning.deployment.int8 import quantise
from inception_lightning.deployment.proof import Checkpoint, Run, as_batch, compare, speeds
from inception_lightning.deployment.runtimes import Images
from inception_lightning.deployment.verdict import BEFORE, INT8, Verdict
from inception_lightning.errors import InputError, visible
from inception_lightning.loading.dataset import ImageDataset
from inception_lightning.runs.checkpoints import refuse_other_classes
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.trust import trusting

log = logging.getLogger(__name__)


def main(words: Sequence[str]) -> None:
    """Run ``lightning export``.

    Raises:
        InputError: There is no such checkpoint, format, runtime or data.
        Stop: A file does not agree with the checkpoint.
    """
    say_what_matters()
    line = CommandLine.read(words)
    arguments, flags = _options().parse_known_args(line.flags)
    formats = list(dict.fromkeys([*arguments.format, *(["onnx"] if arguments.int8 else [])]))
    if arguments.push:
        check_name(arguments.push)
    for name in formats:
        FORMATS[name].check(f"--format {name}", writes=True)
    with trusting(line.trusted):
        network = trained(line, arguments)
        data = _data(line, network, flags)
    about = _about(network.module, data)
    out: Path = arguments.out
    files = {name: out / f"{network.name}{FORMATS[name].suffix}" for name in formats}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, file in files.items():
            print(f"writing {visible(str(file))}", flush=True)
            FORMATS[name].write(network.module.net, about, file)
        if arguments.int8:
            files[INT8] = out / f"{network.name}.int8.onnx"
            print(f"writing {visible(str(files[INT8]))}, calibrated on {arguments.calibration} images", flush=True)
            quantise(files["onnx"], files[INT8], _calibration(data.dataset("train"), arguments.calibration))
        verdict = _prove(network.module, about, data.dataset("val"), files, arguments)
        (out / "README.md").write_text(card(about, _origin(network, data, verdict), files, verdict.markdown()), "utf-8")
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None
    print(verdict.text())
    verdict.judge(arguments.tolerance, arguments.int8_loss)
    if arguments.push:
        print(push(arguments.push, [out / "README.md", *files.values()]))


def _prove(
    module: InceptionClassifier, about: About, images: ImageDataset, files: dict[str, Path], arguments: Any
) -> Verdict:
    torch.set_num_threads(arguments.threads)
    expected = Checkpoint(module, about)
    runs: dict[str, Run] = {name: opened(file, arguments.threads) for name, file in files.items()}
    indices = spread(len(images), arguments.images or len(images))
    agreements = compare(expected, runs, images, indices, about.thresholds)
    timed = images.open(indices[0]).pixels()
    return Verdict(
        agreements,
        speeds({BEFORE: expected, **runs}, timed),
        {name: _megabytes(file) for name, file in files.items()},
        arguments.threads,
        (timed.shape[1], timed.shape[2]),
        "all labels right" if about.thresholds else "top-1",
    )


def _megabytes(file: Path) -> float:
    parts = [file, file.with_suffix(".bin")] if file.suffix == ".xml" else [file]  # OpenVINO's weights lie beside it
    return sum(part.stat().st_size for part in parts) / 1e6


def _calibration(images: ImageDataset, count: int) -> Iterator[Images]:
    for index in spread(len(images), count):
        yield as_batch([images.open(index).pixels()])


def _data(line: CommandLine, network: Trained, flags: Sequence[str]) -> ImageDataModule:
    """The data for the proof: those that are said, or else those that the network was trained on."""
    page = network.page("export", line.named("data"))
    data = read_data([{"data": page}, *line.pages], None, flags)
    if data.num_classes != network.module.num_classes:
        raise InputError(
            f"the network knows {network.module.num_classes} classes and {type(data).__name__} has {data.num_classes}: "
            "say --data.root with the images that it was trained for"
        )
    network.module.check_bands(data)
    refuse_other_classes(network.module.class_names, data.class_names)
    if not network.module.class_names:
        network.module.class_names = tuple(data.class_names)
    return data


def _about(module: InceptionClassifier, data: ImageDataModule) -> About:
    return About.of(module, data.image_size, data.evaluation, data.bands)


def _origin(network: Trained, data: ImageDataModule, verdict: Verdict) -> Origin:
    images = next(iter(verdict.agreements.values())).images
    where = getattr(data, "root", None)
    told = f"{type(data).__name__}{f' ({visible(Path(where).name)})' if where else ''}"
    return Origin(
        data=f"Scored on {images:,} validation images of {told}, {data.num_classes} classes.",
        weights=network.weights,
        trained=network.data is not None,
    )


def _count(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {word}")
    return number


def _options() -> Options:
    parser = Options(
        "lightning export",
        description=__doc__,
        epilog="--data.root FOLDER and the other options of the data choose the images for the proof",
    )
    add_network(parser)
    parser.add_argument("--format", nargs="+", choices=FORMATS, default=["onnx"], help="one or several (default: onnx)")
    parser.add_argument("--out", type=Path, default=Path("exported"), help="folder to write into (default: exported)")
    parser.add_argument("--int8", action="store_true", help="an ONNX file in 8 bits too")
    parser.add_argument("--calibration", type=_count, default=200, help="training images for --int8 (default: 200)")
    parser.add_argument("--images", type=_count, help="validation images for the proof (default: all)")
    parser.add_argument("--threads", type=_count, default=torch.get_num_threads(), help="threads of each runtime")
    parser.add_argument("--tolerance", type=float, default=0.01, help="largest difference of a probability")
    parser.add_argument(
        "--int8_loss",
        type=float,
        default=2.0,
        help="points of top-1, or of images whose labels are all right, that 8 bits may lose (default: 2)",
    )
    parser.add_argument("--push", metavar="USER/NAME", help="push the folder to the Hugging Face hub")
    return parser
