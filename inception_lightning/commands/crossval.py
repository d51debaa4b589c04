"""``lightning crossval``: a network for each fold of the images, and the scores of what each has not trained on."""

import csv
import json
import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from inception_lightning.commands.command_line import PAGE, RUNS, TRUST, TRUST_ALL, CommandLine
from inception_lightning.commands.data import read_data
from inception_lightning.commands.options import Options
from inception_lightning.commands.refusals import refuse_pages
from inception_lightning.configurable import KEY
from inception_lightning.data.base import ImageDataModule
from inception_lightning.data.division import DividedImages
from inception_lightning.data.folder import ImageFolder
from inception_lightning.errors import InputError, visible
from inception_lightning.evaluation.report import write_report
from inception_lightning.runs.checkpoints import read_checkpoint
from inception_lightning.runs.folder import newest
from inception_lightning.studies.crossval import Which, fold_runs, fold_table, of_fold, pooled
from inception_lightning.studies.sweep import run_sweep
from inception_lightning.studies.sweep_run import DONE, NON_FINITE, Run, fingerprint
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.trust import trusting

FOLDER = "scores"


def main(words: Sequence[str]) -> int:
    """Run ``lightning crossval``; the exit code is that of the first fold that failed, or of a signal."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    parser = _options()
    arguments, rest = parser.parse_known_args(words[1:])
    line = CommandLine.read(["fit", *rest, *(f"{TRUST}={name}" for name in arguments.trust)])
    if arguments.all:
        line = CommandLine.read(["fit", *rest, TRUST_ALL])
    refuse_pages(line)
    if arguments.folds < 2:
        raise InputError(f"--folds must be at least 2, got {arguments.folds}")
    if any(flag.partition("=")[0] in ("--data.fold", "--ckpt_path", "--resume") for flag in line.flags):
        raise InputError("crossval itself says --data.fold and --resume, and starts from no checkpoint: leave them out")
    devices = [device for device in arguments.devices.split(",") if device]
    jobs = arguments.jobs if arguments.jobs is not None else max(1, len(devices))
    if jobs < 1:
        raise InputError(f"--jobs must be at least 1, got {jobs}")
    folds = _folds(line, arguments.folds)
    root = Path(line.said("trainer.default_root_dir") or RUNS)
    place = arguments.place or root / f"crossval-{fingerprint([*rest, str(arguments.folds)])}"
    trust = [TRUST_ALL] if arguments.all else [f"{TRUST}={name}" for name in arguments.trust]
    runs = fold_runs(rest, arguments.folds, place, trust)
    if arguments.dry_run:
        print("\n".join(visible(shlex.join(run.command)) for run in runs))
        return 0
    print(f"{arguments.folds} folds of {_sizes(folds)} images; runs and scores in {visible(str(place))}")
    code = run_sweep(runs, jobs, devices)
    unfinished = [run for run in runs if not run.done]
    if code or unfinished:
        return code or 1
    _score(runs, place / FOLDER, arguments.which, line)
    return 0


def _score(runs: Sequence[Run], folder: Path, which: Which, line: CommandLine) -> None:
    """Pool what the folds say, write its folder of scores, and print the table."""
    for run in runs:
        if json.loads((run.folder / DONE).read_text())["exit_code"] == NON_FINITE:
            raise InputError(f"{run.folder}: the loss was not finite, so there is nothing to score: try another rate")
    with trusting(line.trusted):
        found = [of_fold(run, which, *_trained(run, which, line.trusted)) for run in runs]
    facts = ["Each image is answered by the network that has not trained on it."]
    if found[0].targets.ndim == 2:
        facts.append(
            "Labels are said from a probability of one half on: other thresholds would be chosen by these images."
        )
    whole = write_report(folder, pooled(found), title=f"{len(runs)} folds", facts=facts)
    table, rows = fold_table(whole, found)
    with (folder / "folds.csv").open("w", newline="", encoding="utf-8") as file:
        heads = ["score", "all", "mean", "std", *(f"fold_{index}" for index in range(len(found)))]
        csv.writer(file).writerows([heads, *rows])
    Console(soft_wrap=True, highlight=False, markup=False).print(table)
    for fact in facts[1:]:
        print(fact)
    print(f"scores     {visible(str(folder))}")


def _trained(run: Run, which: Which, trusted: Sequence[str] | None) -> tuple[InceptionClassifier, ImageDataModule]:
    """The network of a fold, and the data with the fold, as its checkpoint describes them."""
    checkpoint = newest(run.folder, which)
    module = InceptionClassifier.load_from_checkpoint(checkpoint, trust=trusted)
    described = read_checkpoint(checkpoint)[KEY]["data"]
    return module, read_data([{"data": described}], None, [])


def _folds(line: CommandLine, count: int) -> list[DividedImages]:
    """The data of each fold, which tell what is wrong with them before anything is trained.

    Raises:
        InputError: There are no folds of such data, groups leak, or images or groups are too few.
    """
    pages, flags = [page for page in line.pages if "data" in page], _data_flags(line.flags)
    made = []
    with trusting(line.trusted):
        whole = read_data(pages, None, flags)
        if not isinstance(whole, DividedImages):
            raise InputError(f"{type(whole).__name__} has no folds: crossval divides digits, CIFAR, folders and tables")
        for index in range(count):
            data = read_data(pages, None, [*flags, f"--data.fold=[{index},{count}]"])
            assert isinstance(data, DividedImages)
            data.dataset("val")  # which says what is wrong
            made.append(data)
    first = made[0]
    leak = next(first.leaks(), None) if isinstance(first, ImageFolder) else None
    if leak:
        raise InputError(f"{leak}: move their images into one split")
    return made


def _sizes(folds: Sequence[DividedImages]) -> str:
    counts = sorted(len(data.dataset("val")) for data in folds)
    return f"{counts[0]:,}" if counts[0] == counts[-1] else f"{counts[0]:,} to {counts[-1]:,}"


def _data_flags(flags: Sequence[str]) -> list[str]:
    """Those of the flags that describe data, each with its value."""
    kept: list[str] = []
    rest = iter(flags)
    for flag in rest:
        name, equals, _ = flag.partition("=")
        words = [flag] if equals or not flag.startswith("--") else [flag, next(rest, "")]
        if name == "--data" or name.startswith("--data."):
            kept += words
    return kept


def _options() -> Options:
    parser = Options(
        "lightning crossval",
        usage=f"lightning crossval --folds N [{PAGE[1]} FILE] [options of lightning fit]",
        description="Train on all but one part of the images, N times, and score each part by the network that has not "
        "seen it. Parts hold the classes evenly and keep groups together (data.group_pattern, or a table's column "
        "group). Test images stay out. Folds that are finished are not run again, one that was stopped goes on. All "
        "other words are those of lightning fit.",
    )
    parser.add_argument("--folds", type=int, default=5, help="into how many parts the images are divided (default: 5)")
    parser.add_argument("--jobs", type=int, help="folds at a time (default: 1, or one per device)")
    parser.add_argument("--devices", default="", help="GPUs to share out, one per fold: 0,1,2,3")
    parser.add_argument("--place", type=Path, help="where runs and scores go (default: crossval-... among the runs)")
    parser.add_argument(
        "--of",
        dest="which",
        choices=("last", "best"),
        default="last",
        help="the checkpoint that is scored (default: last; best was chosen by the very images that it is scored on)",
    )
    parser.add_argument("--dry_run", action="store_true", help="print the commands, run none")
    parser.add_argument(TRUST, action="append", default=[], help="a package of yours that pages may name")
    parser.add_argument(TRUST_ALL, action="store_true", dest="all", help="let pages name everything")
    return parser
