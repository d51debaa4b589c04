"""What is answered before torch is imported: help pages, kept texts, and mistakes in names."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from inception_lightning.commands import fit, kept
from inception_lightning.commands.command_line import CommandLine
from inception_lightning.commands.short_help import ABOUT, USED, short_help
from inception_lightning.commands.typos import Names, refuse_typos
from inception_lightning.errors import InputError

TELLS_WHAT_IT_IMPORTED = """
import sys
from inception_lightning.__main__ import main
code = main(sys.argv[1:])
print("torch" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this module's texts are kept, the names of two commands among them."""
    place = tmp_path_factory.mktemp("kept")
    os.environ[kept.PLACE] = str(place)  # conftest gives it back
    for command in ("fit", "predict"):
        with pytest.raises(SystemExit):
            fit.main([command, "--help"])
    return place


@pytest.fixture(scope="module")
def names(place: Path) -> Names:
    text = kept.read(kept.names_of("fit"))
    assert text is not None
    return Names.of(text)


def program(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TELLS_WHAT_IT_IMPORTED, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["fit", "predict"])
def test_the_short_help_says_what_the_parser_knows(command: str, place: Path) -> None:
    known = Names.of(kept.read(kept.names_of(command)) or "")
    shown = re.findall(r"--([\w.]+)", short_help(command).partition("\noptions:")[2].partition("\nmore:")[0])
    assert len(shown) >= 10
    for name in shown:
        assert any(name == one or name.startswith(f"{one}.") for one in known.options), name


def test_the_short_help_says_the_defaults_that_hold(names: Names) -> None:
    page = fit_defaults()
    said = [(re.search(r"--([\w.]+)", option), re.search(r"\(default: (.+?)\)", what)) for option, what in USED.items()]
    compared = {option[1]: default[1] for option, default in said if option and default}
    assert len(compared) >= 5
    assert {name: str(page[name]) for name in compared} == compared


def fit_defaults() -> dict[str, object]:
    """Every option of ``fit`` and its default, as the parser has them."""
    line = CommandLine.read(["fit", "--help"])
    found: dict[str, object] = {}

    class Looks(fit.InceptionCLI):
        def parse_arguments(self, parser: object, args: object) -> None:
            found.update(parser.get_defaults().items())  # type: ignore[attr-defined]
            raise SystemExit

    with pytest.raises(SystemExit):
        fit.main(list(line.words), cli=Looks)
    return found


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--trainer.max_epoch=3"], "there is no option trainer.max_epoch: did you mean trainer.max_epochs?"),
        (["--dta", "Digits"], "there is no option dta: did you mean data?"),
        (["--model.net", "InceptionV5"], "model.net: there is no class InceptionV5: did you mean InceptionV4?"),
        (["--data=Digit"], "data: there is no class Digit: did you mean Digits?"),
        (["--model.optimizer=AdmW"], "model.optimizer: there is no class AdmW: did you mean AdamW?"),
        (
            ["--config=experiments/quickstart.yaml", "--model.net.init_args.residual_scale", "0.3"],
            "there is no option model.net.residual_scale: did you mean residual_scales?",
        ),
        (['--config={"trainer": {"max_epoch": 3}}'], "there is no option trainer.max_epoch: did you mean "),
        (
            ['--config={"data": {"class_path": "Digits", "init_args": {"batchsize": 3}}}'],
            "there is no option data.batchsize: did you mean batch_size?",
        ),
    ],
)
def test_typos_are_found(words: list[str], sentence: str, names: Names) -> None:
    with pytest.raises(InputError, match="^" + re.escape(sentence)):
        refuse_typos(CommandLine.read(["fit", *words]), names)


@pytest.mark.parametrize(
    "words",
    [
        [f"--config={page}"]
        for page in sorted(map(str, Path("experiments").rglob("*.yaml")))
        if "own_work" not in page and "method: " not in Path(page).read_text() and "residual_scale/" not in page
    ]
    + [
        ["--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.monitor=val/loss"],
        ["--trainer={max_epochs: 3}", "--print_config=skip_default", "--resume", "auto"],
        ["--model.net.help", "InceptionV3"],
        ["--model.net=torchvision.models.resnet18", "--model.net.anything=1", "--data.augmentation.area=[1,1]"],
        ["--trust=my_project", "--model.net=Mine", "--model.net.depth=3"],
        ["--model=my_project.Module", "--model.rate=3", "--trust=my_project"],
        ["--model.lr_scheduler.T_max=3", "--model.loss=BinaryCrossEntropy"],
    ],
    ids=lambda words: words[0],
)
def test_what_may_be_right_is_left_to_the_parser(words: list[str], names: Names) -> None:
    refuse_typos(CommandLine.read(["fit", *words]), names)


def test_a_typo_is_found_without_torch(names: Names) -> None:
    done = program("fit", "--dta", "Digits")
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["error: there is no option dta: did you mean data?", "False"],
    )


def test_the_table_of_networks_is_made_once(place: Path) -> None:
    first = program("models", "GoogLeNet")
    second = program("models", "GoogLeNet")
    assert first.stdout == second.stdout
    assert "head on inception_4a" in first.stdout
    assert (first.stderr, second.stderr) == ("True\n", "False\n")


@pytest.mark.parametrize(
    "words",
    [
        *([command, "--help"] for command in ABOUT),
        *([command, "-h"] for command in ("models", "data", "dashboard", "embed", "explain")),
    ],
)
def test_help_needs_no_torch(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "inception_lightning", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(re.findall(r"\| +(\w+)$", done.stderr, re.MULTILINE))
    assert not imported & {"torch", "lightning", "jsonargparse", "pandas", "matplotlib", "wandb", "numpy"}
    assert "usage: lightning" in done.stdout


def test_what_the_words_do_not_settle_is_not_kept() -> None:
    assert kept.name_of(["fit", "--data.help", "ImageFolder"]) == "fit_data.help_ImageFolder.txt"
    assert kept.name_of(["export", "--help"]) == "export_help.txt"
    assert kept.name_of(["models", "InceptionV4", "--json"]) == "models_InceptionV4_json.txt"
    for words in (["fit", "--data.help", "my_project.Data"], ["models", "../x"], ["fit", "--config", "page.yaml"]):
        assert kept.name_of(words) is None


def test_another_version_makes_its_own_texts(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    kept.write("page", "text")
    assert kept.read("page") == "text"
    monkeypatch.setattr(kept, "_version", lambda: "another")
    assert kept.read("page") is None
    monkeypatch.setenv(kept.PLACE, "")
    kept.write("page", "text")
    assert kept.folder() is None


def test_a_folder_that_cannot_be_written_costs_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(kept.PLACE, str(tmp_path / "file"))
    kept.write("page", "text")
    assert kept.read("page") is None
