"""``lightning dashboard``: the W&B workspace and report, pushed or written as a file."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import wandb

from inception_lightning.commands import options
from inception_lightning.errors import InputError, visible
from inception_lightning.runs.wandb import obstacle
from inception_lightning.studies.dashboard import SECTIONS, project_of, push, spec


def main(words: Sequence[str]) -> None:
    """Run ``lightning dashboard``."""
    arguments = options.dashboard().parse_args(words[1:])
    os.environ.setdefault("WANDB_SILENT", "true")  # we say what matters
    wandb.setup()
    project = arguments.project or project_of(arguments.run)
    offline = arguments.dry_run or os.environ.get("WANDB_MODE") in ("offline", "disabled")
    why_not = "not pushed" if offline else obstacle()
    if why_not is None:
        push(project, arguments.entity)
    else:
        file = (arguments.run or Path()) / "dashboard.json"
        try:
            file.write_text(f"{json.dumps(spec(project), indent=2)}\n")
        except OSError as error:
            raise InputError(f"{file} cannot be written: {error.strerror}") from None
        count = sum(len(each.panels) for each in SECTIONS)
        print(f"{why_not}: the dashboard's {count} panels are in {visible(str(file))}")
