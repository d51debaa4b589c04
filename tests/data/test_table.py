from pathlib import Path

import pytest
from PIL import Image

from inception_lightning.data import ImageTable
from inception_lightning.errors import InputError


def table(folder: Path, rows: list[str], header: str = "path,label,split") -> ImageTable:
    for name in {row.split(",")[0] for row in rows} - {""}:
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


def test_a_missing_table_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the table"):
        _ = ImageTable(root=tmp_path / "nowhere.csv").class_names
