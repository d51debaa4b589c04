"""A picture of what the network will see: random training views in two epochs, and evaluation views."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from inception_lightning.data.base import ImageDataModule
from inception_lightning.loading.dataset import Label, label_names
from inception_lightning.loading.pictured import how_pictured, pictured
from inception_lightning.names import short_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, ROWS = 8, 2
FIRST = "training, epoch 0"


def draw(data: ImageDataModule) -> "Figure":
    """Two rows each: the same training images in epochs 0 and 1, and validation images."""
    from matplotlib.figure import Figure

    random = data.train_views()
    picked = spread(len(random.labels), COLUMNS * ROWS)
    fixed = data.views("val")
    sections = {
        FIRST: [random[0, index] for index in picked],
        "the same images, epoch 1": [random[1, index] for index in picked],
        "validation": [fixed[index] for index in spread(len(fixed), COLUMNS * ROWS)],
    }
    figure = Figure(figsize=(1.45 * COLUMNS, 1.72 * ROWS * len(sections) + 0.3 * len(sections)), layout="constrained")
    parts = figure.subfigures(len(sections), 1, squeeze=False)[:, 0]
    for part, (title, samples) in zip(parts, sections.items(), strict=True):
        how = how_pictured(data.num_channels, data.pixels) if title == FIRST else ""
        said = f"{title}, {data.image_size} x {data.image_size} pixels{f'. {how}' if how else ''}"
        part.suptitle(said, fontsize=11, x=0.01, ha="left")
        _draw_grid(part.subplots(ROWS, COLUMNS).flatten(), samples, data.class_names)
    return figure


def save(data: ImageDataModule, file: Path) -> None:
    """Draw into a file, whose suffix says the format."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draw(data).savefig(file, dpi=120)


def _draw_grid(axes: Sequence[object], samples: Sequence[tuple[Tensor, Label]], names: Sequence[str]) -> None:
    for axis in axes:
        axis.axis("off")  # type: ignore[attr-defined]  # matplotlib's arrays have no types
    for axis, (image, label) in zip(axes, samples, strict=False):
        axis.imshow(pictured(image).permute(1, 2, 0).numpy(), interpolation="nearest")  # type: ignore[attr-defined]  # (H, W, 3)
        axis.set_title(short_name(", ".join(label_names(label, names))), fontsize=8, pad=2)  # type: ignore[attr-defined]


def spread(size: int, count: int) -> list[int]:
    """Up to ``count`` of ``size`` indices, evenly, the first and the last among them."""
    places: list[int] = torch.linspace(0, size - 1, min(size, count)).long().tolist()
    return places
