"""What a checkpoint says about itself, put before everything that the command line says."""

import tempfile
from pathlib import Path
from typing import Any

import yaml

from inception_lightning.checkpointing import KEY, newest, read_checkpoint
from inception_lightning.configuration import class_path
from inception_lightning.data.folder import Photos
from inception_lightning.errors import InputError


def with_checkpoint(args: list[str], default_place: str) -> list[str]:
    """``args`` with the configuration of the checkpoint that they name as their first ``--config``.

    Later configurations and flags win, so the command line beats the checkpoint. ``last`` and
    ``best`` become the path of the newest run's checkpoint.

    Raises:
        InputError: There is no such checkpoint, or prediction names none.
    """
    if not args or args[0] not in ("fit", "validate", "test", "predict") or {"-h", "--help"} & set(args):
        return args
    subcommand, *rest = args
    named = said(rest, "ckpt_path")
    if named is None:
        if subcommand == "predict":
            raise InputError("predict needs the checkpoint of a trained network: say --ckpt_path FILE")
        return args
    place = Path(said(rest, "trainer.default_root_dir") or default_place)
    path = newest(place, named) if named in ("last", "best") else Path(named)
    held = read_checkpoint(path)[KEY]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
        yaml.safe_dump(as_configuration(held, subcommand), file)
    return [subcommand, f"--config={file.name}", *rest, f"--ckpt_path={path}"]


def said(args: list[str], key: str) -> str | None:
    """The value that the flags, or else the last configuration file that has it, give to a dotted ``key``."""
    flags = [*args, ""]
    for flag, following in reversed(list(zip(args, flags[1:], strict=True))):
        name, equals, value = flag.partition("=")
        if name == f"--{key}":
            return value if equals else following
    for flag, following in reversed(list(zip(args, flags[1:], strict=True))):
        name, equals, value = flag.partition("=")
        if name in ("-c", "--config"):
            found = _in_file(Path(value if equals else following), key)
            if found is not None:
                return found
    return None


def as_configuration(held: dict[str, Any], subcommand: str) -> dict[str, Any]:
    """The part of a configuration that a checkpoint's own data fills: ``model`` and ``data``."""
    model = held["model"]["init_args"]
    model["net"]["init_args"].pop("num_classes")  # it comes from the data
    dataset = held["data"]
    if subcommand == "predict":
        shown = dataset["init_args"] if dataset else {}
        kept = {name: shown[name] for name in ("image_size", "evaluation") if name in shown}
        dataset = {"class_path": class_path(Photos), "init_args": {"class_names": held["class_names"], **kept}}
    elif dataset:
        dataset["init_args"].pop("seed")  # it comes from seed_everything
    return {"model": model} | ({"data": dataset} if dataset else {})


def _in_file(file: Path, key: str) -> str | None:
    try:
        value = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError):
        return None  # the parser will say what is wrong with it
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value is None else str(value)
