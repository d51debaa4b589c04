"""``test.html``: one evaluation as a page that needs no other file, for light and dark screens."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from inception_lightning.errors import visible
from inception_lightning.evaluation.mistakes import Mistake
from inception_lightning.evaluation.predictions_csv import BETWEEN, Predictions
from inception_lightning.evaluation.scores import Scores
from inception_lightning.evaluation.titles import LOWER_IS_BETTER, NOT_PERCENT, TITLES

PAIRS = 20
"""How many pairs of classes are listed that are taken for each other."""

SMALL = 100
"""Pixels across below which images are shown as they are, pixel by pixel."""

CAPTIONS = {
    "confusion": "How many images of a class (row) are predicted as which (column); the darker, the larger their share "
    "of the row.",
    "reliability": "How often answers of a confidence are right. Below the dashed line they are said too surely; the "
    "bars below count the answers.",
    "roc": "Each class against all others, at every threshold.",
    "precision_recall": "How many of what is found are of the class, against how many of the class are found: the "
    "picture of rare classes, for which a few false alarms are many.",
}
OF_LABELS = CAPTIONS | {
    "reliability": "How often a label is there that is given a probability. Below the dashed line it is said too "
    "surely; the bars below count the images, once for each label.",
    "roc": "Each label by itself, at every threshold.",
}
"""The captions where images have several labels."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2025; --soft: #5a616b; --line: #d9dde3; --back: #ffffff; --raised: #f5f6f8 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #a3abb6; --line: #3a404a; --back: #16191d; --raised: #1f2329 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--back) }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.5rem } .soft, figcaption { color: var(--soft) }
table { border-collapse: collapse } .scroll { overflow: auto; max-height: 32rem }
th, td { padding: .2rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line) }
th:first-child, td:first-child, .pairs :nth-child(2) { text-align: left }
thead th { position: sticky; top: 0; background: var(--back) }
.sorts th { cursor: pointer } .figures { display: flex; flex-wrap: wrap; gap: 1.5rem } figure { margin: 0 }
.figures figure { flex: 1 1 26rem; min-width: 0 } svg { max-width: 100%; height: auto }
figcaption { font-size: .85rem; overflow-wrap: anywhere } .mistakes { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)) }
.mistakes figure { background: var(--raised); border-radius: .5rem; padding: .7rem }
.pair { display: flex; gap: .4rem } .pair img { width: 50% } .small img { image-rendering: pixelated }
""".strip()

SORT = """
for (const table of document.querySelectorAll(".sorts")) table.querySelectorAll("th").forEach((head, column) => {
  head.onclick = () => {
    const number = row => parseFloat(row.cells[column].textContent.replace(/,/g, ""));
    const text = row => row.cells[column].textContent, up = head.dataset.up = head.dataset.up === "1" ? "0" : "1";
    [...table.tBodies[0].rows].sort((a, b) => (up === "1" ? 1 : -1) *
      (column ? (isNaN(number(a)) - isNaN(number(b))) || number(a) - number(b) : text(a).localeCompare(text(b))))
      .forEach(row => table.tBodies[0].append(row)) } })
""".strip()


def page(
    title: str,
    facts: Sequence[str],
    found: Scores,
    predictions: Predictions,
    pictures: Mapping[str, str],
    mistakes: Sequence[Mistake],
) -> str:
    """The page.

    Args:
        title: What was evaluated.
        facts: Sentences about how.
        found: The scores.
        predictions: What they were computed from.
        pictures: Name, a key of `CAPTIONS` -> SVG.
        mistakes: The worst of them, the worst first.
    """
    captions = CAPTIONS if found.thresholds is None else OF_LABELS
    figures = "".join(
        f'<figure id="{name}">{picture}<figcaption>{captions[name]}</figcaption></figure>'
        for name, picture in pictures.items()
    )
    said = " ".join(_text(fact) for fact in (counted(found), *facts))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{_text(title)}</title><style>{STYLE}</style></head><body>
<h1>{_text(title)}</h1><p class="soft">{said}</p>
<h2>Scores</h2>{_overall(found)}
<p class="soft">Intervals hold 95 % of 1,000 bootstrap samples of the images. Macro is the mean over classes,
weighted counts each by its images. Of log loss, Brier score and calibration error lower is better.{_absent(found)}</p>
<h2>Classes</h2>{_classes(found)}
<h2>Pictures</h2><div class="figures">{figures}</div>
{_pairs(found)}
<h2>Worst mistakes</h2>{_mistakes(mistakes, predictions)}
<script>{SORT}</script></body></html>
"""


def counted(found: Scores) -> str:
    """How many images and classes there are, and labels where an image may have several."""
    images, classes = found.images, len(found.class_names)
    said = f"{images:,} image{'s' * (images != 1)}, {classes:,}"
    if found.thresholds is None:
        return f"{said} class{'es' * (classes != 1)}."
    return f"{said} label{'s' * (classes != 1)}, {found.per_class['images'].sum() / images:.2f} of them per image."


def number(name: str, value: float) -> str:
    """A score as people read it: in percent, except for those that are no shares; a dash where it means nothing."""
    if np.isnan(value):
        return "-"
    return f"{value:.4f}" if name in NOT_PERCENT else f"{100 * value:.2f}"


def interval(name: str, found: Scores) -> str:
    """The 95 % interval of a score over all images; empty where there is none."""
    low, high = (limits.get(name, np.nan) for limits in (found.low, found.high))
    return "" if np.isnan(low) or np.isnan(found.overall[name]) else f"{number(name, low)} to {number(name, high)}"


