# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What accuracy hides
#
# A network that is right about nine images of ten can be all but blind to a whole class. This notebook trains one on
# real images, scanned digits of which one is rare, looks at it with the functions of `inception_lightning.evaluation`,
# and mends what it finds. `lightning test` leaves the same numbers and pictures of any checkpoint, in `test.html`.

# %%
# %matplotlib inline
import csv
import logging
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl
import pandas as pd
import torch
from matplotlib import pyplot as plt
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader

from inception_lightning import InceptionClassifier, InceptionResNetV1
from inception_lightning.data import ImageTable
from inception_lightning.evaluation.calibration import fit_temperature, reliability
from inception_lightning.evaluation.confusion import draw_confusion
from inception_lightning.evaluation.curves import draw_precision_recall, draw_reliability, draw_roc
from inception_lightning.evaluation.mistakes import looked_at, worst_mistakes
from inception_lightning.evaluation.page import heated
from inception_lightning.evaluation.predictions_csv import Predictions
from inception_lightning.evaluation.scores import scores
from inception_lightning.loading.views import Augmentation, CenterCrop

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", r"isinstance\(treespec, LeafSpec\)")  # Lightning 2.6 under torch 2.15

# %% [markdown]
# ## A rare class
#
# 90 training images of each digit, but 8 of the digit 8: one in a hundred. The images that are held out, for validation
# and for test, are as uneven, as those of real problems are.

# %%
RARE = 8
COUNTS = {"train": (90, 8), "val": (25, 8), "test": (55, 20)}  # of every other digit, of the rare one

root = Path(tempfile.mkdtemp())
digits = load_digits()
rows = [("path", "label", "split")]
for digit in range(10):
    places = iter((digits.target == digit).nonzero()[0])
    for split, counts in COUNTS.items():
        for _ in range(counts[digit == RARE]):
            place = next(places)
            pixels = (digits.images[place] * 255 / 16).round().astype("uint8")  # (8, 8), 0..16 -> 0..255
            Image.fromarray(pixels).save(root / f"{place}.png")
            rows.append((f"{place}.png", str(digit), split))
with (root / "digits.csv").open("w", newline="") as file:
    csv.writer(file).writerows(rows)
pd.DataFrame(rows[1:], columns=rows[0]).groupby(["split", "label"]).size().unstack(level="label")


# %% [markdown]
# ## Two networks
#
# They differ in one word. The second one's `balance="sampler"` draws images of rare classes more often; on the command
# line that is `--data.balance sampler`.


# %%
def trained(balance: Literal["none", "sampler"]) -> tuple[ImageTable, InceptionClassifier]:
    """The data, and a network that was trained on them."""
    pl.seed_everything(0, verbose=False)
    data = ImageTable(
        root=root / "digits.csv",
        image_size=16,
        batch_size=32,
        num_workers=0,
        augmentation=Augmentation(area=(0.6, 1.0), flip=False),
        evaluation=CenterCrop(fraction=1.0),
        balance=balance,
    )
    net = InceptionResNetV1(data.num_classes, stem="small", width=0.15, depths=(1, 2, 1))
    module = InceptionClassifier(
        net,
        optimizer=partial(AdamW, lr=0.004, weight_decay=0.05),
        lr_scheduler=partial(OneCycleLR, max_lr=0.004),
    )
    trainer = pl.Trainer(
        max_epochs=8,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data)
    return data, module.eval()


