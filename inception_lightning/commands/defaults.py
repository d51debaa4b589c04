"""What goes before the words of a command: the default data, and what checkpoints and weights say of themselves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from inception_lightning.configurable import KEY, class_path
from inception_lightning.data.folder import Photos
from inception_lightning.errors import InputError
from inception_lightning.runs.checkpoints import local, newest, read_checkpoint
from inception_lightning.runs.resuming import last_of, run_of, run_to_continue
from inception_lightning.weights.load import describe

SHOWN = ("image_size", "evaluation")
"""How data are shown to a network: what a checkpoint says about data that it has not seen."""


def with_defaults(args: list[str], default_place: str) -> list[str]:
    """``args`` with the configuration of the checkpoint that they name as their first ``--config``.

    Later configurations and flags win, so the command line beats the checkpoint. ``last`` and
    ``best`` become the path of the newest run's checkpoint. Without a checkpoint, the weights that
    they name choose the network and how it is shown images, and the default data are `Digits`.

    Raises:
        InputError: There is no such checkpoint, or prediction names none.
    """
    if not args or args[0] not in ("fit", "validate", "test", "predict") or {"-h", "--help"} & set(args):
        return args
    subcommand, *rest = args
    named_data = [name for key in ("data", "data.class_path") for name in _values(rest, key) if isinstance(name, str)]
    data = named_data[0] if named_data else None
    named, weights = said(rest, "ckpt_path"), said(rest, "model.weights")
    if named is None:
        if subcommand == "predict":
            raise InputError("predict needs the checkpoint of a trained network: say --ckpt_path FILE")
        known = weights_configuration(weights, data or "Digits") if weights else {"data": data or "Digits"}
        return [subcommand, f"--config={json.dumps(known)}", *rest]
    place = Path(said(rest, "trainer.default_root_dir") or default_place)
    path = newest(place, named) if named in ("last", "best") else local(named)
    known = checkpoint_configuration(read_checkpoint(path)[KEY], subcommand, data)
    # a page's weights are where training once started: the checkpoint's take their place
    return [subcommand, f"--config={json.dumps(known)}", *rest, f"--ckpt_path={path}", "--model.weights=null"]


def with_run_to_continue(args: list[str], default_place: str) -> tuple[Path | None, list[str]]:
    """The run that ``fit`` goes on with, if any, and ``args`` with its configuration and newest good checkpoint.

    ``--ckpt_path last`` and a run's own ``last.ckpt`` name one; ``--resume auto`` takes the newest, or none.

    Raises:
        InputError: There is none where one is named, or its checkpoints are damaged.
    """
    if not args or args[0] != "fit" or {"-h", "--help"} & set(args):
        return None, args
    _, *rest = args
    named, resume = said(rest, "ckpt_path"), said(rest, "resume")
    place = Path(said(rest, "trainer.default_root_dir") or default_place)
    if named == "last":
        run = run_to_continue(place)
        if run is None:
            raise InputError(f"no run in {place} has a checkpoint 'last': give the path of a checkpoint file")
    else:
        run = run_of(Path(named)) if named else run_to_continue(place) if resume == "auto" else None
    if run is None:
        return None, args
    page = f"--config={run / 'config.yaml'}"
    return run, ["fit", page, *rest, f"--ckpt_path={last_of(run)}", "--model.weights=null"]


def said(args: list[str], key: str) -> Any:
    """What the flags, or else the last configuration file that has it, give to a dotted ``key``; or None."""
    return next(_values(args, key), None)


def weights_configuration(source: str, data: str) -> dict[str, Any]:
    """The part of a configuration that public weights or a file of weights fill: the network, and how it sees ``data``.

    Raises:
        InputError: There are no such weights.
    """
    net, seen = describe(source)
    net["init_args"].pop("num_classes")  # it comes from the data
    evaluation = {"fraction": seen.crop_fraction, "interpolation": seen.interpolation}
    shown = {"image_size": seen.image_size, "evaluation": evaluation}
    return {"model": {"net": net}, "data": {"class_path": data, "init_args": shown}}


def checkpoint_configuration(held: dict[str, Any], subcommand: str, data: str | None) -> dict[str, Any]:
    """The part of a configuration that a checkpoint's plain data fill: ``model``, and ``data`` or its own data."""
    model = held["model"]["init_args"]
    model["net"]["init_args"].pop("num_classes")  # it comes from the data
    arguments = held["data"]["init_args"] if held["data"] else {}
    arguments.pop("seed", None)  # it comes from seed_everything
    shown = {name: arguments[name] for name in SHOWN if name in arguments}
    if data is not None:
        known = {"class_path": data, "init_args": shown}
    elif subcommand == "predict":
        known = {"class_path": class_path(Photos), "init_args": {"class_names": held["class_names"], **shown}}
    else:
        known = held["data"] or {"class_path": "Digits"}
    return {"model": model, "data": known}


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
