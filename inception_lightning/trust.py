"""Which classes and functions plain data may name: pages, checkpoints and sweep files are data of strangers."""

import contextlib
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

from inception_lightning.errors import InputError

TRUSTED = (
    "inception_lightning",
    "torch.optim",
    "torch.nn",
    "torchvision.models",
    "torchmetrics.classification",
    "timm.optim",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
    "lightning.pytorch.plugins",
    "lightning.pytorch.profilers",
    "lightning.pytorch.strategies",
    "lightning.pytorch.accelerators",
    "lightning.fabric.plugins.environments",
)
"""Modules whose classes and functions do no harm when a page names them, and everything below them."""

_trusted: ContextVar[tuple[str, ...] | None] = ContextVar("_trusted", default=TRUSTED)  # None: everything


@contextlib.contextmanager
def trusting(packages: Sequence[str] | None) -> Iterator[None]:
    """Let plain data name ``packages`` beside `TRUSTED`, until the context ends; None lets them name everything.

    The parser asks the same before it imports, and looks at where an object is defined: another module's
    ``os.system`` is ``os.system``. A package that only lies in the current folder can be imported too.

    Raises:
        InputError: One of the names is no import path.
    """
    for name in packages or ():
        if not all(part.isidentifier() for part in name.split(".")):
            raise InputError(f"--trust names a package by its import path, such as my_project, not {name!r}")
    # jsonargparse keeps this setting for the whole process and cannot take it back: so it is put back here
    from jsonargparse import _common, set_parsing_settings

    before = dict(_common.parsing_settings)
    token = _trusted.set(None if packages is None else (*TRUSTED, *packages))
    try:
        if packages is not None:
            set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=[*TRUSTED, *packages])
        with _current_folder(packages or ()):
            yield
    finally:
        _trusted.reset(token)
        _common.parsing_settings.update(before)


def may_name(path: str) -> bool:
    """Whether plain data may name the object at an import path."""
    trusted = _trusted.get()
    return trusted is None or any(path == name or path.startswith(f"{name}.") for name in trusted)


def locate(path: str) -> Any:
    """The class or function at an import path.

    Raises:
        InputError: Nobody trusts it, it cannot be imported, or it is neither.
    """
    package = path.partition(".")[0]
    refusal = (
        f"a page may not name {path}: say --trust {package} on the command line, or --trust-config for everything, "
        f"or trust=['{package}'] in Python, if you trust it"
    )
    if not may_name(path):
        raise InputError(refusal)
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(not_imported(path, str(error))) from None
    if not isinstance(found, type | FunctionType | BuiltinFunctionType):
        raise InputError(f"{path} is no class or function")
    if not may_name(f"{found.__module__}.{found.__qualname__}"):
        raise InputError(refusal)
    return found


def not_imported(path: str, why: str) -> str:
    """What to say where the object at an import path cannot be had."""
    return f"{path} cannot be imported ({why}): install the package {path.partition('.')[0]}, or start where it lies"


@contextlib.contextmanager
def _current_folder(packages: Sequence[str]) -> Iterator[None]:
    """Have packages found that lie in the current folder, after all others; ``python -m`` does, a script does not."""
    here = str(Path.cwd())
    missing = here not in sys.path and any(
        Path(package.partition(".")[0]).is_dir() or Path(f"{package.partition('.')[0]}.py").is_file()
        for package in packages
    )
    if missing:
        sys.path.append(here)
    try:
        yield
    finally:
        if missing:
            sys.path.remove(here)
