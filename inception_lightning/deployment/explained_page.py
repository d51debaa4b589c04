"""Explained images as pictures, as a table, and as ``explain.html``, for light and dark screens."""

import csv
import html
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from inception_lightning.errors import visible
from inception_lightning.evaluation.page import STYLE, encoded, heated, small
from inception_lightning.names import writable

PICTURES, TABLE, PAGE = "pictures", "explanations.csv", "explain.html"
MOST = 200
"""How many images a page holds: more would make it slow to open."""

SIDE = 160
"""Pixels: pictures of smaller images are enlarged until their sides have so many."""

FURTHER_STYLE = """
.maps { display: grid; gap: .4rem; grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)) }
.maps div { min-width: 0; font-size: .75rem; color: var(--soft); overflow-wrap: anywhere }
.maps img { width: 100%; display: block }
""".strip()


@dataclass(frozen=True)
class Explained:
    """An image, and where a network looks in it.

    Attributes:
        file: What a person finds it by.
        label: The class that is explained.
        probability: What the network gives to it, 0..1.
        true: The true class, where it is known.
        image: uint8 (3, H, W), as the network sees it.
        maps: Stage -> how much each place speaks for the class (h, w).
    """

    file: str
    label: str
    probability: float
    true: str
    image: Tensor
    maps: dict[str, Tensor]

    @property
    def views(self) -> dict[str, Tensor]:
        """The image and each of its maps over it, all uint8 (3, H, W), by name."""
        return {"image": self.image} | {stage: heated(self.image, places) for stage, places in self.maps.items()}


class Writer:
    """Writes pictures and table as they come, and the page in the end.

    Attributes:
        explained: How many images were.
        unreadable: How many could not be read.
    """

    def __init__(self, folder: Path, title: str, source: str) -> None:
        """Write into ``folder``, a page of that title, with a sentence about the network."""
        self.folder = folder
        self.title = title
        self.source = source
        self.flat: dict[str, None] = {}
        self.figures: list[str] = []
        self.explained = self.unreadable = 0

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Begin in the folder, which is empty; the page is written when all is done.

        Raises:
            OSError: The disk takes no more.
        """
        (self.folder / PICTURES).mkdir()
        with (self.folder / TABLE).open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            self.file, self.table = file, csv.writer(file)
            self.table.writerow(["file", "class", "probability", "true", "picture", "reason"])
            yield
        (self.folder / PAGE).write_text(self.page(), encoding="utf-8")

    def add(self, one: Explained) -> None:
        """Draw an image, and keep it for the page if there is room.

        Raises:
            OSError: The disk takes no more.
        """
        views = one.views
        name = f"{self.explained + self.unreadable:06}-{_plain(Path(one.file).stem)}.jpg"
        _save(list(views.values()), self.folder / PICTURES / name)
        row = [one.file, one.label, f"{one.probability:.6f}", one.true, f"{PICTURES}/{name}", ""]
        self._write([writable(cell) for cell in row])
        self.flat |= {stage: None for stage, places in one.maps.items() if places.numel() == 1}
        if self.explained < MOST:
            self.figures.append(_figure(one, views))
        self.explained += 1

    def add_unreadable(self, file: str, reason: str) -> None:
        """Say why an image is not explained.

        Raises:
            OSError: The disk takes no more.
        """
        self._write([writable(file), "", "", "", "", reason])
        self.unreadable += 1

    @property
    def told(self) -> list[str]:
        """Sentences about what is explained, the network first."""
        told = [self.source]
        if self.explained > len(self.figures):
            told.append(f"The page has the first {len(self.figures)} of {self.explained:,} images, {PICTURES} has all.")
        if self.unreadable:
            told.append(f"{self.unreadable:,} could not be read: see the column reason of {TABLE}.")
        told += [
            f"At {stage} the whole image is one place, so that its map says nothing: name an earlier --stage."
            for stage in self.flat
        ]
        return told

    def _write(self, row: Sequence[str]) -> None:
        self.table.writerow(row)
        self.file.flush()

    def page(self) -> str:
        """The page."""
        said = " ".join(_text(sentence) for sentence in self.told)
        return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{_text(self.title)}</title><style>{STYLE}
{FURTHER_STYLE}</style></head><body>
<h1>{_text(self.title)}</h1><p class="soft">{said}</p>
<p class="soft">Beside each image: which places speak for the class, the brighter the more. At the last stage what each
place adds to the class's logit, exactly (class-activation map); at an earlier one to first order, where it is above 0
(Grad-CAM). Each map has its own scale.</p>
<div class="mistakes">{"".join(self.figures)}</div></body></html>
"""


def _figure(one: Explained, views: dict[str, Tensor]) -> str:
    shown = "".join(
        f'<div><img alt="{_text(name)}" src="{encoded(view)}">{_text(name)}</div>' for name, view in views.items()
    )
    true = f"<br>true <b>{_text(one.true)}</b>" if one.true else ""
    said = f"<b>{_text(one.label)}</b> {100 * one.probability:.1f} %{true}<br>{_text(one.file)}"
    return f'<figure><div class="maps{small(one.image)}">{shown}</div><figcaption>{said}</figcaption></figure>'


def _save(views: Sequence[Tensor], path: Path) -> None:
    """Draw views (3, H, W) side by side."""
    wide = torch.cat(list(views), dim=2).permute(1, 2, 0)  # (H, W, 3)
    times = -(-SIDE // min(views[0].shape[1:]))
    larger = wide.repeat_interleave(times, dim=0).repeat_interleave(times, dim=1)
    Image.fromarray(larger.contiguous().numpy()).save(path, quality=90)


def _plain(name: str) -> str:
    """A name that every disk takes."""
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII)[:60]


def _text(words: str) -> str:
    return html.escape(visible(words))
