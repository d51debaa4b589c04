"""The W&B dashboard as code: the table `SECTIONS`, which `push` makes a W&B workspace and a W&B report of.

`spec` is the same table as plain data, for those without a W&B key. Only this file builds W&B panels.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import wandb

from inception_lightning.errors import InputError, visible
from inception_lightning.pages import read_page
from inception_lightning.runs.wandb import project as wandb_project

STEP = "trainer/global_step"
SCALES, WIDTH = "model.net.init_args.residual_scales", "model.net.init_args.width"
COLUMNS = 3  # panels side by side
CONFUSION = "wandb/confusion_matrix/v1"


@dataclass(frozen=True)
class Panel:
    """One panel of the dashboard.

    Attributes:
        title: Its heading.
        shows: Names of the metrics, pictures or tables that it shows; for ``every`` one regular expression.
        kind: ``lines``: metrics over steps; ``every``: all metrics that match the regular expression, over steps;
            ``pictures``; ``table``; ``confusion``: a confusion matrix; ``against``: a metric's last value against the
            setting ``knob``, a point per run.
        unit: Label of the vertical axis.
        log: Whether the vertical axis is logarithmic.
        knob: Dotted name of the setting on the horizontal axis, for ``against``.
    """

    title: str
    shows: tuple[str, ...]
    kind: Literal["lines", "every", "pictures", "table", "confusion", "against"] = "lines"
    unit: str = ""
    log: bool = False
    knob: str = ""


@dataclass(frozen=True)
class Section:
    """Panels under one heading."""

    name: str
    panels: tuple[Panel, ...]


SECTIONS = (
    Section(
        "Accuracy",
        (
            Panel("Validation accuracy", ("val/top1", "val/top5"), unit="share of images"),
            Panel("Validation, every class alike", ("val/balanced_accuracy", "val/f1"), unit="mean over classes"),
            Panel("Training accuracy", ("train/top1", "train/top5"), unit="share of images"),
            Panel("Validation top-1 by residual scale", ("val/top1",), "against", "share of images", knob=SCALES),
            Panel("Validation top-1 by width", ("val/top1",), "against", "share of images", knob=WIDTH),
        ),
    ),
    Section(
        "Losses",
        (
            Panel("Loss that is minimised", ("train/loss",), unit="nats", log=True),
            Panel("Loss per head", ("train/loss_.*",), "every", "nats", log=True),
            Panel("Validation loss", ("val/loss",), unit="nats", log=True),
            Panel("Learning rate", ("train/lr",), unit="rate", log=True),
        ),
    ),
    Section(
        "Residual telemetry",
        (
            Panel("Residual over shortcut, per block", ("residual/ratio/.*",), "every", "norm ratio", log=True),
            Panel("Before the pool", ("before_pool/dead", "before_pool/zeros"), unit="share"),
            Panel("Dead channels, per block", ("residual/dead/.*",), "every", "share of channels"),
            Panel("Zeros, per block", ("residual/zeros/.*",), "every", "share of activations"),
            Panel("Gradient norm, per stage", ("grad_norm/.*",), "every", "norm before clipping", log=True),
            Panel("Learned residual scales", ("scale/.*",), "every", "factor"),
            Panel("Dead channels by residual scale", ("before_pool/dead",), "against", "share", knob=SCALES),
        ),
    ),
    Section(
        "Throughput",
        (
            Panel("Images per second", ("speed/images_per_second",), unit="images/s"),
            Panel("Time per step", ("speed/step_ms", "speed/data_wait_ms"), unit="ms"),
            Panel("Peak memory", ("speed/memory_gib",), unit="GiB"),
        ),
    ),
    Section(
        "Images",
        (
            Panel("Pictures of the run", ("pictures/curves", "pictures/predictions", "pictures/confusion"), "pictures"),
            Panel("Predictions on validation images", ("predictions",), "table"),
            Panel("Confusion matrix", ("confusion_table",), "confusion"),
        ),
    ),
)


def project_of(run: Path | None) -> str:
    """The W&B project that a run logs to.

    Args:
        run: The run's folder; None for the project that runs log to by default.

    Raises:
        InputError: There is no such run.
    """
    if run is None:
        return wandb_project(None)
    page = run / "config.yaml"
    if not page.is_file():
        raise InputError(f"{run} is no run's folder: it has no config.yaml")
    board = read_page(page).get("wandb")
    said = board.get("project") if isinstance(board, dict) else None
    return wandb_project(said if isinstance(said, str) else None)


def spec(project: str) -> dict[str, Any]:
    """The dashboard for a W&B project as plain data."""
    return {"project": project, "x_axis": STEP, "sections": [asdict(section) for section in SECTIONS]}


def push(project: str, entity: str | None) -> None:
    """Create the workspace and the report on W&B, and print their addresses.

    Args:
        project: W&B project to create them in.
        entity: W&B user or team; None for the one that the key belongs to.

    Raises:
        InputError: The package wandb-workspaces is missing, or W&B refuses.
    """
    try:
        import wandb_workspaces  # noqa: F401  # an extra
    except ImportError:
        raise InputError("pushing needs wandb-workspaces: pip install wandb-workspaces") from None
    try:
        owner = entity or wandb.Api().default_entity or ""
        made = workspace(project, owner).save()
        print(f"workspace  {visible(str(made.url))}")
        written = report(project, owner).save()
        print(f"report     {visible(str(written.url))}")
    except Exception as error:  # the package raises many kinds for what the server answers
        raise InputError(f"W&B refuses the dashboard: {' '.join(str(error).split())}") from None


def workspace(project: str, entity: str) -> Any:
    """The dashboard as a W&B workspace, which is not saved yet."""
    from wandb_workspaces import workspaces as ws

    sections = [
        ws.Section(
            name=section.name,
            panels=[_panel(panel) for panel in section.panels],
            is_open=True,
            layout_settings=ws.SectionLayoutSettings(columns=COLUMNS, rows=math.ceil(len(section.panels) / COLUMNS)),
        )
        for section in SECTIONS
    ]
    settings = ws.WorkspaceSettings(x_axis=STEP, smoothing_weight=0)
    return ws.Workspace(
        entity=entity, project=project, name="inception_lightning", sections=sections, settings=settings
    )


def report(project: str, entity: str) -> Any:
    """The dashboard as a W&B report, which is not saved yet: a heading and panels per section."""
    from wandb_workspaces.reports import v2 as wr

    runs = wr.Runset(project=project, entity=entity)
    blocks: list[Any] = [wr.P("Runs of inception_lightning. Share: 0 to 1; dead: zero for a whole batch.")]
    for section in SECTIONS:
        blocks += [
            wr.H2(section.name),
            wr.PanelGrid(runsets=[runs], panels=[_panel(panel) for panel in section.panels]),
        ]
    return wr.Report(project=project, entity=entity, title="inception_lightning", blocks=blocks)


def _panel(panel: Panel) -> Any:
    from wandb_workspaces.reports import v2 as wr

    first, *_ = panel.shows
    match panel.kind:
        case "lines":
            return wr.LinePlot(title=panel.title, x=STEP, y=list(panel.shows), title_y=panel.unit, log_y=panel.log)
        case "every":
            return wr.LinePlot(title=panel.title, x=STEP, metric_regex=first, title_y=panel.unit, log_y=panel.log)
        case "pictures":
            return wr.MediaBrowser(title=panel.title, media_keys=list(panel.shows))
        case "table":
            return wr.WeavePanelSummaryTable(table_name=first)
        case "confusion":
            names = ("Actual", "Predicted", "nPredictions")
            query = {"summaryTable": {"tableKey": first}}
            fields = {name: name for name in names}
            return wr.CustomChart(query=query, chart_name=CONFUSION, chart_fields=fields)
        case "against":
            return wr.ScatterPlot(title=panel.title, x=wr.Config(panel.knob), y=wr.SummaryMetric(first))
