"""From a whole image to what a network sees: random views for training, one fixed view for evaluation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, TypeVar, dataclass_transform

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode, v2

from inception_lightning.errors import InputError
from inception_lightning.loading.bands import RGB
from inception_lightning.loading.bands import channels as channels_in_words
from inception_lightning.loading.batched_views import WORDS, BatchedViews, SampleBatch
from inception_lightning.loading.dataset import ImageDataset, Label
from inception_lightning.loading.decoding import ImageInputError
from inception_lightning.loading.image import OpenImage, Window, crop
from inception_lightning.loading.quarantine import Quarantine
from inception_lightning.loading.random_numbers import RandomNumbers, mixed_seed, mixed_seeds

Interpolation: TypeAlias = Literal["bilinear", "bicubic"]
Range: TypeAlias = tuple[float, float]
Settings = TypeVar("Settings")
MIDDLE_GREY = 128  # what the networks' normalisation makes 0
MIDDLE = 0.5  # the same of images whose pixels are fractions
STRIP = 8
"""How often the shorter side goes into the longer one of what is resized for evaluation."""
INTERPOLATIONS = ("nearest-exact", "bilinear", "bicubic")


@dataclass_transform(frozen_default=True)
def settings(cls: type[Settings]) -> type[Settings]:
    """A frozen dataclass whose fields may be set to what they are already.

    Lightning's ``ddp_spawn`` walks through the data with ``apply_to_collection``, which sets every field anew.
    """
    frozen = dataclass(frozen=True)(cls)
    refuse = frozen.__setattr__

    def set_field(self: Settings, name: str, value: object) -> None:
        if not (hasattr(self, name) and getattr(self, name) == value):
            refuse(self, name, value)

    frozen.__setattr__ = set_field  # type: ignore[method-assign, assignment]
    return frozen


@settings
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

    def __post_init__(self) -> None:
        """Refuse numbers out of range.

        Raises:
            InputError: One is.
        """
        _refuse_unless(
            0 < self.area[0] <= self.area[1] <= 1, "area", "two shares of 0..1, the smaller first", self.area
        )
        _refuse_unless(
            0 < self.aspect[0] <= self.aspect[1], "aspect", "two ratios above 0, the smaller first", self.aspect
        )
        _refuse_unless(self.distortion >= 0, "distortion", "at least 0", self.distortion)
        _refuse_unless(0 <= self.rand_augment <= 30, "rand_augment", "0..30", self.rand_augment)
        _refuse_unless(0 <= self.erasing <= 1, "erasing", "0..1", self.erasing)

    def build(self, image_size: int) -> "RandomView":
        """The view that comes out as uint8 (3, image_size, image_size), or of the bands that the images have."""
        return RandomView(self, image_size)

    def check(self, channels: int) -> None:
        """Refuse what only images in red, green and blue have.

        Raises:
            InputError: It is wanted of others.
        """
        for name, wanted, what in (
            ("distortion", self.distortion > 0, "hue and saturation"),
            ("rand_augment", self.rand_augment > 0, "colours"),
        ):
            if wanted and channels != RGB:
                raise InputError(
                    f"augmentation.{name} changes {what}, which images of {channels_in_words(channels)} do not have: "
                    f"leave out --data.augmentation.{name}"
                )


def _refuse_unless(fits: bool, name: str, wanted: str, got: object) -> None:
    if not fits:
        raise InputError(f"{name} of the images' views must be {wanted}, got {got}")


@settings
class CenterCrop:
    """The evaluation view: the shorter side is resized to image_size / fraction, the centre is cut out.

    Attributes:
        fraction: Share of the shorter side that the crop keeps, above 0 up to 1.
        interpolation: How the image is resized.
    """

    fraction: float = 0.875
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        """Refuse a share out of range.

        Raises:
            InputError: It is.
        """
        _refuse_unless(0 < self.fraction <= 1, "fraction", "above 0 and at most 1", self.fraction)

    def build(self, image_size: int) -> "FixedView":
        """The transform: uint8 (3, H, W) -> uint8 (3, image_size, image_size)."""
        shorter_side = math.floor(image_size / self.fraction)
        resize = v2.Resize(shorter_side, InterpolationMode(self.interpolation), antialias=True)
        return FixedView([resize, v2.CenterCrop(image_size)], image_size)


class FixedView(v2.Compose):
    """A resize and a crop of the centre; of a long strip only the middle is resized.

    A strip of 20,000 x 6 pixels would else become one of 1,140,000 x 341.

    Attributes:
        size: Side of what comes out, in pixels.
        count: How many views an image has.
    """

    count = 1

    def __init__(self, transforms: Sequence[v2.Transform], size: int) -> None:
        super().__init__(transforms)
        self.size = size

    def window(self, height: int, width: int) -> Window | None:
        """The middle of a strip, evenly far from its ends; None for images that are not that long."""
        tall, wide = (
            side if side <= (most := STRIP * min(height, width)) else most + (side - most) % 2
            for side in (height, width)
        )
        if (tall, wide) == (height, width):
            return None
        return (height - tall) // 2, (width - wide) // 2, tall, wide

    def forward(self, *inputs: Any) -> Any:
        """The view of a whole image (3, H, W)."""
        (image,) = inputs
        window = self.window(*image.shape[1:])
        return super().forward(image if window is None else crop(image, window))

    def whole(self, images: Tensor) -> Tensor:
        """The views of whole images (B, 3, H, W) that are no long strips."""
        return super().forward(images)

    def show(self, image: OpenImage, number: int = 0) -> Tensor:
        """The view ``number`` of an image of which nothing is decoded yet."""
        shown: Tensor = self(image.pixels(self.window(image.height, image.width)))
        return shown


class RandomView:
    """A random view in two steps: the image's size says where the crop lies, its pixels make the view.

    So what lies outside of the crop need not be decoded.
    """

    def __init__(self, augmentation: Augmentation, image_size: int) -> None:
        self.augmentation = augmentation
        self.size = [image_size, image_size]
        self.choose = slim_crop if augmentation.crop == "slim" else inception_crop
        self.further = further_steps(augmentation)
        self.further_of_fractions = further_steps(augmentation, MIDDLE)

    def window(self, height: int, width: int, numbers: RandomNumbers) -> Window:
        """Where the crop lies in an image of this size."""
        return self.choose(height, width, self.augmentation.area, self.augmentation.aspect, numbers)

    def show(self, image: Tensor, numbers: RandomNumbers) -> Tensor:
        """The view of a crop (3, h, w): uint8 (3, image_size, image_size)."""
        how = self.augmentation.interpolation
        view = resized(image, self.size, INTERPOLATIONS[numbers.below(3)] if how == "random" else how)
        if self.augmentation.flip and numbers.uniform() < 0.5:
            view = view.flip(2)
        if not self.further:
            return view
        generator = torch.default_generator  # torchvision's transforms draw from it
        state = generator.get_state()
        generator.manual_seed(numbers.word())
        for step in self.further if view.dtype == torch.uint8 else self.further_of_fractions:
            view = step(view)
        generator.set_state(state)
        return view

    def __call__(self, image: Tensor, numbers: RandomNumbers) -> Tensor:
        """The view of a whole image (3, H, W)."""
        return self.show(crop(image, self.window(image.shape[1], image.shape[2], numbers)), numbers)

    def together(self, height: int, width: int) -> BatchedViews | None:
        """What makes the views of many images of one size at once, bit by bit those of `show`.

        None where nothing does: for unusual views, classes of one's own, and large images.
        """
        how = self.augmentation
        if type(self) is not RandomView or how.crop != "inception" or how.interpolation == "random" or self.further:
            return None
        batched = BatchedViews(
            height,
            width,
            self.size[0],
            area=how.area,
            aspect=how.aspect,
            flip=how.flip,
            interpolation=how.interpolation,
        )
        return batched if batched.possible else None


def further_steps(augmentation: Augmentation, middle: float = MIDDLE_GREY) -> list[v2.Transform]:
    """What comes after crop and flip; what is erased becomes ``middle``."""
    strength = augmentation.distortion
    steps: list[v2.Transform] = []
    if strength > 0:
        steps.append(v2.ColorJitter(strength / 8, 0.5 * strength, 0.5 * strength, min(0.5, 0.2 * strength)))
    if augmentation.rand_augment > 0:
        steps.append(v2.RandAugment(magnitude=augmentation.rand_augment))
    if augmentation.erasing > 0:
        steps.append(v2.RandomErasing(augmentation.erasing, value=middle))
    return steps


def resized(image: Tensor, size: list[int], how: str) -> Tensor:
    """uint8 (3, h, w) -> (3, *size); smoothed where it shrinks, unless ``how`` is nearest-exact."""
    if list(image.shape[1:]) == size:
        return image
    channels, height, width = image.shape
    across, down, right = image.stride()
    # (1, 3, h, w), which torch takes for channels-last by its first stride: a third faster
    batch = image.as_strided((1, channels, height, width), (height * down, across, down, right))
    return F.interpolate(batch, size, mode=how, antialias=how != "nearest-exact")[0]


def inception_crop(height: int, width: int, area: Range, aspect: Range, numbers: RandomNumbers) -> Window:
    """A crop of evenly drawn area and logarithm of the aspect, as torchvision's RandomResizedCrop draws it."""
    low, high = math.log(aspect[0]), math.log(aspect[1])
    for _ in range(10):
        pixels, ratio = height * width * numbers.uniform(*area), math.exp(numbers.uniform(low, high))
        wide, tall = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            return numbers.below(height - tall + 1), numbers.below(width - wide + 1), tall, wide
    tall, wide = min(height, round(width / aspect[0])), min(width, round(height * aspect[1]))  # an aspect out of range
    return (height - tall) // 2, (width - wide) // 2, tall, wide


