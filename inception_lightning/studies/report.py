"""A table of runs as figures, as Markdown, and as one HTML page with the figures in it."""

import base64
import html
import io
import re
from collections.abc import Callable

import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
from matplotlib.figure import Figure

from inception_lightning.errors import InputError, spared, visible
from inception_lightning.studies.figures import draw_curves, draw_ratios, draw_scores, ordered
from inception_lightning.studies.results import DEAD_SHARE, short, summary, varied

MARKUP = re.compile(r"[\\|<>&`*~$]|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])")  # what Markdown takes for more than text
KNOB = "model.net.init_args.residual_scales"  # what runs are compared by where nothing else is said
CAPTIONS = {
    "accuracy": "Best validation accuracy of every run.",
    "curves": "Validation accuracy over training steps: mean over the seeds, band from the smallest to the largest.",
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
        raise InputError(f"no run has a knob {knob}: say --knob with one of {', '.join(varied(runs)) or 'config.yaml'}")
    scored, watched = runs["best"].notna().any(), "before_pool/dead" in runs
    if not (scored or watched):
        raise InputError("no run has a validation accuracy or telemetry yet")
    accuracy, dead = "validation top-1 (%)", "dead channels before the pool (%)"
    wanted: dict[str, Callable[[], Figure]] = {}
    if scored:
        wanted["accuracy"] = lambda: draw_scores(runs, knob, "best", f"best {accuracy}")
        wanted["curves"] = lambda: draw_curves(runs, steps, knob, "val/top1", accuracy)
    if watched:
        wanted["dead_last"] = lambda: draw_scores(runs, knob, "before_pool/dead", dead)
        wanted["dead"] = lambda: draw_curves(runs, steps, knob, "before_pool/dead", dead)
        wanted["ratios"] = lambda: draw_ratios(runs, steps, knob)
    drawn = {}
    for name, draw in wanted.items():
        with spared(f"the figure {name}"):
            drawn[name] = draw()
    return drawn


def markdown(runs: pd.DataFrame) -> str:
    """The `results.summary` of the runs as a Markdown table, accuracies and dead channels in percent."""
    headings, *rows = cells(runs)
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(MARKUP.sub(_escaped, cell) for cell in line)} |" for line in lines)


def cells(runs: pd.DataFrame) -> list[list[str]]:
    """The headings of the `results.summary` of the runs, then its rows, each cell as text on one line."""
    rows = summary(runs)
    keys = [name for name in rows if "." in name]
    for key in keys:  # the first knob changes fastest, numbers in increasing order
        rows = rows.sort_values(key, key=lambda column: column.map(ordered(column).index), kind="stable")
    headings = [*map(short, keys), "runs", "best top-1 %", "last top-1 %", "steps to 90 %", "dead channels %", "died"]
    lines = [headings]
    for _, row in rows.iterrows():
        lines.append(
            [
                *(str(row[key]) for key in keys),
                str(row["runs"]),
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
    seeds = _html(", ".join(ordered(runs["seed"])))
    pictures = "\n".join(_picture(name, figure) for name, figure in drawn.items())
    unfinished = int((~runs["finished"]).sum())
    note = f"<p>{unfinished} of them are not finished.</p>" if unfinished else ""
    folders = "".join(f"<li>{_html(folder)}</li>" for folder in runs["folder"])
    header, *body = cells(runs)
    rows = "".join(f"<tr>{''.join(f'<td>{_html(cell)}</td>' for cell in row)}</tr>" for row in body)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{len(runs)} runs by {_html(short(knob))}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
img {{ max-width: 100% }} figure {{ margin: 2.5rem 0 }} figcaption {{ color: #555; font-size: .9rem }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
td, th {{ padding: .2rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #ddd }}
</style>
<h1>{len(runs)} runs by {_html(short(knob).replace("_", " "))}</h1>{note}
<p>Mean ± standard deviation over the runs of a setting, which differ in their seed ({seeds}). A run has died when at
least {DEAD_SHARE:.0%} of the channels before the average pooling are zero for a whole batch at its end, or its loss is
not finite. Steps to 90 %: the first validation with 90 % of the run's best accuracy.</p>
<table><tr>{"".join(f"<th>{_html(name)}</th>" for name in header)}</tr>{rows}</table>
{pictures}
<details><summary>Runs</summary><ul>{folders}</ul></details>
</html>
"""


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
