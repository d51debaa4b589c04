"""Which network a file's tensors are of: the layout of their names, under whatever prefix, with whatever classifier."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from inception_lightning.errors import InputError
from inception_lightning.weights.layouts import LAYOUTS, V3, V3_FID, Layout

log = logging.getLogger(__name__)

FID_CLASSES = 1008
"""Of the network of 2015: nothing else has as many."""
FIRST_OF_OURS = ("stem.0.conv.weight", "stem.0.conv.0.weight")


@dataclass(frozen=True)
class Recognised:
    """A file's tensors under the plain names of their layout; without one they are ours.

    Attributes:
        layout: The peer's layout, or none if it is ours.
        tensors: Key -> tensor.
    """

    layout: Layout | None
    tensors: dict[str, Tensor]


def recognise(tensors: Mapping[str, Tensor], name: str) -> Recognised:
    """The layout whose names the file has most of, its tensors without the prefix that their keys share.

    A classifier of one layer may be called anything (``fc.1``, ``head``). One of several layers has no place in our
    networks: it is left out, and a warning says so.

    Args:
        tensors: Key -> tensor.
        name: What a message calls the file.

    Raises:
        InputError: Less than half of every layout is there, or it is there twice.
    """
    ours = [key[: -len(first)] for key in tensors for first in FIRST_OF_OURS if f".{key}".endswith(f".{first}")]
    if len(ours) > 1:
        raise InputError(f"{name} holds two networks, below {ours[0]} and {ours[1]}: save the one to load by itself")
    if ours:
        return Recognised(None, _below(tensors, ours[0], "classifier", name))
    if "classifier.weight" in tensors:
        return Recognised(None, dict(tensors))
    modules = {prefix: _modules(tensors, prefix) for prefix in _prefixes(tensors)}
    share, prefix, layout = max(
        ((_share(layout, below), prefix, layout) for prefix, below in modules.items() for layout in LAYOUTS),
        key=lambda found: found[0],
    )
    if share < 0.5:
        raise InputError(
            f"{name} holds no Inception network in a known layout: its first key is {next(iter(tensors), 'missing')}"
        )
    classifier = layout.names("classifier")[-1]
    found = _with_classifier(_below(tensors, prefix, classifier, name), layout, name)
    logits = found.get(f"{classifier}.weight")
    if layout is V3 and logits is not None and len(logits) == FID_CLASSES:
        layout = V3_FID
    return Recognised(layout, found)


def _prefixes(tensors: Mapping[str, Tensor]) -> list[str]:
    """None, and those that at least half of the keys begin with, the shortest first."""
    counts = Counter(key[: place + 1] for key in tensors for place, letter in enumerate(key) if letter == ".")
    return ["", *sorted((prefix for prefix, count in counts.items() if 2 * count >= len(tensors)), key=len)]


def _modules(tensors: Mapping[str, Tensor], prefix: str) -> set[str]:
    pieces = [key.removeprefix(prefix).split(".") for key in tensors if key.startswith(prefix)]
    return {".".join(piece[:length]) for piece in pieces for length in range(1, len(piece))}


def _share(layout: Layout, modules: set[str]) -> float:
    names = [name for part in layout.stages if not part.startswith("aux_heads.") for name in layout.names(part)]
    return sum(name in modules for name in names) / len(names)


def _below(tensors: Mapping[str, Tensor], prefix: str, classifier: str, name: str) -> dict[str, Tensor]:
    """The tensors below ``prefix``, without it; a single linear layer among the others is the classifier."""
    inside = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    others = {key: tensor for key, tensor in tensors.items() if not key.startswith(prefix)}
    if f"{classifier}.weight" in inside:
        if others:
            log.warning("%s: left out, because they are not below %s: %s", name, prefix, _told(others))
        return inside
    return inside | _as_classifier(others, classifier, name)


def _with_classifier(tensors: dict[str, Tensor], layout: Layout, name: str) -> dict[str, Tensor]:
    """The tensors with the classifier under the layout's name for it."""
    classifier = layout.names("classifier")[-1]
    if f"{classifier}.weight" in tensors:
        return tensors
    trunk = {name for part in layout.stages if part != "classifier" for name in layout.names(part)}

    def belongs(key: str) -> bool:
        pieces = key.split(".")
        return any(".".join(pieces[:length]) in trunk for length in range(1, len(pieces)))

    head = {key: tensor for key, tensor in tensors.items() if not belongs(key)}
    if not any(tensor.dim() == 2 for tensor in head.values()):
        return tensors
    return {key: tensor for key, tensor in tensors.items() if key not in head} | _as_classifier(head, classifier, name)


def _as_classifier(head: Mapping[str, Tensor], classifier: str, name: str) -> dict[str, Tensor]:
    matrices = [key.removesuffix(".weight") for key, tensor in head.items() if tensor.dim() == 2]
    if len(matrices) == 1 and head.keys() <= {f"{matrices[0]}.weight", f"{matrices[0]}.bias"}:
        return {f"{classifier}{key.removeprefix(matrices[0])}": tensor for key, tensor in head.items()}
    if head:
        log.warning("%s: its classifier is more than one linear layer and was left out: %s", name, _told(head))
    return {}


def _told(tensors: Mapping[str, Tensor]) -> str:
    return f"{', '.join(list(tensors)[:4])}{', ...' if len(tensors) > 4 else ''}"
