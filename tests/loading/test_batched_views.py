"""What is made for a whole batch at once is, bit by bit, what is made one by one."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inception_lightning.data import Augmentation, CenterCrop, Digits
from inception_lightning.loading import batched_views
from inception_lightning.loading.batched_views import WORDS, SampleBatch, inception_crops
from inception_lightning.loading.dataset import ImageTensors, Label
from inception_lightning.loading.loaders import TrainLoader, collate
from inception_lightning.loading.random_numbers import RandomNumbers
from inception_lightning.loading.sampler import TrainSampler
from inception_lightning.loading.views import FixedViews, RandomViews, inception_crop

CIFAR = Augmentation(area=(0.3, 1.0))  # as in experiments/cifar
KINDS = (
    CIFAR,
    Augmentation(),
    Augmentation(flip=False),
    Augmentation(interpolation="bicubic"),
    Augmentation(area=(0.9, 1.0)),  # often impossible, so from the middle
    Augmentation(area=(0.01, 0.02), aspect=(0.2, 5.0)),
    Augmentation(interpolation="random"),
    Augmentation(crop="slim"),
    Augmentation(distortion=1.0, erasing=0.5),
)
SHAPES = ((32, 32, 32), (8, 8, 16), (33, 20, 24), (64, 1, 40), (1, 1, 5), (64, 64, 32), (65, 30, 32), (40, 40, 8))
"""Height, width, size of the view; the last two are larger than what is made at once."""


def noise(count: int, height: int, width: int) -> ImageTensors:
    generator = torch.Generator().manual_seed(height)
    images = torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)
    images[0] = 255  # where rounding could reach 256
    return ImageTensors(images, torch.arange(count, dtype=torch.int32) % 7)


def one_by_one(views: RandomViews | FixedViews, keys: list) -> tuple[Tensor, Tensor]:  # type: ignore[type-arg]
    return collate([views[key] for key in keys])


def assert_same_batch(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> None:
    for found, expected in zip(one, other, strict=True):
        assert torch.equal(found, expected)
        assert found.dtype == expected.dtype
        assert found.stride() == expected.stride()  # channels-last


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_random_views_of_a_batch_are_those_one_by_one(kind: Augmentation) -> None:
    views = RandomViews(noise(70, 32, 32), kind.build(32), seed=5)
    for epoch in range(3):
        keys = [(epoch, index) for index in range(69, -1, -1)]
        assert_same_batch(collate(views.__getitems__(keys)), one_by_one(views, keys))
    mixed = [(epoch, index) for index in range(5) for epoch in (0, 2**31, 7)]  # and of several epochs
    assert_same_batch(collate(views.__getitems__(mixed)), one_by_one(views, mixed))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_sizes_and_layouts_make_no_difference(shape: tuple[int, int, int], how: str, channels_last: bool) -> None:
    height, width, size = shape
    dataset = noise(40, height, width)
    if channels_last:
        dataset.images = dataset.images.contiguous(memory_format=torch.channels_last)
    views = RandomViews(dataset, replace(CIFAR, interpolation=how).build(size), seed=0)  # type: ignore[arg-type]
    keys = [(1, index) for index in range(40)]
    assert (views.batched is not None) == (max(height, width) <= min(64, 2 * size))
    assert_same_batch(collate(views.__getitems__(keys)), one_by_one(views, keys))


def test_an_exactness_that_was_given_up_elsewhere_changes_no_view() -> None:
    views = RandomViews(noise(20, 32, 32), CIFAR.build(32), seed=0)
    keys = [(0, index) for index in range(20)]
    expected = collate(views.__getitems__(keys))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    with torch.autocast("cpu", torch.bfloat16):
        assert_same_batch(collate(views.__getitems__(keys)), expected)
    torch.set_float32_matmul_precision(before)


def test_another_kernel_of_torch_means_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    batched_views._crops.cache_clear()
    kernel = F.interpolate
    monkeypatch.setattr(F, "interpolate", lambda *args, **options: kernel(*args, **options) ^ 1)
    views = RandomViews(noise(5, 32, 32), CIFAR.build(32), seed=0)
    assert views.batched is None
    keys = [(0, index) for index in range(5)]
    assert_same_batch(collate(views.__getitems__(keys)), one_by_one(views, keys))
    batched_views._crops.cache_clear()


def test_crops_are_drawn_as_one_by_one() -> None:
    numbers, seeds = RandomNumbers(), np.arange(3000, dtype=np.uint64)
    for height, width, area, aspect in ((32, 32, (0.3, 1.0), (3 / 4, 4 / 3)), (7, 50, (0.8, 1.0), (0.5, 2.0))):
        windows, used = inception_crops(height, width, area, aspect, numbers.words(seeds, WORDS))
        for seed, window, count in zip(seeds.tolist(), windows.tolist(), used.tolist(), strict=True):
            numbers.seed(seed)
            assert tuple(window) == inception_crop(height, width, area, aspect, numbers)
            assert numbers.word() == numbers.words(seeds[seed : seed + 1], WORDS)[0, count]


@pytest.mark.parametrize("kind", [CenterCrop(fraction=1.0), CenterCrop(), CenterCrop(interpolation="bicubic")], ids=str)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (30, 47), (4, 100)])
def test_evaluation_views_of_a_batch_are_those_one_by_one(kind: CenterCrop, height: int, width: int) -> None:
    views = FixedViews(noise(9, height, width), kind.build(32))
    assert_same_batch(collate(views.__getitems__([4, 0, 8])), one_by_one(views, [4, 0, 8]))


class Darker(ImageTensors):
    """Images that are shown in another way than they lie in memory."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index] // 2, int(self.labels[index])


