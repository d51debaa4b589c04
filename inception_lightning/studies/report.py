"""A table of runs as figures, as Markdown, and as one HTML page with the figures in it."""

import base64
import html
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
from matplotlib.figure import Figure

from inception_lightning.errors import InputError, spared, visible
from inception_lightning.evaluation.titles import TITLES
from inception_lightning.studies.figures import draw_curves, draw_ratios, draw_scores, ordered
from inception_lightning.studies.results import DEAD_SHARE, short, summary, varied
from inception_lightning.studies.sweep_process import SCORES

MARKUP = re.compile(r"[\\|<>&`*~$]|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])")  # what Markdown takes for more than text
KNOB = "model.net.init_args.residual_scales"  # what runs are compared by where nothing else is said
HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<style>
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
img { max-width: 100% } figure { margin: 2.5rem 0 } figcaption { color: #555; font-size: .9rem }
table { border-collapse: collapse; display: block; overflow-x: auto } a { color: #0072b2 } pre { overflow-x: auto }
td, th { padding: .2rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #ddd }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #161616 } figcaption { color: #aaa } a { color: #6cb6ff }
  td, th { border-color: #444 } img { background: #fff; border-radius: 6px }
}
</style>
"""
TELEMETRY = ("dead", "ratios")
"""The figures that show something of one run alone."""
OWN_PICTURES = {
    "curves": "Losses, accuracy and rate over epochs.",
    "predictions": "Validation images: the worst mistakes first.",
    "confusion": "Which class is taken for which.",
    "views": "Training images as the network sees them.",
}
CAPTIONS = {
    "accuracy": "The best score in validation of every run.",
    "curves": "The same over training steps: mean over the seeds, band from the smallest to the largest.",
    "dead_last": "Channels before the average pooling that are zero for a whole batch, at each run's last sample.",
    "dead": "The same over training steps: mean over the seeds, band from the smallest to the largest.",
    "ratios": "Norm of the scaled residual over the norm of what it is added to, per block, mean over the seeds.",
}


def figures(runs: pd.DataFrame, steps: pd.DataFrame, knob: str = KNOB) -> dict[str, Figure]:
    """The report's figures by name; `CAPTIONS` says what each shows.

    Args:
        runs: A `results.table`.
        steps: The `results.history` of the runs.
        knob: Dotted name of the setting to compare the runs by.

    Raises:
        InputError: No run has the knob, or there is nothing to draw.
    """
    if knob not in runs:
        if len(runs) == 1:  # has pictures of its own
            return {}
        raise InputError(f"no run has a knob {knob}: say --knob with one of {', '.join(varied(runs)) or 'config.yaml'}")
    scored, watched = runs["best"].notna().any(), "before_pool/dead" in runs
    if not (scored or watched):
        raise InputError("no run has a validation accuracy or telemetry yet")
    dead = "dead channels before the pool (%)"
    accuracy, steps = f"validation {title(runs)} (%)", _with_score(runs, steps)
    wanted: dict[str, Callable[[], Figure]] = {}
    if scored:
        wanted["accuracy"] = lambda: draw_scores(runs, knob, "best", f"best {accuracy}")
        wanted["curves"] = lambda: draw_curves(runs, steps, knob, "score", accuracy)
    if watched:
        wanted["dead_last"] = lambda: draw_scores(runs, knob, "before_pool/dead", dead)
        wanted["dead"] = lambda: draw_curves(runs, steps, knob, "before_pool/dead", dead)
        wanted["ratios"] = lambda: draw_ratios(runs, steps, knob)
    drawn = {}
    for name, draw in wanted.items():
        with spared(f"the figure {name}"):
            drawn[name] = draw()
    return drawn


def title(runs: pd.DataFrame) -> str:
    """What the scores of a `results.table` are called: ``top-1``; where the runs are judged by several, ``score``."""
    names = _judged_by(runs)
    return TITLES[names[0].removeprefix("val/")].removesuffix(", macro") if len(names) == 1 else "score"


def _judged_by(runs: pd.DataFrame) -> list[str]:
    """The different scores that runs are judged by; a table of an older version knows one only."""
    return list(runs["score"].dropna().unique() if "score" in runs else ()) or [SCORES[0]]


def _with_score(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """A `results.history` with each run's own score in the column ``score``."""
    held = runs.set_index("folder")["score"].to_dict() if "score" in runs else {}
    found = pd.Series(float("nan"), index=steps.index)
    for name in _judged_by(runs):
        if name in steps:
            own = steps["folder"].map(lambda folder: held.get(folder, SCORES[0])) == name
            found = found.where(~own, steps[name])
    return steps.assign(score=found)


def markdown(runs: pd.DataFrame) -> str:
    """The `results.summary` of the runs as a Markdown table, scores and dead channels in percent."""
    headings, *rows = cells(runs)
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(MARKUP.sub(_escaped, cell) for cell in line)} |" for line in lines)


def cells(runs: pd.DataFrame) -> list[list[str]]:
    """The headings of the `results.summary` of the runs, then its rows, each cell as text on one line."""
    rows = summary(runs)
    keys = [name for name in rows if "." in name]
    for key in keys:  # the first knob changes fastest, numbers in increasing order
        rows = rows.sort_values(key, key=lambda column: column.map(ordered(column).index), kind="stable")
    headings = [*map(short, keys), "runs", *_best_and_last(runs), "steps to 90 %", "dead channels %", "died"]
    lines = [headings]
    for _, row in rows.iterrows():
        lines.append(
            [
                *(str(row[key]) for key in keys),
                f"{row['runs']} ({row['unfinished']} unfinished)" if row["unfinished"] else str(row["runs"]),
                _spread(row["best_mean"], row["best_std"]),
                _spread(row["last_mean"], None),
                "-" if pd.isna(row["steps_to_90"]) else f"{row['steps_to_90']:.0f}",
                _spread(row["dead_mean"], row["dead_std"]),
                f"{row['died']} of {row['runs']}",
            ]
        )
    return [[visible(cell) for cell in line] for line in lines]


def page(runs: pd.DataFrame, drawn: dict[str, Figure], knob: str = KNOB) -> str:
    """The report as one HTML page that needs no other file.

    Args:
        runs: A `results.table`.
        drawn: The `figures` of the runs.
        knob: Dotted name of the setting that the runs are compared by.
    """
    if len(runs) == 1:
        return _page_of_one(runs.iloc[0], {name: figure for name, figure in drawn.items() if name in TELEMETRY})
    seeds = _html(", ".join(ordered(runs["seed"])))
    pictures = "\n".join(_picture(name, figure) for name, figure in drawn.items())
    unfinished = int((~runs["finished"]).sum())
    note = f"<p>{unfinished} of them are not finished, and averaged as they are.</p>" if unfinished else ""
    marked = zip(runs["folder"], runs["finished"], strict=True)
    folders = "".join(f"<li>{_link(folder)}{'' if finished else ', not finished'}</li>" for folder, finished in marked)
    header, *body = cells(runs)
    rows = "".join(f"<tr>{''.join(f'<td>{_html(cell)}</td>' for cell in row)}</tr>" for row in body)
    return f"""{HEAD}<title>{len(runs)} runs by {_html(short(knob))}</title>
<h1>{len(runs)} runs by {_html(short(knob).replace("_", " "))}</h1>{note}
<p>Mean ± standard deviation over the runs of a setting, which differ in their seed ({seeds}). A run has died when at
least {DEAD_SHARE:.0%} of the channels before the average pooling are zero for a whole batch at its end, or its loss is
not finite. Steps to 90 %: the first validation with 90 % of the run's best accuracy.</p>
<table><tr>{"".join(f"<th>{_html(name)}</th>" for name in header)}</tr>{rows}</table>
{pictures}
<details><summary>Runs</summary><ul>{folders}</ul></details>
</html>
"""


def _page_of_one(run: "pd.Series[Any]", telemetry: dict[str, Figure]) -> str:
    """The report of a single run: its scores, its own pictures, its telemetry and its settings."""
    folder = Path(run["folder"])
    best, last = _best_and_last(run.to_frame().T)
    facts = {
        "network": short(str(run.get("model.net.class_path", run.get("model.class_path", "")))),
        "data": short(str(run.get("data.class_path", run.get("data", "")))),
        best: _spread(run["best"], None),
        last: _spread(run["last"], None),
        "steps": str(run["steps"]),
        "seed": str(run["seed"]),
        "state": "finished" if run["finished"] else "not finished",
    }
    rows = "".join(f"<tr><td>{name}</td><td>{_html(value)}</td></tr>" for name, value in facts.items())
    pictures = "\n".join(
        f'<figure><img alt="{name}" src="data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}">'
        f"<figcaption>{caption}</figcaption></figure>"
        for name, caption in OWN_PICTURES.items()
        if (file := folder / f"{name}.png").is_file()
    )
    pictures += "\n".join(_picture(name, figure) for name, figure in telemetry.items())
    settings = (folder / "config.yaml").read_text(encoding="utf-8", errors="replace")
    shown = "\n".join(map(_html, settings.splitlines()))
    return f"""{HEAD}<title>{_html(folder.name)}</title>
<h1>Run {_html(folder.name)}</h1><p>{_link(str(folder))}</p>
<table>{rows}</table>
{pictures}
<details><summary>Settings</summary><pre>{shown}</pre></details>
</html>
"""


def _best_and_last(runs: pd.DataFrame) -> tuple[str, str]:
    return f"best {title(runs)} %", f"last {title(runs)} %"


def _link(folder: str) -> str:
    return f'<a href="{html.escape(Path(folder).absolute().as_uri())}">{_html(folder)}</a>'


def _spread(mean: float, std: float | None) -> str:
    if pd.isna(mean):
        return "-"
    return f"{100 * mean:.1f}" if std is None or pd.isna(std) else f"{100 * mean:.1f} ± {100 * std:.1f}"


def _html(text: str) -> str:
    return html.escape(visible(text))


def _escaped(found: "re.Match[str]") -> str:
    return f"\\{found[0]}"


def _picture(name: str, figure: Figure) -> str:
    buffer = io.BytesIO()
    with spared(f"the figure {name}"):
        figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    caption = CAPTIONS[name]
    return f'<figure><img alt="{name}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
