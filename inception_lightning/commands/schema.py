"""``lightning schema``: what a page may say, as a JSON schema, by which editors check pages while they are written."""

import collections.abc
import inspect
import json
import types
import typing
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from inception_lightning import data, models
from inception_lightning.callbacks import Continuation, DeadNetwork
from inception_lightning.commands import options
from inception_lightning.configurable import class_path, subclasses
from inception_lightning.runs.wandb import Wandb
from inception_lightning.training.classifier import InceptionClassifier

PLAIN: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[-+]?[0-9.]+[eE]?[-+]?[0-9]*$"}]},
    str: {"type": "string"},
    Path: {"type": "string"},
    type(None): {"type": "null"},
}
NOT_SAID = {"self", "folder", "signals"}


def main(words: Sequence[str]) -> None:
    """Run ``lightning schema``."""
    options.schema().parse_args(words[1:])
    print(json.dumps(schema(), indent=1))


def schema() -> dict[str, Any]:
    """The schema of the pages of ``fit``, ``validate``, ``test`` and ``predict``."""
    optional_number = {"type": ["number", "null"]}
    properties = {
        "seed_everything": {"type": ["boolean", "integer"]},
        "model": _model(),
        "data": _classes(
            [getattr(data, name) for name in data.__all__ if name != "ImageDataModule"], pl.LightningDataModule
        ),
        "trainer": _arguments(pl.Trainer.__init__),
        "checkpoint": _arguments(ModelCheckpoint.__init__),
        "last": _arguments(Continuation.__init__),
        "dead_network": _arguments(DeadNetwork.__init__),
        "wandb": _arguments(Wandb),
        "resume": {"enum": ["auto", None]},
        "allow_changes": PLAIN[bool],
        "ema_decay": optional_number,
        "compile": {"type": ["boolean", "string"]},
        "recompute": {"type": "array", "items": PLAIN[str]},
        "ckpt_path": {"type": ["string", "null"]},
        "weights_only": {"type": ["boolean", "null"]},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A page of inception_lightning",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _model() -> dict[str, Any]:
    """The arguments of `InceptionClassifier`, or a class of one's own with its arguments."""
    ours = _arguments(InceptionClassifier.__init__)
    networks = [getattr(models, name) for name in models.__all__ if name != "Inception"]
    ours["properties"] |= {
        "net": _classes(networks, None),
        "optimizer": _named(Optimizer),
        "lr_scheduler": {"anyOf": [{"type": "null"}, _named(LRScheduler)]},
    }
    said = {"anyOf": [{"type": "string"}, {"type": "object", "required": ["class_path"]}]}
    return {"if": said, "then": {}, "else": ours}


def _named(base: type) -> dict[str, Any]:
    """A class below ``base``, by its name where there is one, else by its import path, with any arguments."""
    names = {
        "anyOf": [{"enum": sorted({cls.__name__ for cls in subclasses(base)})}, {"type": "string", "pattern": r"\."}]
    }
    return {"anyOf": [names, {"type": "object", "properties": {"class_path": names}}]}


def _classes(ours: Sequence[type], base: type | None) -> dict[str, Any]:
    """One of ``ours`` with its arguments, or any other class by its import path."""
    names = {"enum": sorted({name for cls in ours for name in (cls.__name__, class_path(cls))})}
    other = {"type": "string", "pattern": r"^(?!inception_lightning\.(models|data)\.).+\."}
    rules = [
        {
            "if": {"properties": {"class_path": {"enum": [cls.__name__, class_path(cls)]}}, "required": ["class_path"]},
            "then": {"properties": {"init_args": _arguments(cls.__init__)}},  # type: ignore[misc]  # a class, not an object
        }
        for cls in ours
    ]
    whole = {
        "type": "object",
        "properties": {
            "class_path": {"anyOf": [names, other]},
            "init_args": {"type": "object"},
            "dict_kwargs": {"type": "object"},
        },
        "additionalProperties": False,
        "allOf": rules,
    }
    return {"if": {"type": "object"}, "then": whole, "else": {"anyOf": [names, other]}}


def _arguments(made: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a class or constructor as an object without others."""
    hints = typing.get_type_hints(made if inspect.isfunction(made) else made.__init__)
    parameters = inspect.signature(made).parameters.values()
    properties = {one.name: _type(hints.get(one.name)) for one in parameters if one.name not in NOT_SAID}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _type(hint: Any) -> dict[str, Any]:
    """The schema of a type; anything where it is no plain data."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (Union, types.UnionType):
        parts = [_type(one) for one in inner]
        return {} if {} in parts else {"anyOf": parts}
    if origin in (list, tuple, collections.abc.Sequence, collections.abc.Iterable):
        return {"type": "array"}
    if origin in (dict, collections.abc.Mapping):
        return {"type": "object"}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [one.value for one in hint]}
    return {}
