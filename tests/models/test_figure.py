"""The figures, word by word and stage by stage, against the papers' own tables and figures."""

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


Rows = dict[str, tuple[str, str]]
"""Stage -> its output and its boxes: ``;`` between words of a branch, ``|`` between branches, ``||`` between blocks."""


def papers_inception(
    one: int, reduce3: int, three: int, reduce5: int, five: int, pooled: int, pool: str = "max", last: str = "5x5"
) -> str:
    """A block of GoogLeNet, as Table 1 of its paper counts it; BN-Inception has two 3x3 where that has one 5x5."""
    deep = f"5x5 conv, {five}" if last == "5x5" else f"3x3 conv, {five}; 2 x"
    return (
        f"1x1 conv, {one} | 1x1 conv, {reduce3}; 3x3 conv, {three} | 1x1 conv, {reduce5}; {deep} | "
        f"3x3 {pool} pool; 1x1 conv, {pooled}"
    )


def papers_v2(one: int, reduce3: int, three: int, reduce5: int, five: int, pooled: int, pool: str = "avg") -> str:
    return papers_inception(one, reduce3, three, reduce5, five, pooled, pool, "3x3")


def papers_reduction_v2(reduce3: int, three: int, reduce5: int, five: int) -> str:
    return (
        f"1x1 conv, {reduce3}; 3x3 conv /2, {three} | 1x1 conv, {reduce5}; 3x3 conv, {five}; 3x3 conv /2, {five} | "
        "3x3 max pool /2"
    )


def papers_reduction_a(k: int, el: int, m: int, n: int) -> str:
    """Figure 7 of the Inception-v4 paper, with Table 1's k, l, m and n."""
    return f"3x3 conv /2, {n} V | 1x1 conv, {k}; 3x3 conv, {el}; 3x3 conv /2, {m} V | 3x3 max pool /2 V"


def papers_v3_b(c: int) -> str:
    """Figure 6 of the Inception-v3 paper, its 7x7 in c channels."""
    return (
        f"1x1 conv, 192 | 1x1 conv, {c}; 1x7 conv, {c}; 7x1 conv, 192 | "
        f"1x1 conv, {c}; 7x1 conv, {c}; 1x7 conv, {c}; 7x1 conv, {c}; 1x7 conv, 192 | 3x3 avg pool; 1x1 conv, 192"
    )


def papers_residual(scale: str, *branches: str) -> str:
    return " | ".join(branches) + f"; concat; 1x1 conv, linear; +{scale}"


