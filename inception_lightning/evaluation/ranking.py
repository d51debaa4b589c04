"""How well a probability ranks the images of a class before all others: AUROC and average precision, with influences.

The numbers are scikit-learn's (`roc_auc_score`, `average_precision_score`), ties included. Of a thousand classes they
come from one sort each, and with them what each image contributes, which is what intervals are made of.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Ranking(NamedTuple):
    """One class against all others; NaN where the class, or all others, have no image.

    An influence (N,) is the derivative of a number by the weight of each image (Efron's infinitesimal jackknife); they
    sum up to 0. With other weights ``w`` the number is about ``number + w @ influence``.

    Attributes:
        auroc: Area under the ROC curve, 0..1.
        average_precision: Mean of the precision at each positive image, 0..1.
        auroc_influence: (N,).
        precision_influence: (N,).
    """

    auroc: float
    average_precision: float
    auroc_influence: Array
    precision_influence: Array


def rank(probabilities: NDArray[np.floating], positive: NDArray[np.bool_]) -> Ranking:
    """Rank the images by ``probabilities`` (N,); ``positive`` (N,) says which of them are of the class."""
    positives, count = int(positive.sum()), len(positive)
    negatives = count - positives
    if positives == 0:
        return Ranking(np.nan, np.nan, np.zeros(count), np.zeros(count))
    order = np.argsort(probabilities, kind="stable")[::-1]  # the most probable first
    ordered, hit = probabilities[order], positive[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), count - 1)  # the last of each group of ties
    group = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))  # (N,), of each image in order
    reached = (ends + 1).astype(np.float64)  # images up to the end of each group
    found = np.cumsum(hit)[ends].astype(np.float64)  # positives among them
    in_group = np.diff(found, prepend=0.0)

    auroc, auroc_influence = np.nan, np.zeros(count)
    if negatives:
        missed = reached - found  # negatives up to the end of each group
        beaten = negatives - missed + np.diff(missed, prepend=0.0) / 2  # by a positive of the group; a tie is half
        better = found - in_group / 2  # positives that a negative of the group is beaten by
        pairs = positives * negatives
        auroc = float((in_group * beaten).sum() / pairs)
        auroc_influence[order] = np.where(
            hit, beaten[group] / pairs - auroc / positives, better[group] / pairs - auroc / negatives
        )

    precision = found / reached
    average = float((in_group * precision).sum() / positives)
    gained = np.cumsum((in_group / reached)[::-1])[::-1]  # by one more positive before all that follow
    lost = np.cumsum((in_group * found / reached**2)[::-1])[::-1]  # by one more image before them
    influence = np.where(hit, precision[group] + gained[group] - average, 0.0) - lost[group]
    precision_influence = np.empty(count)
    precision_influence[order] = influence / positives
    return Ranking(auroc, average, auroc_influence, precision_influence)
