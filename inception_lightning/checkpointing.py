"""Reading checkpoints, always as data."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from inception_lightning.errors import InputError

KEY = "inception_lightning"
"""Where a checkpoint holds the plain data of model and data, and the class names."""


def local(source: Path | str) -> Path:
    """The file that ``source`` names; one on the net is fetched once, and only with its checksum.

    Raises:
        InputError: An address without https or ``#sha256=...``, or what came is something else.
    """
    if "://" not in str(source):
        return Path(source)
    address, _, digest = str(source).partition("#sha256=")
    if not address.startswith("https://") or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise InputError(f"{address}: a checkpoint from the net needs https and its checksum, https://...#sha256=...")
    file = Path(torch.hub.get_dir()) / "checkpoints" / f"{digest}.ckpt"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(file), hash_prefix=digest, progress=False)
        except (OSError, RuntimeError) as error:
            raise InputError(f"cannot fetch {address}: {error}") from None
    return file


def read_checkpoint(path: Path | str, map_location: str | torch.device | None = "cpu") -> dict[str, Any]:
    """The content of a checkpoint; no code in it runs.

    Raises:
        InputError: There is no such file, or it is not a checkpoint of this project.
    """
    path = local(path)
    if not path.is_file():
        raise InputError(f"there is no checkpoint {path}")
    try:
        checkpoint = torch.load(path, map_location, weights_only=True)
    except Exception as error:  # torch raises whatever the damage leads to
        # the first sentence: torch's second one says how to run the code
        reason = str(error).splitlines()[0].partition(". ")[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is not a readable checkpoint ({reason})") from None
    if not isinstance(checkpoint, dict) or KEY not in checkpoint:
        raise InputError(f"{path} is not a checkpoint of inception_lightning")
    return checkpoint


def newest(place: Path, name: str) -> Path:
    """The checkpoint ``name`` (best or last) of the newest run in ``place`` that has one.

    Raises:
        InputError: No run has one.
    """
    found = sorted(place.glob(f"*/checkpoints/{name}.ckpt"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise InputError(f"no run in {place} has a checkpoint {name!r}: give the path of a checkpoint file")
    return found[-1]


def difference(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> str | None:
    """What first keeps ``found`` from being loaded where ``expected`` is; None where it fits."""
    for name, tensor in expected.items():
        if name not in found:
            return f"it has no {name}"
        if found[name].shape != tensor.shape:
            return f"its {name} has the shape {list(found[name].shape)}, not {list(tensor.shape)}"
    extra = next((name for name in found if name not in expected), None)
    return extra and f"it also has {extra}"


def refuse_other_classes(held: Sequence[str], found: Sequence[str]) -> None:
    """See to it that a class index means the same to a checkpoint and to the data; where one has no names, it may.

    Raises:
        InputError: It does not.
    """
    for index, (one, other) in enumerate(zip(held, found, strict=False)):
        if one != other:
            raise InputError(
                f"class {index} is {one!r} to the checkpoint and {other!r} to the data: its folders must have the "
                "names that it was trained with"
            )
