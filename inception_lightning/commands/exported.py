"""``lightning predict --model FILE``: the photos in a folder by an exported file, as by a checkpoint."""

from pathlib import Path

import lightning.pytorch as pl
import torch

from inception_lightning.callbacks.predictions import PredictionWriter
from inception_lightning.callbacks.progress import LineProgress
from inception_lightning.commands.command_line import RUNS, CommandLine
from inception_lightning.commands.options import Options
from inception_lightning.deployment.formats import format_of
from inception_lightning.deployment.predicting import ExportedClassifier, WholePhotos
from inception_lightning.errors import InputError
from inception_lightning.loading.bands import WHITE, channels
from inception_lightning.runs.folder import new_run_folder


def is_exported(model: str | None) -> bool:
    """Whether what ``--model`` says is a file in one of the formats of ``lightning export``, and no class."""
    return model is not None and format_of(Path(model)) is not None


def predict_by_file(line: CommandLine) -> None:
    """Write ``predictions.csv`` into a new folder.

    Raises:
        InputError: The file cannot be run here, or holds machine code that nobody trusts.
    """
    arguments = _options().parse_args(line.flags)
    kind = format_of(arguments.model)
    if kind is not None and kind.compiled and line.trusted is not None:
        raise InputError(
            f"{arguments.model} holds machine code, which would run: say --trust-config if you trust who made it"
        )
    module = ExportedClassifier(arguments.model, torch.get_num_threads())
    about = module.runtime.about
    said = None if about.is_rgb or about.scale == WHITE.get(about.numbers) else about.scale
    photos = WholePhotos(
        root=arguments.root,
        channels=None if about.is_rgb else about.channels,
        scale=said,
        class_names=about.class_names,
        num_workers=arguments.workers,
        batch_size=arguments.batch_size,
    )
    if photos.num_channels != about.channels or (photos.pixels, about.pixels) == ("float32", "uint8"):
        raise InputError(
            f"{arguments.model} takes {about.pixels} images of {channels(about.channels)}, and those in "
            f"{arguments.root} are {photos.pixels}, of {channels(photos.num_channels)}"
        )
    folder = new_run_folder(arguments.place, "predict-")
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        callbacks=[PredictionWriter(folder), LineProgress()],
        enable_model_summary=False,
        default_root_dir=arguments.place,
    )
    trainer.predict(module, datamodule=photos, return_predictions=False)


def _options() -> Options:
    parser = Options("lightning predict --model FILE", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a file that lightning export wrote")
    parser.add_argument("--data.root", dest="root", type=Path, required=True, help="a folder of photos, or a pattern")
    parser.add_argument("--data.batch_size", dest="batch_size", type=int, default=32, help="photos per batch of rows")
    parser.add_argument("--data.num_workers", dest="workers", type=int, help="processes that decode; 0 for none")
    parser.add_argument("--trainer.default_root_dir", dest="place", type=Path, default=RUNS, help="folder of runs")
    return parser
