"""Reads all images once and says what there is: counts, sizes, balance, duplicates, and every bad file."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from inception_lightning.data.base import ImageDataModule, Split, SplitInputError
from inception_lightning.data.folder import ImageFolder
from inception_lightning.loading.dataset import ImageDataset, ImageFiles
from inception_lightning.loading.decoding import ImageInputError, open_image, read_file

PER_TASK = 16


@dataclass(frozen=True)
class Finding:
    """One image: whether it can be read, its size, and a hash of its content."""

    index: int
    height: int = 0
    width: int = 0
    content: str = ""
    reason: str = ""


@dataclass
class Report:
    """What is known of all images.

    Attributes:
        labels: Class indices by split.
        findings: What was read, by split.
        names: Names of files by split; of images in memory, their indices.
        class_names: The name of each class index.
        obstacle: Why there is no validation split; empty where there is one.
    """

    class_names: list[str]
    labels: dict[Split, list[int]] = field(default_factory=dict)
    findings: dict[Split, list[Finding]] = field(default_factory=dict)
    names: dict[Split, list[str]] = field(default_factory=dict)
    obstacle: str = ""

    @property
    def bad(self) -> list[tuple[Split, str, str]]:
        """Split, file and reason of each image that cannot be read."""
        return [
            (split, self.names[split][finding.index], finding.reason)
            for split, findings in self.findings.items()
            for finding in findings
            if finding.reason
        ]

    def copies(self) -> list[list[tuple[Split, str]]]:
        """Groups of images with the same content."""
        groups: dict[str, list[tuple[Split, str]]] = {}
        for split, findings in self.findings.items():
            for finding in findings:
                if not finding.reason:
                    groups.setdefault(finding.content, []).append((split, self.names[split][finding.index]))
        return [group for group in groups.values() if len(group) > 1]

    def text(self) -> str:
        """The report for people."""
        lines = []
        for split, labels in self.labels.items():
            read = [finding for finding in self.findings[split] if not finding.reason]
            lines.append(f"{split}: {len(labels):,} images, {self._balance(labels)}{_sizes(read)}")
        copies = self.copies()
        if copies:
            lines.append(f"duplicates: {len(copies):,} images are there more than once, for example")
            lines += [f"  {' = '.join(name for _, name in group[:3])}" for group in copies[:3]]
        for one, other in (("train", "val"), ("train", "test")):
            shared = sum({one, other} <= {split for split, _ in group} for group in copies)
            if shared:
                lines.append(f"warning: {shared:,} images are in {one} and in {other}: its accuracy will be too good")
        if self.obstacle:
            lines.append(f"error: {self.obstacle}")
        lines += [f"bad in {split}: {file}: {reason}" for split, file, reason in self.bad[:20]]
        rest = f", {len(self.bad) - 20:,} of them not shown" if len(self.bad) > 20 else ""
        return "\n".join([*lines, f"{len(self.bad):,} bad images{rest}" if self.bad else "no bad images"])

    def write_bad(self, file: Path) -> None:
        """List the bad images as a CSV."""
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows([("split", "file", "reason"), *self.bad])

    def _balance(self, labels: list[int]) -> str:
        counts = Counter(labels)
        rare, often = min(counts.values()), max(counts.values())
        said = f"{len(counts)} of {len(self.class_names)} classes of {rare:,} to {often:,} images"
        empty = [name for index, name in enumerate(self.class_names) if index not in counts]
        return said + (f" (none of {', '.join(empty[:5])})" if empty else "")


def check(data: ImageDataModule) -> Report:
    """Read every image of every split once, with all workers."""
    report = Report(list(data.class_names))
    seen: set[tuple[str, ...]] = set()
    for split, dataset in _datasets(data, report):
        names = _names(dataset)
        if isinstance(dataset, ImageFiles) and tuple(names) in seen:
            continue  # test shows the validation images
        seen.add(tuple(names))
        report.labels[split] = dataset.labels.tolist()
        report.names[split] = names
        report.findings[split] = list(_findings(dataset, split, data.num_workers or 0))
    return report


def _datasets(data: ImageDataModule, report: Report) -> Iterator[tuple[Split, ImageDataset]]:
    """The splits; all images as one where they are too few to be split."""
    try:
        first = data.dataset("train")
    except SplitInputError as error:
        if not isinstance(data, ImageFolder):
            raise
        report.obstacle = str(error)
        yield "train", data.undivided()
        return
    yield "train", first
    yield "val", data.dataset("val")
    yield "test", data.dataset("test")


class Readings(Dataset[Finding]):
    """What is found in every image of a data set; the pixels are not kept."""

    def __init__(self, dataset: ImageDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Finding:
        try:
            image, content = self._read(index)
        except ImageInputError as error:
            return Finding(index, reason=error.reason)
        return Finding(index, image.shape[1], image.shape[2], content)

    def _read(self, index: int) -> tuple[torch.Tensor, str]:
        if isinstance(self.dataset, ImageFiles):
            data = read_file(self.dataset.files.path(index))
            image = open_image(data, self.dataset.name(index)).pixels()
            return image, hashlib.sha256(data.data).hexdigest()
        image = self.dataset[index][0]
        return image, hashlib.sha256(image.numpy().tobytes()).hexdigest()


def _findings(dataset: ImageDataset, split: Split, workers: int) -> Iterator[Finding]:
    loader = DataLoader(Readings(dataset), PER_TASK, num_workers=workers, collate_fn=list)
    for findings in track(loader, f"reading {split}", total=len(loader)):
        yield from findings


def _names(dataset: ImageDataset) -> list[str]:
    if isinstance(dataset, ImageFiles):
        return [str(file) for file in dataset.files]
    return [str(index) for index in range(len(dataset))]


def _sizes(read: list[Finding]) -> str:
    if not read:
        return ""
    sides = sorted(min(finding.height, finding.width) for finding in read)
    longest = max(max(finding.height, finding.width) for finding in read)
    return f"; shorter side {sides[0]} to {sides[-1]}, median {sides[len(sides) // 2]}, longest side {longest} pixels"