STEM_V1 = "7x7 conv /2, 64; 3x3 max pool /2 V; 1x1 conv, 64; 3x3 conv, 192; 3x3 max pool /2 V"
STEM_V3 = "3x3 conv /2, 32 V; 3x3 conv, 32 V; 3x3 conv, 64; 3x3 max pool /2 V; 1x1 conv, 80; 3x3 conv, 192 V"
V3_A = "1x1 conv, 64 | 1x1 conv, 48; 5x5 conv, 64 | 1x1 conv, 64; 3x3 conv, 96; 2 x | 3x3 avg pool; 1x1 conv, {}"
V3_C = (
    "1x1 conv, 320 | 1x1 conv, 384; 1x3 conv, 384 | 3x1 conv, 384; concat | "
    "1x1 conv, 448; 3x3 conv, 384; 1x3 conv, 384 | 3x1 conv, 384; concat | 3x3 avg pool; 1x1 conv, 192"
)
RESNET_REDUCTION_B = (
    "1x1 conv, 256; 3x3 conv /2, 384 V | 1x1 conv, 256; 3x3 conv /2, {0} V | "
    "1x1 conv, 256; 3x3 conv, {0}; 3x3 conv /2, {1} V | 3x3 max pool /2 V"
)
PAPERS: dict[str, Rows] = {
    "GoogLeNet": {  # Table 1
        "stem": ("28x28x192", STEM_V1),
        "inception_3a": ("28x28x256", papers_inception(64, 96, 128, 16, 32, 32)),
        "inception_3b": ("28x28x480", papers_inception(128, 128, 192, 32, 96, 64)),
        "pool_3": ("14x14x480", "3x3 max pool /2 V"),
        "inception_4a": ("14x14x512", papers_inception(192, 96, 208, 16, 48, 64)),
        "inception_4b": ("14x14x512", papers_inception(160, 112, 224, 24, 64, 64)),
        "inception_4c": ("14x14x512", papers_inception(128, 128, 256, 24, 64, 64)),
        "inception_4d": ("14x14x528", papers_inception(112, 144, 288, 32, 64, 64)),
        "inception_4e": ("14x14x832", papers_inception(256, 160, 320, 32, 128, 128)),
        "pool_4": ("7x7x832", "3x3 max pool /2 V"),
        "inception_5a": ("7x7x832", papers_inception(256, 160, 320, 32, 128, 128)),
        "inception_5b": ("7x7x1024", papers_inception(384, 192, 384, 48, 128, 128)),
    },
    "InceptionV2": {  # Figure 5; 4c, 4d and 4e are as wide as their branches, not as the column of outputs says
        "stem": ("28x28x192", STEM_V1),
        "inception_3a": ("28x28x256", papers_v2(64, 64, 64, 64, 96, 32)),
        "inception_3b": ("28x28x320", papers_v2(64, 64, 96, 64, 96, 64)),
        "inception_3c": ("14x14x576", papers_reduction_v2(128, 160, 64, 96)),
        "inception_4a": ("14x14x576", papers_v2(224, 64, 96, 96, 128, 128)),
        "inception_4b": ("14x14x576", papers_v2(192, 96, 128, 96, 128, 128)),
        "inception_4c": ("14x14x608", papers_v2(160, 128, 160, 128, 160, 128)),
        "inception_4d": ("14x14x608", papers_v2(96, 128, 192, 160, 192, 128)),
        "inception_4e": ("7x7x1056", papers_reduction_v2(128, 192, 192, 256)),
        "inception_5a": ("7x7x1024", papers_v2(352, 192, 320, 160, 224, 128)),
        "inception_5b": ("7x7x1024", papers_v2(352, 192, 320, 192, 224, 128, "max")),
    },
    "InceptionV3": {  # the authors' released network
        "stem": ("35x35x192", f"{STEM_V3}; 3x3 max pool /2 V"),
        "inception_a": ("35x35x288", f"{V3_A.format(32)} || {V3_A.format(64)} || 2 x"),
        "reduction_a": ("17x17x768", papers_reduction_a(64, 96, 96, 384)),
        "inception_b": ("17x17x768", f"{papers_v3_b(128)} || {papers_v3_b(160)} || 2 x || {papers_v3_b(192)}"),
        "reduction_b": (
            "8x8x1280",
            "1x1 conv, 192; 3x3 conv /2, 320 V | 1x1 conv, 192; 1x7 conv, 192; 7x1 conv, 192; 3x3 conv /2, 192 V | "
            "3x3 max pool /2 V",
        ),
        "inception_c": ("8x8x2048", f"{V3_C} || {V3_C}"),
    },
    "InceptionV4": {  # Figures 3 to 8; Table 1
        "stem": (
            "35x35x384",
            "3x3 conv /2, 32 V; 3x3 conv, 32 V; 3x3 conv, 64; 3x3 max pool /2 V | 3x3 conv /2, 96 V; concat; "
            "1x1 conv, 64; 3x3 conv, 96 V | 1x1 conv, 64; 1x7 conv, 64; 7x1 conv, 64; 3x3 conv, 96 V; concat; "
            "3x3 conv /2, 192 V | 3x3 max pool /2 V",
        ),
        "inception_a": (
            "35x35x384",
            "1x1 conv, 96 | 1x1 conv, 64; 3x3 conv, 96 | 1x1 conv, 64; 3x3 conv, 96; 2 x | "
            "3x3 avg pool; 1x1 conv, 96 || 4 x",
        ),
        "reduction_a": ("17x17x1024", papers_reduction_a(192, 224, 256, 384)),
        "inception_b": (
            "17x17x1024",
            "1x1 conv, 384 | 1x1 conv, 192; 1x7 conv, 224; 7x1 conv, 256 | "
            "1x1 conv, 192; 7x1 conv, 192; 1x7 conv, 224; 7x1 conv, 224; 1x7 conv, 256 | "
            "3x3 avg pool; 1x1 conv, 128 || 7 x",
        ),
        "reduction_b": (
            "8x8x1536",
            "1x1 conv, 192; 3x3 conv /2, 192 V | 1x1 conv, 256; 1x7 conv, 256; 7x1 conv, 320; 3x3 conv /2, 320 V | "
            "3x3 max pool /2 V",
        ),
        "inception_c": (
            "8x8x1536",
            "1x1 conv, 256 | 1x1 conv, 384; 1x3 conv, 256 | 3x1 conv, 256; concat | "
            "1x1 conv, 384; 3x1 conv, 448; 1x3 conv, 512; 1x3 conv, 256 | 3x1 conv, 256; concat | "
            "3x3 avg pool; 1x1 conv, 256 || 3 x",
        ),
    },
    "InceptionResNetV1": {  # Figures 10 to 14; Table 1
        "stem": ("35x35x256", f"{STEM_V3}; 3x3 conv /2, 256 V"),
        "inception_a": (
            "35x35x256",
            papers_residual(
                " 0.17 x || 5 x",
                "1x1 conv, 32",
                "1x1 conv, 32; 3x3 conv, 32",
                "1x1 conv, 32; 3x3 conv, 32; 2 x",
            ),
        ),
        "reduction_a": ("17x17x896", papers_reduction_a(192, 192, 256, 384)),
        "inception_b": (
            "17x17x896",
            papers_residual(" 0.1 x || 10 x", "1x1 conv, 128", "1x1 conv, 128; 1x7 conv, 128; 7x1 conv, 128"),
        ),
        "reduction_b": ("8x8x1792", RESNET_REDUCTION_B.format(256, 256)),
        "inception_c": (
            "8x8x1792",
            papers_residual(" 0.2 x || 5 x", "1x1 conv, 192", "1x1 conv, 192; 1x3 conv, 192; 3x1 conv, 192"),
        ),
    },
    "InceptionResNetV2": {  # the authors' released network; Figures 16 to 19 for the blocks
        "stem": (
            "35x35x320",
            f"{STEM_V3}; 3x3 max pool /2 V; 1x1 conv, 96 | 1x1 conv, 48; 5x5 conv, 64 | "
            "1x1 conv, 64; 3x3 conv, 96; 2 x | 3x3 avg pool; 1x1 conv, 64",
        ),
        "inception_a": (
            "35x35x320",
            papers_residual(
                " 0.17 x || 10 x",
                "1x1 conv, 32",
                "1x1 conv, 32; 3x3 conv, 32",
                "1x1 conv, 32; 3x3 conv, 48; 3x3 conv, 64",
            ),
        ),
        "reduction_a": ("17x17x1088", papers_reduction_a(256, 256, 384, 384)),
        "inception_b": (
            "17x17x1088",
            papers_residual(" 0.1 x || 20 x", "1x1 conv, 192", "1x1 conv, 128; 1x7 conv, 160; 7x1 conv, 192"),
        ),
        "reduction_b": ("8x8x2080", RESNET_REDUCTION_B.format(288, 320)),
        "inception_c": (
            "8x8x2080",
            papers_residual(" 0.2 x || 9 x", "1x1 conv, 192", "1x1 conv, 192; 1x3 conv, 224; 3x1 conv, 256")
            + " || "
            + papers_residual("", "1x1 conv, 192", "1x1 conv, 192; 1x3 conv, 224; 3x1 conv, 256"),
        ),
        "conv_7b": ("8x8x1536", "1x1 conv, 1536"),
    },
}


