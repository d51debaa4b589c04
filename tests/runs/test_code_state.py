import json
import subprocess
from pathlib import Path

from inception_lightning import __version__
from inception_lightning.runs.code_state import code_state


def git(place: Path, *words: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    done = subprocess.run(["git", *identity, "-C", str(place), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(place: Path) -> Path:
    package = place / "package"
    package.mkdir()
    (package / "__init__.py").write_text("one = 1\n")
    git(place, "init", "-q")
    git(place, "add", ".")
    git(place, "commit", "-qm", "First")
    return package


def test_the_commit_and_what_was_changed_since_are_written(tmp_path: Path) -> None:
    package = repository(tmp_path)
    clean = code_state(package)
    assert clean.facts == {"version": __version__, "commit": git(tmp_path, "rev-parse", "HEAD"), "changed": False}
    (package / "__init__.py").write_text("one = 2\n")
    changed = code_state(package)
    changed.write(tmp_path)
    assert json.loads((tmp_path / "code.json").read_text()) == clean.facts | {"changed": True}
    (package / "__init__.py").write_text("one = 1\n")
    git(tmp_path, "apply", str(tmp_path / "code.patch"))
    assert (package / "__init__.py").read_text() == "one = 2\n"


def test_another_projects_repository_says_nothing_of_the_code(tmp_path: Path) -> None:
    repository(tmp_path)
    installed = tmp_path / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    state = code_state(installed)
    assert state.facts == {"version": __version__, "commit": None, "changed": False}
    state.write(tmp_path)
    assert not (tmp_path / "code.patch").exists()