def slim_crop(height: int, width: int, area: Range, aspect: Range, numbers: RandomNumbers) -> Window:
    """The crop of TF-slim's Inception preprocessing: ``tf.image.sample_distorted_bounding_box`` of the whole image.

    After 100 attempts without success it is the whole image.
    """
    for _ in range(100):
        ratio = numbers.uniform(*aspect)
        least, most = (math.sqrt(share * height * width / ratio) for share in area)
        most = min(most, height, width / ratio)
        tall = round(numbers.uniform(least, max(least, most)))
        wide = round(tall * ratio)
        share = tall * wide / (height * width)
        if 0 < tall <= height and 0 < wide <= width and area[0] <= share <= area[1]:
            return numbers.below(height - tall + 1), numbers.below(width - wide + 1), tall, wide
    return 0, 0, height, width


class RandomViews(Dataset[tuple[Tensor, Label]]):
    """Training views: what is drawn depends on (seed, epoch, index, repeat) alone, not on worker, process or resume."""

    def __init__(
        self, dataset: ImageDataset, view: RandomView, seed: int, quarantine: Quarantine | None = None
    ) -> None:
        """Show the images of ``dataset``; without a quarantine a bad image is an error."""
        self.dataset = dataset
        self.view = view
        self.seed = seed
        self.quarantine = quarantine
        self.labels = dataset.labels.numpy()  # the same memory, of which one number is read sooner
        self.numbers = RandomNumbers()

    def __getitem__(self, key: tuple[int, ...]) -> tuple[Tensor, Label]:
        """The view in an epoch of the image at an index, and its class index.

        Args:
            key: ``(epoch, index)``, or ``(epoch, index, repeat)`` where the image is shown several times in an epoch.

        Raises:
            ImageInputError: The image cannot be read, and there is no quarantine.
            InputError: Too many images are bad, or all of the class.
        """
        index = key[1]
        if self.quarantine is None:
            return self._view(key, index), self._label(index)
        return self._good_view(key, self.quarantine), self._label(index)

    def __getitems__(self, keys: Sequence[tuple[int, ...]]) -> Sequence[tuple[Tensor, Label]]:
        """The same samples, for which a loader asks all at once; of images in memory they are made at once, too."""
        images, batched = self.dataset.tensor(), self.batched
        if images is None or batched is None or self.labels.ndim != 1:
            return [self[key] for key in keys]
        epochs, indices, repeats = zip(*((*key, 0)[:3] for key in keys), strict=True)
        words = self.numbers.words(mixed_seeds(self.seed, epochs, indices, repeats), WORDS)
        return SampleBatch(batched.views(images, indices, words), self.dataset.labels[list(indices)])

    @cached_property
    def batched(self) -> BatchedViews | None:
        """What makes all views of a batch at once; None where they are made one by one."""
        images = self.dataset.tensor()
        usual = self.quarantine is None and type(self).__getitem__ is RandomViews.__getitem__
        if images is None or not usual or images.shape[1] != 3 or images.dtype != torch.uint8:
            return None
        return self.view.together(*images.shape[2:])

    def _label(self, index: int) -> Label:
        return int(self.labels[index]) if self.labels.ndim == 1 else self.dataset.label(index)

    def _view(self, key: tuple[int, ...], shown: int) -> Tensor:
        image = self.dataset.open(shown)
        self.numbers.seed(mixed_seed(self.seed, *key))
        window = self.view.window(image.height, image.width, self.numbers)
        return self.view.show(image.pixels(window), self.numbers)

    def _good_view(self, key: tuple[int, ...], quarantine: Quarantine) -> Tensor:
        first: ImageInputError | None = None
        index = key[1]
        for shown in quarantine.candidates(index):
            try:
                view = self._view(key, shown)
            except ImageInputError as error:
                quarantine.add(shown, error)
                first = first or error
            else:
                quarantine.keep(index, shown)
                return view
        raise InputError(f"{first}; no other image of its class can be read")


