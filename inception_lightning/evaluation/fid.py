"""The Fréchet Inception distance of two sets of images, in the features of its own network or of any other of ours.

Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, arXiv:1706.08500,
section 5: images are taken for a Gaussian in the features of the Inception-v3 of 2015 (``preset: fid``).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inception_lightning.errors import InputError
from inception_lightning.loading.bands import RGB, channels
from inception_lightning.loading.dataset import ImageFiles
from inception_lightning.loading.loaders import leave_signals_to_parent
from inception_lightning.models import stages
from inception_lightning.models.network import Inception


@dataclass(frozen=True)
class Moments:
    """What the distance knows of a set of images.

    Attributes:
        count: The number of images; unknown where the moments come from a file.
        mean: Of the features (F,), float64.
        covariance: Of the features (F, F), float64, divided by ``count - 1``.
    """

    count: int | None
    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features: Iterable[Tensor]) -> "Moments":
        """Of batches of features (N, F), one after the other, in one pass.

        Raises:
            InputError: There are fewer than two images.
        """
        batches = iter(features)
        first = next(batches, torch.empty(0, 1)).double()
        shift = first.mean(0) if len(first) else first.sum(0)  # sums of squares far from 0 would lose digits
        count, total, products = 0, torch.zeros_like(shift), torch.zeros(len(shift), len(shift), dtype=torch.float64)
        for batch in chain([first], batches):
            centred = batch.double() - shift
            count += len(centred)
            total += centred.sum(0)
            products += centred.T @ centred
        if count < 2:
            raise InputError(f"a distance needs at least two images on either side, and there is {count}")
        mean = total / count
        return cls(count, mean + shift, (products - count * torch.outer(mean, mean)) / (count - 1))

    @classmethod
    def read(cls, path: Path) -> "Moments":
        """From a file of pytorch-fid's: the arrays ``mu`` (F,) and ``sigma`` (F, F).

        Raises:
            InputError: It is none.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(None, torch.from_numpy(arrays["mu"]).double(), torch.from_numpy(arrays["sigma"]).double())
        except (OSError, KeyError, ValueError, EOFError) as error:
            raise InputError(f"{path} holds no moments, the arrays mu and sigma, as pytorch-fid writes them") from error

    def write(self, path: Path) -> None:
        """As pytorch-fid's ``--save-stats`` does."""
        np.savez(path, mu=self.mean.numpy(), sigma=self.covariance.numpy())


def frechet_distance(real: Moments, generated: Moments) -> float:
    """``|m1 - m2|^2 + tr(C1 + C2 - 2 sqrt(C1 C2))`` (section 5, equation 6).

    The trace of the root is the sum of the singular values of ``R1^T R2``, R the roots of the covariances: exact also
    where there are fewer images than features, and the root of the product is nothing but noise.

    Raises:
        InputError: Their features are not of the same length.
    """
    if real.mean.shape != generated.mean.shape:
        raise InputError(f"the two sides have {len(real.mean)} and {len(generated.mean)} features: use one network")
    root = torch.linalg.svdvals(_root(real.covariance).T @ _root(generated.covariance)).sum()
    trace = real.covariance.trace() + generated.covariance.trace() - 2 * root
    return float((real.mean - generated.mean).square().sum() + trace)


def _root(covariance: Tensor) -> Tensor:
    """R (F, rank) with R R^T = covariance (F, F)."""
    values, vectors = torch.linalg.eigh(covariance)
    real = values > values[-1].clamp(min=0) * len(values) * torch.finfo(values.dtype).eps
    return vectors[:, real] * values[real].sqrt()


class Squashed(Dataset[Tensor]):
    """Files of images as the distance is defined for: whole, and squashed to a square without antialiasing.

    ``dataset[index]`` is an image (3, size, size) in 0..1.
    """

    def __init__(self, files: Sequence[Path], size: int) -> None:
        self.images = ImageFiles(files, torch.zeros(len(files), dtype=torch.long))
        self.size = size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        image = self.images[index][0][None] / 255  # (1, 3, H, W)
        return F.interpolate(image, (self.size, self.size), mode="bilinear", align_corners=False)[0]


@torch.no_grad()
def features(
    net: Inception, files: Sequence[Path], *, stage: str | None = None, batch_size: int = 32, num_workers: int = 0
) -> Iterator[Tensor]:
    """Features of image files, batch by batch (N, F).

    Args:
        net: The network, in evaluation mode.
        files: The images.
        stage: The stage whose activation is averaged over its grid; the last by default.
        batch_size: Images per batch.
        num_workers: Processes that decode.

    Raises:
        InputError: A file is no readable image, there is no such stage, or the network is not for images in RGB.
    """
    stage = net.stages[-1] if stage is None else stage
    stages.check_stage(net, stage)
    if net.in_channels != RGB:
        raise InputError(
            f"the network takes images of {channels(net.in_channels)}, and a distance is one of pictures in RGB: of 3"
        )
    weight = next(net.parameters())
    mean, std = (torch.tensor(values).to(weight)[:, None, None] for values in (net.mean, net.std))
    loader = DataLoader(
        Squashed(files, net.image_size),
        batch_size=batch_size,
        num_workers=num_workers,
        worker_init_fn=leave_signals_to_parent,
    )
    for images in loader:
        normalised = ((images.to(weight) - mean) / std).to(memory_format=torch.channels_last)
        yield stages.features(net, normalised, stage).cpu()
