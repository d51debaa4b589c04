"""A data set of one's own: what it is made of, and its class names."""

from dataclasses import dataclass

import torch

from inception_lightning.data.base import ImageDataModule, Split
from inception_lightning.loading.dataset import ImageTensors


@dataclass(kw_only=True, eq=False)
class Stripes(ImageDataModule):
    """Stripes that lie or stand, under noise. What is not said here is `ImageDataModule`'s.

    Args:
        noise: Standard deviation of the noise, in grey levels of 0..255.
    """

    noise: float = 40.0
    image_size: int = 16
    num_workers: int | None = 0

    class_names = ("lying", "standing")

    def dataset(self, split: Split) -> ImageTensors:
        """512 images for training; other 128 for validation and test."""
        count = 512 if split == "train" else 128
        generator = torch.Generator().manual_seed(0 if split == "train" else 1)
        labels = torch.arange(count) % 2  # (N,)
        lying = 255.0 * (torch.arange(16) // 2 % 2)[:, None].expand(16, 16)
        images = torch.stack([lying, lying.T])[labels]  # (N, 16, 16)
        images = images + self.noise * torch.randn(images.shape, generator=generator)
        return ImageTensors(images.clamp(0, 255).to(torch.uint8)[:, None].repeat(1, 3, 1, 1), labels)
