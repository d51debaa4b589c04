"""``lightning report``: runs on disk as figures, a table in Markdown and one page that needs no other file."""

from collections.abc import Sequence

from inception_lightning.commands import options
from inception_lightning.errors import InputError, spared, visible
from inception_lightning.studies.report import KNOB, figures, markdown, page
from inception_lightning.studies.results import history, table, write_csv


def main(words: Sequence[str]) -> None:
    """Run ``lightning report``."""
    arguments = options.report().parse_args(words[1:])
    knob = arguments.knob or KNOB
    runs = table(arguments.runs)
    steps = history(runs)
    drawn = figures(runs, steps, knob)
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "table.md").write_text(f"{markdown(runs)}\n", encoding="utf-8")
        (arguments.out / "report.html").write_text(page(runs, drawn, knob), encoding="utf-8")
        write_csv(runs, arguments.out / "runs.csv", 6)
        write_csv(steps, arguments.out / "steps.csv", 4)
    except OSError as error:
        raise InputError(f"--out {arguments.out} cannot be written: {error.strerror}") from None
    for name, figure in drawn.items():
        for kind in ("png", "svg"):
            with spared(f"{name}.{kind}"):
                figure.savefig(arguments.out / f"{name}.{kind}", dpi=150)
    count = f"{len(runs)} run{'s' if len(runs) != 1 else ''}"
    print(f"{markdown(runs)}\n\n{count} in {visible(str(arguments.out / 'report.html'))}")
