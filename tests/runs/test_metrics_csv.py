import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from inception_lightning.runs.metrics_csv import MetricsFile
from tests.disks import small_file_system


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_rows_are_on_the_disk_at_once_under_sorted_columns(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    logger = MetricsFile(path)
    logger.log_metrics({"train/loss": 0.5}, 0)
    assert lines(path) == ["step,train/loss", "0,0.5"]
    logger.log_metrics({"epoch": 0, "val/loss": 0.25}, 1)
    assert lines(path) == ["epoch,step,train/loss,val/loss", ",0,0.5,", "1,1,,0.25"]
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


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system without space."""
    with small_file_system(tmp_path / "disk", "64k") as place:
        yield place


def test_rows_wait_while_the_disk_is_full_and_none_is_lost_or_torn(
    full_disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def log_some(logger: MetricsFile, steps: range) -> None:
        for step in steps:
            logger.log_metrics({"loss": step / 7} | ({"top1": step / 3} if step % 5 == 0 else {}), step)

    logger, expected = MetricsFile(full_disk / "metrics.csv"), MetricsFile(tmp_path / "metrics.csv")
    log_some(logger, range(1, 4))
    filler = full_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))
    log_some(logger, range(4, 400))
    logger.sync()
    assert 0 < len(logger.waiting) < 399
    assert logger.rows == len(lines(full_disk / "metrics.csv")) - 1
    assert len([record for record in caplog.records if "rows wait in memory" in record.message]) == 1
    filler.unlink()
    logger.finalize("success")
    log_some(expected, range(1, 400))
    assert (full_disk / "metrics.csv").read_bytes() == (tmp_path / "metrics.csv").read_bytes()
    assert logger.waiting == []
