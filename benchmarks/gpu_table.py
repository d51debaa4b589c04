"""One table of all parts' results, as Markdown; the last part of ``gpu.sh``."""

import csv
import os
import re
from pathlib import Path

import torch

OUT = Path(os.environ["OUT"])


def rows(file: str) -> str:
    """A CSV file as a Markdown table."""
    if not (OUT / file).exists():
        return "not run"
    with (OUT / file).open(newline="") as opened:
        head, *body = csv.reader(opened)
    lines = ["| " + " | ".join(row) + " |" for row in (head, *body)]
    return "\n".join([lines[0], "|" + " --- |" * len(head), *lines[1:]])


def lines(file: str, pattern: str) -> str:
    """The lines of a part's output that count."""
    if not (OUT / file).exists():
        return "not run"
    found = [line for line in (OUT / file).read_text(errors="replace").splitlines() if re.search(pattern, line)]
    return "\n".join(f"- {line.strip()}" for line in found) or "no result"


def main() -> None:
    """Print it, and write it to ``$OUT/table.md``."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    parts = {
        "Tests marked `gpu`": lines("tests.txt", r"\d+ (passed|failed|error)|^FAILED|^ERROR"),
        "Networks against peers, bfloat16; a ratio above 1 says that ours is faster": rows("networks.csv"),
        "`lightning fit` over a plain loop; below 1 is faster": lines("fit.txt", r" on \d+ pixels|pairs of|^ratio"),
        "CIFAR-10 by its page": rows("cifar.csv"),
        "Profile": lines("profile.txt", r"^Inception|kernels"),
    }
    said = f"# {name}, torch {torch.__version__}\n\n" + "\n\n".join(
        f"## {part}\n\n{text}" for part, text in parts.items()
    )
    (OUT / "table.md").write_text(said + "\n")
    print(said)


if __name__ == "__main__":
    main()
