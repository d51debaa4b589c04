"""Every command and every Python line of the README and of the site's pages runs; only the training is cut short."""

import contextlib
import inspect
import io
import re
import shlex
from pathlib import Path

import pytest
import tifffile
import torch
import yaml
from torch.distributed.run import parse_args
from torchvision.transforms.v2.functional import to_pil_image

from inception_lightning import data, models
from inception_lightning.__main__ import COMMANDS, main
from inception_lightning.models import Inception, InceptionV3, InceptionV4
from inception_lightning.weights.save import save_weights

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CHINESE = (ROOT / "README.zh.md").read_text()
NAV = [page for entry in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"] for page in entry.values()]
PAGES = {page: (ROOT / "docs" / page).read_text() for page in NAV}
CLUSTER = "cluster.md"
"""Its commands need more machines than there are here: the words are read, and nothing is trained."""
SHORT = [
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=2",
    "--trainer.limit_val_batches=1",
    "--trainer.accelerator=cpu",
    "--data.num_workers=0",
    "--data.batch_size=16",
    "--wandb.mode=disabled",
]


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def lines(text: str) -> list[str]:
    return [line for block in blocks("bash", text) for line in block.replace("\\\n", " ").splitlines()]


def photos(folder: Path) -> None:
    for name in ("cat", "dog"):
        for index in range(5):
            (folder / name).mkdir(parents=True, exist_ok=True)
            image = torch.randint(0, 255, (3, 80, 90), dtype=torch.uint8)
            to_pil_image(image).save(folder / name / f"{index}.jpg")


def tiles(folder: Path) -> None:
    for name in ("field", "forest"):
        for index in range(5):
            (folder / name).mkdir(parents=True, exist_ok=True)
            bands = torch.randint(0, 9000, (64, 64, 5)).numpy().astype("uint16")
            tifffile.imwrite(folder / name / f"{index}.tif", bands, photometric="minisblack", planarconfig="contig")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    photos(tmp_path / "photos")
    photos(tmp_path / "new_photos")
    tiles(tmp_path / "tiles")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Inception] = {"timm/inception_v4.tf_in1k": InceptionV4(width=0.1)}
    names |= {"pytorch-fid/inception_v3": InceptionV3(1008, preset="fid", aux=False, width=0.1)}
    files = {name: workplace / f"{type(net).__name__}.safetensors" for name, net in names.items()}
    for name, net in names.items():
        save_weights(net, files[name])
    training = next(line for line in lines(README) if "lightning fit" in line).split(" && ")[-1]
    told = [line for page, text in PAGES.items() if page != CLUSTER for line in lines(text)]
    commands = [training.removeprefix(".venv/bin/"), *(line for line in told if line.startswith("lightning"))]
    assert len(commands) >= 12
    for command in commands:
        # the names that need a network become files
        args = [str(files.get(word, word)) for word in shlex.split(command)[1:]]
        trains = args[0] == "fit" and not {"--help", "--print_config"} & set(args)
        try:
            ours = {"InceptionV3", "experiments/quickstart.yaml"} & {*args}
            narrow = ["--model.net.width=0.1"] if ours else []
            small = ["--data.image_size=96"] if "ImageFolder" in args else []
            code = main([*args, *SHORT, *narrow, *small] if trains else args)
        except SystemExit as stop:  # --help and --print_config end in the parser
            code = int(stop.code or 0)
        assert code == 0, f"{command}: {capsys.readouterr().err}"
    assert len(list(workplace.glob("runs/predict-*/predictions.csv"))) == 1


