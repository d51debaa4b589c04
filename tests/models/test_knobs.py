"""Impossible arguments are refused in one sentence, by every variant that has them."""

import inspect
import math
from typing import Any

import pytest

from inception_lightning.errors import InputError
from inception_lightning.models import Inception
from inception_lightning.models.heads import AUXILIARY_HEAD
from inception_lightning.models.layers import Concat, Conv, Style
from tests.models.golden import Variant
from tests.models.test_network import VARIANTS

NOT_FINITE = [math.nan, math.inf, -math.inf]
WRONG: dict[str, list[Any]] = {
    "width": [0, -1.0, *NOT_FINITE, "1", None, True],
    "num_classes": [-1, 1.5, 10.0, math.nan, "10", None, True],
    "dropout": [-0.1, 1.1, *NOT_FINITE, "0.5", False],
    "depths": [(0, 1, 1), (1, -1, 1), (1, 1), (1, 1, 1, 1), (1.5, 1, 1), (1, math.nan, 1), (True, 1, 1), 3, "111"],
    "stem": ["tiny", "", None, ["small"]],
    "init": ["xavier", None, ["he"]],
    "preset": ["caffe", "seed", None, ["paper"]],
    "residual_scales": [-0.1, *NOT_FINITE, (0.1, 0.2), (0.1, math.nan, 0.1), "fixed", None, (0.1, "0.2", 0.3)],
    "residual_norm": ["first", None, ["last"]],
}


def cases() -> list[Any]:
    """Every wrong value of every argument that a variant has; None is right where it stands for a default."""
    found = []
    for variant in VARIANTS:
        for name, parameter in inspect.signature(variant).parameters.items():
            values = [value for value in WRONG.get(name, []) if value is not None or parameter.default is not None]
            found += [pytest.param(variant, name, value, id=f"{variant.__name__}-{name}-{value}") for value in values]
    return found


@pytest.mark.parametrize(("variant", "knob", "value"), cases())
def test_an_impossible_argument_is_refused_in_one_sentence(variant: Variant, knob: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{knob} must be .*, got ") as caught:
        variant(**{knob: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_limits_themselves_are_possible(variant: Variant) -> None:
    for dropout in (0, 1, 0.5):
        assert variant(1, width=0.01, dropout=dropout).dropout.p == dropout
    assert variant(0, width=1e-9).num_classes == 0


@pytest.mark.parametrize("width", WRONG["width"])
def test_a_style_refuses_the_width_of_ones_own_network(width: Any) -> None:
    with pytest.raises(InputError, match=r"^width must be a number above 0, got"):
        Style(width=width)


def test_a_head_on_a_stage_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="aux must be one of stem, got 'inception_b'"):
        Inception({"stem": Conv(4, 3)}, 2, aux={"inception_b": AUXILIARY_HEAD}, dropout=0.0, style=Style())


def test_a_table_that_no_image_fits_is_refused() -> None:
    apart = Concat(Conv(4, 3), Conv(4, 3, valid=True))
    with pytest.raises(InputError, match="no image fits this table of words"):
        Inception({"stem": apart}, 2, aux={}, dropout=0.0, style=Style())
