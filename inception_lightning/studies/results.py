"""Runs on disk as one tidy table: a row per run, with its knobs, scores and last telemetry."""

import contextlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own

from inception_lightning.errors import InputError, visible
from inception_lightning.evaluation.titles import LOWER_IS_BETTER, NOT_PERCENT, TITLES
from inception_lightning.names import writable
from inception_lightning.pages import read_page
from inception_lightning.studies.sweep_process import SCORES
from inception_lightning.studies.sweep_run import DONE, LOCK, NON_FINITE

log = logging.getLogger(__name__)

pd.set_option(
    "mode.string_storage", "python"
)  # pyarrow, where it is installed, refuses folders whose names are no text

DEAD = "before_pool/dead"  # share of the channels before the average pool that are zero for a whole batch
DEAD_SHARE = 0.9  # from this share of dead channels on, a network has died
TELEMETRY = ("residual/", "before_pool/", "grad_norm/", "scale/")
NOT_KNOBS = ("seed_everything", "trainer.default_root_dir", "data.init_args.seed", "wandb.")


def run_folders(places: Iterable[Path]) -> list[Path]:
    """The folders of the runs in ``places``.

    Of several attempts at one run of a sweep only the newest is returned.

    Args:
        places: Runs' folders, or folders that contain some at any depth.

    Raises:
        InputError: There is no run.
    """
    places = list(places)
    found = {file.parent for place in places for file in place.rglob("metrics.csv")}
    runs = sorted(folder for folder in found if (folder / "config.yaml").is_file())
    newest = {_identity(folder): folder for folder in runs}  # an attempt's name is its time: the last one is the newest
    if not newest:
        raise InputError(f"no runs in {', '.join(map(str, places))}: a run's folder has config.yaml and metrics.csv")
    return list(newest.values())


def metrics(folder: Path) -> pd.DataFrame:
    """What a run has logged: a row per logging, with a column per metric besides ``step`` and ``epoch``.

    Raises:
        InputError: Its ``metrics.csv`` cannot be read.
    """
    return _text_of(folder).apply(pd.to_numeric, errors="coerce").dropna(subset=["step"])


def write_csv(rows: pd.DataFrame, file: Path, digits: int) -> None:
    """Write a table.

    Cells stay as they are, those too that a spreadsheet takes for formulas: a CSV file holds data.

    Args:
        rows: The table.
        file: File to write.
        digits: How many digits of its numbers are written.
    """
    held = rows.rename(columns=writable)
    for name in held.select_dtypes(exclude="number"):
        held[name] = held[name].map(lambda cell: writable(cell) if isinstance(cell, str) else cell)
    held.to_csv(file, index=False, float_format=f"%.{digits}g", errors="surrogateescape")


def history(runs: pd.DataFrame) -> pd.DataFrame:
    """The scores of validation and residual telemetry over the steps of all runs of a `table`, for the figures.

    The column ``folder`` says which run a row belongs to.
    """
    held = runs["score"].dropna().unique() if "score" in runs else SCORES  # a table of an older version has no names
    return pd.concat([_sampled(folder, held) for folder in runs["folder"]], ignore_index=True)


def score_name(logged: pd.DataFrame, monitor: object) -> str | None:
    """The number that a run is judged by: what chose its best checkpoint, if that is a share, or else of `SCORES`.

    Args:
        logged: The run's `metrics`.
        monitor: What chose its best checkpoint.
    """
    name = str(monitor).removeprefix("val/")
    share = str(monitor).startswith("val/") and name in TITLES and name not in (*NOT_PERCENT, *LOWER_IS_BETTER)
    wanted = ([str(monitor)] if share else []) + [*SCORES]
    return next((name for name in wanted if name in logged and logged[name].notna().any()), None)


def table(places: Iterable[Path]) -> pd.DataFrame:
    """A row per run: its `knobs`, then its `scores`.

    Args:
        places: As in `run_folders`.
    """
    rows = []
    for folder in run_folders(places):
        try:
            rows.append(knobs(folder) | scores(folder))
        except InputError as error:
            log.warning("left out: %s", visible(str(error)))
    if not rows:
        raise InputError("none of the runs can be read")
    return pd.DataFrame(rows)


def knobs(folder: Path) -> dict[str, Any]:
    """All settings of a run by dotted name, as ``model.net.init_args.width``; lists as text.

    Raises:
        InputError: Its ``config.yaml`` is no page.
    """
    return dict(_flat(read_page(folder / "config.yaml")))


