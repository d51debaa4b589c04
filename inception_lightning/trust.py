"""Which classes and functions plain data may name: pages, checkpoints and sweep files are data of strangers."""

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

from inception_lightning import __all__
from inception_lightning.errors import InputError
from inception_lightning.pages import read_page

TRUSTED = (
    *(f"inception_lightning.{name}" for name in __all__),
    "inception_lightning.models",
    "inception_lightning.training",
    "inception_lightning.loading.views",
    "inception_lightning.loading.crops",
    *(f"inception_lightning.data.{file}" for file in ("base", "cifar", "digits", "folder", "imagenet", "shards")),
    *(f"inception_lightning.data.{name}" for name in ("table", "ImageTable", "Shards", *__all__)),
    # not the callbacks that are told where to write
    *(f"inception_lightning.callbacks.{file}" for file in ("averaging", "dead_network", "progress", "telemetry")),
    *(f"inception_lightning.callbacks.{name}" for name in ("unfreezing", "Unfreeze", "WeightAverage", "DeadNetwork")),
    *(f"inception_lightning.callbacks.{name}" for name in ("ResidualTelemetry", "TerminalProgress", "LineProgress")),
    "torch.optim",
    "torch.nn",
    "torchvision.models",
    "torchmetrics.classification",
    "timm.optim",
    "lightning.pytorch.callbacks",
    # not the loggers that send what they see to an address
    *(f"lightning.pytorch.loggers.{name}" for name in ("CSVLogger", "csv_logs", "TensorBoardLogger", "tensorboard")),
    *(f"lightning.pytorch.loggers.{name}" for name in ("WandbLogger", "wandb")),
    "lightning.pytorch.plugins",
    "lightning.pytorch.profilers",
    "lightning.pytorch.strategies",
    "lightning.pytorch.accelerators",
    "lightning.fabric.plugins.environments",
)
"""Classes and functions, or modules of them, that do no harm when a page names them."""

UNLESS_TRUSTED = "say it as a flag, or say --trust-config if you trust the page"

PLACES = ("dirpath", "save_dir", "root_dir", "log_dir", "path", "folder", "dir", "nvme_path")
"""Arguments, of what a page has made, that say where something is written."""

NAMES = ("filename", "name", "version", "sub_dir")
"""Arguments that become part of a path."""

FIGURE = re.compile(r"\{\w[\w/]*(:[\w.]*)?\}")
"""A number in the name of a checkpoint."""

WRITERS = ("trainer", "checkpoint")
"""The parts of a page that say what is written, or sent."""

MOST_PARTS = 50
"""How deep a page leads from file to file before it is taken to lead in a circle."""

ADDRESSES = ("base_url", "host", "tracking_uri", "api_key", "settings", "entity", "experiment", "proxies")
"""Arguments that say who is sent what a run logs, the key of an account perhaps."""

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
    # jsonargparse keeps this setting for the whole process, adds to it and cannot take it back: that is done here
    from jsonargparse import _common, set_parsing_settings

    before = dict(_common.parsing_settings)
    _common.parsing_settings.update(
        import_path_verdicts=dict.fromkeys(_common.default_import_path_denylist, False), import_paths_enforced=False
    )
    token = _trusted.set(None if packages is None else (*TRUSTED, *packages))
    try:
        if packages is not None:
            set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=[*TRUSTED, *packages])
        with _current_folder(packages or ()):
            yield
    finally:
        _trusted.reset(token)
        _common.parsing_settings.update(before)


def refuse_reach(page: Any, roots: Sequence[Path], key: str = "", *, said: Collection[str] = ()) -> None:
    """See to it that a page of strangers writes only below the folder of runs, and sends nothing to their address.

    Args:
        page: What a page says, as plain data.
        roots: The folder of runs, and further ones that it may write below.
        key: Where in the page that stands.
        said: What has been said on the command line: a place or an address among it is nobody else's.

    Raises:
        InputError: It would.
    """
    if isinstance(page, str) and os.path.isfile(page) and key.partition(".")[0] in WRITERS:
        if key.count(".") > MOST_PARTS:
            raise InputError(f"{key}: {page} leads to itself")
        page = read_page(Path(page))  # as the parser does
    if isinstance(page, list):
        for item in page:
            refuse_reach(item, roots, key, said=said)
    if not isinstance(page, dict):
        return
    for name, value in page.items():
        where = f"{key}.{name}" if key else str(name)
        if isinstance(value, str) and value in said:
            continue
        if key.startswith("trainer.") or key == "checkpoint":
            _refuse_argument(name, value, roots, where)
        if (key or name in WRITERS) and name not in (*PLACES, *NAMES, "default_root_dir"):
            refuse_reach(value, roots, where, said=said)


def _refuse_argument(name: str, value: Any, roots: Sequence[Path], where: str) -> None:
    """See to it that one argument of what a page makes is no place or address of a stranger's.

    Raises:
        InputError: It is.
    """
    if where.startswith("trainer.") and name in ADDRESSES and value is not None:
        raise InputError(f"{where}: a page may not say who is sent what a run logs: {UNLESS_TRUSTED}")
    if name in PLACES and isinstance(value, str) and not any(_below(value, root) for root in roots):
        raise InputError(f"{where}: a page may write below {roots[0]} only, not into {value}: {UNLESS_TRUSTED}")
    if name in NAMES and isinstance(value, str) and not _is_name(value):
        raise InputError(f"{where}: a page may give a file a name, not a place like {value}: {UNLESS_TRUSTED}")


def root_of(page: Mapping[str, Any], file: Path | None, said: str | None, usual: str) -> Path:
    """The folder of runs that a page of strangers is held to.

    Args:
        page: What it says, as plain data.
        file: The page's own file; None where it was said on the command line.
        said: The folder that a flag says.
        usual: The folder where nobody says one.

    Raises:
        InputError: It asks for one outside of the current folder that holds no runs yet, and is no run's page in it.
    """
    trainer = page.get("trainer")
    asked = trainer.get("default_root_dir") if isinstance(trainer, dict) else None
    if said or not isinstance(asked, str) or not asked:
        return Path(said or usual)
    place = Path(asked).expanduser().resolve()
    its_own = file is not None and file.resolve().parent.parent == place
    if not its_own and not _below(asked, Path.cwd()) and not _holds_runs(place):
        raise InputError(
            "trainer.default_root_dir: a page may have its runs below the current folder, or where there are runs "
            f"already, not in {asked}: {UNLESS_TRUSTED}"
        )
    return Path(asked)


def _holds_runs(place: Path) -> bool:
    return any(page.with_name("command.txt").is_file() for page in place.glob("*/config.yaml"))


def _below(place: str, root: Path) -> bool:
    return Path(place).expanduser().resolve().is_relative_to(root.resolve())


def _is_name(value: str) -> bool:
    """Whether it is one name, in which numbers may be asked for by theirs: ``best-{val/top1:.2f}``."""
    plain = FIGURE.sub("x", value)
    return Path(plain).name == plain != ".." and "\\" not in plain


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
