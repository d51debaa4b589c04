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
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text()):
            assert (file.parent / link).exists(), f"{file}: {link}"


def test_every_page_is_in_the_navigation() -> None:
    nav = yaml.safe_load(Path("mkdocs.yml").read_text())["nav"]
    assert sorted(page for entry in nav for page in entry.values()) == PAGES


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ("family.md", "options.md")])
def test_a_page_is_filled_in(page: str) -> None:
    filled = hooks.on_page_markdown((DOCS / page).read_text())
    assert "{{" not in filled
    assert all((DOCS / link).is_file() for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", filled))


def test_the_family_is_drawn() -> None:
    text = hooks.on_page_markdown((DOCS / "family.md").read_text())
    assert text.count("<svg ") == 6
    assert "head on inception_b" in text
