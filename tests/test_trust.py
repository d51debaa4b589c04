"""Which objects plain data may name. tests/commands/test_trust.py attacks the commands."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser
from torch import nn

from inception_lightning.errors import InputError
from inception_lightning.trust import TRUSTED, locate, may_name, trusting


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package in the current folder, which Python does not look into of its own accord."""
    folder = tmp_path / "trusted_project"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "parts.py").write_text(
        "import os\nfrom os import system\nfrom torch import nn\n\nWORD = 'x'\n\n\nclass Net(nn.Linear):\n"
        "    def __init__(self) -> None:\n        super().__init__(1, 1)\n\n\ndef loss(logits, labels):\n    return 0\n"
    )
    (tmp_path / "trusted_file.py").write_text("class Thing:\n    pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", str(tmp_path))])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("trusted_")]:
        del sys.modules[name]


def test_everything_below_a_trusted_name_may_be_named_and_nothing_beside_it() -> None:
    assert may_name("inception_lightning.models.InceptionV3")
    assert may_name("torch.optim.SGD")
    assert not may_name("torch.load")
    assert not may_name("torch.optimizer.SGD")  # only begins like it
    assert not may_name("os.system")
    with trusting(["os"]):
        assert may_name("os.system")
        assert not may_name("oscar.system")
        assert not may_name("subprocess.run")
        assert may_name("torch.optim.SGD")


def test_trust_nests_and_is_undone() -> None:
    with trusting(["one"]):
        with trusting(["two.three"]):
            assert [may_name(path) for path in ("one.A", "two.three.A", "two.A")] == [False, True, False]
            with trusting(None):
                assert may_name("anything.at.all")
            assert not may_name("anything.at.all")
        assert [may_name(path) for path in ("one.A", "two.three.A")] == [True, False]
    assert not may_name("one.A")


def test_trust_is_undone_where_something_fails() -> None:
    before = list(sys.path)
    with pytest.raises(ZeroDivisionError), trusting(["os"]):
        raise ZeroDivisionError
    assert not may_name("os.system")
    assert sys.path == before


def parsed(path: str) -> nn.Module:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--net", type=nn.Module)
    return parser.instantiate(parser.parse_args([f"--net={path}"])).net


def test_the_parser_trusts_the_same_and_as_long(project: Path) -> None:
    with trusting(["trusted_project"]):
        assert type(parsed("trusted_project.parts.Net")).__name__ == "Net"
        with pytest.raises(Exception, match="not allowed"):
            parsed("torch.fx.GraphModule")
        with trusting([]), pytest.raises(Exception, match="not allowed"):
            parsed("trusted_project.parts.Net")
        assert type(parsed("trusted_project.parts.Net")).__name__ == "Net"
    with trusting([]), pytest.raises(Exception, match="not allowed"):
        parsed("trusted_project.parts.Net")


def test_a_package_or_file_in_the_current_folder_is_found_while_it_is_trusted(project: Path) -> None:
    before = list(sys.path)
    with trusting(["trusted_project", "trusted_file"]):
        assert sys.path == [*before, str(project)]  # after all others, so that it hides none of them
        assert locate("trusted_project.parts.Net").__name__ == "Net"
        assert locate("trusted_file.Thing").__name__ == "Thing"
    assert sys.path == before


@pytest.mark.parametrize("packages", [["not_here"], [], None])
def test_the_current_folder_is_left_out_where_it_holds_none_of_them(project: Path, packages: list[str] | None) -> None:
    with trusting(packages):
        assert str(project) not in sys.path


def test_a_function_is_located(project: Path) -> None:
    with trusting(["trusted_project"]):
        assert locate("trusted_project.parts.loss")(1, 2) == 0


@pytest.mark.parametrize("path", ["trusted_project.parts.system", "trusted_project.parts.os.system"])
def test_what_a_trusted_module_imports_is_not_trusted_with_it(project: Path, path: str) -> None:
    with trusting(["trusted_project"]), pytest.raises(InputError, match=r"may not name|cannot be imported"):
        locate(path)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("trusted_project.nothing.A", r"No module named 'trusted_project\.nothing'"),
        ("trusted_project.parts.A", r"module 'trusted_project\.parts' has no attribute 'A'"),
    ],
)
def test_what_cannot_be_imported_says_what_to_install(project: Path, path: str, why: str) -> None:
    sentence = rf"{path} cannot be imported \({why}\): install the package trusted_project, or start where it lies"
    with trusting(["trusted_project"]), pytest.raises(InputError, match=sentence):
        locate(path)


def test_what_is_neither_class_nor_function_is_refused(project: Path) -> None:
    with trusting(["trusted_project"]), pytest.raises(InputError, match=r"parts\.WORD is no class or function"):
        locate("trusted_project.parts.WORD")


def test_nothing_is_imported_that_is_not_trusted(project: Path) -> None:
    with pytest.raises(InputError, match=r"a page may not name trusted_project.parts.Net: say --trust trusted_pr"):
        locate("trusted_project.parts.Net")
    assert "trusted_project" not in sys.modules


@pytest.mark.parametrize("name", ["", "a b", "../evil", "a..b", "a.", "*", "a-b"])
def test_a_name_that_is_no_import_path_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="--trust names a package by its import path"), trusting([name]):
        pass


def test_nothing_that_opens_files_or_calls_others_is_trusted_from_the_start() -> None:
    for path in ("torch.load", "torch.hub.load", "builtins.eval", "subprocess.run", "timm.create_model", "wandb.init"):
        assert not any(path == name or path.startswith(f"{name}.") for name in TRUSTED)
