"""What residual telemetry costs: ``python benchmarks/telemetry.py``.

A real run of the Trainer samples every second step, so that each step with telemetry has a neighbour without.
The clock is the process's own, which other programs on the machine do not stop. Logging is included.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from inception_lightning import Digits, InceptionClassifier, InceptionResNetV1
from inception_lightning.callbacks import ResidualTelemetry
from inception_lightning.runs.metrics_csv import MetricsFile
from inception_lightning.runs.wandb import Wandb, wandb_logger
from inception_lightning.training.optim import RMSpropTF

WARM_UP = 6  # steps


class Start(Callback):
    """The first callback: notes when a step starts."""

    def __init__(self) -> None:
        self.clock = 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        """Note when the step begins, in seconds of CPU time."""
        self.clock = time.process_time()


class End(Callback):
    """The last callback: notes what a step took."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.seconds: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        """Note what the step took, in seconds of CPU time."""
        self.seconds.append(time.process_time() - self.start.clock)


def step_times(net: InceptionResNetV1, data: Digits, pairs: int) -> list[tuple[float, float]]:
    """Seconds of a step with telemetry, and of the one after it without."""
    folder = Path(tempfile.mkdtemp())
    start = Start()
    end = End(start)
    board = wandb_logger(folder, Wandb(mode="offline"))
    optimizer = partial(RMSpropTF, lr=0.0045, momentum=0.9, eps=1.0)
    trainer = pl.Trainer(
        max_steps=WARM_UP + 2 * pairs,
        limit_val_batches=0,
        accelerator="cpu",
        logger=[MetricsFile(folder / "metrics.csv"), *([board] if board else [])],
        callbacks=[start, ResidualTelemetry(every_n_steps=2), end],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(InceptionClassifier(net, optimizer=optimizer), datamodule=data)
    seconds = end.seconds[WARM_UP:]
    return list(zip(seconds[::2], seconds[1::2], strict=True))


def main() -> None:
    """Measure a narrow network and the paper's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20, help="pairs of steps per network")
    parser.add_argument("--interval", type=int, default=50, help="steps from one sample to the next in a real run")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    networks = {
        "digits.yaml, width 0.25": (
            InceptionResNetV1(10, stem="small", width=0.25, depths=(2, 4, 2)),
            Digits(image_size=16, batch_size=64),
        ),
        "paper.yaml, 5 + 10 + 5 blocks": (InceptionResNetV1(10), Digits(image_size=96, batch_size=16)),
    }
    for name, (net, data) in networks.items():
        pairs = step_times(net, data, arguments.pairs)
        ratio = statistics.median(watched / plain for watched, plain in pairs)
        plain = 1e3 * statistics.median(plain for _, plain in pairs)
        spread = 1 + (ratio - 1) / arguments.interval
        print(
            f"{name:30} step {plain:6.1f} ms, with telemetry x {ratio:.3f}; "
            f"every {arguments.interval} steps x {spread:.4f} ({len(pairs)} pairs)"
        )


if __name__ == "__main__":
    main()
