"""Which places of images speak for a class: exactly at the last stage, by Grad-CAM (arXiv:1610.02391) before it."""

import importlib.util
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inception_lightning.errors import InputError
from inception_lightning.evaluation.activation_map import activation_maps
from inception_lightning.models.network import Inception
from inception_lightning.models.stages import check_stage, stage_names
from inception_lightning.training.classifier import InceptionClassifier

LAST = "last"
"""What the last activation is called of a network that is none of ours, where its map is exact."""


@dataclass(frozen=True)
class Explanation:
    """What a network says of images, and where it looks.

    Attributes:
        classes: The class of each image that is explained (N,).
        probabilities: What the network gives to it (N,).
        maps: Stage -> how much each place speaks for the class (N, h, w), each stage on its own scale.
    """

    classes: Tensor
    probabilities: Tensor
    maps: dict[str, Tensor]


def exact_stage(net: nn.Module, images: Tensor) -> str | None:
    """The stage whose maps are exact, the last one; None where the classifier reads something else than its mean.

    Args:
        net: The network, in evaluation mode.
        images: Some normalised images (N, 3, H, W).
    """
    with torch.inference_mode():
        found = activation_maps(net, images, torch.zeros(len(images), dtype=torch.long, device=images.device))
    if found is None:
        return None
    return net.stages[-1] if isinstance(net, Inception) else LAST


def chosen_stages(net: nn.Module, said: str | None, exact: str | None) -> tuple[str, ...]:
    """The stages that ``--stage a,b`` says, by default the one that is exact.

    Raises:
        InputError: One is not there, none is exact and none is said, or what Grad-CAM needs is not installed.
    """
    if said is None:
        if exact is None:
            names = ", ".join(stage_names(net))
            raise InputError(f"no stage of {type(net).__name__} has exact maps: say --stage with some of {names}")
        return (exact,)
    stages = tuple(dict.fromkeys(name.strip() for name in said.split(",")))
    for stage in stages:
        check_stage(net, stage, *([LAST] if exact == LAST else []))
    if set(stages) - {exact} and importlib.util.find_spec("captum") is None:
        raise InputError(
            "a stage before the last needs what is not installed: pip install captum, or leave out --stage"
        )
    return stages


def explain(
    module: InceptionClassifier,
    images: Tensor,
    stages: tuple[str, ...],
    exact: str | None = None,
    classes: Tensor | None = None,
) -> Explanation:
    """Explain what a network says of images.

    Args:
        module: The network, in evaluation mode.
        images: uint8 (N, 3, H, W).
        stages: The stages to look at; see `chosen_stages`.
        exact: The one whose maps are exact; see `exact_stage`.
        classes: The class to explain of each image (N,); by default its most probable one.
    """
    images = images.to(module.device)
    with torch.no_grad():  # and not in inference mode, whose tensors know no gradient
        inputs, logits = module.normalize(images), module(images)
    shares = logits.sigmoid() if module.several_labels else logits.softmax(dim=1)  # (N, K)
    classes = shares.argmax(dim=1) if classes is None else classes.to(module.device)
    maps = {
        stage: _exact(module.net, inputs, classes) if stage == exact else grad_cam(module.net, inputs, classes, stage)
        for stage in stages
    }
    return Explanation(classes.cpu(), shares.gather(1, classes[:, None])[:, 0].cpu(), maps)


def _exact(net: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    with torch.inference_mode():
        found = activation_maps(net, images, classes)
    assert found is not None  # or the stage would not be exact
    return found.float().cpu()


def grad_cam(net: nn.Module, images: Tensor, classes: Tensor, stage: str) -> Tensor:
    """How much each place of a stage's grid speaks for a class, to first order: at least 0 (section 3, equation 2).

    The weight of a channel is the mean over places of the logit's gradient. At the last stage, where the classifier
    reads the mean over h x w places, that is 1 / (h w) of the exact map, where this is above 0.

    Args:
        net: The network, in evaluation mode.
        images: Normalised images (N, 3, H, W).
        classes: The class to explain of each image (N,).
        stage: The stage, which `check_stage` has passed.

    Returns:
        (N, h, w).

    Raises:
        InputError: The stage gives no grid.
    """
    from captum.attr import LayerGradCam  # an extra

    with torch.enable_grad():
        inputs = images.detach().clone().requires_grad_()
        layer = LayerGradCam(net, net.get_submodule(stage))
        found = layer.attribute(inputs, classes, relu_attributions=True)
    if not isinstance(found, Tensor) or found.ndim != 4:
        raise InputError(f"stage {stage} of {type(net).__name__} gives no grid of places: name another one")
    return found[:, 0].detach().float().cpu()
