from pathlib import Path

from inception_lightning.runs.metrics_csv import MetricsFile


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_rows_are_on_the_disk_at_once_under_sorted_columns(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    logger = MetricsFile(path)
    logger.log_metrics({"train/loss": 0.5}, 0)
    assert lines(path) == ["step,train/loss", "0,0.5"]
    logger.log_metrics({"epoch": 0, "val/loss": 0.25}, 1)
    assert lines(path) == ["epoch,step,train/loss,val/loss", ",0,0.5,", "0,1,,0.25"]
    assert logger.rows == 2


def test_a_resumed_run_goes_on_after_the_rows_that_its_checkpoint_knows(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    whole = MetricsFile(path)
    for step in range(5):
        whole.log_metrics({"loss": step}, step)
    expected = path.read_bytes()
    with path.open("a") as file:
        file.write("5,5")  # a row that a kill cut short
    resumed = MetricsFile(path)
    resumed.truncate(3)
    assert resumed.rows == 3
    for step in (3, 4):
        resumed.log_metrics({"loss": step}, step)
    assert path.read_bytes() == expected
