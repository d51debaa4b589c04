"""Two images in one: MixUp (Zhang et al., 2018) and CutMix (Yun et al., 2019), on batches that are on their device."""

from torch import Tensor
from torchvision.transforms import v2

from inception_lightning.training.losses import one_hot


def mix(images: Tensor, labels: Tensor, num_classes: int, *, mixup: float, cutmix: float) -> tuple[Tensor, Tensor]:
    """Blend each image with its neighbour or put a box of the neighbour into it; one of the two for the whole batch.

    Args:
        images: Normalised images (N, 3, H, W).
        labels: Class indices (N,), each below K, or rows (N, K) of 0 and 1.
        num_classes: K.
        mixup: Both parameters of the beta distribution that the neighbour's share is drawn from; 0 for no MixUp.
        cutmix: The same of the box's area; 0 for no CutMix.

    Returns:
        Images (N, 3, H, W), and each class's share of them (N, K); both as they came where there is nothing to mix.
    """
    choices = [v2.MixUp(alpha=mixup, num_classes=num_classes)] if mixup else []
    choices += [v2.CutMix(alpha=cutmix, num_classes=num_classes)] if cutmix else []
    if not choices:
        return images, labels
    parts = one_hot(labels, num_classes) if labels.ndim == 1 else labels.float()
    mixed: tuple[Tensor, Tensor] = v2.RandomChoice(choices)(images, parts)
    return mixed
