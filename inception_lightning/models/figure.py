"""A network's figure as SVG, drawn from its table as the papers draw theirs: chains, branches, sums."""

import html
import itertools
from dataclasses import dataclass

from inception_lightning.models.cost import shapes
from inception_lightning.models.layers import (
    LRN,
    AvgPool,
    Concat,
    Conv,
    MaxPool,
    Residual,
    SeparableConv,
    Spec,
    Window,
    Word,
)
from inception_lightning.models.network import Inception

BOX, HIGH, GAP = 104, 22, 12  # width and height of a word, and what lies between two, in pixels
SIDE = 150  # for a stage's name and shape
LEAST = 32  # the height of these two lines
COLOURS = {Conv: "#cfe3f5", SeparableConv: "#cfe3f5", MaxPool: "#f9d9c4", AvgPool: "#d9efd3", LRN: "#eee"}
STYLE = "text{font:11px sans-serif;fill:#222}rect{stroke:#555;stroke-width:.7}path{stroke:#555;fill:none}"


@dataclass(frozen=True)
class Drawing:
    """A piece of a figure: its size in pixels, where data enter it and leave it, and its SVG, drawn at 0, 0."""

    width: float
    height: float
    middle: float
    svg: str

    def at(self, x: float, y: float) -> str:
        """Its SVG, moved."""
        return f'<g transform="translate({x:g},{y:g})">{self.svg}</g>'


def figure(net: Inception, size: int | None = None) -> str:
    """The whole network from top to bottom: a row per stage, with its name, blocks and output.

    Args:
        net: The network; its weights are not looked at.
        size: Side of the images that the outputs are of, in pixels; by default the network's own.
    """
    ends = shapes(net, size)
    rows = {name: chain(spec) for name, spec in net.tables.items()}
    width = SIDE + max(row.width for row in rows.values()) + GAP
    y, parts = (
        2.0 * GAP,
        [f'<text x="{GAP}" y="{GAP + 6}">image {size or net.image_size}x{size or net.image_size}x3</text>'],
    )
    for name, row in rows.items():
        channels, *grid = ends[name]
        height = max(row.height, LEAST)
        parts += [
            f'<text x="{GAP}" y="{y + 14:g}" font-weight="bold">{html.escape(name)}</text>',
            f'<text x="{GAP}" y="{y + 30:g}">{"x".join(map(str, (*grid, channels)))}</text>',
            row.at(SIDE, y),
            f'<path d="M{GAP} {y + height + GAP:g}H{width - GAP:g}" stroke-dasharray="2 3"/>',
        ]
        y += height + 2 * GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {y:g}" width="{width:g}" role="img">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff" stroke="none"/>{"".join(parts)}</svg>\n'
    )


def chain(spec: Spec) -> Drawing:
    """Words one below the other; equal blocks that follow each other are drawn once, with their number."""
    words = [spec] if isinstance(spec, Word) else list(spec)
    pieces = [_repeated(part(word), len(list(group))) for word, group in itertools.groupby(words)]
    if not pieces:  # a branch that hands its input on
        return Drawing(20, GAP, 10, f'<path d="M10 0V{GAP}"/>')
    return _below(pieces)


def _below(pieces: list[Drawing]) -> Drawing:
    middle = max(piece.middle for piece in pieces)
    width = middle + max(piece.width - piece.middle for piece in pieces)
    y, svg = 0.0, ""
    for index, piece in enumerate(pieces):
        if index:
            svg += f'<path d="M{middle:g} {y:g}v{GAP}"/>'
            y += GAP
        svg += piece.at(middle - piece.middle, y)
        y += piece.height
    return Drawing(width, y, middle, svg)


def part(spec: Spec) -> Drawing:
    """One word, or the chain that stands in its place."""
    match spec:
        case Concat():
            return _beside([chain(branch) for branch in spec.branches])
        case Residual():
            project = _labelled("1x1 conv, linear", COLOURS[Conv])  # back to as many channels as came in
            return _sum(_below([chain(spec.inner), project]), spec.scale)
        case Word():
            return _box(spec)
        case _:
            return chain(spec)


def _box(word: Word) -> Drawing:
    colour = next((COLOURS[kind] for kind in type(word).__mro__ if kind in COLOURS), "#fff")
    return _labelled(_said(word), colour)


def _labelled(said: str, colour: str) -> Drawing:
    svg = f'<rect width="{BOX}" height="{HIGH}" rx="3" fill="{colour}"/>'
    return Drawing(BOX, HIGH, BOX / 2, f'{svg}<text x="{BOX / 2}" y="15" text-anchor="middle">{said}</text>')


def _said(word: Word) -> str:
    kernel = getattr(word, "kernel", None)
    window = "" if kernel is None else f"{kernel}x{kernel}" if isinstance(kernel, int) else "x".join(map(str, kernel))
    names = {MaxPool: "max pool", AvgPool: "avg pool", LRN: "LRN", SeparableConv: "sep. conv", Conv: "conv"}
    name = next((names[kind] for kind in type(word).__mro__ if kind in names), type(word).__name__)
    stride = f" /{word.stride}" if isinstance(word, Window) and word.stride != 1 else ""
    filters = f", {word.filters}" if isinstance(word, Conv) else ""
    return f"{window} {name}{stride}{filters}{' V' if getattr(word, 'valid', False) else ''}".strip()


def _beside(branches: list[Drawing]) -> Drawing:
    width = sum(branch.width for branch in branches) + GAP * (len(branches) - 1)
    height, middle, x, svg = max(branch.height for branch in branches), width / 2, 0.0, ""
    for branch in branches:
        at = x + branch.middle
        svg += f'<path d="M{middle:g} 0L{at:g} {GAP}"/>{branch.at(x, GAP)}'
        svg += f'<path d="M{at:g} {GAP + branch.height:g}V{height + GAP:g}L{middle:g} {height + 2 * GAP:g}"/>'
        x += branch.width + GAP
    bottom = height + 2 * GAP
    svg += f'<rect x="{middle - 30:g}" y="{bottom:g}" width="60" height="14" rx="3" fill="#fff"/>'
    svg += f'<text x="{middle:g}" y="{bottom + 11:g}" text-anchor="middle">concat</text>'
    return Drawing(width, bottom + 14, middle, svg)


def _sum(inner: Drawing, scale: float) -> Drawing:
    middle, y = inner.middle + 2 * GAP, inner.height + 2 * GAP
    said = "+" if scale == 1 else f"+ {scale:g} x"
    svg = f'<path d="M{middle:g} 0H6V{y + 7:g}H{middle - 26:g}"/><path d="M{middle:g} 0v{GAP}"/>'
    svg += inner.at(2 * GAP, GAP) + f'<path d="M{middle:g} {inner.height + GAP:g}v{GAP}"/>'
    svg += f'<rect x="{middle - 26:g}" y="{y:g}" width="52" height="14" rx="7" fill="#fff"/>'
    svg += f'<text x="{middle:g}" y="{y + 11:g}" text-anchor="middle">{said}</text>'
    return Drawing(inner.width + 2 * GAP, y + 14, middle, svg)


def _repeated(piece: Drawing, times: int) -> Drawing:
    if times == 1:
        return piece
    said = f'<text x="{piece.width + 6:g}" y="{piece.height / 2 + 4:g}" font-weight="bold">{times} x</text>'
    return Drawing(piece.width + 36, piece.height, piece.middle, piece.svg + said)
