"""A run that logs a number to W&B, and says how that went: it has a process of its own, because W&B remembers."""

import json
import logging
import sys
import time
from pathlib import Path

from wandb.sdk.lib.service import service_process

from inception_lightning.runs.wandb import Wandb, wandb_logger

logging.basicConfig(format="%(message)s", stream=sys.stdout)
logging.getLogger("inception_lightning").setLevel(logging.INFO)
if len(sys.argv) > 3:  # another program in place of W&B's service
    vars(service_process)["get_core_path"] = lambda: sys.argv[3]
start = time.monotonic()
logger = wandb_logger(Path(sys.argv[1]), Wandb(**json.loads(sys.argv[2])))
if logger is None:
    print("none")
else:
    logger.log_metrics({"val/top1": 0.5}, step=1)
    run = logger.experiment
    seconds = time.monotonic() - start
    names = ("name", "project", "tags", "group", "entity", "notes")
    print(json.dumps({"offline": run.settings._offline} | {name: getattr(run, name) for name in names}))
    run.finish()
    print(seconds)
