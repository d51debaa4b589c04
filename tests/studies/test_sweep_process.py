from pathlib import Path

import pytest

from inception_lightning.studies.sweep_process import newest_scores


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("epoch,val/top1\n1,0.5\n2,0.25\n2,\n", {"epoch": "2", "top-1 %": "25.00"}),
        ("epoch,val/f1,val/average_precision\n5,0.5,0.75\n", {"epoch": "5", "average precision %": "75.00"}),
        ("epoch,val/loss\n1,1\n", {}),
        ("epoch,val/to", {}),
    ],
)
def test_the_last_validation_is_told_by_top_1_or_of_several_labels_by_average_precision(
    tmp_path: Path, log: str, shown: dict[str, str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.csv").write_text(log)
    assert newest_scores(tmp_path) == shown
