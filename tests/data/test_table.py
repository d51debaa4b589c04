import logging
import re
from pathlib import Path

import pytest
from PIL import Image

from inception_lightning.__main__ import main
from inception_lightning.data import ImageTable, fingerprint
from inception_lightning.data.check import check
from inception_lightning.errors import InputError


def table(folder: Path, rows: list[str], header: str = "path,label,split") -> ImageTable:
    for name in {re.split("[,;]", row)[0] for row in rows} - {""}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / name)
    (folder / "images.csv").write_text("\n".join([header, *rows]))
    return ImageTable(root=folder / "images.csv", image_size=8, num_workers=0, val_fraction=0.5)


def test_rows_say_path_label_and_split(tmp_path: Path) -> None:
    data = table(tmp_path, ["x/1.png,dog,train", "2.png,cat,train", "3.png,dog,val", "4.png,cat,test"])
    assert list(data.class_names) == ["cat", "dog"]
    for split, files, labels in (
        ("train", ["x/1.png", "2.png"], [1, 0]),
        ("val", ["3.png"], [1]),
        ("test", ["4.png"], [0]),
    ):
        dataset = data.dataset(split)  # type: ignore[arg-type]
        assert list(dataset.files) == [tmp_path / name for name in files]
        assert dataset.labels.tolist() == labels
    assert next(iter(data.val_dataloader()))[0].shape == (1, 3, 8, 8)


