"""Reads all images once and says what there is: counts, sizes, balance, duplicates, and every bad file."""

import contextlib
import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from inception_lightning.data.base import ImageDataModule, Split, SplitInputError
from inception_lightning.data.folder import ImageFolder, Photos
from inception_lightning.data.statistics import Levels, Statistics
from inception_lightning.errors import InputError, visible
from inception_lightning.loading.bands import Bands, channels, count_bands, is_picture, open_as, read_bands
from inception_lightning.loading.dataset import ImageDataset, ImageFiles
from inception_lightning.loading.decoding import ImageInputError, read_file

PER_TASK = 16


@dataclass(frozen=True)
class Finding:
    """One image: whether it can be read, its size, its file's bands, a hash of its content, and what was measured."""

    index: int
    height: int = 0
    width: int = 0
    content: str = ""
    reason: str = ""
    bands: int | None = None
    levels: Levels | None = None


@dataclass
class Report:
    """What is known of all images.

    Attributes:
        labels: Class indices by split; of images with several labels all of them, one after the other.
        findings: What was read, by split.
        datasets: The images by split, which know their names.
        class_names: The name of each class index.
        obstacles: Why there is a split less.
        same: Splits that show the images of another one.
        left_out: What lies among the images and is not shown.
        bands: What the images have, where they are no pictures in RGB.
    """

    class_names: list[str]
    labels: dict[Split, list[int]] = field(default_factory=dict)
    findings: dict[Split, list[Finding]] = field(default_factory=dict)
    datasets: dict[Split, ImageDataset] = field(default_factory=dict)
    obstacles: list[str] = field(default_factory=list)
    same: dict[Split, Split] = field(default_factory=dict)
    left_out: str = ""
    bands: Bands | None = None

    @property
    def statistics(self) -> Statistics | None:
        """Mean and std of the training images, if they were measured and there are any."""
        levels = [finding.levels for finding in self.findings.get("train", []) if finding.levels is not None]
        return Statistics.of(levels) if levels else None

    @property
    def bad(self) -> list[tuple[Split, str, str]]:
        """Split, file and reason of each image that cannot be read."""
        return [
            (split, self.datasets[split].name(finding.index), finding.reason)
            for split, findings in self.findings.items()
            for finding in findings
            if finding.reason
        ]

    def copies(self) -> list[list[tuple[Split, int]]]:
        """Groups of images with the same content: the split and index of each."""
        groups: dict[str, list[tuple[Split, int]]] = {}
        for split, findings in self.findings.items():
            for finding in findings:
                if not finding.reason:
                    groups.setdefault(finding.content, []).append((split, finding.index))
        return [group for group in groups.values() if len(group) > 1]

    def text(self) -> str:
        """The report for people."""
        lines = [] if self.bands is None else [self.bands.told()]
        for split, labels in self.labels.items():
            read = [finding for finding in self.findings[split] if not finding.reason]
            several = self.datasets[split].labels.ndim == 2
            count = len(self.findings[split])
            lines.append(f"{split}: {count:,} images, {self._balance(labels)}{_sizes(read)}")
            if several:
                bare = int((self.datasets[split].labels.sum(dim=1) == 0).sum())
                lines.append(
                    f"  several labels per image: {len(labels) / count:.1f} on average, none on {bare:,} images"
                )
        lines += [f"{split}: the same images as {other}" for split, other in self.same.items()]
        lines += self._other_bands()
        copies = self.copies()
        if copies:
            lines.append(f"duplicates: {len(copies):,} images are there more than once, for example")
            lines += [f"  {' = '.join(self._name(split, index) for split, index in group[:3])}" for group in copies[:3]]
        for one, other in (("train", "val"), ("train", "test")):
            shared = sum({one, other} <= {split for split, _ in group} for group in copies)
            if shared:
                lines.append(f"warning: {shared:,} images are in {one} and in {other}: its accuracy will be too good")
        if self.left_out:
            lines.append(self.left_out)
        lines += [f"error: {obstacle}" for obstacle in self.obstacles]
        lines += [f"bad in {split}: {visible(file)}: {reason}" for split, file, reason in self.bad[:20]]
        rest = f", {len(self.bad) - 20:,} of them not shown" if len(self.bad) > 20 else ""
        return "\n".join([*lines, f"{len(self.bad):,} bad images{rest}" if self.bad else "no bad images"])

    def _other_bands(self) -> list[str]:
        """A line about pictures with another number of bands than most, all of which are shown in RGB."""
        found = [
            (finding.bands, split, finding.index)
            for split, findings in self.findings.items()
            for finding in findings
            if finding.bands is not None
        ]
        counts = Counter(bands for bands, *_ in found)
        if self.bands is not None or len(counts) < 2:
            return []
        (usual, often), *others = counts.most_common()
        said = ", ".join(f"{count:,} of {channels(bands)}" for bands, count in others)
        name = next(self._name(split, index) for bands, split, index in found if bands != usual)
        return [f"{often:,} files are of {channels(usual)}, {said}, such as {name}: all are shown in RGB"]

    def write_bad(self, file: Path) -> None:
        """List the bad images as a CSV."""
        with file.open("w", newline="", encoding="utf-8", errors="surrogateescape") as opened:
            csv.writer(opened).writerows([("split", "file", "reason"), *self.bad])

    def _name(self, split: Split, index: int) -> str:
        return visible(self.datasets[split].name(index))

    def _balance(self, labels: list[int]) -> str:
        counts = Counter(labels)
        rare, often = min(counts.values(), default=0), max(counts.values(), default=0)
        said = f"{len(counts)} of {len(self.class_names)} classes of {rare:,} to {often:,} images"
        empty = [name for index, name in enumerate(self.class_names) if index not in counts]
        return said + (f" (none of {', '.join(map(visible, empty[:5]))})" if empty else "")


