from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from inception_lightning.callbacks.pictures import draw_curves, draw_predictions, predict_some, predictions_table
from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier

METRICS = """epoch,step,train/loss,train/loss_main,train/lr,val/loss,val/top1,val/top5
0,9,2.5,2.0,0.1,,,
0,19,2.0,1.5,0.1,,,
0,21,,,,1.8,0.25,0.75
1,29,1.0,0.8,0.1,,,
1,43,,,,1.2,0.5,0.875
"""


def lines(figure: Figure, axis: int) -> dict[str, list[tuple[float, float]]]:
    drawn = figure.axes[axis].get_lines()
    return {str(line.get_label()): [(x, y) for x, y in np.asarray(line.get_xydata()).tolist()] for line in drawn}


def test_curves_show_every_loss_and_accuracy_over_steps(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(METRICS)
    figure = draw_curves(tmp_path / "metrics.csv")
    assert lines(figure, 0) == {
        "train/loss": [(9, 2.5), (19, 2.0), (29, 1.0)],
        "train/loss_main": [(9, 2.0), (19, 1.5), (29, 0.8)],
        "val/loss": [(21, 1.8), (43, 1.2)],
    }
    assert lines(figure, 1) == {"val/top1": [(21, 0.25), (43, 0.5)], "val/top5": [(21, 0.75), (43, 0.875)]}
    figure.savefig(tmp_path / "curves.png")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("content", ["", "epoch,step,train/loss\n", METRICS.splitlines()[0] + "\n0,0,,,,,,\n"])
def test_runs_that_logged_nothing_are_drawn_too(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.csv").write_text(content)
    figure = draw_curves(tmp_path / "metrics.csv")
    assert lines(figure, 0) == lines(figure, 1) == {}
    figure.savefig(tmp_path / "curves.png")


class Sevens(InceptionClassifier):
    """Says 7 to everything."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.eye(10)[7].expand(len(images), -1)


@pytest.mark.parametrize(("fraction", "count"), [(0.2, 32), (0.01, 18)])
def test_predictions_show_true_and_predicted_names(fraction: float, count: int) -> None:
    data = Digits(val_fraction=fraction)
    module = Sevens(InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small"))
    guesses = predict_some(module, data)
    figure = draw_predictions(guesses)
    shown = [axis for axis in figure.axes if axis.get_images()]
    assert len(shown) == count
    views = data.views("val")
    picked = torch.linspace(0, len(views) - 1, count).long().tolist()
    for axis, index in zip(shown, picked, strict=True):
        image, label = views[index]
        assert axis.get_title() == f"true {label}\nsays 7{'' if label == 7 else ' ✗'}"
        assert axis.title.get_color() == ("black" if label == 7 else "#c22")
        drawn = torch.as_tensor(axis.get_images()[0].get_array())
        assert torch.equal(drawn.permute(2, 0, 1), image)
    assert len({axis.get_title() for axis in shown}) > 5  # evenly picked, not the first ones
    assert module.training
    table = predictions_table(guesses)
    assert table.columns == ["image", "true", "predicted", "probability"]
    assert [row[1:] for row in table.data] == [
        [str(views[index][1]), "7", pytest.approx(0.232, abs=1e-3)] for index in picked
    ]
