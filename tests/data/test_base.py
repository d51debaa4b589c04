import copy
import json
import pickle
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, dataclass, fields
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn
from torch.utils.data import DistributedSampler

from inception_lightning.configurable import rebuild
from inception_lightning.data import Augmentation, CenterCrop, Digits, ImageDataModule
from inception_lightning.data.base import Split
from inception_lightning.data.fingerprint import changes
from inception_lightning.errors import InputError
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.loaders import TrainLoader


class Noise(ImageDataModule):
    """Images of noise; the label of each is its own index."""

    class_names: Sequence[str] = tuple("abc")

    def __init__(self, *, size: int = 20, batch_size: int = 8, num_workers: int | None = 0, seed: int = 0) -> None:
        super().__init__(
            image_size=12,
            batch_size=batch_size,
            num_workers=num_workers,
            augmentation=Augmentation(),
            evaluation=CenterCrop(),
            seed=seed,
        )
        self.size = size

    def dataset(self, split: Split) -> ImageTensors:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (self.size, 3, 20, 20), dtype=torch.uint8, generator=generator)
        return ImageTensors(images, torch.arange(self.size))


@dataclass(kw_only=True, eq=False)
class Striped(ImageDataModule):
    """A data set as a user writes one: its own argument, and a default that it changes.

    Args:
        stripes: How many.
    """

    stripes: int
    image_size: int = 24

    class_names = ("across", "down")

    def dataset(self, split: Split) -> ImageTensors:
        across = torch.arange(self.stripes).repeat_interleave(4).mul(20).to(torch.uint8).expand(3, 16, -1)  # (3, 16, W)
        return ImageTensors(torch.stack([across[:, :, :16], across[:, :, :16].mT]), torch.tensor([0, 1]))


