import torch

from inception_lightning.models import GoogLeNet
from inception_lightning.models.cost import empty_batch, skeleton


def test_a_skeleton_has_the_shapes_of_its_network() -> None:
    net, twin = (
        GoogLeNet(10, preset="paper"),
        skeleton(GoogLeNet, {"num_classes": 10, "preset": "paper", "init": "paper"}),
    )
    assert {key: t.shape for key, t in net.state_dict().items()} == {
        key: t.shape for key, t in twin.state_dict().items()
    }
    ends, real = twin.endpoints(empty_batch(twin)), net.endpoints(torch.zeros(1, 3, 224, 224))
    assert {name: end.shape[1:] for name, end in ends.items()} == {name: end.shape[1:] for name, end in real.items()}
