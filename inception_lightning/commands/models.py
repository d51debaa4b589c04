"""What ``lightning models`` prints: the networks, and the stages of one of them as in its paper's table.

All numbers but a paper's year and accuracy are counted in the networks themselves.
"""

import difflib
import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args, get_type_hints

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table

from inception_lightning.commands import options
from inception_lightning.errors import InputError
from inception_lightning.models import (
    GoogLeNet,
    Inception,
    InceptionResNetV1,
    InceptionResNetV2,
    InceptionV2,
    InceptionV3,
    InceptionV4,
)
from inception_lightning.models.cost import count_macs, count_parameters, empty_batch, minimum_size_with_heads, skeleton
from inception_lightning.models.figure import figure
from inception_lightning.models.network import block_count
from inception_lightning.weights.public import PUBLIC

WIDTH = 100  # characters; the tables are made for 80, but no longer name would be cut


@dataclass(frozen=True)
class Entry:
    """A network and its paper: number on arXiv, and single-crop accuracy on ImageNet, %."""

    variant: type[Inception]
    title: str
    year: int
    arxiv: str
    top1: float | None

    @property
    def name(self) -> str:
        """What Python and YAML call it."""
        return self.variant.__name__


ENTRIES = (
    Entry(GoogLeNet, "Inception-v1", 2014, "1409.4842", None),  # the paper has top-5 only
    Entry(InceptionV2, "BN-Inception", 2015, "1502.03167", 74.8),
    Entry(InceptionV3, "Inception-v3", 2015, "1512.00567", 78.8),
    Entry(InceptionV4, "Inception-v4", 2016, "1602.07261", 80.0),
    Entry(InceptionResNetV1, "Inception-ResNet-v1", 2016, "1602.07261", 78.7),
    Entry(InceptionResNetV2, "Inception-ResNet-v2", 2016, "1602.07261", 80.1),
)
NAMES = {name: entry for entry in ENTRIES for name in (entry.name, entry.title)}


def main(words: Sequence[str]) -> None:
    """Run ``lightning models``."""
    arguments = options.models().parse_args(words[1:])
    entry = find(arguments.name) if arguments.name else None
    try:
        if arguments.svg:
            if entry is None:
                raise InputError("--svg draws one network: say which, such as lightning models InceptionV4 --svg")
            print(figure(skeleton(entry.variant)), end="")
        elif arguments.json:
            print(json.dumps([describe(entry) for entry in ENTRIES] if entry is None else detail(entry), indent=2))
        else:
            print(text(entry))
    except BrokenPipeError:  # its reader, head perhaps, has seen enough
        sys.stdout = None


def text(entry: Entry | None = None) -> str:
    """What ``lightning models`` prints, or ``lightning models NAME``, without colours."""
    tables = overview_tables([describe(each) for each in ENTRIES]) if entry is None else detail_tables(detail(entry))
    console = Console(width=WIDTH, color_system=None)
    with console.capture() as capture:
        console.print(tables)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def find(name: str) -> Entry:
    """The network called ``name``, by its class or its title; capitals and punctuation do not matter.

    Raises:
        InputError: There is none; the message names the nearest.
    """
    letters, *aliases = (re.sub("[^a-z0-9]", "", alias.lower()) for alias in (name, *NAMES))
    entries = dict(zip(aliases, NAMES.values(), strict=True))
    if letters in entries:
        return entries[letters]
    nearest = difflib.get_close_matches(letters, entries, 1, 0.0)[0]
    raise InputError(f"there is no network {name}: did you mean {entries[nearest].name}?")


def describe(entry: Entry) -> dict[str, Any]:
    """A network's row in the overview, as plain data."""
    return _row(entry, skeleton(entry.variant, {"aux": True}))


def _row(entry: Entry, net: Inception) -> dict[str, Any]:
    parameters, macs = count_parameters(net), count_macs(net)
    heads = {part for part in parameters if part.startswith("aux_heads.")}
    return {
        "name": entry.name,
        "title": entry.title,
        "year": entry.year,
        "arxiv": entry.arxiv,
        "parameters": sum(parameters[part] for part in parameters.keys() - heads),
        "head_parameters": sum(parameters[part] for part in heads),
        "macs": sum(macs[part] for part in macs.keys() - heads),
        "image_size": net.image_size,
        "minimum_size": net.minimum_size,
        "minimum_size_with_heads": minimum_size_with_heads(net),
        "heads": list(net.aux_heads),
        "paper_top1": entry.top1,
        "weights": [
            {"name": public.name, "classes": public.classes, "top1": public.top1, "top5": public.top5}
            | {"licence": public.licence}
            | asdict(public.preprocessing)
            for public in PUBLIC
            if public.layout.variant is entry.variant
        ],
    }


