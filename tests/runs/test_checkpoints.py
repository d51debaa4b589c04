import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from inception_lightning.configurable import KEY
from inception_lightning.errors import InputError
from inception_lightning.runs.checkpoints import (
    LAST,
    MANIFEST,
    MOST_BYTES,
    PREVIOUS,
    CheckpointFiles,
    difference,
    newest_good,
    read_checkpoint,
    read_manifest,
    read_newest_good,
)
from inception_lightning.runs.folder import PAGE, newest, run_to_continue
from tests.processes import finish, module


def save(folder: Path, step: int, name: str = LAST) -> Path:
    CheckpointFiles().save_checkpoint({"global_step": step, "weights": torch.full((3,), float(step))}, folder / name)
    return folder / name


def step_of(path: Path) -> int:
    return int(CheckpointFiles().load_checkpoint(path)["global_step"])


def test_the_newest_is_chosen_by_step_and_not_by_time(tmp_path: Path) -> None:
    save(tmp_path, 30)
    save(tmp_path, 10, "best.ckpt")
    assert newest_good(tmp_path) == tmp_path / LAST
    assert step_of(newest_good(tmp_path)) == 30


def test_the_best_is_taken_only_where_nothing_else_is_good(tmp_path: Path) -> None:
    save(tmp_path, 8, "best.ckpt")
    assert newest_good(tmp_path) == tmp_path / "best.ckpt"
    save(tmp_path, 6)
    assert newest_good(tmp_path) == tmp_path / LAST


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_a_damaged_one_is_named_set_aside_and_the_one_before_is_taken(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 1)
    last = save(tmp_path, 2)
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.unlink()  # previous.ckpt is another file, or a link to the one before
    last.write_bytes(bytes({"cut": content[:-5], "empty": b"", "flipped": content}[damage]))
    assert newest_good(tmp_path) == tmp_path / PREVIOUS
    assert step_of(tmp_path / PREVIOUS) == 1
    assert f"{last} is damaged" in caplog.text
    assert (tmp_path / "last.damaged").is_file()
    assert not last.exists()


def test_nothing_good(tmp_path: Path) -> None:
    save(tmp_path, 1).write_text("")
    with pytest.raises(InputError, match="no good checkpoint"):
        newest_good(tmp_path)


def test_files_without_a_manifest_are_taken_as_they_are(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / MANIFEST).unlink()
    assert newest_good(tmp_path) == tmp_path / LAST


def test_the_manifest_does_not_grow(tmp_path: Path) -> None:
    for step in range(20):
        save(tmp_path, step)
    assert [entry.step for entry in read_manifest(tmp_path)] == [16, 17, 18, 19]
    assert json.loads((tmp_path / MANIFEST).read_text())["format"] == 1


def kills_inside_saves(folder: Path) -> None:
    code, said = finish(module("tests.runs.killed_saves", str(folder)))
    assert code == 0, said


def test_kills_inside_saves_leave_no_bad_file(other_file_system: Path) -> None:
    kills_inside_saves(other_file_system)


def test_kills_inside_saves_on_a_disk_leave_no_bad_file(tmp_path: Path) -> None:
    kills_inside_saves(tmp_path)


def test_a_full_disk_is_a_warning_with_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    save(tmp_path, 1)
    files = CheckpointFiles()
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        files.save_checkpoint({"global_step": 2}, tmp_path / LAST)
        files.save_checkpoint({"global_step": 3}, tmp_path / LAST)
    assert files.failures == 2
    assert "No space left on device): it needs 0.0 MB and " in caplog.text
    assert "MB are free in" in caplog.text
    assert step_of(newest_good(tmp_path)) == 1
    assert not list(tmp_path.glob(".*"))
    files.save_checkpoint({"global_step": 4}, tmp_path / LAST)
    assert files.failures == 0


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["EVIL_WAS_HERE"],)


def test_a_checkpoint_is_read_whole(tmp_path: Path) -> None:
    torch.save({KEY: {"class_names": ["a"]}, "state_dict": {"w": torch.ones(2)}}, tmp_path / "x.ckpt")
    checkpoint = read_checkpoint(tmp_path / "x.ckpt")
    assert checkpoint[KEY] == {"class_names": ["a"]}
    assert torch.equal(checkpoint["state_dict"]["w"], torch.ones(2))


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ckpt")
    for name, instead in (("nowhere.ckpt", ""), ("", ", only a folder"), ("pipe.ckpt", ", only a pipe or a device")):
        with pytest.raises(InputError, match=f"there is no checkpoint {tmp_path / name}{instead}$"):
            read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half a zip", b"\x80\x04."])
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_checkpoint(tmp_path / "x.ckpt")
    assert str(raised.value).startswith(f"{tmp_path / 'x.ckpt'} is not a readable checkpoint (")
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, share: float) -> None:
    torch.save({KEY: {}, "state_dict": {"w": torch.ones(1000)}}, tmp_path / "x.ckpt")
    whole = (tmp_path / "x.ckpt").read_bytes()
    (tmp_path / "x.ckpt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="is not a readable checkpoint"):
        read_checkpoint(tmp_path / "x.ckpt")


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], torch.ones(3)])
def test_checkpoints_of_other_projects_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.ckpt")
    with pytest.raises(InputError, match="is not a checkpoint of inception_lightning"):
        read_checkpoint(tmp_path / "x.ckpt")


def test_no_code_in_a_checkpoint_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIL_WAS_HERE", str(tmp_path / "evil"))
    torch.save({KEY: {}, "state_dict": Evil()}, tmp_path / "x.ckpt")
    with pytest.raises(InputError, match="is not a readable checkpoint"):
        read_checkpoint(tmp_path / "x.ckpt")
    assert not (tmp_path / "evil").exists()
    torch.load(tmp_path / "x.ckpt", weights_only=False)  # the attack itself works
    assert (tmp_path / "evil").is_dir()


