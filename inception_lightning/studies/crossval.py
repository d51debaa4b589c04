"""Cross-validation: the runs of its folds, and what they say of the images that each has not trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from rich.table import Table

from inception_lightning.data.base import ImageDataModule
from inception_lightning.data.division import shared_groups
from inception_lightning.errors import InputError
from inception_lightning.evaluation.predictions_csv import Predictions
from inception_lightning.evaluation.scores import Scores, scores
from inception_lightning.evaluation.titles import NOT_PERCENT, TITLES
from inception_lightning.studies.sweep_file import ARGUMENTS, INTERPRETER, Sweep
from inception_lightning.studies.sweep_run import Run, plan
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.training.mean_answer import Gathering

Which: TypeAlias = Literal["last", "best"]

PREDICTIONS = "predictions-{}.csv"
"""What a fold says of its own images, in its folder; written once."""


def fold_runs(words: Sequence[str], folds: int, place: Path, flags: Sequence[str] = ()) -> list[Run]:
    """The run of each fold, which goes on where it was stopped.

    Args:
        words: Pages and flags of ``lightning fit``.
        folds: How many parts the images are divided into, at least 2.
        place: Where the folders of the runs lie.
        flags: What is said to the runs and makes them no others: whom to trust.
    """
    command = (INTERPRETER, "-m", "inception_lightning", "fit", *words, ARGUMENTS, "--resume=auto")
    choices = tuple({"data.fold": f"[{index},{folds}]"} for index in range(folds))
    return plan(Sweep(place.name, command, choices), place, flags)


def of_fold(run: Run, which: Which, module: InceptionClassifier, data: ImageDataModule) -> Predictions:
    """What the network of a fold says of the images that were held out, read where it was written before.

    Args:
        run: The fold's run.
        which: Which of its checkpoints ``module`` is from.
        module: The trained network.
        data: The data with the fold that was held out.

    Raises:
        InputError: A group is on both sides.
    """
    both = shared_groups(data.dataset("train").groups, data.dataset("val").groups)
    if both:
        raise InputError(f"{run.folder}: {len(both)} groups are trained on and held out, such as {both[0]}")
    file = run.folder / PREDICTIONS.format(which)
    if file.is_file():
        return Predictions.read(file)
    found = _predicted(module, data)
    found.write(file)
    return found


def _predicted(module: InceptionClassifier, data: ImageDataModule) -> Predictions:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module, dataset = module.to(device).eval(), data.dataset("val")
    answers, targets, gathering = [], [], Gathering(data.crops.per_image)
    with torch.inference_mode():
        for images, labels in data.val_dataloader():
            logits, complete = gathering.add(module(images.to(device)).cpu().double(), labels)
            answers.append(logits.sigmoid() if module.several_labels else logits.softmax(dim=1))
            targets.append(complete)
    return Predictions(
        probabilities=torch.cat(answers).numpy(),
        targets=torch.cat(targets).numpy().astype(np.int64),
        class_names=tuple(data.class_names),
        files=[dataset.name(index) for index in range(len(dataset))],
    )


def pooled(folds: Sequence[Predictions]) -> Predictions:
    """The predictions of all folds as one: of each image by the network that has not trained on it.

    Raises:
        InputError: The folds have other classes, or an image in common.
    """
    first = folds[0]
    if any(one.class_names != first.class_names for one in folds):
        raise InputError("the folds have other classes: train them again, from the same data")
    files = [name for one in folds for name in one.files]
    return Predictions(
        probabilities=np.concatenate([one.probabilities for one in folds]),
        targets=np.concatenate([one.targets for one in folds]),
        class_names=first.class_names,
        files=files,
    )


def fold_table(whole: Scores, folds: Sequence[Predictions]) -> tuple[Table, list[list[object]]]:
    """The scores of all images and their mean and standard deviation over folds: for people, and as rows of numbers.

    Args:
        whole: The scores of the pooled predictions.
        folds: The predictions of each fold.

    Returns:
        A table; and the rows score, pooled, mean, std and the number of each fold.
    """
    each = [scores(one.probabilities, one.targets, one.class_names, with_intervals=False).overall for one in folds]
    shown = Table("score", title=f"{whole.images:,} images, each by a network that has not trained on it")
    for heading in ("all images", "95 % interval", f"mean ± std of {len(folds)} folds"):
        shown.add_column(heading, justify="right")
    rows: list[list[object]] = []
    for name, value in whole.overall.items():
        numbers = np.array([one.get(name, np.nan) for one in each])
        mean, std = float(numbers.mean()), float(numbers.std(ddof=1))
        rows.append([name, value, mean, std, *numbers.tolist()])
        factor, digits = (1, 4) if name in NOT_PERCENT else (100, 2)
        low, high = (factor * side.get(name, np.nan) for side in (whole.low, whole.high))
        cells = (f"{factor * value:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}")
        shown.add_row(TITLES[name], *cells, f"{factor * mean:.{digits}f} ± {factor * std:.{digits}f}")
    return shown, rows
