from pathlib import Path

import numpy as np
import torch

from inception_lightning.evaluation.confusion import TABLE_ROWS, confusion_chart, draw_confusion, write_counts

COUNTS = torch.tensor([[8, 2, 0], [0, 5, 0], [0, 0, 0]])  # nothing is truly the third
NAMES = ("cat", "dog", "a name that is much too long")


def test_counts_are_written_by_true_class(tmp_path: Path) -> None:
    write_counts(tmp_path / "confusion.csv", COUNTS, NAMES)
    header, cat, *_ = (tmp_path / "confusion.csv").read_text().splitlines()
    assert header == "true \\ predicted,cat,dog,a name that is much too long"
    assert cat == "cat,8,2,0"


def test_the_picture_shows_shares_of_the_true_class_and_counts(tmp_path: Path) -> None:
    figure = draw_confusion(COUNTS, NAMES, "validation images, epoch 2")
    axis = figure.axes[0]
    drawn = np.asarray(axis.get_images()[0].get_array())
    assert drawn.tolist() == [[80, 20, 0], [0, 100, 0], [0, 0, 0]]
    assert [text.get_text() for text in axis.texts] == ["8", "2", "5"]
    assert axis.get_title() == "15 validation images, epoch 2"
    figure.savefig(tmp_path / "confusion.png")


def test_many_classes_are_drawn_without_names(tmp_path: Path) -> None:
    figure = draw_confusion(torch.eye(100, dtype=torch.long), [str(index) for index in range(100)], "images")
    assert len(figure.axes[0].texts) == 0
    figure.savefig(tmp_path / "confusion.png")


def test_wandb_gets_the_most_frequent_pairs_and_no_more_than_it_shows() -> None:
    table = confusion_chart(COUNTS, NAMES, "Validation").table
    assert table.data == [["cat", "cat", 8], ["dog", "dog", 5], ["cat", "dog", 2]]
    counts = torch.ones(101, 101, dtype=torch.long) + torch.eye(101, dtype=torch.long)
    many = confusion_chart(counts, [str(index) for index in range(101)], "Validation").table.data
    assert len(many) == TABLE_ROWS
    assert [row[2] for row in many[:102]] == [2] * 101 + [1]
