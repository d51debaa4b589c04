"""What goes before the words of a command: the default data, and what a checkpoint says about itself."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from inception_lightning.checkpointing import KEY, newest, read_checkpoint
from inception_lightning.configuration import class_path
from inception_lightning.data.folder import Photos
from inception_lightning.errors import InputError

SHOWN = ("image_size", "evaluation")
"""How data are shown to a network: what a checkpoint says about data that it has not seen."""


def with_defaults(args: list[str], default_place: str) -> list[str]:
    """``args`` with the configuration of the checkpoint that they name as their first ``--config``.

    Later configurations and flags win, so the command line beats the checkpoint. ``last`` and
    ``best`` become the path of the newest run's checkpoint. Where neither a checkpoint nor the
    command line names any data, it is `Digits`.

    Raises:
        InputError: There is no such checkpoint, or prediction names none.
    """
    if not args or args[0] not in ("fit", "validate", "test", "predict") or {"-h", "--help"} & set(args):
        return args
    subcommand, *rest = args
    names_data = any(isinstance(name, str) for key in ("data", "data.class_path") for name in _values(rest, key))
    named = said(rest, "ckpt_path")
    if named is None:
        if subcommand == "predict":
            raise InputError("predict needs the checkpoint of a trained network: say --ckpt_path FILE")
        return [subcommand, *([] if names_data else ["--data=Digits"]), *rest]
    place = Path(said(rest, "trainer.default_root_dir") or default_place)
    path = newest(place, named) if named in ("last", "best") else Path(named)
    known = as_configuration(read_checkpoint(path)[KEY], subcommand, names_data)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
        yaml.safe_dump(known, file)
    return [subcommand, f"--config={file.name}", *rest, f"--ckpt_path={path}"]


def said(args: list[str], key: str) -> Any:
    """What the flags, or else the last configuration file that has it, give to a dotted ``key``; or None."""
    return next(_values(args, key), None)


def as_configuration(held: dict[str, Any], subcommand: str, names_data: bool) -> dict[str, Any]:
    """The part of a configuration that a checkpoint's own data fills: ``model`` and ``data``."""
    model = held["model"]["init_args"]
    model["net"]["init_args"].pop("num_classes")  # it comes from the data
    arguments = held["data"]["init_args"] if held["data"] else {}
    arguments.pop("seed", None)  # it comes from seed_everything
    shown = {name: arguments[name] for name in SHOWN if name in arguments}
    if subcommand == "predict" and not names_data:
        data = {"class_path": class_path(Photos), "init_args": {"class_names": held["class_names"], **shown}}
    elif names_data:
        data = {"init_args": shown}
    else:
        data = held["data"] or {"class_path": "Digits"}
    return {"model": model, "data": data}


def _values(args: list[str], key: str) -> Iterator[Any]:
    """All that is said about ``key``, what wins first."""
    flags = list(zip(args, [*args[1:], ""], strict=False))
    parsed = [(*flag.partition("="), following) for flag, following in reversed(flags)]
    for name, equals, value, following in parsed:
        if name == f"--{key}":
            yield value if equals else following
    for name, equals, value, following in parsed:
        if name in ("-c", "--config"):
            found = _in_file(Path(value if equals else following), key)
            if found is not None:
                yield found


def _in_file(file: Path, key: str) -> Any:
    try:
        value = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError):
        return None  # the parser will say what is wrong with it
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
