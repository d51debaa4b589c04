"""What the system says becomes a sentence and an exit code, wherever it shows."""

import contextlib
import errno
import os
from pathlib import Path

import pytest

from inception_lightning.__main__ import main
from inception_lightning.commands.exit_codes import exit_code
from tests.disks import small_file_system
from tests.processes import SMALL


@pytest.mark.parametrize(
    ("number", "code", "sentence"),
    [
        (errno.ENOSPC, 74, "error: x.csv cannot be written (No space left on device): free some space there"),
        (errno.EROFS, 74, "error: x.csv cannot be written (Read-only file system): free some space there"),
        (errno.EACCES, 2, "error: x.csv: Permission denied: say another place, or see to the rights there"),
        (errno.ENAMETOOLONG, 2, "error: x.csv: File name too long: say another place"),
    ],
)
def test_what_a_disk_refuses(number: int, code: int, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise OSError(number, os.strerror(number), "x.csv")

    assert exit_code(command) == code
    assert capsys.readouterr().err.startswith(sentence)


def test_a_bug_keeps_its_traceback() -> None:
    def command() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "x.csv")

    with pytest.raises(FileNotFoundError):
        exit_code(command)


def test_a_disk_that_is_full_before_training_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with small_file_system(tmp_path / "disk", "64k") as disk:
        with (disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(512))
        assert main(["fit", *SMALL, f"--trainer.default_root_dir={disk / 'runs'}"]) == 74
    said = capsys.readouterr().err
    assert "cannot be written (No space left on device)" in said
    assert "Traceback" not in said
