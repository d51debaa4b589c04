from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from inception_lightning.callbacks.pictures import draw_curves

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
