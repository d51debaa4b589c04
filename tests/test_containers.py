"""The Dockerfile and the devcontainer, as far as they can be checked where no engine runs: by hadolint, and as data."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCKERFILE = ROOT / "Dockerfile"
DEVCONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
INSTALL = re.compile(
    r"pip install (?:--no-cache-dir )?-c constraints.txt -e ('?)\.(?:\[(\w+)\])?\1(?: |$)", re.MULTILINE
)


def hadolint(file: Path) -> list[dict[str, str | int]]:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or "hadolint"
    done = subprocess.run([program, "--format=json", "--no-color", str(file)], capture_output=True, text=True)
    found: list[dict[str, str | int]] = json.loads(done.stdout)
    return found


def test_hadolint_finds_nothing() -> None:
    assert hadolint(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("FROM python:3.13-slim", "FROM python", "DL3006"),
        ("WORKDIR /work", "WORKDIR work", "DL3000"),
        ('ENTRYPOINT ["lightning"]', "ENTRYPOINT lightning", "DL3025"),
        ("ENV PYTHONUNBUFFERED=1", "EVN PYTHONUNBUFFERED=1", "DL1000"),
    ],
)
def test_hadolint_would_find_what_is_wrong(right: str, wrong: str, code: str, tmp_path: Path) -> None:
    text = DOCKERFILE.read_text()
    assert right in text
    (tmp_path / "Dockerfile").write_text(text.replace(right, wrong))
    assert code in {one["code"] for one in hadolint(tmp_path / "Dockerfile")}


def test_what_the_image_copies_is_there_and_not_left_out() -> None:
    copied = [
        word for line in re.findall(r"^COPY (.+)$", DOCKERFILE.read_text(), re.MULTILINE) for word in line.split()[:-1]
    ]
    left_out = (ROOT / ".dockerignore").read_text().split()
    assert {"pyproject.toml", "README.md", "LICENSE", "inception_lightning"} <= set(copied)  # what the build reads
    for name in copied:
        assert (ROOT / name).exists(), name
        assert not any(fnmatch(name, pattern) for pattern in left_out), name


def test_both_install_what_the_project_has_on_a_python_that_it_takes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))
    said = {"Dockerfile": DOCKERFILE.read_text(), "devcontainer": json.dumps(DEVCONTAINER)}
    for name, text in said.items():
        (version,) = re.findall(r"python:(\d+\.\d+)", text)
        assert tuple(map(int, version.split("."))) >= least, name
        (_, extra), *_ = INSTALL.findall(text.replace(" && ", "\n"))
        assert not extra or extra in project["optional-dependencies"], name


def test_the_devcontainer_says_what_editors_read() -> None:
    assert DEVCONTAINER.keys() <= {
        "name",
        "image",
        "hostRequirements",
        "runArgs",
        "postCreateCommand",
        "customizations",
    }
    assert DEVCONTAINER["customizations"]["vscode"]["extensions"]
    assert DEVCONTAINER["hostRequirements"]["gpu"] == "optional"
