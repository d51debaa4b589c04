import pytest
import torch
from torch import Tensor

from inception_lightning.training.mixing import mix

LABELS = torch.tensor([0, 3, 2, 3])


def images() -> Tensor:
    return torch.arange(4.0)[:, None, None, None].expand(4, 3, 8, 8).contiguous()  # image i is i everywhere


def test_nothing_to_mix() -> None:
    seen = images()
    mixed, targets = mix(seen, LABELS, 5, mixup=0, cutmix=0)
    assert mixed is seen
    assert targets is LABELS


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_a_class_has_the_share_of_its_image(mixup: float, cutmix: float) -> None:
    for seed in range(8):
        torch.manual_seed(seed)
        mixed, targets = mix(images(), LABELS, 5, mixup=mixup, cutmix=cutmix)
        assert targets.shape == (4, 5)
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(4))
        own = mixed[1].mean()  # the neighbour's pixels are 0, its own are 1
        torch.testing.assert_close(targets[1, 3], own)
        torch.testing.assert_close(targets[1, 0], 1 - own)
        kinds = mixed[1].unique()
        assert len(kinds) == 1 or kinds.tolist() == [0.0, 1.0]  # blended everywhere, or a box


def test_both_kinds_occur_and_the_same_seed_gives_the_same() -> None:
    kinds = set()
    for seed in range(20):
        torch.manual_seed(seed)
        first, _ = mix(images(), LABELS, 5, mixup=1.0, cutmix=1.0)
        torch.manual_seed(seed)
        assert torch.equal(first, mix(images(), LABELS, 5, mixup=1.0, cutmix=1.0)[0])
        kinds.add(len(first[1].unique()))
    assert kinds == {1, 2}
