"""What Lightning's own callbacks do not do."""

from inception_lightning.callbacks.artifacts import CheckpointArtifact
from inception_lightning.callbacks.averaging import WeightAverage
from inception_lightning.callbacks.best import BestCheckpoint
from inception_lightning.callbacks.calibration import Calibrate
from inception_lightning.callbacks.confusion import Confusion
from inception_lightning.callbacks.continuation import Continuation
from inception_lightning.callbacks.dead_network import DeadNetwork
from inception_lightning.callbacks.monitors import Monitors
from inception_lightning.callbacks.nonfinite import FiniteGuard
from inception_lightning.callbacks.pictures import Pictures
from inception_lightning.callbacks.predictions import PredictionWriter
from inception_lightning.callbacks.progress import LineProgress, NetSummary, TerminalProgress
from inception_lightning.callbacks.rates import NewRates
from inception_lightning.callbacks.recipe import Recipe
from inception_lightning.callbacks.run_folder import RunFolder
from inception_lightning.callbacks.scores import ScoresReport
from inception_lightning.callbacks.speed import Speed
from inception_lightning.callbacks.summary import RunSummary
from inception_lightning.callbacks.telemetry import ResidualTelemetry
from inception_lightning.callbacks.unfreezing import Unfreeze

__all__ = [
    "BestCheckpoint",
    "Calibrate",
    "CheckpointArtifact",
    "Confusion",
    "Continuation",
    "DeadNetwork",
    "FiniteGuard",
    "LineProgress",
    "Monitors",
    "NetSummary",
    "NewRates",
    "Pictures",
    "PredictionWriter",
    "Recipe",
    "ResidualTelemetry",
    "RunFolder",
    "RunSummary",
    "ScoresReport",
    "Speed",
    "TerminalProgress",
    "Unfreeze",
    "WeightAverage",
]
