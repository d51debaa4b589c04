"""Objects that know their own class path and arguments as plain data, and the way back.

A checkpoint holds this plain data, so it rebuilds its network on any machine and always loads
with ``weights_only=True``.
"""

import dataclasses
import functools
import inspect
from pathlib import Path
from typing import Any, Self

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from inception_lightning.errors import InputError

KEY = "inception_lightning"
"""Where a checkpoint holds the plain data of model and data, and the class names."""


class Configurable:
    """Records the arguments of its construction as plain data, defaults included."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object and record what it is made with."""
        self = super().__new__(cls)
        # bind_partial, because copy and pickle make the object without arguments
        bound = inspect.signature(cls.__init__).bind_partial(self, *args, **kwargs)
        bound.apply_defaults()
        arguments = {name: plain(value) for name, value in list(bound.arguments.items())[1:]}
        object.__setattr__(self, "_init_args", arguments)
        return self

    @property
    def config(self) -> dict[str, Any]:
        """``{"class_path": ..., "init_args": {...}}``, as a YAML page would say it."""
        return {"class_path": class_path(type(self)), "init_args": dict(self._init_args)}

    _init_args: dict[str, Any]


def class_path(cls: type) -> str:
    """The import path of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


def plain(value: Any) -> Any:
    """``value`` as plain data: numbers, strings, lists and dictionaries.

    An optimizer given as ``functools.partial(SGD, lr=0.1)``, which is also what a YAML page gives,
    becomes its class path and arguments. A Python function has no such form and becomes ``None``.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Path():
            return str(value)
        case Configurable():
            return value.config
        case functools.partial():
            return _plain_partial(value)
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return plain(dataclasses.asdict(value))
        case type():
            return {"class_path": class_path(value), "init_args": {}}
        case _:
            return None


def _plain_partial(value: functools.partial[Any]) -> dict[str, Any] | None:
    # people write partial(SGD, lr=0.1), jsonargparse gives partial(function, instantiator, SGD, lr=0.1)
    cls = next((part for part in (value.func, *value.args) if isinstance(part, type)), None)
    if cls is None:
        return None
    return {"class_path": class_path(cls), "init_args": plain(value.keywords)}


def rebuild(config: Any) -> Any:
    """The object that `plain` described; optimizers and schedulers come back as partials.

    Only classes that the running program has already imported, and those of ``torch.optim``, are
    looked up: nothing is imported because a file says so.

    Raises:
        InputError: The class is not known to the running program.
    """
    if isinstance(config, list):
        return [rebuild(item) for item in config]
    if not isinstance(config, dict):
        return config
    if "class_path" not in config:
        return {key: rebuild(item) for key, item in config.items()}
    cls = _known_classes().get(config["class_path"])
    if cls is None:
        raise InputError(f"the class {config['class_path']} is not known here: import the module that defines it first")
    arguments = rebuild(config["init_args"])
    if issubclass(cls, Configurable):
        return cls(**arguments)
    return functools.partial(cls, **arguments)


def _known_classes() -> dict[str, type]:
    classes = [*subclasses(Configurable), *subclasses(Optimizer), *subclasses(LRScheduler), lr_scheduler.LRScheduler]
    return {class_path(cls): cls for cls in classes}


def subclasses(cls: type) -> list[type]:
    """All classes below ``cls`` that the program has imported."""
    children: list[type] = cls.__subclasses__()
    return children + [grandchild for child in children for grandchild in subclasses(child)]
