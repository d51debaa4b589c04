"""One answer for an image that is shown in several views or to several networks: the mean of their probabilities."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def mean_answer(logits: Tensor, several_labels: bool = False) -> Tensor:
    """Logits of the mean probabilities, computed without leaving logarithms, so that nothing small is lost.

    Args:
        logits: Of V views or networks (N, V, K).
        several_labels: Whether a probability is a label's own (sigmoid), instead of a class's share (softmax).

    Returns:
        (N, K): for softmax the logarithm of the mean.
    """
    views = math.log(logits.shape[1])
    if several_labels:
        yes, no = (F.logsigmoid(sign * logits).logsumexp(dim=1) for sign in (1, -1))
        return yes - no
    return logits.log_softmax(dim=2).logsumexp(dim=1) - views


class Gathering:
    """Puts together the answers to an image's views, which come one after the other, wherever a batch ends."""

    def __init__(self, views: int) -> None:
        """Wait for ``views`` answers to each image."""
        self.views = views
        self.waiting: list[tuple[Tensor, Tensor]] = []

    def add(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Answers (N, K) and labels (N, ...) of views -> those of the images (M, K), (M, ...) that are complete."""
        if self.views == 1:
            return logits, labels
        self.waiting.append((logits, labels))
        logits, labels = (torch.cat(parts) for parts in zip(*self.waiting, strict=True))
        complete = len(logits) // self.views
        whole = complete * self.views
        self.waiting = [(logits[whole:], labels[whole:])]
        answers = logits[:whole].reshape(complete, self.views, logits.shape[1])
        return mean_answer(answers, labels.ndim == 2), labels[: whole : self.views]