def _overall(found: Scores) -> str:
    rows = [
        f"<tr><td>{TITLES[name]}{'' if name in NOT_PERCENT else ' (%)'}{' ↓' if name in LOWER_IS_BETTER else ''}</td>"
        f"<td>{number(name, value)}</td><td>{interval(name, found)}</td></tr>"
        for name, value in found.overall.items()
    ]
    return f"<table><thead><tr><th></th><th>score</th><th>95 %</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _absent(found: Scores) -> str:
    missing = int((found.per_class["images"] == 0).sum())
    if not missing:
        return ""
    return (
        f" {missing:,} of {len(found.class_names):,} classes have no image: they have no recall, AUROC or average "
        "precision, and count in a mean only where they are predicted."
    )


def _classes(found: Scores) -> str:
    rates = ("precision", "recall", "f1", "auroc", "average_precision")
    heads = ["class", "images", "predicted", "precision %", "recall %", "95 %", "F1 %", "AUROC %", "avg. precision %"]
    if found.thresholds is not None:
        heads.append("threshold")
    rows = []
    for place, name in enumerate(found.class_names):
        shown = {rate: number(rate, found.per_class[rate][place]) for rate in rates}
        limits = ""
        if "recall_low" in found.per_class and shown["recall"] != "-":
            low, high = (found.per_class[f"recall_{end}"][place] for end in ("low", "high"))
            limits = f"{number('recall', low)} to {number('recall', high)}"
        cells = [_text(name), f"{found.per_class['images'][place]:,}", f"{found.per_class['predicted'][place]:,}"]
        cells += [shown["precision"], shown["recall"], limits, shown["f1"], shown["auroc"], shown["average_precision"]]
        if found.thresholds is not None:
            cells.append(f"{found.thresholds[place]:.3f}")
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    head = "".join(f"<th>{one}</th>" for one in heads)
    limits = "" if found.thresholds is None else " An image is said to have a label from the label's threshold on."
    return (
        f'<div class="scroll"><table class="sorts"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        f'</div><p class="soft">A click on a heading sorts by it.{limits}</p>'
    )


def _pairs(found: Scores) -> str:
    """The pairs of classes that are most often taken for each other."""
    if found.confusion is None:
        return ""
    wrong = found.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    rows = []
    for true, said in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[true, said]:
            share = 100 * wrong[true, said] / found.confusion[true].sum()
            names = f"<td>{_text(found.class_names[true])}</td><td>{_text(found.class_names[said])}</td>"
            rows.append(f"<tr>{names}<td>{wrong[true, said]:,}</td><td>{share:.1f}</td></tr>")
    if not rows:
        return ""
    head = "<th>true</th><th>predicted as</th><th>images</th><th>% of the true class</th>"
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<h2>Most confused</h2><table class="pairs">{body}</table>'


def _mistakes(mistakes: Sequence[Mistake], predictions: Predictions) -> str:
    if not mistakes:
        return "<p>There is none.</p>"
    names, shown = predictions.class_names, []
    for one in mistakes:
        target = predictions.targets[one.index]
        several = target.ndim == 1
        true = BETWEEN.join(names[k] for k in np.flatnonzero(target).tolist()) if several else names[int(target)]
        pictures = "" if one.image is None else f'<img alt="image" src="{encoded(one.image)}">'
        if one.image is not None and one.places is not None:
            pictures += f'<img alt="what speaks for the class" src="{encoded(heated(one.image, one.places))}">'
        pixels = "" if one.image is None else small(one.image)
        missed = several and bool(target[one.label])
        said = f"{'missed' if missed else 'predicted'} <b>{_text(names[one.label])}</b> {100 * one.probability:.1f} %"
        shown.append(
            f'<figure><div class="pair{pixels}">{pictures}</div><figcaption>{said}<br>'
            f"true <b>{_text(true) or 'none'}</b><br>{_text(predictions.files[one.index])}</figcaption></figure>"
        )
    note = "Where the network is surest of what is wrong."
    if predictions.targets.ndim == 2:
        note = (
            "Where the network is surest of what is wrong: of a label that is not there, or that a label is not there."
        )
    if any(one.places is not None for one in mistakes):
        what = "predicted class" if predictions.targets.ndim == 1 else "label in question"
        note += f" Beside each image: which places speak for the {what}, the brighter the more (class-activation map)."
    return f'<p class="soft">{note}</p><div class="mistakes">{"".join(shown)}</div>'


def heated(image: Tensor, places: Tensor) -> Tensor:
    """A uint8 image (3, H, W), grey where ``places`` (h, w) say little, and the brighter the more they say."""
    from matplotlib import colormaps

    places = places.float()
    if places.max() - places.min() <= 1e-5 * places.abs().max():  # one place, or all alike: the rest is rounding
        places = torch.zeros_like(places)
    wide = F.interpolate(places[None, None], image.shape[1:], mode="bicubic", align_corners=False)[0, 0]
    spread = (wide - wide.min()) / (wide.max() - wide.min()).clamp(min=1e-12)
    heat = torch.from_numpy(np.asarray(colormaps["inferno"](spread.numpy()))[..., :3].copy()).permute(2, 0, 1) * 255
    grey = image.float().mean(dim=0, keepdim=True).expand(3, -1, -1)
    return (0.45 * grey + 0.55 * heat).round().clamp(0, 255).to(torch.uint8)


def small(image: Tensor) -> str:
    """The class of what holds an image of few pixels, which are then shown as squares; empty for a larger one."""
    return " small" if image.shape[-1] < SMALL else ""


def encoded(image: Tensor) -> str:
    """An image as an address that holds it: JPEG, or PNG where it is small."""
    kind = "png" if image.shape[-1] < SMALL else "jpeg"
    buffer = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(buffer, kind)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _text(text: str) -> str:
    return html.escape(visible(text))