def detail(entry: Entry) -> dict[str, Any]:
    """A network's row, its stages in order, and its presets, as plain data."""
    net = skeleton(entry.variant, {"aux": True})
    parameters, macs = count_parameters(net), count_macs(net)
    shapes = {name: list(end.shape[1:]) for name, end in net.endpoints(empty_batch(net)).items()}
    shapes |= {"classifier": [net.num_classes, 1, 1]}
    rows = {**shapes, **{f"aux_heads.{name}": shapes["classifier"] for name in net.aux_heads}}
    stages = [
        {"name": name, "shape": shape, "blocks": block_count(net.get_submodule(name))}
        | {"parameters": parameters[name], "macs": macs[name]}
        for name, shape in rows.items()
    ]
    return _row(entry, net) | {
        "stages": stages,
        "presets": [_preset(entry.variant, name) for name in presets(entry.variant)],
    }


def presets(variant: type[Inception]) -> tuple[str, ...]:
    """The names that ``preset`` takes; none where there is no such argument."""
    return get_args(get_type_hints(variant.__init__).get("preset"))


def _preset(variant: type[Inception], name: str) -> dict[str, Any]:
    net = skeleton(variant, {"aux": False, "preset": name})
    return {"name": name, "parameters": count_parameters(net).total(), "macs": count_macs(net).total()}


def overview_tables(networks: list[dict[str, Any]]) -> RenderableType:
    """`describe` of each network as a table, and their public weights as another."""
    rows = [
        (
            f"{row['name']}\n{row['title']}",
            f"{row['arxiv']}\n{row['year']}",
            f"{row['parameters']:,}\n+{row['head_parameters']:,}",
            f"{row['macs'] / 1e9:.3f}",
            str(row["image_size"]),
            f"{row['minimum_size']}\n{row['minimum_size_with_heads']}",
            str(len(row["heads"])),
            _percent(row["paper_top1"]),
        )
        for row in networks
    ]
    weights = [
        (public["name"], row["name"], _percent(public["top1"]), _percent(public["top5"]))
        for row in networks
        for public in row["weights"]
    ]
    notes = (
        "parameters, least: in the second line with heads. GMACs: 10^9 multiply-\n"
        "accumulates of convolutions and linear layers. input, least: side of the\n"
        "paper's and of the smallest possible image, in pixels. top-1, top-5: single\n"
        "crop, ImageNet, %, as the papers and the publishers of the weights say.\n"
    )
    table = _table("network, arXiv, parameters, GMACs, input, least, heads, top-1", rows, left=2)
    return Group(table, "", _table("public weights, network, top-1, top-5", weights, left=2), "", notes)


def detail_tables(data: dict[str, Any]) -> RenderableType:
    """`detail` as tables."""
    title = "{name}: {title} ({year}, arXiv:{arxiv})\n".format(**data)
    title += "{image_size}x{image_size} images, at least {minimum_size}x{minimum_size}".format(**data)
    stages = [
        (
            re.sub(r"^aux_heads\.", "head on ", stage["name"]),
            f"{stage['blocks']} x" if stage["blocks"] else "",
            "{1}x{2}x{0}".format(*stage["shape"]),
            f"{stage['parameters']:,}",
            f"{stage['macs']:,}",
        )
        for stage in data["stages"]
    ]
    total = ("without heads", "", "", f"{data['parameters']:,}", f"{data['macs']:,}")
    presets = [(preset["name"], f"{preset['parameters']:,}", f"{preset['macs']:,}") for preset in data["presets"]]
    weights = [
        (
            public["name"],
            _percent(public["top1"]),
            _percent(public["top5"]),
            str(public["image_size"]),
            f"{public['crop_fraction']:.4f}",
            public["interpolation"],
        )
        for public in data["weights"]
    ]
    tables: list[RenderableType] = [title, "", _table("stage, blocks, output, parameters, MACs", [*stages, total])]
    if presets:
        tables += ["", _table("preset, parameters, MACs", presets)]
    return Group(*tables, "", _table("public weights, top-1, top-5, input, crop, resize", weights))


def _percent(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{accuracy:.1f}"


def _table(titles: str, rows: Iterable[Sequence[str]], left: int = 1) -> Table:
    """A table whose first ``left`` columns hold words and the others numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for index, title in enumerate(titles.split(", ")):
        table.add_column(title, justify="left" if index < left else "right")
    for row in rows:
        table.add_row(*row)
    return table