class FixedViews(Dataset[tuple[Tensor, Label]]):
    """Evaluation views, always the same: all views of an image, then all of the next."""

    def __init__(self, dataset: ImageDataset, view: FixedView) -> None:
        self.dataset = dataset
        self.view = view
        self.opened: tuple[int, OpenImage] | None = None

    def __len__(self) -> int:
        return len(self.dataset) * self.view.count

    def __getitem__(self, index: int) -> tuple[Tensor, Label]:
        place, number = divmod(index, self.view.count)
        return self.view.show(self._open(place), number), self.dataset.label(place)

    def _open(self, place: int) -> OpenImage:
        if self.view.count == 1:
            return self.dataset.open(place)
        if self.opened is None or self.opened[0] != place:
            self.opened = place, self.dataset.open(place)
        return self.opened[1]

    def __getitems__(self, indices: Sequence[int]) -> Sequence[tuple[Tensor, Label]]:
        """The same samples, for which a loader asks all at once; of images in memory they are made at once, too."""
        images = self.dataset.tensor()
        usual = type(self).__getitem__ is FixedViews.__getitem__ and type(self.view) is FixedView
        usual = usual and self.view.count == 1
        if images is None or not usual or self.view.window(*images.shape[2:]) is not None:
            return [self[index] for index in indices]
        chosen = torch.as_tensor(indices)
        views = self.view.whole(images[chosen]).contiguous(memory_format=torch.channels_last)
        return SampleBatch(views, self.dataset.labels[chosen])


class PhotoViews(FixedViews):
    """Evaluation views of photos; one that cannot be read is grey, and its index ``-1 - index``."""

    def __getitem__(self, index: int) -> tuple[Tensor, Label]:
        try:
            return super().__getitem__(index)
        except ImageInputError:
            side, bands = self.view.size, self.dataset.bands
            grey = torch.full((3, side, side), MIDDLE_GREY, dtype=torch.uint8) if bands is None else bands.blank(side)
            return grey, -1 - index // self.view.count
