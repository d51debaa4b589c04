"""A logger of one's own. ``metrics.csv`` is written besides."""

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only


class JsonLines(Logger):
    """Appends each row to a file, as JSON."""

    name = version = ""

    def __init__(self, path: str = "rows.json") -> None:
        """Say into which file."""
        super().__init__()
        self.path = Path(path)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row."""
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: they are in the run's ``config.yaml``."""
