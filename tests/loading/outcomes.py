"""Every malformed file and folder, made anew, and what comes of it: ``python -m tests.loading.outcomes``."""

import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from inception_lightning.data import ImageFolder
from inception_lightning.errors import InputError
from inception_lightning.loading.decoding import ImageInputError, decode
from tests.data.test_bad_folders import TABLE as FOLDERS
from tests.loading.test_bad_files import TABLE as FILES


def of_file(name: str, place: Path) -> str:
    file = place / name
    file.parent.mkdir(exist_ok=True)
    FILES[name][0](file)
    try:
        _, height, width = decode(file).shape
    except ImageInputError as error:
        return f"refused: {error.reason}"
    return f"read: {height} x {width} pixels"


def of_folder(name: str, place: Path) -> str:
    FOLDERS[name][0](place)
    data = ImageFolder(root=place, image_size=8, num_workers=0)
    try:
        train, val = data.dataset("train"), data.dataset("val")
    except InputError as error:
        return f"refused: {str(error).replace(str(place), 'ROOT')}"
    return f"{data.num_classes} classes, {len(train)} images to train on, {len(val)} to validate on"


def main() -> None:
    console = Console(width=150)
    for title, names, outcome in (("malformed files", FILES, of_file), ("malformed folders", FOLDERS, of_folder)):
        table = Table(title, "outcome")
        for name in names:
            with tempfile.TemporaryDirectory() as place:
                short = name if len(name) < 50 else f"{name[:40]}..."
                table.add_row(repr(short)[1:-1], outcome(name, Path(place)))
        console.print(table)
        console.print(f"{len(names)} {title}")


if __name__ == "__main__":
    main()
