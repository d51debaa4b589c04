import os
from pathlib import Path

import pytest
import torch

from inception_lightning.checkpointing import KEY, difference, newest, read_checkpoint
from inception_lightning.errors import InputError


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (os.environ["EVIL_WAS_HERE"],)


def test_a_checkpoint_is_read_whole(tmp_path: Path) -> None:
    torch.save({KEY: {"class_names": ["a"]}, "state_dict": {"w": torch.ones(2)}}, tmp_path / "x.ckpt")
    checkpoint = read_checkpoint(tmp_path / "x.ckpt")
    assert checkpoint[KEY] == {"class_names": ["a"]}
    assert torch.equal(checkpoint["state_dict"]["w"], torch.ones(2))


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.ckpt", tmp_path):
        with pytest.raises(InputError, match=f"there is no checkpoint {path}$"):
            read_checkpoint(path)


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