def check(data: ImageDataModule, statistics: bool = False) -> Report:
    """Read every image once, with all workers.

    Args:
        data: The images.
        statistics: Whether mean and std of the training images are measured.
    """
    report = Report(list(data.class_names), bands=data.bands)
    seen: dict[str, Split] = {}
    for split, dataset in _datasets(data, report):
        images = _images(dataset)
        if images in seen:  # test often shows the validation images
            report.same[split] = seen[images]
            continue
        seen[images] = split
        report.labels[split] = (dataset.labels.nonzero()[:, 1] if dataset.labels.ndim == 2 else dataset.labels).tolist()
        report.datasets[split] = dataset
        report.findings[split] = list(
            _findings(Readings(dataset, statistics and split == "train"), split, data.num_workers or 0)
        )
    report.obstacles += data.leaks() if isinstance(data, ImageFolder) and not report.obstacles else ()
    report.left_out = data.left_out.text() if isinstance(data, ImageFolder | Photos) else ""
    return report


def _datasets(data: ImageDataModule, report: Report) -> Iterator[tuple[Split, ImageDataset]]:
    """The splits that there are; all images as one where they are too few to be split."""
    try:
        yield "train", data.dataset("train")
    except SplitInputError as error:
        if not isinstance(data, ImageFolder):
            raise
        report.obstacles.append(str(error))
        yield "train", data.undivided()
        return
    for split in ("val", "test"):
        try:
            dataset = data.dataset(split)
        except InputError as error:
            if str(error) not in report.obstacles:
                report.obstacles.append(str(error))
            continue
        yield split, dataset


def _images(dataset: ImageDataset) -> str:
    """What is the same for the same images only: the paths of files, or what the images' own checksum covers."""
    digest = hashlib.sha256(dataset.labels.numpy().tobytes())
    if isinstance(dataset, ImageFiles):
        for index in range(len(dataset)):
            digest.update(os.fsencode(os.path.abspath(dataset.files.path(index))) + b"\0")
    else:
        for part in dataset.contents():
            digest.update(part)
    return digest.hexdigest()


class Readings(Dataset[Finding]):
    """What is found in every image of a data set; the pixels are not kept."""

    def __init__(self, dataset: ImageDataset, measured: bool = False) -> None:
        self.dataset = dataset
        self.measured = measured

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Finding:
        try:
            image, content, bands = self._read(index)
        except ImageInputError as error:
            return Finding(index, reason=self._bands_as_reason(index) or error.reason)
        levels = Levels.of(image) if self.measured else None
        return Finding(index, image.shape[1], image.shape[2], content, bands=bands, levels=levels)

    def _bands_as_reason(self, index: int) -> str:
        """What other bands a file has that is read in RGB and is no picture; empty where it has none."""
        if not isinstance(self.dataset, ImageFiles) or self.dataset.bands is not None:
            return ""
        with contextlib.suppress(InputError):
            data, name = read_file(self.dataset.files.path(index)), self.dataset.name(index)
            count = 1 if is_picture(data) else len(read_bands(data, name))
            return f"it has {channels(count)} and the others are pictures in RGB" if count > 1 else ""
        return ""

    def _read(self, index: int) -> tuple[torch.Tensor, str, int | None]:
        if isinstance(self.dataset, ImageFiles):
            data = read_file(self.dataset.files.path(index))
            image = open_as(data, self.dataset.name(index), self.dataset.bands).pixels()
            return image, hashlib.sha256(data.data).hexdigest(), count_bands(data)
        image = self.dataset[index][0]
        return image, hashlib.sha256(image.numpy().tobytes()).hexdigest(), None


def _findings(readings: Readings, split: Split, workers: int) -> Iterator[Finding]:
    loader = DataLoader(readings, PER_TASK, num_workers=workers, collate_fn=list)
    for findings in track(loader, f"reading {split}", total=len(loader)):
        yield from findings


def _sizes(read: list[Finding]) -> str:
    if not read:
        return ""
    sides = sorted(min(finding.height, finding.width) for finding in read)
    longest = max(max(finding.height, finding.width) for finding in read)
    return f"; shorter side {sides[0]} to {sides[-1]}, median {sides[len(sides) // 2]}, longest side {longest} pixels"
