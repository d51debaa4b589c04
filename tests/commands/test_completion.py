import pytest

from inception_lightning.__main__ import main
from inception_lightning.commands import completion, kept
from inception_lightning.commands.completion import LINE, matches
from inception_lightning.commands.typos import Names

NAMES = Names(
    ("model.net", "data", "trainer.max_epochs"),
    {"model.net": ["InceptionV3", "InceptionV4", "Linear"], "data": ["Digits"]},
    {"InceptionV3": ["width", "aux"], "InceptionV4": ["width"]},
    (),
)


def test_commands_and_their_options_are_completed() -> None:
    assert matches("lightning da") == ["dashboard", "data"]
    assert matches("lightning report --k") == ["--knob"]
    assert matches("lightning sweep --d") == ["--devices", "--dry_run"]
    assert "--trainer.max_epochs" in matches("lightning fit --trainer.")  # known before anything is kept
    assert matches("lightning nothing --") == []


def test_classes_and_their_arguments_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "read", lambda _: NAMES.text())
    assert matches("lightning fit --model.net Inc") == ["InceptionV3", "InceptionV4"]
    assert matches("lightning fit --model.net ") == ["InceptionV3", "InceptionV4"]  # torch's modules are no networks
    assert matches("lightning fit --data ") == ["Digits"]
    assert matches("lightning fit --model.net InceptionV3 --model.net.w") == ["--model.net.width"]


def test_the_shell_is_told_how(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion"]) == 0
    assert capsys.readouterr().out == completion.SETUP
    monkeypatch.setenv(LINE, "lightning mod")
    assert main(["completion", "lightning", "mod", "lightning"]) == 0  # as bash asks
    assert capsys.readouterr().out == "models\n"