def answers(module: InceptionClassifier, loader: DataLoader) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and class indices (N,)."""
    with torch.inference_mode():
        parts = [(module(images), labels) for images, labels in loader]
    return torch.cat([logits for logits, _ in parts]), torch.cat([labels for _, labels in parts])


data, plain = trained("none")
_, balanced = trained("sampler")

# %% [markdown]
# ## What accuracy says
#
# `scores` takes probabilities and classes. The interval is that of 1,000 bootstrap samples of the images: other images
# of the same kind would give a number in it, 19 times of 20.

# %%
logits, targets = answers(plain, data.test_dataloader())
files = [Path(data.dataset("test").name(index)).name for index in range(len(targets))]


def predicted(logits: Tensor) -> Predictions:
    """What a network says, with the files that it says it of."""
    return Predictions(logits.double().softmax(dim=1).numpy(), targets.numpy(), tuple(data.class_names), files)


predictions = predicted(logits)
found = scores(predictions.probabilities, predictions.targets, predictions.class_names)
print(f"top-1 {found.overall['top1']:.1%}, 95 % interval {found.low['top1']:.1%} to {found.high['top1']:.1%}")

# %% [markdown]
# ## What it hides
#
# Class by class, in per cent. The mean recall over classes (`balanced_accuracy`) and the mean F1 count the rare class
# as much as any other.

# %%
columns = ["recall", "recall_low", "recall_high", "precision", "f1", "auroc", "average_precision"]
table = 100 * pd.DataFrame({name: found.per_class[name] for name in columns}, index=found.class_names)
table.insert(0, "images", found.per_class["images"])
print({name: round(100 * found.overall[name], 1) for name in ("top1", "balanced_accuracy", "f1")})
table.round(1)

# %%
draw_confusion(torch.from_numpy(found.confusion), found.class_names, "images")

# %% [markdown]
# AUROC asks whether the images of a class rank before the others; of a rare class it forgives false alarms, which are a
# small share of so many others. Precision and recall count them against the few images that there are to be found. Here
# both curves are good: the network does rank the images of the rare digit before the others. It does not say so,
# because another digit always is a little more probable.

# %%
draw_roc(predictions, found)

# %%
draw_precision_recall(predictions, found)

# %% [markdown]
# ## The same for the second network
#
# It was shown the rare digit as often as the others, and says so.

# %%
other_logits, _ = answers(balanced, data.test_dataloader())
other_predictions = predicted(other_logits)
other = scores(other_predictions.probabilities, other_predictions.targets, other_predictions.class_names)
shown = {}
for name, each in (("plain", found), ("sampler", other)):
    shown[name] = {f"recall of {RARE}": each.per_class["recall"][RARE]}
    shown[name] |= {score: each.overall[score] for score in ("top1", "balanced_accuracy", "f1", "average_precision")}
(100 * pd.DataFrame(shown)).round(1)

# %% [markdown]
# With 20 images of the rare digit its recall is known to within so much only:

# %%
for name, each in (("plain", found), ("sampler", other)):
    low, high = (each.per_class[f"recall_{end}"][RARE] for end in ("low", "high"))
    print(f"{name}: recall of {RARE} between {low:.0%} and {high:.0%}")

# %% [markdown]
# ## How sure it is
#
# Of the answers that are given with 90 %, nine in ten should be right. One number, the temperature, by which all logits
# are divided, brings them nearer to that; it is fitted on the validation images, and no answer changes
# (`lightning calibrate` writes it into the checkpoint). Above 1 the network was too sure, below 1 it was too timid.

# %%
temperature = fit_temperature(*answers(balanced, data.val_dataloader()))
print(f"temperature {temperature:.2f}")
for name, warm in (("before", other_logits), ("after", other_logits / temperature)):
    confidence, said = warm.double().softmax(dim=1).max(dim=1)
    error = reliability(confidence.numpy(), (said == targets).numpy()).error
    print(f"{name}: calibration error {error:.1%}, mean confidence {confidence.mean():.1%}")

# %%
draw_reliability(other)

# %% [markdown]
# ## The worst mistakes
#
# Where the second network is surest of what is wrong, and which places speak for its answer (class-activation maps, the
# brighter the more).

# %%
view = data.evaluation.build(data.image_size)
worst = worst_mistakes(other_predictions, count=6)
worst = looked_at(worst, balanced, data.dataset("test"), view, range(len(targets)))
figure, axes = plt.subplots(2, len(worst), figsize=(11, 4.2), layout="constrained", squeeze=False)
for column, one in enumerate(worst):
    true, said = data.class_names[targets[one.index]], data.class_names[one.label]
    axes[0, column].set_title(f"true {true}, says {said}\n{one.probability:.0%}", fontsize=10)
    axes[0, column].imshow(one.image.permute(1, 2, 0))
    axes[1, column].imshow(heated(one.image, one.places).permute(1, 2, 0))
for axis in axes.flat:
    axis.axis("off")
plt.show()
