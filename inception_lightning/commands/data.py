"""``lightning data``: check, show and prepare images before days are spent on them."""

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from inception_lightning import data
from inception_lightning.commands.trust import limit_imports
from inception_lightning.data import prepare, show
from inception_lightning.data.base import ImageDataModule
from inception_lightning.data.check import check
from inception_lightning.data.folder import ImageFolder
from inception_lightning.data.shards import write_shards
from inception_lightning.errors import InputError

SHORT_NAMES = data  # imported so that a class is found by its name alone
PAGE = "a page, of which the data are taken; several are merged"
FLAGS = "further options are those of the data, --data CIFAR10 or --data.image_size 299"


def main(argv: list[str]) -> int:
    """Run ``lightning data``.

    Args:
        argv: What follows the word ``data``: ``check``, ``show``, ``prepare`` or ``shard``, and options.

    Returns:
        The exit code: 0, or 2 for bad images and wrong usage.
    """
    if not argv:
        _parser().print_help()
        return 0
    arguments, flags = _parser().parse_known_args(limit_imports(argv))
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("inception_lightning").setLevel(logging.INFO)
    try:
        match arguments.command:
            case "prepare":
                _refuse(flags)
                prepare.prepare(arguments.source, arguments.root, {} if arguments.unchecked else None)
            case "shard":
                _shard(read_data([], arguments.source, flags), arguments.out)
            case "show":
                show.save(read_data(arguments.config, arguments.root, flags), arguments.out)
                print(f"see {arguments.out}")
            case "check":
                return _check(read_data(arguments.config, arguments.root, flags), arguments.out)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def read_data(pages: list[Path], root: Path | None, flags: list[str]) -> ImageDataModule:
    """The data that pages, a folder and flags describe.

    Raises:
        InputError: They describe none.
    """
    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action="config")
    parser.add_subclass_arguments(ImageDataModule, "data", required=True)
    configs = [f"--config={json.dumps({'data': _data(page)})}" for page in pages]
    named = any(flag.split("=")[0] in ("--data", "--data.class_path") for flag in flags)
    default = [] if named or pages else ["--data=ImageFolder" if root else "--data=Digits"]
    folder = [f"--data.root={root}"] if root else []
    try:
        described = parser.instantiate(parser.parse_args([*configs, *default, *flags, *folder])).data
    except (ArgumentError, TypeError) as error:
        raise InputError(" ".join(str(error).split())) from None
    assert isinstance(described, ImageDataModule)
    described.prepare_data()
    return described


def _data(page: Path) -> Any:
    try:
        content = yaml.safe_load(page.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the page {page}: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or "data" not in content:
        raise InputError(f"{page} says nothing about data")
    return content["data"]


def _check(described: ImageDataModule, listed: Path | None) -> int:
    report = check(described)
    print(report.text())
    if listed is not None:
        report.write_bad(listed)
    return 2 if report.bad or report.obstacle else 0


def _shard(described: ImageDataModule, out: Path) -> None:
    if not isinstance(described, ImageFolder):
        raise InputError(f"shards are made of images in folders, not of {type(described).__name__}")
    counts = write_shards(described, out)
    print(f"{out}: " + ", ".join(f"{count:,} images in {split}" for split, count in counts.items()))


def _refuse(flags: list[str]) -> None:
    if flags:
        raise InputError(f"there is no option {flags[0].lstrip('-')}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("lightning data", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about, out in (
        ("check", "read every image once; exit code 2 if any is bad", None),
        ("show", "draw training and evaluation views", Path("data.png")),
    ):
        command = commands.add_parser(name, help=about, description=f"{about}; {FLAGS}", allow_abbrev=False)
        command.add_argument("-c", "--config", type=Path, action="append", default=[], help=PAGE)
        command.add_argument("--root", type=Path, help="a folder of images instead of a page")
        command.add_argument("--out", type=Path, default=out, help="the picture, or the list of bad images as a CSV")
    make = commands.add_parser("prepare", help="unpack an archive, or ImageNet's official ones", allow_abbrev=False)
    make.add_argument("source", type=Path, help="a tar or zip, or the folder of ImageNet's tars and devkit")
    make.add_argument("--root", type=Path, required=True, help="where the class folders go")
    make.add_argument("--unchecked", action="store_true", help="do not compare ImageNet's checksums")
    shard = commands.add_parser("shard", help="write a folder as shards for --data Shards", allow_abbrev=False)
    shard.add_argument("source", type=Path, help="the folder, as for --data ImageFolder, whose options may follow")
    shard.add_argument("out", type=Path, help="a new folder, to be used where it is or copied to a cloud")
    return parser
