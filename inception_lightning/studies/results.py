"""Runs on disk as one tidy table: a row per run, with its knobs, scores and last telemetry."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
import yaml

from inception_lightning.errors import InputError

SCORE = "val/top1"
TELEMETRY = ("residual/", "before_pool/", "grad_norm/", "scale/")
DEAD_SHARE = 0.9
"""Share of channels before the pool, zero for a whole batch, from which on a network counts as dead."""

NOT_KNOBS = ("seed_everything", "trainer.default_root_dir", "data.init_args.seed", "wandb.")


def run_folders(places: Iterable[Path]) -> list[Path]:
    """The folders of the runs in ``places``, which are runs' folders or hold them at any depth.

    Of several attempts at one run of a sweep the newest counts.

    Raises:
        InputError: There is none.
    """
    places = list(places)
    found = {file.parent for place in places for file in place.rglob("metrics.csv")}
    runs = sorted(folder for folder in found if (folder / "config.yaml").is_file())
    newest = {_identity(folder): folder for folder in runs}  # the names are times, the last is the newest
    if not newest:
        raise InputError(f"no runs in {', '.join(map(str, places))}: a run's folder has config.yaml and metrics.csv")
    return list(newest.values())


def metrics(folder: Path) -> pd.DataFrame:
    """What a run logged: a column per metric, a row per time of logging, ``step`` and ``epoch`` among them."""
    return pd.read_csv(folder / "metrics.csv")


def history(runs: pd.DataFrame) -> pd.DataFrame:
    """What the figures of a `table` show over steps: validation accuracy and telemetry, with each run's folder."""
    return pd.concat([_sampled(folder) for folder in runs["folder"]], ignore_index=True)


def table(places: Iterable[Path]) -> pd.DataFrame:
    """A row per run: every knob of its configuration by dotted name, then what `scores` says of it."""
    rows = [knobs(folder) | scores(folder) for folder in run_folders(places)]
    return pd.DataFrame(rows)


def knobs(folder: Path) -> dict[str, Any]:
    """A run's configuration by dotted names; lists as text."""
    return dict(_flat(yaml.safe_load((folder / "config.yaml").read_text())))


def scores(folder: Path) -> dict[str, Any]:
    """What became of a run.

    ``best`` and ``last`` validation accuracy, ``steps_to_90``: the step at which it first had 90 % of its
    best, ``steps``, whether it ``finished`` and whether it ``died``; and the last value of all telemetry.
    """
    log = metrics(folder)
    steps = int(log["step"].max()) + 1 if len(log) else 0
    seen = log.dropna(subset=[SCORE]) if SCORE in log else log.head(0)
    best = seen[SCORE].max() if len(seen) else None
    reached = seen[seen[SCORE] >= 0.9 * best] if best is not None else seen
    return {
        "folder": str(folder),
        "seed": knobs(folder).get("seed_everything"),
        "best": best,
        "last": seen[SCORE].iloc[-1] if len(seen) else None,
        "steps_to_90": int(reached["step"].iloc[0]) if len(reached) else None,
        "steps": steps,
        "finished": _exit_code(folder) is not None,
        "died": died(folder, log),
        **{name: log[name].dropna().iloc[-1] for name in telemetry(log)},
    }


def died(folder: Path, log: pd.DataFrame) -> bool:
    """Whether a network was dead at the end: nothing before its pool but zeros, or a loss that is not finite."""
    if _exit_code(folder) == 65 or not _finite(folder):
        return True
    dead = log["before_pool/dead"].dropna() if "before_pool/dead" in log else pd.Series(dtype=float)
    return bool(len(dead) and dead.iloc[-1] >= DEAD_SHARE)


def telemetry(log: pd.DataFrame) -> list[str]:
    """The telemetry that a run logged."""
    return [name for name in log if name.startswith(TELEMETRY) and log[name].notna().any()]


def varied(runs: pd.DataFrame) -> list[str]:
    """The knobs that differ between the runs of a `table`; the seed and places are none."""
    names = [
        name for name in runs if name.startswith(("model.", "data.", "trainer.")) and not name.startswith(NOT_KNOBS)
    ]
    return [name for name in names if text(runs[name]).nunique() > 1]


def text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A knob's values as text; ``none`` where a run has not set it."""
    return column.map(lambda value: "none" if pd.isna(value) else str(value))


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per setting of the varied knobs: mean and standard deviation over its runs, and how many died."""
    groups = varied(runs) or ["model.net.class_path"]
    keyed = runs.assign(**{name: text(runs[name]) for name in groups})
    for name in ("before_pool/dead", "grad_norm/inception_a"):
        if name not in keyed:
            keyed[name] = float("nan")
    return keyed.groupby(groups, as_index=False, sort=False).agg(
        runs=("best", "size"),
        best_mean=("best", "mean"),
        best_std=("best", "std"),
        last_mean=("last", "mean"),
        steps_to_90=("steps_to_90", "mean"),
        died=("died", "sum"),
        dead_mean=("before_pool/dead", "mean"),
        dead_std=("before_pool/dead", "std"),
    )


def short(knob: str) -> str:
    """A knob's own name: ``width`` of ``model.net.init_args.width``."""
    return knob.rpartition(".")[2]


def _sampled(folder: str) -> pd.DataFrame:
    log = metrics(Path(folder))
    shown = [name for name in log if name == SCORE or name.startswith(("before_pool/", "residual/ratio/"))]
    return log[["step", *shown]].dropna(subset=shown, how="all").assign(folder=folder)


def _identity(folder: Path) -> Path:
    # a run of a sweep has a folder of its own for all its attempts
    return folder.parent if (folder.parent / "lock").is_file() else folder


def _exit_code(folder: Path) -> int | None:
    """The exit code of a finished run; of one that no sweep started, 0 as it has drawn its curves at the end."""
    done = folder.parent / "done.json"
    if done.is_file():
        code: int = json.loads(done.read_text())["exit_code"]
        return code
    return 0 if (folder / "curves.png").is_file() else None


def _finite(folder: Path) -> bool:
    """Whether all logged losses are; read as text, because a table cannot tell nan from nothing."""
    log = pd.read_csv(folder / "metrics.csv", dtype=str, keep_default_na=False)
    return "train/loss" not in log or not log["train/loss"].isin(["nan", "inf", "-inf"]).any()


def _flat(config: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if not isinstance(config, dict) or not config:
        return [(prefix, str(config) if isinstance(config, list | dict) else config)]
    return [pair for key, value in config.items() for pair in _flat(value, f"{prefix}.{key}" if prefix else str(key))]
