"""The pages of the documentation: each section that they take is there, and links lead out of none of them."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

DOCS = Path("docs")
PAGES = sorted(page.name for page in DOCS.glob("*.md"))
found = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
assert found is not None
assert found.loader is not None
hooks = importlib.util.module_from_spec(found)
found.loader.exec_module(hooks)


def test_links_in_the_clone_lead_to_what_is_there() -> None:
    for file in (Path("README.md"), Path("CONTRIBUTING.md"), *DOCS.glob("*.md")):
        for link in re.findall(r"\]\((?!https?:|data:|#)([^)#]+)", file.read_text()):
            assert (file.parent / link).exists(), f"{file}: {link}"


def test_every_page_is_in_the_navigation() -> None:
    nav = yaml.safe_load(Path("mkdocs.yml").read_text())["nav"]
    assert sorted(page for entry in nav for page in entry.values()) == PAGES


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ("family.md", "options.md")])
def test_a_page_is_filled_in(page: str) -> None:
    filled = hooks.on_page_markdown((DOCS / page).read_text())
    assert "{{" not in filled
    assert all((DOCS / link).is_file() for link in re.findall(r"\]\((?!https?:|data:|#)([^)#]+)", filled))


def test_every_promise_names_tests_that_are_there() -> None:
    rows = [row for row in (DOCS / "reliability.md").read_text().splitlines() if row.startswith("| ")][2:]
    assert len(rows) == 13
    for row in rows:
        held = row.split(" | ")[1]
        files = re.findall(r"`(tests/\S+\.py)`", held)
        code = "".join(Path(file).read_text() for file in files)
        assert files or "benchmarks/" in held
        for name in re.findall(r"`(test_\w+)`", held):
            assert f"def {name}(" in code, name


def test_notebooks_are_shown_with_what_they_drew() -> None:
    text = hooks.on_page_markdown((DOCS / "notebooks.md").read_text())
    drawn = sum(file.read_text().count('"image/png"') for file in Path("notebooks").glob("*.ipynb"))
    assert text.count("](data:image/png;base64,") == drawn > 4
    assert "\x1b" not in text


def test_the_family_is_drawn() -> None:
    text = hooks.on_page_markdown((DOCS / "family.md").read_text())
    assert text.count("<svg ") == 6
    assert "head on inception_b" in text
