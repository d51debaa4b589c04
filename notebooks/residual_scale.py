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
# Inception-v4 paper ([1602.07261](https://arxiv.org/abs/1602.07261)), section 3.3: with more than 1,000 filters,
# Inception-ResNets "died" early in training, the last layer before the average pooling gave only zeros, and scaling
# the residuals by 0.1 to 0.3 before adding them cured it.
#
# This notebook reads the runs of a sweep and trains nothing itself. If there are none, it starts the smallest sweep
# that shows the measurements: 2 scales, 1 seed, 1 epoch of digits, a network far below 1,000 filters. That is a
# demonstration of the method and no evidence. For evidence, first run `lightning sweep
# experiments/residual_scale/short.yaml`, or `sweep.yaml` on GPUs, and set `PLACE`.

# %%
# %matplotlib inline
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from inception_lightning import report
from inception_lightning.results import table

os.environ["WANDB_MODE"] = "disabled"
ROOT = Path.cwd() if Path("experiments").is_dir() else Path.cwd().parent
PLACE = Path(os.environ.get("RESIDUAL_SCALE_RUNS", ROOT / "runs" / "residual_scale_short"))

if not PLACE.is_dir():
    PLACE = Path(tempfile.mkdtemp()) / "runs"
    sweep = yaml.safe_load((ROOT / "experiments/residual_scale/short.yaml").read_text())
    values = {
        "model.net.init_args.width": [0.1],
        "model.net.init_args.residual_scales": [0.1, 1.0],
        "seed_everything": [0],
        "trainer.max_epochs": [1],
    }
    sweep["parameters"] = {name: {"values": value} for name, value in values.items()}
    file = PLACE.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(sweep))
    command = [sys.executable, "-m", "inception_lightning", "sweep", str(file), "--place", str(PLACE)]
    print(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)

# %% [markdown]
# ## The runs
#
# A row per run: every knob, the seed, what became of it, and the last telemetry.

# %%
runs = table([PLACE])
shown = ["seed", "best", "last", "steps_to_90", "steps", "died", "before_pool/dead", "before_pool/zeros"]
runs[["model.net.init_args.width", "model.net.init_args.residual_scales", *shown]]

# %% [markdown]
# ## Accuracy against scale
#
# The paper says that scaling never hurt the final accuracy. Read the spread over the seeds before the means.

# %%
figures = report.figures(runs)
figures["accuracy"]

# %% [markdown]
# ## Does the network die?
#
# A channel is dead when it is zero at every place of every image of a batch. The paper's networks lost all of them.

# %%
figures["dead"]

# %% [markdown]
# ## Why
#
# The norm of what is added over the norm of what it is added to, block by block. Unscaled, residuals begin at the
# shortcut's order of size. Scaled by 0.1, every block begins as a small correction.

# %%
figures["ratios"]
