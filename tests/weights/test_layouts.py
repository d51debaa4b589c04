import pytest

from inception_lightning.models.cost import skeleton
from inception_lightning.weights.layouts import LAYOUTS, Layout, expand


def test_patterns_are_read_as_a_shell_would() -> None:
    assert expand("a{b,c}{0..2} d x{,_1}") == ["ab0", "ab1", "ab2", "ac0", "ac1", "ac2", "d", "x", "x_1"]
    assert expand("") == []


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.variant.__name__}-{layout.peers[0]}")
def test_every_tensor_has_one_name_of_its_own(layout: Layout) -> None:
    net = skeleton(layout.variant, {**layout.knobs, "aux": bool(layout.heads())})
    keys = layout.keys(net)
    assert keys.keys() == net.state_dict().keys()
    assert len(set(keys.values())) == len(keys)
