# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Why scale the residuals?
#
# The claim of the Inception-v4 paper ([1602.07261](https://arxiv.org/abs/1602.07261), section 3.3): with more than
# 1,000 filters, Inception-ResNets "died" early in training: the last layer before the average pooling gave only zeros.
# Neither a lower rate nor an extra batch norm on this layer prevented it; scaling the residuals by 0.1 to 0.3 before
# adding them did.
#
# This notebook trains nothing. It reads the results of 39 runs of the paper's network
# (`experiments/residual_scale/paper.yaml`), which are part of the repository; `README.md` there has the commands that
# made them. To read the runs of your own sweep instead, set `RESIDUAL_SCALE_RUNS` to its folder.

# %%
# %matplotlib inline
import os
from pathlib import Path

import pandas as pd
from IPython.display import Markdown

from inception_lightning.studies import report
from inception_lightning.studies.results import history, table

ROOT = Path.cwd() if Path("experiments").is_dir() else Path.cwd().parent
OWN = os.environ.get("RESIDUAL_SCALE_RUNS")

if OWN:
    runs = table([Path(OWN)])
    steps = history(runs)
else:
    results = ROOT / "experiments" / "residual_scale" / "results"
    runs = pd.read_csv(results / "runs.csv")
    steps = pd.read_csv(results / "steps.csv")

sweep = runs["folder"].str.extract(r"([^/]+)/[^/]+/[^/]+$")[0]
sweep.value_counts()

# %% [markdown]
# ## The claim
#
# Inception-ResNet-v1 at its full depth, 896 (width 0.5) and 1,792 filters (width 1.0) before the pool, TensorFlow's
# RMSProp with the paper's rate, 41 steps, three seeds. A channel is dead when it is zero at every place of every image
# of a batch.

# %%
claim = runs if OWN else runs[sweep == "residual_claim"]
figures = report.figures(claim, steps)
Markdown(report.markdown(claim))

# %%
figures["dead_last"]

# %% [markdown]
# Unscaled, nine of ten channels are dead; scaled by 0.1 or by the released networks' numbers, far fewer are. But
# there is no threshold at 1,000 filters: with 896 filters the unscaled network dies as well.

# %%
figures["dead"]

# %% [markdown]
# The channels die within 20 steps, with every seed.
#
# ## Why
#
# The norm of the scaled residual over the norm of the shortcut that it is added to, block by block. Scaled by 0.1,
# every block begins as a small correction of its shortcut. Unscaled, the residuals begin about as large as the
# shortcut, and in the last stage they grow to many times its norm.

# %%
figures["ratios"]

# %% [markdown]
# ## Does a lower rate help? Or batch norm? Or clipping?
#
# The paper says that the first two do not. Here all three keep the channels of an unscaled network from being zero:

# %%
remedies = runs if OWN else runs[sweep != "residual_claim"]
Markdown(report.markdown(remedies))

# %% [markdown]
# What this says: a rate ten times lower, for twice the steps, loses few channels, though the scaled network is then
# the more accurate one. With batch norm on the sum a channel cannot be zero for a whole batch, almost by construction:
# the count of dead channels says nothing there. Clipping the gradient's norm at 2.0 takes steps so small that nothing
# dies in 82 of them. These are the first steps of a network that the paper trained for days, so none of this refutes
# the paper.
#
# ## Accuracy
#
# The paper says that scaling never hurt the final accuracy. 41 steps say nothing about the final accuracy: read the
# spread over the seeds before the means.

# %%
figures["accuracy"]
