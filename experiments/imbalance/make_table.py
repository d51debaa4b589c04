"""Writes the table of an uneven problem: CIFAR-10's JPEGs, of which one class is 2 % of the training images.

python experiments/imbalance/make_table.py FOLDER, where FOLDER has train/NAME/*.jpg and test/NAME/*.jpg, writes
FOLDER/uneven.csv: 500 training images of nine classes and 92 of trucks, and the first 300 test images of all ten.
"""

import csv
import sys
from pathlib import Path

RARE, RARE_IMAGES, IMAGES, VALIDATION_IMAGES = "truck", 92, 500, 300


def main(root: Path) -> None:
    """Write the table of the images in ``root``."""
    rows = [("path", "label", "split")]
    for split, folder in (("train", root / "train"), ("val", root / "test")):
        for name in sorted(entry.name for entry in folder.iterdir()):
            files = sorted((folder / name).glob("*.jpg"))
            count = VALIDATION_IMAGES if split == "val" else RARE_IMAGES if name == RARE else IMAGES
            rows += [(str(file.relative_to(root)), name, split) for file in files[:count]]
    with (root / "uneven.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    print(f"{root / 'uneven.csv'}: {len(rows) - 1:,} images")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
