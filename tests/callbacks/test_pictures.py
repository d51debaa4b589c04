from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from inception_lightning.callbacks.curves import BLUE, GREY, ORANGE, draw_curves

METRICS = """epoch,step,train/loss,train/loss_main,train/lr,val/loss,val/top1,val/top5
1,9,2.5,2.0,0.1,,,
1,19,2.0,1.5,0.1,,,
1,21,,,,1.8,0.25,0.75
2,29,1.0,0.8,0.1,,,
2,43,,,,1.2,0.5,0.875
"""


def lines(figure: Figure, axis: int) -> dict[str, list[tuple[float, float]]]:
    drawn = figure.axes[axis].get_lines()
    return {str(line.get_label()): [(x, y) for x, y in np.asarray(line.get_xydata()).tolist()] for line in drawn}


def test_curves_show_every_loss_and_accuracy_over_epochs(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(METRICS)
    figure = draw_curves(tmp_path / "metrics.csv")
    losses, accuracies, rates, _ = (lines(figure, axis) for axis in range(4))
    at: list[Any] = [pytest.approx(step / 22) for step in (10, 20, 30)]  # an epoch has 22 steps
    assert losses == {
        "training: all that is minimised": list(zip(at, (2.5, 2.0, 1.0), strict=True)),
        "training: main classifier": list(zip(at, (2.0, 1.5, 0.8), strict=True)),
        "validation: main classifier, plain loss": [(1, 1.8), (2, 1.2)],
    }
    assert accuracies == {
        "validation: top-1": [(1, 25), (2, 50)],
        "validation: top-5": [(1, 75), (2, 87.5)],
        "_child2": [(2, 50)],  # the best
    }
    assert [text.get_text() for text in figure.axes[1].texts] == ["best: 50.00 %, epoch 2"]
    curve, star = (figure.axes[1].get_lines()[index] for index in (0, -1))
    assert (star.get_marker(), star.get_color()) == ("*", curve.get_color())
    assert list(rates.values()) == [[(x, 0.1) for x in at]]
    figure.savefig(tmp_path / "curves.png")


@pytest.mark.parametrize(
    ("monitor", "mode", "axis", "said"),
    [
        ("val/top5", "max", 1, "best: 87.50 %, epoch 2"),
        ("val/loss", "min", 0, "best val/loss: 1.2, epoch 2"),
        ("val/f1", "max", 1, "best val/f1: 0.3, epoch 1"),
        ("mine", "min", 1, None),
    ],
)
def test_the_best_is_marked_on_the_curve_that_it_is_chosen_by(
    monitor: str, mode: str, axis: int, said: str | None, tmp_path: Path
) -> None:
    header, *rows = METRICS.splitlines()
    scores = ["", "", "0.3", "", "0.2"]  # one that has no curve
    text = "\n".join([f"{header},val/f1", *(f"{row},{score}" for row, score in zip(rows, scores, strict=True))])
    (tmp_path / "metrics.csv").write_text(text)
    figure = draw_curves(tmp_path / "metrics.csv", monitor, mode)
    assert [text.get_text() for text in figure.axes[axis].texts] == ([said] if said else [])
    assert not figure.axes[1 - axis].texts
    if said:
        color = figure.axes[axis].texts[0].get_color()
        assert color == {"val/top5": ORANGE, "val/loss": BLUE, "val/f1": GREY}[monitor]
    figure.savefig(tmp_path / "curves.png")


def test_curves_of_several_labels_are_those_of_their_scores(tmp_path: Path) -> None:
    rows = [
        "epoch,step,train/loss,train/f1,val/f1,val/average_precision,val/auroc",
        "1,9,,,0.25,0.5,0.75",
        "1,9,,0.5,,,",
    ]
    (tmp_path / "metrics.csv").write_text("\n".join(rows))
    figure = draw_curves(tmp_path / "metrics.csv", "val/average_precision")
    assert lines(figure, 1) == {
        "training: F1": [(1, 50)],
        "validation: F1": [(1, 25)],
        "validation: average precision": [(1, 50)],
        "validation: AUROC": [(1, 75)],
        "_child4": [(1, 50)],  # the best
    }
    assert figure.axes[1].get_title() == "Scores"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("content", ["", "epoch,step,train/loss\n", METRICS.splitlines()[0] + "\n1,0,,,,,,\n"])
def test_runs_that_logged_nothing_are_drawn_too(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.csv").write_text(content)
    figure = draw_curves(tmp_path / "metrics.csv")
    assert lines(figure, 0) == lines(figure, 1) == {}
    figure.savefig(tmp_path / "curves.png")
