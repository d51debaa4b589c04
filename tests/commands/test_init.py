from pathlib import Path

import pytest

from inception_lightning.__main__ import main


def test_a_new_folder_is_ready_to_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "my_own_project"]) == 0
    command = capsys.readouterr().out.splitlines()[-1].split()
    monkeypatch.chdir(tmp_path / "my_own_project")
    assert main([*command[1:], "--trainer.fast_dev_run=true"]) == 0
    assert main(["init", str(tmp_path / "my_own_project")]) == 2  # what is there stays


@pytest.mark.parametrize("name", ["my-project", "inception_lightning", "1st"])
def test_a_name_that_is_no_package_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / name)]) == 2
    assert "cannot be the name of a Python package" in capsys.readouterr().err
    assert not (tmp_path / name).exists()
