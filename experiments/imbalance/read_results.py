"""Prints what the runs of this experiment came to, from their confusion matrices, as mean and std over seeds.

python experiments/imbalance/read_results.py runs/imbalance
"""

import csv
import sys
from pathlib import Path

import numpy as np
import yaml

RARE = "truck"


def numbers(run: Path) -> tuple[float, float, float]:
    """Top-1, macro F1 and the rare class's recall of a run's last validation, 0..1."""
    with (run / "confusion.csv").open(newline="") as file:
        (_, *names), *rows = csv.reader(file)
    counts = np.array([row[1:] for row in rows], float)  # (true, predicted)
    right, true, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    f1 = 2 * right / (true + predicted)  # (K,)
    rare = names.index(RARE)
    return right.sum() / true.sum(), f1.mean(), right[rare] / true[rare]


def main(place: Path) -> None:
    """Read all runs in ``place``."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for file in sorted(place.rglob("confusion.csv")):
        page = yaml.safe_load((file.parent / "config.yaml").read_text())
        balance = page["data"]["init_args"]["balance"]
        method = "focal loss" if page["model"]["loss"] else {"none": "plain"}.get(balance, balance)
        found.setdefault(method, []).append(numbers(file.parent))
    print(f"{'':12}{'runs':>4}{'top-1 %':>16}{'macro F1 %':>16}{'recall of ' + RARE + ' %':>22}")
    for method, runs in found.items():
        values = 100 * np.array(runs)
        spread = values.std(axis=0, ddof=1) if len(runs) > 1 else np.full(3, np.nan)
        cells = [f"{mean:.1f} ± {std:.1f}" for mean, std in zip(values.mean(axis=0), spread, strict=True)]
        print(f"{method:12}{len(runs):4}{cells[0]:>16}{cells[1]:>16}{cells[2]:>22}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
