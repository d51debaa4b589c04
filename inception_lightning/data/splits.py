"""Which folders hold the images for training, validation and test, as people and tools name them."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from inception_lightning.data.base import Split
from inception_lightning.errors import InputError, visible
from inception_lightning.loading.listing import is_image

WORDS: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "development", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
FILLERS = re.compile(r"data|dataset|sets?|split|images?|imgs?|photos?|pictures?|files?|folder")
"""What says nothing about a split: ``test_set``, ``train_images``."""

NEAR = 0.8
LOOKED_INTO = 20
"""So many folders are looked into for what they hold: a thousand classes are no splits."""


@dataclass
class Splits:
    """The folders of a data set.

    Attributes:
        train: The folder of the training classes: the root itself where it is not split.
        held: Those of validation and test, as far as there are any.
        beside: Names of other folders in the root, which are not used.
    """

    train: Path
    held: Mapping[Split, Path] = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)


def split_of(name: str) -> Split | None:
    """The split that a folder's name, or a word in a table, says: ``Valid``, ``test_set``, ``train2017``."""
    words = [word.removesuffix("set").removesuffix("data") for word in re.findall(r"[^\W\d_]+", name.lower())]
    words = [word for word in words if word and not FILLERS.fullmatch(word)]
    return WORDS.get(words[0]) if len(words) == 1 else None


def find_splits(root: Path) -> Splits:
    """The splits in ``root``, understood from the names of its folders.

    Raises:
        InputError: They look like splits and are not understood: two for one, none for training, a misspelt one, or
            they lie in the folders of classes.
    """
    names = _folders(root)
    found: dict[Split, list[str]] = {}
    for name in names:
        split = split_of(name)
        if split is not None:
            found.setdefault(split, []).append(name)
    several = next((folders for folders in found.values() if len(folders) > 1), None)
    if several:
        raise InputError(f"{root} holds {_told(several)}, which seem to be the same split: rename or move one of them")
    others = [name for name in names if split_of(name) is None]
    if [*found.values()] == [["train"]] and _is_class(root / "train") and any(_is_class(root / n) for n in others):
        found = {}  # trains, beside cars and ships
    if "train" in found:
        return _with_train(root, {split: folder for split, (folder,) in found.items()}, others)
    if found:
        raise InputError(
            f"{root} holds {_told(name for (name,) in found.values())} and no folder for training: call that one train "
            "(if it is a class, call it otherwise)"
        )
    _refuse_hidden_splits(root, names)
    return Splits(root)


def _with_train(root: Path, found: Mapping[Split, str], others: list[str]) -> Splits:
    train = root / found["train"]
    classes = {name.lower() for name in _folders(train)}
    complete = "val" in found
    for name in others[:LOOKED_INTO]:
        same = classes & {inner.lower() for inner in _folders(root / name)}
        if same or name.lower() in classes or (_holds_images(root / name) and (not complete or _is_near(name))):
            raise InputError(
                f"{root} holds {_told(found.values())} and also {_told([name])}, which is no split that is understood: "
                "splits are called train, val (or valid, validation, dev) and test; rename it, or move it elsewhere"
            )
    held: dict[Split, Path] = {split: root / folder for split, folder in found.items() if split != "train"}
    return Splits(train, held, others)


def _refuse_hidden_splits(root: Path, names: list[str]) -> None:
    """Refuse splits that would be taken for classes, and classes that hold splits."""
    inside = {name: _folders(root / name) for name in names[:LOOKED_INTO]}
    splits = {name: [folder for folder in inner if split_of(folder)] for name, inner in inside.items()}
    least = 1 if len(names) == 1 else 2  # a folder train among others may be a class within a class
    holders = [name for name, folders in splits.items() if len(set(map(split_of, folders))) >= least]
    if holders:
        first = root / holders[0]
        mend = (
            f"say --data.root {first}" if len(holders) == 1 else "put the classes into the splits, not splits into them"
        )
        raise InputError(f"{first} holds {_told(splits[holders[0]])}, which seem to be splits: {mend}")
    for name, inner in inside.items():
        twins = [other for other in inside if other != name and set(inside[other]) & set(inner)]
        if _is_near(name) and twins:
            raise InputError(
                f"{root} holds {_told([name, *twins])}, which seem to be splits and not classes: call them train, val "
                "and test"
            )


def _is_near(name: str) -> bool:
    """Whether a name holds a split's word, or one that is misspelt."""
    words = re.findall(r"[^\W\d_]+", name.lower())
    return any(
        word in WORDS or any(near[0] == word[0] for near in difflib.get_close_matches(word, WORDS, 3, NEAR))
        for word in words
    )


def _is_class(folder: Path) -> bool:
    """Whether images lie in the folder itself, and none in folders in it."""
    return _has_images(folder) and not any(_has_images(folder / name) for name in _folders(folder)[:LOOKED_INTO])


def _holds_images(folder: Path) -> bool:
    return _has_images(folder) or any(_has_images(folder / name) for name in _folders(folder)[:LOOKED_INTO])


def _has_images(folder: Path) -> bool:
    return any(entry.is_file() and is_image(os.fsencode(entry.path)) for entry in islice(_entries(folder), 50))


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(folder) if os.path.isdir(entry.path))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is visible in a folder; nothing where it cannot be read, which who lists it says."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith((".", "__MACOSX")))
    except OSError:
        return


def _told(names: Iterable[str]) -> str:
    listed = list(map(visible, names))
    return ", ".join(listed[:-1]) + " and " + listed[-1] if len(listed) > 1 else listed[0]