def made(path: Path, seconds: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (seconds, seconds))
    return path


def test_newest_is_the_last_written_of_all_runs(tmp_path: Path) -> None:
    made(tmp_path / "2026-01-03" / "checkpoints" / "best.ckpt", 10)
    best = made(tmp_path / "2026-01-01" / "checkpoints" / "best.ckpt", 30)
    made(tmp_path / "2026-01-02" / "checkpoints" / "best.ckpt", 20)
    last = made(tmp_path / "2026-01-02" / "checkpoints" / "last.ckpt", 5)
    (tmp_path / "predict-2026-01-04").mkdir()
    assert newest(tmp_path, "best") == best
    assert newest(tmp_path, "last") == last


@pytest.mark.parametrize("place", ["", "nowhere"])
def test_newest_of_nothing_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(InputError, match=f"no run in {tmp_path / place} has a checkpoint 'best'"):
        newest(tmp_path / place, "best")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"a": (2,), "b": (3, 4)}, None),
        ({"b": (3, 4), "a": (2,)}, None),
        ({"a": (2,)}, "it has no b"),
        ({"a": (2,), "b": (3, 5)}, "its b has the shape [3, 5], not [3, 4]"),
        ({"a": (2,), "b": (3, 4), "c": ()}, "it also has c"),
    ],
)
def test_difference(found: dict[str, tuple[int, ...]], expected: str | None) -> None:
    tensors = {name: torch.zeros(shape) for name, shape in found.items()}
    assert difference({"a": torch.zeros(2), "b": torch.zeros(3, 4)}, tensors) == expected


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_passed_by_and_the_one_before_is_taken(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 10)
    save(tmp_path, 20)
    (tmp_path / LAST).unlink()
    match kind:
        case "folder":
            (tmp_path / LAST).mkdir()
        case "pipe":
            os.mkfifo(tmp_path / LAST)
        case "device":
            (tmp_path / LAST).symlink_to("/dev/zero")
    assert newest_good(tmp_path) == tmp_path / PREVIOUS
    assert f"{tmp_path / LAST} is no file, and is not looked at" in caplog.text
    with pytest.raises(InputError, match=r"only a (pipe or a device|folder)"):
        read_checkpoint(tmp_path / LAST)


def test_a_missing_manifest_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, 10)
    (tmp_path / MANIFEST).write_text("{")
    assert newest_good(tmp_path) == tmp_path / LAST
    assert "has no readable manifest.json: its checkpoints cannot be checked" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "3",
        "{}",
        '{"format": 1, "files": 3}',
        '{"format": 1, "files": [{"name": 1}]}',
        '{"format": 1, "files": [{"name": "last.ckpt", "step": "x", "sha256": [], "bytes": null}]}',
        '{"format": 2, "files": []}',
        "[" * 100_000,
        " " * (MOST_BYTES + 1),
        "folder",
        "pipe",
        "device",
        None,
    ],
    ids=range(14),
)
def test_without_a_sound_manifest_it_is_said_and_a_damaged_file_is_passed_by(
    tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        whole: dict[str, Any] = {"global_step": step, KEY: {}}
        CheckpointFiles().save_checkpoint(whole, tmp_path / LAST)
    manifest = tmp_path / MANIFEST
    manifest.unlink()
    match content:
        case "folder":
            manifest.mkdir()
        case "pipe":
            os.mkfifo(manifest)
        case "device":
            manifest.symlink_to("/dev/zero")
        case str():
            manifest.write_text(content)
    assert read_newest_good(tmp_path).path == tmp_path / LAST
    assert "has no readable manifest.json: its checkpoints cannot be checked" in caplog.text
    damaged = (tmp_path / LAST).read_bytes()[:-9]
    (tmp_path / LAST).unlink()  # previous.ckpt is a file of its own
    (tmp_path / LAST).write_bytes(damaged)
    found = read_newest_good(tmp_path)
    assert (found.path, found.content["global_step"]) == (tmp_path / PREVIOUS, 1)
    assert f"{tmp_path / LAST} is damaged: " in caplog.text
    assert (tmp_path / "last.damaged").read_bytes() == damaged


def test_the_manifest_of_another_run_condemns_no_file(tmp_path: Path) -> None:
    save(tmp_path / "one", 1)
    save(tmp_path / "other", 2)
    shutil.copy(tmp_path / "other" / MANIFEST, tmp_path / "one" / MANIFEST)
    with pytest.raises(InputError, match=r"none is what its manifest\.json says; where that is another run's, remove"):
        newest_good(tmp_path / "one")
    assert (tmp_path / "one" / LAST).is_file()
    (tmp_path / "one" / MANIFEST).unlink()
    assert newest_good(tmp_path / "one") == tmp_path / "one" / LAST


def test_a_link_to_nothing_is_said_and_passed_by(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = tmp_path / "run" / "checkpoints"
    save(run, 1)
    (run / "best.ckpt").symlink_to(run / "gone.ckpt")
    assert newest_good(run) == run / LAST
    assert "best.ckpt is a link to nothing" in caplog.text
    with pytest.raises(InputError, match=r"no run in .* has a checkpoint 'best'"):
        newest(tmp_path, "best")


def test_which_run_is_newest_is_not_a_matter_of_file_times(tmp_path: Path) -> None:
    for name in ("b-first", "a-second"):
        save(tmp_path / name / "checkpoints", 1)
        (tmp_path / name / PAGE).write_text("{}")
    os.utime(tmp_path / "b-first" / "checkpoints" / LAST)  # copied, say
    assert newest(tmp_path, "last").parent.parent.name == "a-second"
    assert run_to_continue(tmp_path) == tmp_path / "a-second"
