import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from inception_lightning.data import Digits, digits
from inception_lightning.data.digits import _table


def test_a_fifth_of_the_1797_digits_is_held_out() -> None:
    data = Digits()
    train, val = data.dataset("train"), data.dataset("val")
    assert (len(train), len(val)) == (1437, 360)
    assert data.num_classes == 10
    assert train.labels.unique().tolist() == val.labels.unique().tolist() == list(range(10))
    assert data.class_names[7] == "7"
    assert val.labels.bincount().min() >= 34  # stratified


def test_the_images_are_the_scanned_ones_each_in_one_split() -> None:
    data = Digits()
    images = torch.cat([data.dataset("train").images, data.dataset("val").images])  # (1797, 3, 8, 8)
    assert images.dtype == torch.uint8
    assert (images == images[:, :1]).all()  # grey
    original = torch.from_numpy(load_digits().images).flatten(1)  # (1797, 64), 0..16
    found = (images[:, 0].flatten(1).double() * 16 / 255).round()
    assert sorted(found.tolist()) == sorted(original.tolist())


def test_the_file_is_read_as_scikit_learn_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _table()
    monkeypatch.setattr(digits, "find_spec", lambda _: None)
    _table.cache_clear()
    assert np.array_equal(found, _table())
    assert np.array_equal(found[:, -1], load_digits().target)


def test_test_shows_the_validation_images() -> None:
    data = Digits(val_fraction=0.1)
    val, test = data.dataset("val"), data.dataset("test")
    assert len(val) == 180
    assert torch.equal(val.images, test.images)
    assert torch.equal(val.labels, test.labels)


def test_the_seed_of_training_does_not_move_the_split() -> None:
    assert torch.equal(Digits(seed=1).dataset("val").images, Digits(seed=2).dataset("val").images)
