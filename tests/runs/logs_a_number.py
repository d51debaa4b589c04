"""A run that logs a number to W&B, and says how that went: it has a process of its own, because W&B remembers."""

import json
import logging
import sys
import time
from pathlib import Path

from inception_lightning.runs.wandb import Wandb, wandb_logger

logging.basicConfig(format="%(message)s", stream=sys.stdout)
logging.getLogger("inception_lightning").setLevel(logging.INFO)
start = time.monotonic()
logger = wandb_logger(Path(sys.argv[1]), Wandb(**json.loads(sys.argv[2])))
if logger is None:
    print("none")
else:
    logger.log_metrics({"val/top1": 0.5}, step=1)
    run = logger.experiment
    seconds = time.monotonic() - start
    print(json.dumps({"offline": run.settings._offline, "name": run.name, "project": run.project, "tags": run.tags}))
    run.finish()
    print(seconds)
