"""What all tests share: one thread per process (two test processes share the cores) and no W&B server."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_MODE"] = "offline"
