import gc
from typing import Any

import pytest
import torch
from torch import Tensor

from inception_lightning.data.rooms import PER_WORKER, Rooms
from tests.data.test_base import Noise

Batches = list[tuple[Tensor, Tensor]]


def rooms_of(loader: Any) -> Rooms:
    rooms: Rooms = loader.collate_fn
    return rooms


@pytest.mark.parametrize("split", ["train", "val"])
def test_batches_are_those_of_the_main_process_also_when_all_are_kept(split: str) -> None:
    expected: Batches = list(getattr(Noise(size=200), f"{split}_dataloader")())
    loader = getattr(Noise(size=200, num_workers=2), f"{split}_dataloader")()
    for _ in range(2):
        kept: Batches = list(loader)  # more than there are rooms
        assert len(kept) == len(expected) > 2 * PER_WORKER
        for (images, labels), (again, same) in zip(expected, kept, strict=True):
            assert torch.equal(images, again)
            assert torch.equal(labels, same)
            assert again.is_contiguous(memory_format=torch.channels_last)


def test_a_room_is_free_when_the_last_tensor_of_its_batch_is_gone() -> None:
    loader = Noise(size=200, num_workers=1).train_dataloader()
    batches = iter(loader)
    images = next(batches)[0]
    part, before = images[2:4, :1], images[2:4, :1].clone()
    del images
    for _batch in batches:
        assert torch.equal(part, before)  # nobody has written over it
    del _batch
    assert rooms_of(loader).taken.sum() == 1
    del part
    gc.collect()
    assert rooms_of(loader).taken.sum() == 0


def test_batches_that_nobody_asks_for_leave_their_rooms() -> None:
    loader = Noise(size=200, num_workers=2).train_dataloader()
    for _ in range(5):
        next(iter(loader))
    assert len(list(map(len, loader))) == 25
    assert rooms_of(loader).taken.sum() == 0


def test_rooms_are_used_again() -> None:
    loader = Noise(size=200, num_workers=1).train_dataloader()
    places = {images.data_ptr() for images, _ in loader}
    assert 1 < len(places) <= PER_WORKER


def test_larger_batches_than_a_room_holds_are_handed_on_all_the_same() -> None:
    loader = Noise(size=40, num_workers=1).train_dataloader()
    expected = list(Noise(size=40).train_dataloader())
    loader.collate_fn = Rooms(1, 100)
    assert all(torch.equal(one[0], other[0]) for one, other in zip(expected, loader, strict=True))
