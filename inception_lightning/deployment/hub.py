"""An exported folder on the Hugging Face hub, or what would go there."""

import re
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.constants import HF_HUB_OFFLINE

from inception_lightning.errors import InputError, visible


def with_companions(files: Sequence[Path]) -> list[Path]:
    """The files, and OpenVINO's weights, which lie beside their model."""
    return [*files, *(file.with_suffix(".bin") for file in files if file.suffix == ".xml")]


def push(name: str, files: Sequence[Path]) -> str:
    """Push the files of one folder, and nothing else in it, to the repository ``name`` (user/name).

    Without a key, or where the hub is switched off, nothing is sent.

    Returns:
        What was done, or would be, in words.

    Raises:
        InputError: The hub cannot be reached, or refuses.
    """
    whole = with_companions(files)
    folder = whole[0].parent
    megabytes = sum(file.stat().st_size for file in whole) / 1e6
    told = f"{len(whole)} files ({megabytes:.1f} MB) to {name}: {', '.join(visible(file.name) for file in whole)}"
    if HF_HUB_OFFLINE or get_token() is None:
        return f"would push {told}; log in with 'hf auth login' and run the same line again"
    hub = HfApi()
    try:
        hub.create_repo(name, exist_ok=True)
        where = hub.upload_folder(repo_id=name, folder_path=folder, allow_patterns=[file.name for file in whole])
    except Exception as error:  # the library has its own for each way a network can fail
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(f"--push {name} failed ({reason}): the folder {folder} is complete, try again") from None
    return f"pushed {told} ({where})"


def check_name(name: str) -> None:
    """Refuse, before anything is written, a name that no repository has.

    Raises:
        InputError: It is not of the form user/name.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise InputError(f"--push {name}: say user/name, of letters, digits, dots, - and _")
