"""Objects that know their own class path and arguments as plain data, and the way back.

A checkpoint holds this plain data, so it rebuilds its network on any machine and always loads
with ``weights_only=True``.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FunctionType, MappingProxyType
from typing import Any

from torch import nn
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from inception_lightning.errors import InputError
from inception_lightning.trust import locate, may_name

KEY = "inception_lightning"
"""Where a checkpoint holds the plain data of model and data, and the class names."""


class Configurable:
    """Records the arguments of its construction as plain data, defaults included.

    They are those of the class that was asked for, however many classes lie between it and this one.
    """

    _init_args: Mapping[str, Any] = MappingProxyType({})
    _unknown: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Have the class record what it is made with."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _recording(vars(cls)["__init__"])  # type: ignore[method-assign]

    @property
    def config(self) -> dict[str, Any]:
        """``{"class_path": ..., "init_args": {...}}``, as a YAML page would say it."""
        return {"class_path": class_path(type(self)), "init_args": dict(self._init_args)}

    @property
    def unknown(self) -> tuple[str, ...]:
        """The arguments that hold an object which does not know its own arguments, so that plain data lack it."""
        return self._unknown

    @property
    def is_recorded(self) -> bool:
        """Whether arguments are recorded already, by a subclass for example."""
        return "_init_args" in vars(self)

    def record(self, **arguments: Any) -> None:
        """Record arguments, or correct those whose meaning has changed since."""
        known = vars(self).get("_init_args", {})
        described = {name: plain(value) for name, value in arguments.items()}
        unknown = {*self._unknown} - {*arguments} | {
            name for name in arguments if _lacks(arguments[name], described[name])
        }
        hub = vars(self).get("_hub_mixin_config") if known else None
        if isinstance(hub, dict):  # PyTorchModelHubMixin keeps a copy of its own, and saves that
            object.__setattr__(self, "_hub_mixin_config", hub | described)
        object.__setattr__(self, "_init_args", known | described)
        object.__setattr__(self, "_unknown", tuple(sorted(unknown)))


def _recording(init: Callable[..., None]) -> Callable[..., None]:
    """``init``, which records its arguments where no ``__init__`` of a subclass has done so."""

    @functools.wraps(init)
    def recording(self: Configurable, *args: Any, **kwargs: Any) -> None:
        if not self.is_recorded:
            self.record(**dict(_arguments(init, self, args, kwargs)))
        init(self, *args, **kwargs)

    return recording


def _arguments(
    init: Callable[..., None], self: Configurable, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Name and value of every argument of a call, defaults included and ``**kwargs`` laid open.

    Raises:
        InputError: ``*args`` have no names to record.
    """
    signature = inspect.signature(init)
    bound = signature.bind_partial(self, *args, **kwargs)  # what is missing, init itself says
    bound.apply_defaults()
    for name, value in list(bound.arguments.items())[1:]:
        kind = signature.parameters[name].kind
        if kind == inspect.Parameter.VAR_KEYWORD:
            yield from value.items()
        elif kind != inspect.Parameter.VAR_POSITIONAL:
            yield name, value
        elif value:
            raise InputError(f"{type(self).__name__} takes *{name}, which a checkpoint cannot name: use keywords")


def class_path(named: type | FunctionType) -> str:
    """The import path of a class or function."""
    return f"{named.__module__}.{named.__qualname__}"


def plain(value: Any) -> Any:
    """``value`` as plain data: numbers, strings, lists and dictionaries.

    An optimizer given as ``functools.partial(SGD, lr=0.1)``, which is also what a YAML page gives,
    becomes its class path and arguments, a function its import path. A lambda, and an object that does
    not know its arguments, have no such form and become ``None``.
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
        case FunctionType() if value.__qualname__.isidentifier():
            return class_path(value)
        case _:
            return None


def _lacks(value: Any, described: Any) -> bool:
    """Whether the plain form of ``value`` lacks an object that is in it."""
    match value:
        case Configurable() | functools.partial():
            return described is None
        case dict():
            return any(_lacks(value[key], described[key]) for key in value)
        case list() | tuple():
            return any(map(_lacks, value, described))
        case _:
            return value is not None and described is None


def partial_class(value: Any) -> type | None:
    """The class that a partial is of.

    People write ``partial(SGD, lr=0.1)``, jsonargparse gives ``partial(function, instantiator, SGD, lr=0.1)``.
    """
    if not isinstance(value, functools.partial):
        return value if isinstance(value, type) else None
    return next((part for part in (value.func, *value.args) if isinstance(part, type)), None)


def _plain_partial(value: functools.partial[Any]) -> dict[str, Any] | None:
    cls = partial_class(value)
    if cls is None:
        return None
    return {"class_path": class_path(cls), "init_args": plain(value.keywords)}


def rebuild(config: Any, **given: Any) -> Any:
    """The object that `plain` described; optimizers and schedulers come back as partials.

    Arguments that are ``given`` take the place of the outermost object's described ones.

    Looked up are the classes of ours and of ``torch.optim`` that the running program has imported, and what
    `trust` lets plain data name: nothing else is imported because a file says so, and nothing is called that does
    not make a part of a training.

    Raises:
        InputError: The class is not known to the running program, is of another kind, or refuses the arguments.
    """
    if isinstance(config, list):
        return [rebuild(item) for item in config]
    if not isinstance(config, dict):
        return config
    if "class_path" not in config:
        return {key: rebuild(item) for key, item in config.items()}
    made = _known(config["class_path"])
    described = config.get("init_args", {}) | config.get("dict_kwargs", {})
    arguments = {name: rebuild(value) for name, value in described.items() if name not in given} | given
    if isinstance(made, type) and issubclass(made, Optimizer | LRScheduler):
        return functools.partial(made, **arguments)
    return made(**arguments)


def _known(path: str) -> Any:
    known = _known_classes().get(path)
    if known is not None:
        return known
    if not may_name(path):
        package = path.partition(".")[0]
        raise InputError(
            f"the class {path} is not known here: import the module that defines it first, or trust its package, "
            f"with --trust {package} on the command line or trust=['{package}'] in Python"
        )
    made = locate(path)
    if not _makes_a_part(made):
        raise InputError(f"{path} makes no network, loss, metric, optimizer or schedule, so no file may call it")
    return made


def _makes_a_part(made: Any) -> bool:
    """Whether it is a class, or a function that says it gives a module, of what trainings are made of."""
    try:
        result = made if isinstance(made, type) else typing.get_type_hints(made).get("return")
    except NameError:  # an annotation that only type checkers can read
        return False
    return isinstance(result, type) and issubclass(result, Configurable | nn.Module | Optimizer | LRScheduler)


def _known_classes() -> dict[str, type]:
    classes = [*subclasses(Configurable), *subclasses(Optimizer), *subclasses(LRScheduler), lr_scheduler.LRScheduler]
    return {class_path(cls): cls for cls in classes}


def subclasses(cls: type) -> list[type]:
    """All classes below ``cls`` that the program has imported."""
    children: list[type] = cls.__subclasses__()
    return children + [grandchild for child in children for grandchild in subclasses(child)]