def scores(folder: Path) -> dict[str, Any]:
    """How a run went.

    Returns:
        Its ``folder``, ``seed``, which ``score`` of validation it is judged by, the ``best`` and the ``last`` of them
        (0..1), ``steps_to_90`` (the step of the first validation with 90 % of the best), number of ``steps``, whether
        it ``finished`` and whether it ``died``; and the last value of each telemetry metric under the metric's name.
    """
    logged, settings = metrics(folder), knobs(folder)
    steps = int(logged["step"].max()) + 1 if len(logged) else 0
    name = score_name(logged, settings.get("checkpoint.monitor"))
    seen = logged[["step"]].assign(score=logged[name] if name else None).dropna(subset=["score"])
    best = seen["score"].max() if len(seen) else None
    reached = seen[seen["score"] >= 0.9 * best] if best is not None else seen
    return {
        "folder": str(folder),
        "seed": settings.get("seed_everything"),
        "score": name,
        "best": best,
        "last": seen["score"].iloc[-1] if len(seen) else None,
        "steps_to_90": int(reached["step"].iloc[0]) if len(reached) else None,
        "steps": steps,
        "finished": _exit_code(folder) is not None,
        "died": died(folder, logged),
        **{name: logged[name].dropna().iloc[-1] for name in telemetry(logged)},
    }


def died(folder: Path, log: pd.DataFrame) -> bool:
    """Whether at least `DEAD_SHARE` of the channels before the pool were dead at the end, or a loss was not finite.

    Args:
        folder: The run's folder.
        log: The run's `metrics`.
    """
    if _exit_code(folder) == NON_FINITE or not _finite(folder):
        return True
    dead = log[DEAD].dropna() if DEAD in log else pd.Series(dtype=float)
    return bool(len(dead) and dead.iloc[-1] >= DEAD_SHARE)


def telemetry(log: pd.DataFrame) -> list[str]:
    """The names of the telemetry metrics in a run's `metrics`."""
    return [name for name in log if name.startswith(TELEMETRY) and log[name].notna().any()]


def varied(runs: pd.DataFrame) -> list[str]:
    """The names of the knobs that differ between the runs of a `table`, leaving out seeds and folders."""
    names = [
        name for name in runs if name.startswith(("model.", "data.", "trainer.")) and not name.startswith(NOT_KNOBS)
    ]
    return [name for name in names if text(runs[name]).nunique() > 1]


def text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A knob's values as text; ``none`` for a run that has not set it."""
    return column.map(lambda value: "none" if pd.isna(value) else str(value))


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per combination of the varied knobs: means and standard deviations over its runs, and how many died."""
    groups = varied(runs) or ["model.net.class_path"]
    keyed = runs.assign(**{name: text(runs[name]) for name in groups})
    if DEAD not in keyed:
        keyed[DEAD] = float("nan")
    return keyed.groupby(groups, as_index=False, sort=False).agg(
        runs=("best", "size"),
        unfinished=("finished", lambda finished: int((~finished.astype(bool)).sum())),
        best_mean=("best", "mean"),
        best_std=("best", "std"),
        last_mean=("last", "mean"),
        steps_to_90=("steps_to_90", "mean"),
        died=("died", "sum"),
        dead_mean=(DEAD, "mean"),
        dead_std=(DEAD, "std"),
    )


def short(knob: str) -> str:
    """The last part of a knob's name: ``width`` of ``model.net.init_args.width``."""
    return knob.rpartition(".")[2]


def _sampled(folder: str, held: Iterable[str]) -> pd.DataFrame:
    logged = metrics(Path(folder))
    shown = [name for name in logged if name in held or name.startswith(("before_pool/", "residual/ratio/"))]
    return logged[["step", *shown]].dropna(subset=shown, how="all").assign(folder=folder)


def _identity(folder: Path) -> Path:
    # all attempts at a run of a sweep lie in one folder, which has a lock
    return folder.parent if (folder.parent / LOCK).is_file() else folder


def _exit_code(folder: Path) -> int | None:
    """The exit code of a finished run, else None.

    Outside a sweep no exit code is recorded: there a run has finished, with 0, once its curves are drawn.
    """
    done = folder.parent / DONE
    if done.is_file():
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # a damaged file
            return int(json.loads(done.read_text())["exit_code"])
    return 0 if (folder / "curves.png").is_file() else None


def _finite(folder: Path) -> bool:
    """Whether all logged losses are finite; read as text, because pandas reads both nan and an empty cell as nan."""
    logged = _text_of(folder)
    return "train/loss" not in logged or not logged["train/loss"].isin(["nan", "inf", "-inf"]).any()


def _text_of(folder: Path) -> pd.DataFrame:
    """A run's ``metrics.csv`` as text."""
    file = folder / "metrics.csv"
    try:
        rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # the latter from what is no CSV, no text, or empty
        raise InputError(f"{file} cannot be read: {error}") from None
    if "step" not in rows:
        raise InputError(f"{file} has no column step")
    return rows


def _flat(config: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(config, dict) or not config:
        return [(prefix, str(config) if isinstance(config, list | dict) else config)]
    return [pair for key, value in config.items() for pair in _flat(value, f"{prefix}.{key}" if prefix else str(key))]
