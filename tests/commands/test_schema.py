"""``lightning schema`` against all of our pages, and against ten broken ones."""

import importlib.metadata
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError, best_match

from inception_lightning.commands.init import PAGE
from inception_lightning.commands.schema import schema
from inception_lightning.pages import parse_page, read_page
from tests.processes import finish, program

QUICKSTART = Path("experiments/quickstart.yaml").read_text()
PAGES = [page for page in sorted(Path("experiments").rglob("*.yaml")) if "parameters:" not in page.read_text()]


SCHEMA = Path("experiments/schema.json")
MADE_OF = ("torch", "lightning")
"""What else the schema says the options of, and which version of it has them."""


def test_the_schema_that_our_pages_name_is_the_one_that_the_command_prints() -> None:
    pinned = dict(re.findall(r"^(\S+?)==(\S+)", Path("constraints.txt").read_text(), re.MULTILINE))
    installed = {name: importlib.metadata.version(name).partition("+")[0] for name in MADE_OF}
    if installed != {name: pinned[name] for name in MADE_OF}:
        pytest.skip("the file has the options of the versions in constraints.txt")
    code, printed = finish(program("schema"))  # in a process of its own: classes of tests are no choices
    assert code == 0, printed
    assert SCHEMA.read_text() == printed, "lightning schema > experiments/schema.json"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_editors_find_the_schema_of_each_page(page: Path) -> None:
    first = page.read_text().partition("\n")[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (page.parent / first.partition("=")[2]).resolve() == SCHEMA.resolve()


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    made = schema()
    Draft7Validator.check_schema(made)
    return Draft7Validator(made)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_our_pages_are_accepted(page: Path, validator: Draft7Validator) -> None:
    assert [error.message for error in validator.iter_errors(read_page(page))] == []


def test_the_page_of_init_is_accepted(validator: Draft7Validator) -> None:
    assert [error.message for error in validator.iter_errors(parse_page(PAGE, "page"))] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("seed_everything: 0", "seed_everthing: 0"),
        ("class_path: InceptionResNetV1", "class_path: InceptionResNetV3"),
        ("residual_scales:", "residual_scale:"),
        ("stem: small", "stem: tiny"),
        ("width: 0.25", "width: wide"),
        ("aux: true", "aux: perhaps"),
        ("class_path: Digits", "class_path: Digit"),
        ("batch_size: 64", "batch_size: sixty"),
        ("max_epochs: 10", "max_epoch: 10"),
        ("class_path: AdamW", "class_path: AdamX"),
    ],
)
def test_a_broken_page_is_refused_in_the_right_line(right: str, wrong: str, validator: Draft7Validator) -> None:
    text = QUICKSTART.replace(right, wrong)
    assert text != QUICKSTART
    errors = list(validator.iter_errors(parse_page(text, "page")))
    lines = {line_of(text, error) for error in errors}
    assert text.split("\n").index(next(line for line in text.split("\n") if wrong in line)) in lines
    assert len(lines) == 1


def line_of(text: str, error: ValidationError) -> int:
    """The line, from 0, that an editor marks: that of the value, or of the key that should not be there."""
    deepest = best_match([error]) or error
    path: Iterable[Any] = list(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        path = [*path, next(name for name in error.instance if name not in known)]
    elif len(deepest.absolute_path) > len(list(path)):
        path = list(deepest.absolute_path)
    node: Any = yaml.compose(text)
    line = 0
    for part in path:
        line, node = next((key.start_mark.line, value) for key, value in node.value if key.value == part)
    return line
