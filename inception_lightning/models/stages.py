"""What lies inside a network, ours or another: its stages by name, their activations, what its classifier reads."""

from typing import Any

from torch import Tensor, nn

from inception_lightning.errors import InputError
from inception_lightning.models.network import Inception

POOLED = "pooled"
"""What is called so beside the stages: the features (N, F) that the classifier reads."""


def stage_names(net: nn.Module) -> tuple[str, ...]:
    """The stages of a network in order; of a network that is none of ours, the modules that it is made of."""
    return net.stages if isinstance(net, Inception) else tuple(name for name, _ in net.named_children())


def check_stage(net: nn.Module, stage: str, *beside: str) -> None:
    """Refuse a stage that is not there; what lies deeper in a network that is none of ours, ``layer4.1``, is there too.

    Args:
        net: The network.
        stage: What is asked for.
        beside: What may be asked for besides.

    Raises:
        InputError: It is not there.
    """
    known = (*beside, *stage_names(net))
    inside = () if isinstance(net, Inception) else dict(net.named_modules())
    if stage not in known and (not stage or stage not in inside):
        raise InputError(f"there is no stage {stage}: {type(net).__name__} has {', '.join(known)}")


def activation(net: nn.Module, images: Tensor, stage: str) -> Tensor:
    """Normalised images (N, 3, H, W) -> the activation of a stage, which ``check_stage`` has passed.

    It is (N, C, h, w); of a network that is none of ours it has the shape that it has there.

    Raises:
        InputError: The network does not run this stage, or it gives no tensor.
    """
    if isinstance(net, Inception):
        return net.forward_to(images, stage)
    return _seen(net, images, stage, before=False)


def features(net: nn.Module, images: Tensor, stage: str = POOLED) -> Tensor:
    """Normalised images (N, 3, H, W) -> their features (N, F) at a stage.

    Of `POOLED` they are what the classifier reads, of any other stage the mean of its activation over all places.

    Raises:
        InputError: As `activation`, or the activation is no grid.
    """
    if stage == POOLED:
        return _pooled(net, images)
    found = activation(net, images, stage)
    if found.ndim not in (2, 4):
        raise InputError(f"stage {stage} of {type(net).__name__} gives {found.ndim} dimensions: name one with a grid")
    return found if found.ndim == 2 else found.mean(dim=(2, 3))


def _pooled(net: nn.Module, images: Tensor) -> Tensor:
    whole: Any = net
    if hasattr(net, "forward_features") and hasattr(net, "forward_head"):  # ours and timm's
        found: Tensor = whole.forward_head(whole.forward_features(images), pre_logits=True)
        return found.flatten(1)
    layers = [name for name, layer in net.named_modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise InputError(f"{type(net).__name__} has no linear classifier, so nothing is pooled: name a stage")
    return _seen(net, images, layers[-1], before=True).flatten(1)


def _seen(net: nn.Module, images: Tensor, name: str, *, before: bool) -> Tensor:
    """What a module inside ``net`` takes, or gives, while the images pass."""
    found: list[Any] = []
    module = net.get_submodule(name)
    hook = (
        module.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
        if before
        else module.register_forward_hook(lambda _, inputs, output: found.append(output))
    )
    try:
        net(images)
    finally:
        hook.remove()
    if not found or not isinstance(found[-1], Tensor):
        raise InputError(f"{type(net).__name__} gives no activation of {name}: name another stage")
    return found[-1]