class Older(Striped):
    """The same with a constructor.

    Args:
        own: Its own argument.
    """

    def __init__(self, *, own: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.own = own


SHOWN = {
    "image_size": 24,
    "batch_size": 32,
    "num_workers": None,
    "evaluation": {"fraction": 0.875, "interpolation": "bilinear"},
    "seed": 0,
    "allow_changes": False,
}


def test_a_data_set_states_its_own_arguments_and_records_all_as_they_were_given() -> None:
    data = Striped(stripes=4)
    held = data.config["init_args"]
    own = [item.name for item in fields(ImageDataModule)]
    assert list(held)[: len(own)] == own
    assert {name: held[name] for name in SHOWN} == SHOWN
    assert held["stripes"] == 4
    assert 1 <= (data.num_workers or 0) <= 8
    assert rebuild(data.config).config == data.config
    for copied in (copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        assert copied.config == data.config
        assert copied.num_workers == data.num_workers
    with pytest.raises(TypeError, match="stripes"):
        Striped()  # type: ignore[call-arg]
    assert Older(own=5, stripes=2, batch_size=7).batch_size == 7


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("Digits", "Share of each class that is held out"),
        ("CIFAR100", "Folder that holds, or receives, the official archive"),
        ("ImageFolder", "``quarantine`` replaces a training image"),
        ("ImageNet", "``quarantine`` replaces a training image"),
        ("ImageTable", "Share of each class"),
        ("Photos", "The name of each class index"),
        ("Shards", "A folder, or an address"),
        (f"{__name__}.Striped", "How many."),
        (f"{__name__}.Older", "Its own argument."),
    ],
)
def test_help_explains_every_argument_of_a_data_set(name: str, own: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(ImageDataModule, "data")
    with pytest.raises(SystemExit):
        parser.parse_args([f"--data.help={name}"])
    said = " ".join(capsys.readouterr().out.split())
    assert own in said
    for shared in ("Side of the square images", "Images per batch and process", "Processes that load and decode"):
        assert shared in said
    for shared in ("Where the order of training images", "Whether a run may go on with other data"):
        assert shared in said


def test_the_command_line_says_a_data_sets_arguments() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(ImageDataModule, "data")
    page = {"class_path": f"{__name__}.Older", "init_args": {"stripes": 4, "augmentation": {"flip": False}}}
    read = parser.parse_args([f"--data={json.dumps(page)}", "--data.own=7", "--data.init_args.image_size=30"])
    data = parser.instantiate(read).data
    assert (data.stripes, data.own, data.image_size, data.augmentation.flip) == (4, 7, 30, False)
    assert next(iter(data.train_dataloader()))[0].shape == (2, 3, 30, 30)


def views_by_index(loader: TrainLoader, epoch: int) -> dict[int, Tensor]:
    assert isinstance(loader.sampler, DistributedSampler)
    loader.sampler.set_epoch(epoch)
    batches = list(loader)
    images = torch.cat([images for images, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    return dict(zip(labels.tolist(), images, strict=True))


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_batches_are_uint8_images_and_class_indices(split: str) -> None:
    images, labels = next(iter(getattr(Noise(), f"{split}_dataloader")()))
    assert images.shape == (8, 3, 12, 12)
    assert images.dtype == torch.uint8
    assert labels.shape == (8,)
    assert labels.dtype == torch.long


def test_a_view_depends_on_seed_epoch_and_index_alone() -> None:
    torch.manual_seed(0)
    expected = {epoch: views_by_index(Noise(batch_size=5).train_dataloader(), epoch) for epoch in (0, 1)}
    assert len(expected[0]) == 20
    for workers in (0, 1, 2):
        torch.manual_seed(workers + 1)
        loader = Noise(batch_size=4, num_workers=workers).train_dataloader()
        for epoch in (1, 0):  # the order of epochs does not matter either
            found = views_by_index(loader, epoch)
            assert all(torch.equal(found[index], view) for index, view in expected[epoch].items()), workers
    assert not any(torch.equal(expected[0][index], expected[1][index]) for index in expected[0])
    other_seed = views_by_index(Noise(batch_size=5, seed=1).train_dataloader(), 0)
    assert not any(torch.equal(expected[0][index], other_seed[index]) for index in expected[0])


@pytest.mark.parametrize(
    ("ranks", "workers"),
    [
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 2),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((2, 1), (1, 4), (2, 4))),
    ],
)
def test_a_view_is_the_same_on_any_number_of_ranks_and_before_and_after_a_resume(workers: int, ranks: int) -> None:
    expected = views_by_index(Noise(batch_size=5).train_dataloader(), 1)
    seen: dict[int, Tensor] = {}
    for rank in range(ranks):
        data = Noise(batch_size=3, num_workers=workers)
        before, after = data.train_dataloader(), data.train_dataloader()
        for loader in (before, after):
            loader.sampler.rank, loader.sampler.num_replicas = rank, ranks
            loader.sampler.set_epoch(1)
        whole = list(before)
        stopped = iter(before)
        first = [next(stopped), next(stopped)]
        after.load_state_dict(before.state_dict())
        resumed = [*first, *after]
        assert len(resumed) == len(whole) == 20 // ranks // 3
        for (images, labels), (again, same) in zip(whole, resumed, strict=True):
            assert torch.equal(labels, same)
            assert torch.equal(images, again)
            seen |= dict(zip(labels.tolist(), images, strict=True))
    assert len(seen) == 18
    assert all(torch.equal(expected[index], view) for index, view in seen.items())


def test_equal_images_get_different_views() -> None:
    data = Noise(size=2)
    noise = data.dataset("train").images[:1]
    data.dataset = lambda split: ImageTensors(noise.expand(2, -1, -1, -1), torch.arange(2))  # type: ignore[method-assign]
    views = views_by_index(data.train_dataloader(), 0)
    assert not torch.equal(views[0], views[1])


def test_loading_leaves_the_training_random_numbers_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    list(Noise().train_dataloader())
    list(Noise().val_dataloader())
    assert torch.equal(torch.rand(3), expected)


def test_evaluation_shows_every_image_once_in_order_and_always_the_same() -> None:
    data = Noise(size=21)
    views = list(data.val_dataloader())
    assert torch.cat([labels for _, labels in views]).tolist() == list(range(21))
    assert [len(labels) for _, labels in views] == [8, 8, 5]
    again = list(data.val_dataloader())
    assert all(torch.equal(one[0], other[0]) for one, other in zip(views, again, strict=True))
    assert torch.equal(data.views("val")[20][0], views[-1][0][-1])


@pytest.mark.parametrize(("size", "sizes"), [(20, [8, 8]), (16, [8, 8]), (8, [8]), (5, [5])])
def test_training_leaves_a_smaller_last_batch_out_unless_it_is_the_only_one(size: int, sizes: list[int]) -> None:
    assert [len(labels) for _, labels in Noise(size=size).train_dataloader()] == sizes


def test_num_workers_is_by_default_one_per_core_and_8_at_most() -> None:
    assert 1 <= (Noise(num_workers=None).num_workers or 0) <= 8
    assert Noise(num_workers=3).num_workers == 3


def test_batches_lie_in_memory_as_images_are_decoded() -> None:
    images, _ = next(iter(Noise(num_workers=1).train_dataloader()))
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_the_fingerprint_of_images_in_memory_tells_their_pixels() -> None:
    assert Noise().fingerprint == Noise(seed=4, batch_size=2).fingerprint
    assert {split: found["images"] for split, found in Noise().fingerprint["splits"].items()} == {
        "train": 20,
        "val": 20,
    }
    darker = Noise()
    images = darker.dataset("train")
    images.images[7, 0, 3, 4] ^= 1
    darker.dataset = lambda split: images  # type: ignore[method-assign]
    assert changes(Noise().fingerprint, darker.fingerprint) == "images of train have other names, sizes or pixels"


def test_prediction_is_refused_on_a_data_set_with_classes() -> None:
    with pytest.raises(InputError, match="predict reads a folder of photos, not Noise: say"):
        Noise().predict_dataloader()


def test_data_and_settings_pass_through_lightnings_collections() -> None:
    """As ``ddp_spawn`` sends them, on a CPU."""
    data = Digits(batch_size=8, augmentation=Augmentation(area=(0.5, 1.0)))
    (sent,) = apply_to_collection((data,), nn.Module, lambda module: module)
    assert sent.config == data.config
    assert sent.augmentation == data.augmentation
    with pytest.raises(FrozenInstanceError):
        data.augmentation.area = (0.1, 1.0)  # type: ignore[misc]
