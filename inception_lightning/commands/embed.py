"""``lightning embed``: the features of photos at a stage of a network, a row of each, in a table or an array."""

import importlib.util
import shutil
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import lightning.pytorch as pl
import numpy as np

from inception_lightning.callbacks.embeddings import EmbeddingWriter
from inception_lightning.callbacks.progress import LineProgress, TerminalProgress
from inception_lightning.commands import options
from inception_lightning.commands.command_line import CommandLine
from inception_lightning.commands.exit_codes import say_what_matters
from inception_lightning.commands.refusals import cpu_capabilities, refuse_crowd, warn_of_slow_precision
from inception_lightning.commands.trained import trained
from inception_lightning.deployment.embeddings import Embedder, Remaining, about
from inception_lightning.deployment.rows import Rows, target_of
from inception_lightning.errors import InputError, Stop
from inception_lightning.runs.folder import held
from inception_lightning.runs.signals import SIGNALS
from inception_lightning.trust import trusting


def main(words: Sequence[str]) -> None:
    """Run ``lightning embed``.

    Raises:
        InputError: There is no such network, stage or photo, or the file cannot be written or is there already.
        Stop: A signal came, or the disk is full; what is written stays.
    """
    say_what_matters()
    arguments = options.embed().parse_args(words[1:])
    target = target_of(arguments.out)
    if target.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise InputError(f"{target} needs what is not installed: pip install pyarrow, or name a .npy or a folder")
    line = CommandLine.read(words)
    with trusting(line.trusted):
        network = trained(line, arguments)
        embedder = Embedder(network.module, arguments.stage)
        photos = network.photos(arguments.folder, arguments)
    rows = Rows(target, about(embedder, photos, vars(arguments)["trainer.precision"]))
    writer = EmbeddingWriter(rows, photos, SIGNALS)
    _embed(embedder, rows, writer, _trainer(arguments, writer))


def _embed(embedder: Embedder, rows: Rows, writer: EmbeddingWriter, trainer: pl.Trainer) -> None:
    _make(rows.folder)
    with held(rows.folder, "embedding"):
        if trainer.is_global_zero:
            _begin(rows)
            if writer.photos.left_out.counts:
                print(writer.photos.left_out.text(), flush=True)
        try:
            trainer.predict(embedder, datamodule=Remaining(writer.photos, rows), return_predictions=False)
        except Stop:
            raise
        except Exception:
            if SIGNALS.code:  # it came first, whatever it broke
                raise Stop(f"stopped by a signal: {writer.so_far()}", SIGNALS.code) from None
            raise
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            writer.finish()


def _trainer(arguments: Namespace, writer: EmbeddingWriter) -> pl.Trainer:
    said = {name: value for name, value in vars(arguments).items() if name.startswith("trainer.")}
    wanted = {name.removeprefix("trainer."): value for name, value in said.items()}
    try:
        trainer = pl.Trainer(
            **wanted,
            logger=False,
            callbacks=[writer, TerminalProgress() if sys.stdout.isatty() else LineProgress()],
            enable_checkpointing=False,
            enable_model_summary=False,
            default_root_dir=arguments.runs,
        )
    except (TypeError, ValueError) as error:
        raise InputError(f"the Trainer refuses an option: {error}") from None
    refuse_crowd(trainer)
    warn_of_slow_precision(trainer, cpu_capabilities())
    return trainer


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder.parent} cannot be written: {error.strerror}") from None


def _begin(rows: Rows) -> None:
    """Begin, or go on, and say which; where the disk has no room for what is to come, say so now.

    Raises:
        InputError: The folder cannot be written, or has other rows.
        Stop: The disk is too small.
    """
    try:
        rows.begin()
        written = int(np.count_nonzero(rows.marks()))
    except OSError as error:
        raise InputError(f"{rows.folder} cannot be written: {error.strerror}") from None
    if written:
        print(f"{written:,} of {rows.about.count:,} rows are there already", flush=True)
    needed, free = rows.bytes_to_come(written), shutil.disk_usage(rows.folder).free
    if needed > free:
        raise Stop(
            f"{rows.target} needs {needed / 1e6:,.1f} MB more and {free / 1e6:,.1f} MB are free there: make room, or "
            "name another --out",
            74,
        )
