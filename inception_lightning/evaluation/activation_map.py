"""Class-activation maps: which places of an image speak for a class (Zhou et al., arXiv:1512.04150)."""

from typing import Any

import torch
from torch import Tensor, nn


def activation_maps(net: nn.Module, images: Tensor, classes: Tensor) -> Tensor | None:
    """How much each place of the last stage's grid adds to the logit of a class; their mean is the logit less its bias.

    It is exact for networks whose classifier reads the mean over all places, as those of the Inception family do.

    Args:
        net: The network, in evaluation mode.
        images: Normalised images (N, 3, H, W).
        classes: The class to explain of each image (N,).

    Returns:
        (N, h, w); None for a network that is of another kind.
    """
    whole: Any = net
    if not (hasattr(net, "forward_features") and hasattr(net, "get_classifier")):
        return None
    classifier = whole.get_classifier()
    if not isinstance(classifier, nn.Linear):
        return None
    features = whole.forward_features(images)  # (N, C, h, w)
    weights = _before_bottleneck(getattr(net, "bottleneck", None), classifier.weight[classes])  # (N, C)
    if weights is None or not isinstance(features, Tensor) or features.ndim != 4:
        return None
    if features.shape[1] != weights.shape[1]:
        return None
    return torch.einsum("nc,nchw->nhw", weights.to(features.dtype), features)


def _before_bottleneck(bottleneck: nn.Module | None, weights: Tensor) -> Tensor | None:
    """The weights (N, C) on pooled features, where the classifier reads what a bottleneck makes of them."""
    if bottleneck is None or isinstance(bottleneck, nn.Identity):
        return weights
    match list(bottleneck.children()):
        case [nn.Linear() as reduce, nn.BatchNorm1d(running_var=Tensor() as spread) as norm]:
            scale = torch.rsqrt(spread + norm.eps)
            return (weights * scale * (1 if norm.weight is None else norm.weight)) @ reduce.weight
    return None