def test_without_splits_a_share_of_each_class_is_held_out(tmp_path: Path) -> None:
    data = table(tmp_path, [f"{index}.png,{'cat' if index % 2 else 'dog'}" for index in range(8)], "path,label")
    assert data.dataset("train").labels.bincount().tolist() == [2, 2]
    assert data.dataset("val").labels.bincount().tolist() == [2, 2]
    assert list(data.dataset("test").files) == list(data.dataset("val").files)


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        (["1.png,cat"], "file,class", "line 2: a row is path,label"),
        (["1.png,cat,train", ",cat,train"], "path,label,split", "line 3: a row is path,label"),
        (["1.png,cat,trian"], "path,label,split", "line 2: a row is path,label"),
        ([], "path,label", "lists no images"),
        (["1.png,cat,train", "2.png,dog,val"], "path,label,split", "has a class 'dog' in val that train does not have"),
    ],
)
def test_wrong_tables_are_a_sentence(rows: list[str], header: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        table(tmp_path, rows, header).dataset("val")


@pytest.mark.parametrize(
    "content",
    [
        "path,label,split\na.png,cat,train\nb.png,dog,train\nc.png,cat,val\n",
        "\ufeff Path ; LABEL ; Split \r\n a.png ; cat ; Train \r\nb.png;dog;TRAINING\r\n;;\r\nc.png; cat ;valid\r\n",
        "label\tpath\tsplit\textra\ncat \ta.png\ttrain\t1\n\ndog\t./b.png\ttrain\t2\ncat\tx/../c.png\tdev\t3\n",
        '"path", "label", "split"\n"a.png", "cat", "train"\n"b.png", "dog", "train"\n"c.png", "cat", "validation"\n',
        "path|label|split\na.png|cat|train\na.png|cat|train\nb.png|dog|train\nc.png|cat|val",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_spaces_capitals_and_separators_are_understood(content: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_bytes(content.encode(encoding))
    for red, name in enumerate(("a.png", "b.png", "c.png")):
        Image.new("RGB", (8, 8), (red, 0, 0)).save(tmp_path / name)
    data = ImageTable(root=tmp_path / "images.csv")
    assert list(data.class_names) == ["cat", "dog"]
    assert [file.name for file in data.dataset("train").files] == ["a.png", "b.png"]
    assert [file.name for file in data.dataset("val").files] == ["c.png"]
    assert main(["data", "check", "--root", str(tmp_path / "images.csv"), "--data.num_workers=0"]) == 0


def test_the_same_image_with_two_labels_is_refused_by_name(tmp_path: Path) -> None:
    rows = ["x/1.png,cat,train", "2.png,dog,train", "./x/1.png,dog,val"]
    with pytest.raises(InputError, match=r"line 4: x/1\.png is 'dog', and 'cat' in line 2: keep one of them"):
        _ = table(tmp_path, rows).rows


def test_columns_that_are_not_understood_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2: a row is path,label .*; the columns are file, klass, split"):
        _ = table(tmp_path, ["1.png,cat,train"], "File,Klass ,split").rows


def test_paths_written_on_windows_are_found(tmp_path: Path) -> None:
    data = table(tmp_path, ["x/1.png,cat,train", "2.png,dog,val"])
    data.root.write_text(data.root.read_text().replace("/", "\\"))
    assert list(data.dataset("train").files) == [tmp_path / "x" / "1.png"]


def test_a_missing_table_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the table"):
        _ = ImageTable(root=tmp_path / "nowhere.csv").class_names


PARTED = ["1.png,cat;dog,train", "2.png,,train", "3.png,dog,train", "4.png, dog ; cat ,val"]
ONES = ["1.png,1,1,train,7", "2.png,0,0,train,8", "3.png,0,1,train,9", "4.png,1.0,true,val,7"]
SEVERAL = {
    "parted": ("path,label,split", PARTED),
    "bars": ("path;labels;split", [row.replace(";", "|").replace(",", ";") for row in PARTED]),
    "columns": ("path,Cat,Dog,split,age", ONES),
}


@pytest.mark.parametrize("form", SEVERAL)
def test_images_have_several_labels(form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    header, rows = SEVERAL[form]
    data = table(tmp_path, rows, header)
    assert data.several_labels
    assert [name.lower() for name in data.class_names] == ["cat", "dog"]
    assert data.dataset("train").labels.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert data.dataset("val").labels.tolist() == [[1, 1]]
    for name in "1234":
        Image.new("RGB", (8, 8), int(name)).save(tmp_path / f"{name}.png")
    other = table(tmp_path, [rows[0].replace("dog", "").replace("1,1,", "1,0,"), *rows[1:]], header)
    assert fingerprint.changes(data.fingerprint, other.fingerprint) == "images of train have other labels"
    with caplog.at_level(logging.INFO, "inception_lightning"):
        data.setup("fit")
    assert "several labels per image, from " in caplog.text
    report = check(data).text()
    assert "train: 3 images, 2 of 2 classes of 1 to 2 images" in report
    assert "several labels per image: 1.0 on average, none on 1 images" in report


def test_one_class_in_columns_is_one_label_unless_several_are_said(tmp_path: Path) -> None:
    rows = ["1.png,1,0", "2.png,0,1"]
    assert not table(tmp_path, rows, "path,cat,dog").several_labels
    assert table(tmp_path, rows, "path,cat,dog").undivided().labels.tolist() == [0, 1]
    said = ImageTable(root=table(tmp_path, rows, "path,cat,dog").root, labels_per_image="several")
    assert said.undivided().labels.tolist() == [[1, 0], [0, 1]]
    wrong = ImageTable(root=table(tmp_path, ["1.png,1,1"], "path,cat,dog").root, labels_per_image="one")
    with pytest.raises(InputError, match="some rows have no class or several"):
        wrong.dataset("train")


def test_a_name_with_a_bar_is_one_class_where_that_is_said_and_rows_are_joined(tmp_path: Path) -> None:
    root = table(tmp_path, ["1.png,a|b", "2.png,c"], "path,label").root
    assert list(ImageTable(root=root, labels_per_image="one").class_names) == ["a|b", "c"]
    root = table(tmp_path, ["1.png,a", "1.png,b", "2.png,b"], "path,label").root
    joined = ImageTable(root=root, labels_per_image="several").undivided()
    assert joined.labels.tolist() == [[1, 1], [0, 1]]
