import re
import xml.dom.minidom

import pytest

from inception_lightning import models
from inception_lightning.models.cost import shapes, skeleton
from inception_lightning.models.figure import chain, figure
from inception_lightning.models.layers import Concat, Conv, MaxPool, Residual


@pytest.mark.parametrize("name", [name for name in models.__all__ if name != "Inception"])
def test_every_network_has_its_figure_with_the_shapes_of_its_stages(name: str) -> None:
    net = skeleton(getattr(models, name))
    texts = [
        node.firstChild.data  # type: ignore[union-attr]  # each has a text
        for node in xml.dom.minidom.parseString(figure(net)).getElementsByTagName("text")
    ]
    for stage, (channels, *grid) in shapes(net).items():
        assert texts[texts.index(stage) + 1] == "x".join(map(str, (*grid, channels)))


def test_words_are_drawn_as_the_papers_draw_them() -> None:
    block = Residual(Concat(Conv(32, 1), (Conv(32, (1, 7)), MaxPool(3, stride=2, valid=True))), 0.1)
    drawn = re.findall(r">([^<]+)</text>", chain((block, block, block)).svg)
    assert drawn == [
        "1x1 conv, 32",
        "1x7 conv, 32",
        "3x3 max pool /2 V",
        "concat",
        "1x1 conv, linear",
        "+ 0.1 x",
        "3 x",
    ]
