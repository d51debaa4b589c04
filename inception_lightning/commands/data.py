"""``lightning data``: check, show and prepare images before days are spent on them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from inception_lightning import data
from inception_lightning.commands import options
from inception_lightning.commands.command_line import CommandLine, as_flag
from inception_lightning.commands.complaints import known_options, sentence
from inception_lightning.data import prepare, show
from inception_lightning.data.base import ImageDataModule
from inception_lightning.data.check import check
from inception_lightning.data.folder import ImageFolder
from inception_lightning.data.shards import write_shards
from inception_lightning.errors import InputError, visible
from inception_lightning.trust import trusting

SHORT_NAMES = data  # imported so that a class is found by its name alone


def main(words: Sequence[str]) -> int:
    """Run ``lightning data check``, ``show``, ``prepare`` or ``shard``; 2 where an image is bad."""
    if len(words) == 1:
        options.data().print_help()
        return 0
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("inception_lightning").setLevel(logging.INFO)
    line = CommandLine.read(words)
    arguments, flags = options.data().parse_known_args(line.flags)
    if arguments.command == "prepare":
        _refuse(flags)
        prepare.prepare(arguments.source, arguments.root, {} if arguments.unchecked else None)
        return 0
    root = arguments.source if arguments.command == "shard" else arguments.root
    with trusting(line.trusted):
        described = read_data(line.pages, root, flags)
    match arguments.command:
        case "shard":
            _shard(described, arguments.out)
        case "show":
            show.save(described, arguments.out)
            print(f"see {arguments.out}")
        case "check":
            return _check(described, arguments.out, arguments.statistics)
    return 0


def read_data(pages: Sequence[dict[str, Any]], root: Path | None, flags: Sequence[str]) -> ImageDataModule:
    """The data that pages, a folder and flags describe.

    Raises:
        InputError: They describe none.
    """
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action="config")
    parser.add_subclass_arguments(ImageDataModule, "data", required=True)
    if pages and not any("data" in page for page in pages):
        raise InputError("the page says nothing about data")
    known = [as_flag({"data": page["data"]}) for page in pages if "data" in page]
    named = any(flag.split("=")[0] in ("--data", "--data.class_path") for flag in flags)
    default = [] if named or pages else [f"--data={_kind(root)}"]
    folder = [f"--data.root={root}"] if root else []
    try:
        described = parser.instantiate(parser.parse_args([*known, *default, *flags, *folder])).data
    except ArgumentError as error:
        raise InputError(sentence(error, known_options(parser))) from None
    except TypeError as error:
        raise InputError(" ".join(str(error).split())) from None
    assert isinstance(described, ImageDataModule)
    described.prepare_data()
    return described


def _kind(root: Path | None) -> str:
    """The data that a path alone means: a folder of images, or a table of them."""
    if root is None:
        return "Digits"
    return "ImageTable" if root.is_file() else "ImageFolder"


def _check(described: ImageDataModule, listed: Path | None, statistics: Path | None) -> int:
    """Check the images and, unless ``statistics`` is None, say what was measured; into that file if it has a name."""
    report = check(described, statistics is not None)
    print(report.text())
    measured = report.statistics
    if measured is not None:
        page = measured.page("pictures in RGB" if report.bands is None else report.bands.told())
        print(f"{measured.text()}\n\n{page}", end="")
        if statistics is not None and statistics.name:
            _write(statistics, page)
            print(f"\ntrain with it: lightning fit --config {visible(str(statistics))} ...")
    if listed is not None:
        report.write_bad(listed)
    return 2 if report.bad or report.obstacles else 0


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--statistics {file} cannot be written: {error.strerror}") from None


def _shard(described: ImageDataModule, out: Path) -> None:
    if not isinstance(described, ImageFolder):
        raise InputError(f"shards are made of images in folders, not of {type(described).__name__}")
    counts = write_shards(described, out)
    print(f"{out}: " + ", ".join(f"{count:,} images in {split}" for split, count in counts.items()))


def _refuse(flags: list[str]) -> None:
    if flags:
        raise InputError(f"there is no option {flags[0].lstrip('-')}")
