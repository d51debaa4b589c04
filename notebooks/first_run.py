# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first run
#
# From a folder of images to a trained network, its predictions, and a picture of where it looks. The images are
# real: scanned digits that scikit-learn ships, written to a folder as if they were yours. For your own, skip the
# next cell and set `root`: one folder of images per class.

# %%
import logging
import tempfile
import warnings
from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import torch
from matplotlib import pyplot as plt
from PIL import Image
from sklearn.datasets import load_digits
from torch.nn import functional as F
from torch.optim import AdamW

from inception_lightning import ImageFolder, InceptionClassifier, InceptionResNetV1
from inception_lightning.loading.views import Augmentation, CenterCrop

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", r"isinstance\(treespec, LeafSpec\)")  # Lightning 2.6 under torch 2.15

root = Path(tempfile.mkdtemp())
digits = load_digits()
for index, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
    folder = root / str(label)
    folder.mkdir(exist_ok=True)
    pixels = (image * 255 / 16).round().astype("uint8")  # (8, 8), 0..16 -> 0..255
    Image.fromarray(pixels).save(folder / f"{index}.png")

# %% [markdown]
# ## Data and network
#
# A fifth of every class is held out, always the same images. `stem="small"` keeps the grid of small images; photos
# of 299 pixels take the default.

# %%
pl.seed_everything(0)
data = ImageFolder(
    root=root,
    image_size=16,
    batch_size=64,
    num_workers=0,
    augmentation=Augmentation(area=(0.6, 1.0), flip=False),
    evaluation=CenterCrop(fraction=1.0),
)
net = InceptionResNetV1(data.num_classes, stem="small", width=0.15, depths=(1, 2, 1))
module = InceptionClassifier(net, optimizer=partial(AdamW, lr=0.003, weight_decay=0.05))
print(
    len(data.dataset("train")), "images to train on,", len(data.dataset("val")), "held out, classes", data.class_names
)

# %% [markdown]
# ## Training
#
# The same from the command line, with checkpoints, pictures and W&B: `lightning fit --model.net InceptionResNetV1
# --data ImageFolder --data.root FOLDER`.

# %%
trainer = pl.Trainer(
    max_epochs=5,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(module, datamodule=data)
print({name: round(float(value), 3) for name, value in trainer.callback_metrics.items() if name.startswith("val/")})

# %% [markdown]
# ## Predictions

# %%
views = data.views("val")
picked = torch.linspace(0, len(views) - 1, 8).long().tolist()
samples = [views[index] for index in picked]
images = torch.stack([image for image, _ in samples])  # (8, 3, 16, 16)
module.eval()
with torch.inference_mode():
    probabilities, classes = module(images).softmax(dim=1).max(dim=1)
for (_, label), guess, probability in zip(samples, classes.tolist(), probabilities.tolist(), strict=True):
    print(f"true {data.class_names[label]}  says {data.class_names[guess]}  ({probability:.0%})")

# %% [markdown]
# ## Where it looks
#
# A network that ends in average pooling and a linear classifier has class-activation maps (Zhou et al.,
# [1512.04150](https://arxiv.org/abs/1512.04150)): the channels of the last activation, weighted by the classifier's
# weights of a class and summed, show how much each place adds to that class's logit. The maps of 16-pixel images are
# coarse, 3x3, and are enlarged with bicubic interpolation.

# %%
with torch.inference_mode():
    features = net.endpoints(module.normalize(images))["inception_c"]  # (8, C, 3, 3)
    maps = torch.einsum("nchw,nc->nhw", features, net.classifier.weight[classes])  # (8, 3, 3)
    maps = F.interpolate(maps[:, None], size=images.shape[-2:], mode="bicubic")[:, 0]  # (8, 16, 16)
figure, axes = plt.subplots(2, 8, figsize=(12, 3.4), layout="constrained")
for column, (image, heat, guess) in enumerate(zip(images, maps, classes.tolist(), strict=True)):
    axes[0, column].imshow(image.permute(1, 2, 0))
    axes[0, column].set_title(f"says {data.class_names[guess]}", fontsize=10)
    axes[1, column].imshow(image.permute(1, 2, 0))
    axes[1, column].imshow(heat, cmap="viridis", alpha=0.6)
for axis in axes.flat:
    axis.axis("off")
figure.suptitle("Held-out images, and how much each place adds to the predicted class's logit (bright: much)")
plt.show()