@pytest.mark.slow
def test_commands_of_the_page_about_export(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("console", PAGES["export.md"])
    page = ["--model.net=InceptionV3", "--model.net.width=0.1", "--data=ImageFolder", "--data.root=photos"]
    assert main(["fit", *page, "--data.image_size=96", *SHORT]) == 0
    for command in block.splitlines():
        assert main(shlex.split(command)[1:]) == 0, f"{command}: {capsys.readouterr().err}"
    assert (workplace / "exported" / "README.md").is_file()


def test_commands_of_clusters_are_understood(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    commands = [shlex.split(line) for line in lines(PAGES[CLUSTER])]
    assert [words[0] for words in commands] == ["lightning", "torchrun"]
    for program, *words in commands:
        if program == "torchrun":
            asked = parse_args(words)
            assert (asked.module, asked.training_script) == (True, "inception_lightning")
            words = asked.training_script_args
        with pytest.raises(SystemExit) as stop:
            main([*words, "--print_config"])
        assert stop.value.code == 0
        printed = yaml.safe_load(capsys.readouterr().out)["trainer"]
        assert (int(printed["devices"]), printed["strategy"]) == (8, "ddp")


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """The longest help of every command."""
    told = {}
    for command in COMMANDS:
        asked = "--help-all" if command in ("fit", "test", "predict") else "--help"
        with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
            main([command, asked])
        told[command] = text.getvalue()
    return told


def test_options_and_commands_within_the_text_are_there(helps: dict[str, str]) -> None:
    texts = [README, *(text for page, text in PAGES.items() if page != "speed.md")]  # benchmarks have their own
    inline = [code for text in texts for part in sections(text) for code in re.findall(r"`([^`\n]+)`", part)]
    commands = [code.split() for code in inline if code.startswith("lightning ")]
    options = [
        option for code in inline for option in re.findall(r"(?<!\S)--([a-z][\w.-]*)", code) if code[:3] != "pip"
    ]
    assert len(commands) > 12
    assert len(options) > 40
    assert {words[1] for words in commands} <= COMMANDS.keys()
    known = {option for text in helps.values() for option in re.findall(r"--([a-z][\w.-]*)", text)} | {"trust-config"}
    ours = [getattr(room, name) for room in (models, data) for name in room.__all__]
    arguments = {name for cls in ours for name in inspect.signature(cls).parameters}
    for option in options:
        of, _, name = option.removesuffix(".help").rpartition(".")
        whose = of in ("model.net", "data") and name in arguments
        assert option in known or whose or (of in known - {"model.net", "data"}), option
    for words in commands:
        for option in re.findall(r"(?<= )--([a-z][\w.-]*)", " ".join(words)):
            assert f"--{option}" in helps[words[1]], (words[1], option)


def options_of_training() -> list[list[str]]:
    """The words in the first column of the page about training that are a setting by themselves."""
    rows = [row.split(" | ")[0] for row in PAGES["training.md"].splitlines() if row.startswith("| `--")]
    whole = [" ".join(re.findall(r"`(--[^`]+)`", row)) for row in rows]
    return [shlex.split(words) for words in whole if "--resume" not in words]  # which needs a run


@pytest.mark.parametrize("words", options_of_training(), ids=" ".join)
def test_a_training_option_is_taken(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    if words == ["--trust", "my_project"]:
        monkeypatch.chdir(ROOT / "experiments" / "own_work")
    with pytest.raises(SystemExit) as stop:
        main(["fit", f"--config={ROOT / 'experiments' / 'quickstart.yaml'}", *words, "--print_config"])
    assert stop.value.code == 0, capsys.readouterr().err


def test_catalogue_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["models"], ["models", "InceptionV4"]):
        assert main(args) == 0
        assert f"```\n{capsys.readouterr().out.rstrip()}\n```" in PAGES["family.md"]


def test_python(workplace: Path) -> None:
    (block,) = blocks("python", PAGES["python.md"])
    exec(compile(block.replace("max_epochs=1", "max_epochs=1, limit_train_batches=2"), "python.md", "exec"), {})
    assert (workplace / "digits.ckpt").is_file()


def sections(text: str) -> list[str]:
    """The text of each section, its fences left out."""
    return re.split(r"^#+ .+$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)


def said(text: str) -> list[str]:
    """What is the same in every language: code, where links lead, names in Latin letters with a digit, numbers."""
    found = re.findall(r"`[^`]+`|(?<=\]\()[^)]+|[A-Za-z][\w-]*\d\w*|\d+(?:[.,]\d+)*", text, re.ASCII)
    return sorted(word for word in found if not re.fullmatch(r"README(\.zh)?\.md", word))


def test_the_chinese_readme_has_the_same_commands_and_outputs() -> None:
    assert re.findall(r"```.*?```", CHINESE, re.DOTALL) == re.findall(r"```.*?```", README, re.DOTALL)
    assert len(re.findall(r"```.*?```", README, re.DOTALL)) == 4


def test_the_chinese_readme_has_the_same_tables() -> None:
    rows, others = ([line.split(" | ") for line in text.splitlines() if line[:1] == "|"] for text in (README, CHINESE))
    assert len(rows) == len(others) > 25
    for row, other in zip(rows, others, strict=True):
        assert [said(cell) for cell in row] == [said(cell) for cell in other], other


def test_the_chinese_readme_says_the_same_figures_and_names_in_each_section() -> None:
    ours, theirs = sections(README), sections(CHINESE)
    assert len(ours) == len(theirs)
    months = {"11"}  # November has a number in Chinese
    for section, other in zip(ours, theirs, strict=True):
        assert [word for word in said(other) if word not in months] == said(section)
        assert any("\u4e00" <= character <= "\u9fff" for character in other) or not other.strip()


def test_setup_commands_are_those_that_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    setup = next(line for line in README.splitlines() if line.startswith("python3 -m venv") and "pytest" in line)
    _, install, test = setup.split(" && ")
    assert install.removeprefix(".venv/bin/pip install ") in ci
    assert test.removeprefix(".venv/bin/") in ci.splitlines()
