"""Whether probabilities mean what they say: reliability, expected calibration error, and the temperature that mends it.

Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from inception_lightning.errors import InputError
from inception_lightning.training.validation_scores import BINS

COLDEST, HOTTEST = 1e-3, 1e3
"""Temperatures beyond which nothing is gained: a network without a mistake wants 0, one that knows nothing infinity."""


@dataclass(frozen=True)
class Reliability:
    """Confidence and accuracy in `BINS` bins of confidence.

    Attributes:
        counts: Number of answers in each bin (B,).
        confidence: Their mean confidence (B,), 0 where there are none.
        accuracy: The share of them that is right (B,).
        error: The expected calibration error, 0..1: the mean difference of the two, each bin by its share of answers.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    error: float


def bins_of(confidence: NDArray[np.floating]) -> NDArray[np.int64]:
    """The bin (N,) of each confidence (N,) in 0..1; 0 counts to the first."""
    edges = np.arange(1, BINS) / BINS
    found: NDArray[np.int64] = np.searchsorted(edges, confidence, side="left")
    return found


def reliability(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> Reliability:
    """How often answers of a confidence (N,), 0..1, are right (N,)."""
    bins = bins_of(confidence)
    counts = np.bincount(bins, minlength=BINS)
    said = np.bincount(bins, confidence.astype(np.float64), BINS)
    true = np.bincount(bins, right, BINS)
    most = np.maximum(counts, 1)
    return Reliability(counts, said / most, true / most, float(np.abs(said - true).sum() / max(len(bins), 1)))


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """The temperature by which logits are divided so that their log loss is least: one number, above 0.

    It is sought as its logarithm, in float64, by L-BFGS; no answer changes, only how sure it is.

    Args:
        logits: (N, K).
        targets: Class indices (N,), or for several labels per image 0 or 1 of each (N, K).

    Raises:
        InputError: There is no image, or a logit is not finite.
    """
    if len(logits) == 0 or not torch.isfinite(logits).all():
        raise InputError("a temperature needs images, and a network whose answers are finite numbers")
    with torch.inference_mode(False), torch.enable_grad():  # an evaluation, which may call this, keeps no gradients
        return _least(logits.detach().double().clone(), targets.clone())


def _least(logits: Tensor, targets: Tensor) -> float:
    several = targets.ndim == 2
    wanted = targets.double() if several else targets.long()
    logarithm = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [logarithm], max_iter=100, tolerance_grad=1e-12, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )
    limits = np.log(COLDEST), np.log(HOTTEST)

    def loss() -> Tensor:
        optimizer.zero_grad()
        scaled = logits / logarithm.clamp(*limits).exp()
        value = F.binary_cross_entropy_with_logits(scaled, wanted) if several else F.cross_entropy(scaled, wanted)
        value.backward()
        return value

    optimizer.step(loss)
    return float(logarithm.detach().clamp(*limits).exp())
