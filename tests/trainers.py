"""Training inside the test's own process."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl


def quiet_trainer(folder: Path, **options: Any) -> pl.Trainer:
    """A Trainer on one CPU process that shows and saves nothing of its own accord; ``options`` have the last word."""
    quiet: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "default_root_dir": folder,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(**quiet | options)
