"""``lightning report``: runs on disk as figures, a table in Markdown and one page that needs no other file."""

from collections.abc import Sequence
from pathlib import Path

from inception_lightning.commands.options import Options
from inception_lightning.studies.report import KNOB, figures, markdown, page
from inception_lightning.studies.results import history, table


def main(words: Sequence[str]) -> None:
    """Run ``lightning report``."""
    parser = Options("lightning report", description="Runs as one page of figures and a table.")
    parser.add_argument("runs", type=Path, nargs="+", help="runs' folders, or folders that hold them")
    parser.add_argument("--knob", default=KNOB, help=f"what to compare the runs by (default: {KNOB})")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write into (default: report)")
    arguments = parser.parse_args(words[1:])
    runs = table(arguments.runs)
    steps = history(runs)
    drawn = figures(runs, steps, arguments.knob)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn.items():
        for kind in ("png", "svg"):
            figure.savefig(arguments.out / f"{name}.{kind}", dpi=150)
    (arguments.out / "table.md").write_text(f"{markdown(runs)}\n")
    (arguments.out / "report.html").write_text(page(runs, drawn, arguments.knob))
    runs.to_csv(arguments.out / "runs.csv", index=False, float_format="%.6g")
    steps.to_csv(arguments.out / "steps.csv", index=False, float_format="%.4g")
    print(f"{markdown(runs)}\n\n{len(runs)} runs in {arguments.out / 'report.html'}")