class Labelled(RandomViews):
    """Views with labels of one's own."""

    def __getitem__(self, key: tuple[int, ...]) -> tuple[Tensor, Label]:
        return super().__getitem__(key)[0], 99


def test_what_somebody_has_made_of_images_and_views_is_shown() -> None:
    images = noise(6, 32, 32)
    keys = [(0, index) for index in range(6)]
    dark = RandomViews(Darker(images.images, images.labels), CIFAR.build(32), seed=0)
    assert collate(dark.__getitems__(keys))[0].max() == 127
    assert collate(Labelled(images, CIFAR.build(32), 0).__getitems__(keys))[1].tolist() == [99] * 6


def test_a_batch_is_the_sequence_of_its_samples() -> None:
    images, labels = torch.zeros(4, 3, 2, 2, dtype=torch.uint8), torch.arange(4)
    batch = SampleBatch(images, labels)
    assert [label for _, label in batch] == [0, 1, 2, 3]
    assert [label for _, label in batch[1:3]] == [1, 2]
    assert all(image.shape == (3, 2, 2) for image, _ in batch)


def test_repeats_are_views_of_their_own_and_rows_of_labels_stay_rows() -> None:
    images = noise(6, 32, 32)
    several = RandomViews(ImageTensors(images.images, torch.eye(6)), CIFAR.build(32), seed=0)
    keys: list[tuple[int, ...]] = [(0, 3), (0, 3, 0), (0, 3, 1), (0, 3, 2), (0, 5)]
    batch = collate(several.__getitems__(keys))
    assert_same_batch(batch, one_by_one(several, keys))
    assert torch.equal(batch[0][0], batch[0][1])
    assert not torch.equal(batch[0][1], batch[0][2])


@pytest.mark.parametrize("workers", [0, 1])
def test_loaders_hand_out_the_same_and_go_on_exactly(workers: int) -> None:
    data = Digits(batch_size=100, num_workers=workers, augmentation=Augmentation(area=(0.3, 1.0)))
    whole = [batch for _, batch in zip(range(6), data.train_dataloader(), strict=False)]
    views, sampler = data.train_views(), TrainSampler(1437, 0)
    for start, batch in zip(range(0, 600, 100), whole, strict=True):
        assert_same_batch(batch, one_by_one(views, [(0, index) for index in sampler.share()[start : start + 100]]))
    again = data.train_dataloader()
    assert isinstance(again, TrainLoader)
    again.load_state_dict({"epoch": 0, "batches": 4})
    for one, other in zip(again, whole[4:], strict=False):
        assert_same_batch(one, other)
    assert all(not torch.equal(one[0], other[0]) for one, other in pairwise(whole))
