"""Rows that are filled in any order, and what a kill at any moment leaves of them."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from inception_lightning.deployment import rows as room
from inception_lightning.deployment.rows import UNREADABLE, WRITTEN, About, Rows, target_of
from inception_lightning.errors import InputError

ABOUT = About(network="n", stage="s", images="i", view="v", precision="32-true", count=7, width=3)
VALUES = np.arange(21, dtype=np.float32).reshape(7, 3)
NAMES = [Path(f"photo {index}.jpg") for index in range(6)] + [Path("\udcff,.jpg")]


def fill(rows: Rows) -> None:
    """As two processes do, the last batch first."""
    rows.begin()
    for indices in ([5], [1, 3], [4, 6], [0, 2]):
        marks = [UNREADABLE if index == 3 else WRITTEN for index in indices]
        rows.write(indices, VALUES[indices], marks)


@pytest.mark.parametrize("name", ["rows.npy", "rows.parquet"])
def test_rows_in_any_order_become_one_file_in_theirs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "CHUNK", 24)  # two rows at once
    rows = Rows(tmp_path / name, ABOUT)
    fill(rows)
    assert rows.marks().tolist() == [WRITTEN] * 3 + [UNREADABLE] + [WRITTEN] * 3
    rows.finish(NAMES, lambda index: f"reason {index}")
    assert not rows.folder.exists()
    if name.endswith(".npy"):
        assert np.array_equal(np.load(tmp_path / name), VALUES)
        with (tmp_path / "files.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            assert list(csv.reader(file))[1:] == [
                [str(file), "reason 3" if index == 3 else ""] for index, file in enumerate(NAMES)
            ]
    else:
        table = parquet.read_table(tmp_path / name)
        assert np.array_equal(np.array(table["embedding"].to_pylist(), np.float32), VALUES)
        assert table["file"].to_pylist() == [*map(str, NAMES[:-1]), "\\udcff,.jpg"]
        assert table["reason"].to_pylist() == [None] * 3 + ["reason 3"] + [None] * 3


def test_a_row_whose_mark_is_missing_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(tmp_path / "rows.npy", ABOUT)
    rows.begin()
    rows.write([0, 1], VALUES[:2], [WRITTEN, WRITTEN])
    write, calls = room._write_at, list[int]()

    def killed_before_the_marks(*arguments: object) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        write(*arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(room, "_write_at", killed_before_the_marks)
    with pytest.raises(KeyboardInterrupt):
        rows.write([2, 3], VALUES[2:4], [WRITTEN, WRITTEN])
    monkeypatch.undo()
    again = Rows(tmp_path / "rows.npy", ABOUT)
    again.begin()
    assert again.marks().tolist() == [WRITTEN, WRITTEN, 0, 0, 0, 0, 0]


def test_a_kill_while_the_file_is_made_costs_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(tmp_path / "rows.npy", ABOUT)
    fill(rows)

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)  # files.csv is in its place, the array is not
    with pytest.raises(KeyboardInterrupt):
        rows.finish(NAMES, str)
    monkeypatch.undo()
    assert target_of(tmp_path / "rows.npy") == tmp_path / "rows.npy"  # though there is files.csv
    again = Rows(tmp_path / "rows.npy", ABOUT)
    again.begin()
    again.finish(NAMES, str)
    assert np.array_equal(np.load(tmp_path / "rows.npy"), VALUES)


@pytest.mark.parametrize("other", ["network", "stage", "images", "view", "precision", "width"])
def test_other_rows_are_not_gone_on_with(other: str, tmp_path: Path) -> None:
    Rows(tmp_path / "rows.npy", ABOUT).begin()
    value = 4 if other == "width" else "another"
    said = "other images" if other == "images" else f"another {other}"
    with pytest.raises(InputError, match=f"begun with {said}: remove it"):
        Rows(tmp_path / "rows.npy", replace(ABOUT, **{other: value})).begin()  # type: ignore[arg-type]  # by its name


def test_places_are_told_apart_by_their_suffix(tmp_path: Path) -> None:
    (tmp_path / "folder.d").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "files.csv").touch()
    (tmp_path / "table.parquet").touch()
    for name, target in (
        ("new", "new/embeddings.npy"),
        ("v1.2", "v1.2/embeddings.npy"),
        ("folder.d", "folder.d/embeddings.npy"),
        ("a.npy", "a.npy"),
        ("taken/a.parquet", "taken/a.parquet"),
    ):
        assert target_of(tmp_path / name) == tmp_path / target
    for name, said in (
        ("a.csv", "name a .parquet, a .npy or a folder"),
        ("taken", "files.csv is there already"),
        ("table.parquet", "table.parquet is there already"),
    ):
        with pytest.raises(InputError, match=said):
            target_of(tmp_path / name)
