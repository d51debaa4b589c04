from pathlib import Path

import pytest
import yaml

from inception_lightning.commands.command_line import CommandLine
from inception_lightning.errors import InputError


def test_flags_win_over_pages_and_later_pages_over_earlier(tmp_path: Path) -> None:
    pages = [tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "c.yaml"]
    for page, epochs in zip(pages, (1, 2, None), strict=True):
        page.write_text(yaml.safe_dump({"trainer": {"max_epochs": epochs}}))
    args = [f"--config={pages[0]}", "-c", str(pages[1]), "--config", str(pages[2])]

    def epochs_said(*words: str) -> object:
        return CommandLine.read(["fit", *words]).said("trainer.max_epochs")

    assert epochs_said(*args) == 2
    assert epochs_said(*args, "--trainer.max_epochs", "3") == "3"
    assert epochs_said("--trainer.max_epochs=4", *args) == "4"
    assert CommandLine.read(["fit", *args]).said("model.net") is None


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--a.b=1"], "1"),
        (["--a.b", "1"], "1"),
        (["--a.b=1", "--a.b", "2"], "2"),
        (["--a.b=x=y"], "x=y"),
        (["--a.bc=1", "--a=2", "a.b=3"], None),
        ([], None),
    ],
)
def test_said_in_flags(args: list[str], expected: str | None) -> None:
    assert CommandLine.read(["fit", *args]).said("a.b") == expected


def test_pages_and_trust_are_no_flags() -> None:
    words = ["fit", "--trust", "one,two", "--a=1", '--config={"b": 2}', "--trust=three.four"]
    line = CommandLine.read(words)
    assert line.flags == ("--a=1",)
    assert line.pages == ({"b": 2},)
    assert line.trusted == ("one", "two", "three.four")
    assert CommandLine.read([*words, "--trust-config"]).trusted is None


def test_flags_without_some() -> None:
    line = CommandLine.read(["fit", "--a.b", "1", "--c=2", "--a.b=3", "--a.bc=4"])
    assert line.without("a.b") == ("--c=2", "--a.bc=4")


@pytest.mark.parametrize("word", ["--config", "-c", "--trust"])
def test_a_value_that_is_missing_is_said(word: str) -> None:
    with pytest.raises(InputError, match=f"{word} needs a value"):
        CommandLine.read(["fit", word])
