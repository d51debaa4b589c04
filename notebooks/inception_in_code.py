# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Inception in code
#
# The papers draw their networks with five words: convolution, max pool, average pool, filter concat, residual. So does
# the code: a network is a table of these words, and one function, `build`, turns the table into modules. This notebook
# goes from a figure of a paper to its table and its shapes, and then compares parameters and cost with the papers.
# Nothing is trained.

# %%
import inspect

import pandas as pd
import torch
from matplotlib import pyplot as plt

from inception_lightning.commands import models as catalogue
from inception_lightning.models import inception_resnet, inception_v4
from inception_lightning.models.layers import Style, build

# %% [markdown]
# ## A figure and its table
#
# Figure 4 of the Inception-v4 paper ([1602.07261](https://arxiv.org/abs/1602.07261)) is the block on the 35x35 grid:
# four branches read the same input, and their outputs are concatenated. The table says the same.

# %%
source = inspect.getsource(inception_v4)
print(source[source.index("INCEPTION_A =") : source.index("INCEPTION_B =")])

# %% [markdown]
# `build` works out the channels of every layer: 384 go in, and 4 x 96 = 384 come out, as in the figure.

# %%
block, channels = build(inception_v4.INCEPTION_A, 384, Style())
print(channels, tuple(block(torch.zeros(1, 384, 35, 35)).shape))

# %% [markdown]
# ## The residual word
#
# Inception-ResNet adds one word: `Residual` is `relu(x + scale * project(inner(x)))`. The scale is the subject of
# section 3.3 and of `residual_scale.ipynb`.

# %%
source = inspect.getsource(inception_resnet)
print(source[source.index("BLOCK_A_V1 =") : source.index("BLOCK_B_V1 =")])

# %% [markdown]
# ## Six networks, stage by stage
#
# Shapes, parameters and multiply-accumulates are counted in the networks themselves, without initialising a weight.

# %%
for entry in catalogue.ENTRIES:
    print(catalogue.text(entry), end="\n\n")

# %% [markdown]
# ## Against the papers
#
# The papers state few of these numbers, and their units differ ("operations", "multiply-adds", "parameters"), so
# only what they state is compared. GoogLeNet (1409.4842): 1.5 billion multiply-adds, auxiliary heads left out.
# Inception-v3 (1512.00567, abstract): 5 billion multiply-adds and fewer than 25 million parameters.

# %%
networks = pd.DataFrame([catalogue.describe(entry) for entry in catalogue.ENTRIES]).set_index("name")
stated = {"GoogLeNet": (1.5, None), "InceptionV3": (5, 25)}
pd.DataFrame(
    {
        "parameters (M)": networks["parameters"] / 1e6,
        "paper: parameters (M)": pd.Series({name: parameters for name, (_, parameters) in stated.items()}),
        "multiply-accumulates (G)": networks["macs"] / 1e9,
        "paper: multiply-adds (G)": pd.Series({name: macs for name, (macs, _) in stated.items()}),
    }
).loc[networks.index].round(2)

# %% [markdown]
# Accuracy against cost: top-1 as the papers report it (single crop; GoogLeNet's paper reports top-5 only).

# %%
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for name, row in networks.dropna(subset=["paper_top1"]).iterrows():
    axis.scatter(row["macs"] / 1e9, row["paper_top1"], s=4 * row["parameters"] / 1e6, color="#0072B2", alpha=0.7)
    below = name.startswith("InceptionResNet")
    offset, align = ((0, -12), "top") if below else ((0, 12), "bottom")
    place = (row["macs"] / 1e9, row["paper_top1"])
    axis.annotate(name, place, offset, textcoords="offset points", ha="center", va=align)
axis.set(
    xlabel="multiply-accumulates for one image (10⁹)", ylabel="top-1 in the paper (%)", ylim=(74, 81.5), xlim=(0, 15)
)
axis.set_title("Area: number of parameters", fontsize=10)
axis.grid(alpha=0.3)