def drawn_rows(svg: str) -> Rows:
    """What a figure shows of each stage: its output, and its boxes as they are drawn.

    Names of stages are bold, and so is how often a block comes.
    """
    rows: dict[str, list[str]] = {"image": []}
    for node in xml.dom.minidom.parseString(svg).getElementsByTagName("text"):
        text = node.firstChild.data  # type: ignore[union-attr]  # each has one
        if node.getAttribute("font-weight") and not text.endswith(" x"):
            rows[text] = []
        else:
            rows[list(rows)[-1]].append(text)
    return {name: (texts[0], "; ".join(texts[1:])) for name, texts in rows.items() if name != "image"}


def boxes(told: str) -> list[str]:
    return [word for word in re.split(r"\s*(?:;|\|+)\s*", told) if word != "concat"]


def test_all_networks_are_compared_with_their_papers() -> None:
    assert PAPERS.keys() == {name for name in models.__all__ if name != "Inception"}


@pytest.mark.parametrize("name", PAPERS)
def test_a_figure_shows_what_the_paper_says_of_each_stage(name: str) -> None:
    drawn = drawn_rows(figure(skeleton(getattr(models, name))))
    assert list(drawn) == list(PAPERS[name])
    for stage, (output, told) in PAPERS[name].items():
        assert drawn[stage][0] == output, stage
        assert boxes(drawn[stage][1]) == boxes(told), stage
