import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from inception_lightning import Digits
from inception_lightning.__main__ import main
from inception_lightning.data.balance import class_counts, class_weights, strata, told
from inception_lightning.data.base import Split
from inception_lightning.errors import InputError
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.sampler import BalancedSampler
from tests.processes import SMALL

LABELS = torch.tensor([0] * 50 + [1] * 5 + [3] * 45)
COUNTS = torch.tensor([50, 5, 0, 45])


class UnevenDigits(Digits):
    """Digits of which training has but a few ones and no twos."""

    def dataset(self, split: Split) -> ImageTensors:
        whole = super().dataset(split)
        keep = (whole.labels != 2) & ((whole.labels != 1) | (torch.arange(len(whole)) % 10 == 0))
        return whole.subset(keep.nonzero()[:, 0]) if split == "train" else whole


def test_weights_are_scikit_learns_and_absent_classes_have_none() -> None:
    assert class_counts(LABELS, 4).equal(COUNTS)
    ours = class_weights(COUNTS, 1.0)
    theirs = compute_class_weight("balanced", classes=LABELS.unique().numpy(), y=LABELS.numpy())
    assert ours[[0, 1, 3]].tolist() == pytest.approx(theirs.tolist())
    assert ours[2] == 0
    half = class_weights(COUNTS, 0.5)
    assert float(half[1] / half[0]) == pytest.approx((50 / 5) ** 0.5)
    assert float((half * COUNTS).sum() / COUNTS.sum()) == pytest.approx(1)
    assert class_weights(torch.tensor([7, 7]), 1.0).tolist() == [1, 1]


def test_of_several_labels_the_rarest_counts() -> None:
    rows = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]])
    assert class_counts(rows, 3).tolist() == [4, 2, 1]
    assert strata(rows).tolist() == [0, 1, 0, 3, 2]
    assert strata(LABELS) is LABELS


def test_the_line_at_the_start_names_counts_rare_and_absent_classes_and_the_choice() -> None:
    names = ["cat", "newt", "yeti", "dog"]
    assert told(COUNTS, names, "none", 1.0) == (
        "4 classes of 5 to 50 training images; rare: newt 5; none of yeti; "
        "balance none (--data.balance weights or sampler evens them out)"
    )
    assert told(COUNTS, names, "weights", 1.0).endswith(
        "balance weights, power 1: an image counts 0.667 to 6.67 times in the loss; absent classes have weight 0"
    )
    assert "balance sampler, power 0.5: an image is drawn 0.8" in told(COUNTS, names, "sampler", 0.5)
    assert told(torch.tensor([7, 7]), "ab", "none", 1.0) == "2 classes of 7 training images; balance none"


def batches(data: Digits, take: int, state: dict[str, int] | None = None) -> tuple[list[Any], dict[str, int]]:
    """So many batches of epoch 3, and the loader's state after them."""
    loader = data.train_dataloader()
    loader.sampler.set_epoch(3)
    if state is not None:
        loader.load_state_dict(state)
    taken = [batch for batch, _ in zip(loader, range(take), strict=False)]
    return taken, loader.state_dict()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_balanced_epoch_goes_on_bit_by_bit(workers: int) -> None:
    def data(number: int) -> Digits:
        return UnevenDigits(balance="sampler", batch_size=32, num_workers=number)

    whole, _ = batches(data(0), 12)
    first, state = batches(data(workers), 5)
    loader_state = state | {"batches": 5}  # the sixth was not asked for
    rest, _ = batches(data(2 - workers), 7, loader_state)
    for (images, labels), (other_images, other_labels) in zip(whole, first + rest, strict=True):
        assert images.equal(other_images)
        assert labels.equal(other_labels)
    drawn = torch.cat([labels for _, labels in whole])
    assert not (drawn == 2).any()
    assert (drawn == 1).sum() > 20  # of about 1/90 of the images


def test_an_image_that_is_drawn_again_is_shown_in_another_view() -> None:
    views = UnevenDigits().train_views()
    assert views[3, 7][0].equal(views[3, 7, 0][0])
    assert not views[3, 7, 1][0].equal(views[3, 7][0])
    assert views[3, 7, 1][1] == views[3, 7][1]


def test_a_power_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match=r"balance_power must be 0\.\.1"):
        Digits(balance="sampler", balance_power=1.5)
    assert isinstance(Digits(balance="sampler").train_dataloader().sampler, BalancedSampler)


def test_fit_says_what_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "inception_lightning")
    flags = ["--data.balance=weights", "--data.balance_power=0.5", "--trainer.max_epochs=1"]
    flags += ["--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1"]
    mixed = ["--model.mixup=0.2", "--ema_decay=0.9", f"--trainer.default_root_dir={tmp_path}"]
    assert main(["fit", *SMALL, *flags, *mixed]) == 0, capsys.readouterr().err
    assert "balance weights, power 0.5: an image" in caplog.text
    (page,) = tmp_path.glob("*/config.yaml")
    assert "balance: weights\n    balance_power: 0.5" in page.read_text()
