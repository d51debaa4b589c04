"""From a whole image to what a network sees: random views for training, one fixed view for evaluation."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode, v2

Interpolation: TypeAlias = Literal["bilinear", "bicubic"]
MIDDLE_GREY = 128  # what the networks' normalisation makes 0
INTERPOLATIONS = ("nearest-exact", "bilinear", "bicubic")


@dataclass(frozen=True)
class Augmentation:
    """A random view: the inception crop (Going deeper with convolutions, section 6), a flip, and what else is wanted.

    Attributes:
        area: Smallest and largest share of the image's area that the crop takes, 0..1.
        aspect: Smallest and largest ratio of the crop's width to its height.
        flip: Whether every other view is mirrored left to right; wrong for digits and letters.
        interpolation: How the crop is brought to the network's size; ``random`` draws it, as TF-slim does.
        crop: ``inception`` draws area and the logarithm of the aspect evenly, ``slim`` height and aspect,
            which gives larger crops; TF-slim's area begins at 0.05.
        distortion: Strength of the photometric distortion: 1 changes brightness by an eighth, contrast and
            saturation by a half and hue by a fifth, in random order, as TF-slim does; 0 leaves it out.
        rand_augment: Magnitude of RandAugment's two operations, up to 30, often 9; 0 leaves it out.
        erasing: Share of views of which a rectangle becomes grey, 0..1.
    """

    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True
    interpolation: Interpolation | Literal["random"] = "bilinear"
    crop: Literal["inception", "slim"] = "inception"
    distortion: float = 0.0
    rand_augment: int = 0
    erasing: float = 0.0

    def build(self, image_size: int) -> v2.Transform:
        """The transform: uint8 (3, H, W) -> uint8 (3, image_size, image_size)."""
        crop = SlimCrop if self.crop == "slim" else InceptionCrop
        steps: list[v2.Transform] = [crop(image_size, self.area, self.aspect, self.interpolation)]
        if self.flip:
            steps.append(v2.RandomHorizontalFlip())
        if self.distortion > 0:
            half = 0.5 * self.distortion
            steps.append(v2.ColorJitter(self.distortion / 8, half, half, min(0.5, 0.2 * self.distortion)))
        if self.rand_augment > 0:
            steps.append(v2.RandAugment(magnitude=self.rand_augment))
        if self.erasing > 0:
            steps.append(v2.RandomErasing(self.erasing, value=MIDDLE_GREY))
        return v2.Compose(steps)


@dataclass(frozen=True)
class CenterCrop:
    """The evaluation view: the shorter side is resized to image_size / fraction, the centre is cut out.

    Attributes:
        fraction: Share of the shorter side that the crop keeps, above 0 up to 1.
        interpolation: How the image is resized.
    """

    fraction: float = 0.875
    interpolation: Interpolation = "bilinear"

    def build(self, image_size: int) -> v2.Transform:
        """The transform: uint8 (3, H, W) -> uint8 (3, image_size, image_size)."""
        shorter_side = math.floor(image_size / self.fraction)
        resize = v2.Resize(shorter_side, InterpolationMode(self.interpolation), antialias=True)
        return v2.Compose([resize, v2.CenterCrop(image_size)])


class InceptionCrop(v2.RandomResizedCrop):
    """torchvision's crop, with the same pixels, a third faster: pixels stay side by side in memory, as decoded."""

    def __init__(
        self,
        image_size: int,
        area: tuple[float, float],
        aspect: tuple[float, float],
        interpolation: Interpolation | Literal["random"],
    ) -> None:
        super().__init__(image_size, area, aspect)
        self.how: str = interpolation

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Where the crop lies, and how it is resized."""
        place = super().make_params(flat_inputs)
        how = INTERPOLATIONS[int(torch.randint(3, ()))] if self.how == "random" else self.how
        return {**place, "how": how}

    def transform(self, inpt: Tensor, params: dict[str, Any]) -> Tensor:
        """Cut and resize one image (3, H, W)."""
        top, left = params["top"], params["left"]
        cut = inpt[:, top : top + params["height"], left : left + params["width"]]
        if cut.shape[1:] == self.size:
            return cut
        batch = cut.permute(1, 2, 0).unsqueeze(0).permute(0, 3, 1, 2)  # (1, 3, H, W), channels-last
        smooth = params["how"] != "nearest-exact"
        return F.interpolate(batch, self.size, mode=params["how"], antialias=smooth)[0]


class SlimCrop(InceptionCrop):
    """The crop of TF-slim's Inception preprocessing: ``tf.image.sample_distorted_bounding_box`` of the whole image."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Where the crop lies: the whole image after 100 attempts without success."""
        height, width = flat_inputs[0].shape[-2:]
        chosen = super().make_params(flat_inputs)
        place = {"top": 0, "left": 0, "height": height, "width": width}
        for _ in range(100):
            aspect = _uniform(*self.ratio)
            least, most = (math.sqrt(share * height * width / aspect) for share in self.scale)
            tall = round(_uniform(least, min(most, height, width / aspect)))
            wide = round(tall * aspect)
            share = tall * wide / (height * width)
            if 0 < tall <= height and 0 < wide <= width and self.scale[0] <= share <= self.scale[1]:
                top, left = (int(torch.randint(room + 1, ())) for room in (height - tall, width - wide))
                place = {"top": top, "left": left, "height": tall, "width": wide}
                break
        return {**chosen, **place}


def _uniform(low: float, high: float) -> float:
    return float(torch.empty(()).uniform_(low, max(low, high)))
