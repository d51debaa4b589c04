"""Class names of strangers in what `evaluation` writes and draws."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure

from inception_lightning.errors import visible
from inception_lightning.evaluation.confusion import confusion_chart, draw_confusion, write_counts
from inception_lightning.evaluation.predictions import Guess, draw_predictions, predictions_table
from tests.strangers import NASTY

COUNTS = torch.eye(2, dtype=torch.long)


def drawn(text: Any) -> str:
    """A text as matplotlib shows it; fails where it is a formula."""
    shown, is_formula = text._preprocess_math(text.get_text())
    assert not is_formula
    return str(shown)


def shortened(name: str) -> str:
    shown = visible(name)
    return shown if len(shown) <= 18 else f"{shown[:17]}…"


@pytest.mark.filterwarnings("ignore:Glyph")  # the font that comes with matplotlib has no cats
@pytest.mark.parametrize("name", NASTY)
def test_pictures_show_names_as_text(tmp_path: Path, name: str) -> None:
    confusion = draw_confusion(COUNTS, [name, "b"], "images")
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    predictions = draw_predictions([Guess(image, name, "b", 0.5)])
    for place, figure in enumerate((confusion, predictions)):
        assert isinstance(figure, Figure)
        figure.savefig(tmp_path / f"{place}.png")
        figure.savefig(tmp_path / f"{place}.svg")
    assert drawn(confusion.axes[0].get_xticklabels()[0]) == shortened(name)
    assert drawn(confusion.axes[0].get_yticklabels()[0]) == shortened(name)
    assert drawn(predictions.axes[0].texts[0]) == f"true {shortened(name)}\nsays b 50% ✗"


@pytest.mark.parametrize("name", NASTY)
def test_tables_hold_names_as_text(tmp_path: Path, name: str) -> None:
    write_counts(tmp_path / "confusion.csv", COUNTS, [name, "b"])
    with (tmp_path / "confusion.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        header, *rows = csv.reader(file)
    held = visible(name) if "\ud800" in name else name  # no bytes stand for half a pair
    assert header == ["true \\ predicted", held, "b"]
    assert rows == [[held, "1", "0"], ["b", "0", "1"]]
    guess = Guess(torch.zeros(3, 8, 8, dtype=torch.uint8), name, name, 0.5)
    assert predictions_table([guess]).data[0][1:] == [visible(name), visible(name), 0.5]
    assert confusion_chart(COUNTS, [name, "b"], "").table.data[0] == [visible(name), visible(name), 1]
