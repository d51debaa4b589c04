"""Pages that people send each other: read as data, or refused in a sentence and soon."""

import datetime
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from inception_lightning.errors import InputError
from inception_lightning.pages import MOST_BYTES, parse_page, read_page

SECONDS = 2.0  # of this process; a quiet core needs less than one
DEEP = 10_000
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine aliases of nine aliases of ...: 9 ** 9 items."""
BOMB_OF_MERGES = "a: &a {k: x}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def refusal(text: str) -> str:
    """The sentence that refuses a page, which comes soon."""
    start = time.process_time()
    with pytest.raises(InputError) as raised:
        parse_page(text, "page.yaml")
    assert time.process_time() - start < SECONDS
    assert len(str(raised.value).splitlines()) == 1
    assert "page.yaml" in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("a: 1e-3", {"a": 0.001}),
        ("a: [1e3, 1.5e-3, -2E+2, .5, 1., 1_000.5]", {"a": [1000.0, 0.0015, -200.0, 0.5, 1.0, 1000.5]}),
        ("a: [.inf, -.inf]", {"a": [float("inf"), float("-inf")]}),
        ("a: [12, 0x10, 1_000]", {"a": [12, 16, 1000]}),
        ("a: [e3, 1e, 1.2.3, 1-3, 2026-01-02_03-04-05]", {"a": ["e3", "1e", "1.2.3", "1-3", "2026-01-02_03-04-05"]}),
        ("a: 2026-01-02", {"a": "2026-01-02"}),
        ("a: 2026-01-02 03:04:05", {"a": "2026-01-02 03:04:05"}),
        ("a: !!timestamp nonsense", {"a": "nonsense"}),
        ("a: &x [1, 2]\nb: [*x, *x]\nc: &y 3\nd: *y", {"a": [1, 2], "b": [[1, 2], [1, 2]], "c": 3, "d": 3}),
        ("a: [null, ~, true, 'true', 1]", {"a": [None, None, True, "true", 1]}),
        ("a: &x {b: 1}\nc: {<<: *x, b: 2}", {"a": {"b": 1}, "c": {"b": 2}}),  # a merged key may be given anew
        ("a: é ü 漢", {"a": "é ü 漢"}),
    ],
)
def test_what_a_page_says(text: str, expected: dict[str, Any]) -> None:
    found = parse_page(text, "page.yaml")
    assert found == expected
    assert repr(found) == repr(expected)  # 1 is not 1.0, nor True


def test_dates_and_small_numbers_are_where_pyyaml_is_otherwise() -> None:
    """Why there is a loader of ours."""
    assert yaml.safe_load("a: 1e-3") == {"a": "1e-3"}
    assert yaml.safe_load("a: 2026-01-02") == {"a": datetime.date(2026, 1, 2)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2", "the key a stands there twice"),
        ("x:\n  b: {c: 1, c: 2}", "the key c stands there twice, in line 2"),
        (BOMB, "it has more than 10,000 values"),
        (BOMB_OF_MERGES, "it has more than 10,000 values"),
        ("a: &a [*a]", "a is an alias of what it stands in"),
        ("a: &a {b: {c: *a}}", "a is an alias of what it stands in"),
        ("a: [" + "1, " * 10_000 + "]", "it has more than 10,000 values"),
        ("[" * DEEP, "it is nested too deeply"),
        ("a:" + " {a:" * DEEP, "it is nested too deeply"),
        ("- " * DEEP + "a", "it is nested too deeply"),
        ("a: [1", "expected ',' or ']'"),
        ("a: b: c", "mapping values are not allowed here"),
        ("\ta: 1", "cannot start any token"),
        ("a: *nowhere", "undefined alias"),
        ("? [a, b]\n: 1", "cannot read the page page.yaml"),
        ("? {a: b}\n: 1", "cannot read the page page.yaml"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("a: !!int nonsense", "cannot read the page page.yaml"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("a: \x00", "cannot read the page page.yaml"),
        ("[1, 2]", "page.yaml is no page: it holds list instead of settings by name"),
        ("words", "page.yaml is no page: it holds str instead of settings by name"),
    ],
)
def test_what_is_no_page_is_refused_soon(text: str, expected: str) -> None:
    assert expected in refusal(text)


def unreadable(file: Path) -> str:
    start = time.process_time()
    with pytest.raises(InputError) as raised:
        read_page(file)
    assert time.process_time() - start < SECONDS
    assert str(file) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


def test_files_that_are_no_pages(tmp_path: Path) -> None:
    assert unreadable(tmp_path / "nowhere.yaml").endswith("there is no file of that name")
    assert unreadable(tmp_path).endswith("is no page: it is a folder")
    assert unreadable(Path("/dev/zero")).endswith("is no page: it is a device")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert unreadable(pipe).endswith("is no page: it is a device")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(bytes(range(256)))
    assert unreadable(binary).endswith("it is no text in UTF-8")
    big = tmp_path / "big.yaml"
    big.write_bytes(b"a" * (MOST_BYTES + 1))
    assert "a page at most 1,048,576" in unreadable(big)
    assert "cannot read the page" in unreadable(Path(f"{'n' * 5000}.yaml"))
    assert "cannot read the page" in unreadable(tmp_path / "null\0.yaml")


def test_a_file_is_read_and_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "page.yaml").write_text("a: é\n", encoding="utf-8")
    (tmp_path / "link.yaml").symlink_to("page.yaml")
    assert read_page(tmp_path / "link.yaml") == {"a": "é"}
