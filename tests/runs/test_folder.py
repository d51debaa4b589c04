import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from lightning.pytorch.utilities import rank_zero_only

from inception_lightning.errors import InputError
from inception_lightning.runs.folder import CHOSEN, DESCRIPTIONS, discard_unused, held, new_run_folder
from tests.processes import PATIENCE


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOSEN, "before")


def test_a_run_folder_is_never_used_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "2026-01-01_00-00-00")
    folders = [new_run_folder(tmp_path / "place", "") for _ in range(12)]
    assert len(set(folders)) == 12
    assert all(folder.is_dir() for folder in folders)
    assert [folder.name for folder in folders[:3]] == [f"2026-01-01_00-00-00{end}" for end in ("", "-2", "-3")]


def test_a_file_in_the_way_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "now")
    (tmp_path / "predict-now").write_text("mine")
    assert new_run_folder(tmp_path, "predict-") == tmp_path / "predict-now-2"
    assert (tmp_path / "predict-now").read_text() == "mine"


def test_other_processes_learn_the_first_ones_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = new_run_folder(tmp_path, "")
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert new_run_folder(tmp_path, "") == folder
    assert list(tmp_path.iterdir()) == [folder]


def test_only_a_folder_without_results_is_discarded(tmp_path: Path) -> None:
    for result in ("metrics.csv", "checkpoints/last.ckpt", "predictions.csv", "mine.txt"):
        folder = new_run_folder(tmp_path, "")
        (folder / result).parent.mkdir(exist_ok=True)
        (folder / result).touch()
        discard_unused()
        assert (folder / result).is_file()
    folder = new_run_folder(tmp_path, "")
    for name in (*DESCRIPTIONS, "wandb/debug.log"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    discard_unused()
    assert not folder.exists()
    assert CHOSEN not in os.environ
    discard_unused()  # of a run that made none


def hold(folder: Path, holds: Event, may_end: Event) -> None:
    with held(folder):
        holds.set()
        may_end.wait()


def hold_with_a_loader(folder: Path, holds: Event, may_end: Event) -> None:
    with held(folder):
        if os.fork() == 0:
            may_end.wait()
            os._exit(0)
        holds.set()
        signal.pause()


def test_a_killed_trainings_loaders_do_not_hold_its_folder(tmp_path: Path) -> None:
    forks = multiprocessing.get_context("fork")
    holds, may_end = forks.Event(), forks.Event()
    other = forks.Process(target=hold_with_a_loader, args=(tmp_path, holds, may_end), daemon=True)
    other.start()
    assert holds.wait(PATIENCE)
    other.kill()
    other.join()
    try:
        with held(tmp_path):
            pass
    finally:
        may_end.set()


def test_one_process_at_a_time_trains_in_a_folder(tmp_path: Path) -> None:
    forks = multiprocessing.get_context("fork")
    holds, may_end = forks.Event(), forks.Event()
    other = forks.Process(target=hold, args=(tmp_path, holds, may_end), daemon=True)
    other.start()
    assert holds.wait(PATIENCE)
    with pytest.raises(InputError, match=f"another process is training in {tmp_path}"), held(tmp_path):
        pass
    may_end.set()
    other.join()
    for _ in range(2):  # and it is let go
        with held(tmp_path):
            pass
