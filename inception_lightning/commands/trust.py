"""A configuration is data: what it may name, and so import and call."""

from collections.abc import Sequence

from jsonargparse import set_parsing_settings

FLAG = "--trust-config"

ALLOWED = [
    "inception_lightning",
    "torch.optim",
    "torch.nn.modules",
    "timm.optim",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
    "lightning.pytorch.plugins",
    "lightning.pytorch.profilers",
    "lightning.pytorch.strategies",
    "lightning.pytorch.accelerators",
    "lightning.fabric.plugins.environments",
]
"""Modules whose classes do no harm when a page makes one, and everything below them."""


OWN = (("${interpreter}", "-m", "inception_lightning", "fit"), ("lightning", "fit"), ("inception-lightning", "fit"))
"""How the command of a sweep file begins when it is this program."""


def is_own_command(words: Sequence[str]) -> bool:
    """Whether a sweep file's command is our ``fit``, and trusts nobody itself."""
    said = tuple(word for word in words if word != "${env}")
    return any(said[: len(own)] == own for own in OWN) and FLAG not in said


def limit_imports(args: list[str]) -> list[str]:
    """Let configurations name nothing but `ALLOWED`, unless the command line trusts them.

    The parser asks before it imports, and looks at where an object is defined: another module's
    ``os.system`` is ``os.system``.

    Args:
        args: The words of the command line.

    Returns:
        The same without ``--trust-config``.
    """
    if FLAG not in args:
        set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=ALLOWED)
    return [word for word in args if word != FLAG]
