"""`lightning fit` against a plain loop on a GPU, images in memory; a part of ``gpu.sh``.

The two take turns of twenty steps each, between which the device is waited for: within a turn nothing is, so that what
a run hides behind the device counts as hidden.
"""

import os
import subprocess
import sys
from pathlib import Path

TINY = bool(os.environ["TINY"])
COMMON = [
    *("--config=experiments/cifar/base.yaml", "--data=Digits", "--wandb.mode=disabled", "--ema_decay=null"),
    *("--trainer.enable_progress_bar=false", "--trainer.limit_val_batches=0", "--trainer.max_epochs=-1"),
]
CASES = {
    "v3 on 32 pixels, batch 128": ["--model.net=InceptionV3", "--model.net.stem=small", "--data.image_size=32"],
    "v3 on 299 pixels, batch 64, 14 workers": [
        *("--model.net=InceptionV3", "--model.net.stem=full", "--data.image_size=299", "--data.batch_size=64"),
        "--data.num_workers=14",
    ],
}
SMALL = {
    "Inception-ResNet-v1 of width 0.1 on 16 pixels": [
        *("--model.net=InceptionResNetV1", "--model.net.stem=small", "--model.net.width=0.1"),
        *("--model.net.depths=[1,1,1]", "--data.image_size=16", "--data.batch_size=32"),
    ]
}


def main() -> None:
    """Run each case in a process of its own."""
    for name, options in (SMALL if TINY else CASES).items():
        print(name, flush=True)
        steps = f"--trainer.max_steps={12 if TINY else 220}"
        place = f"--trainer.default_root_dir={Path(os.environ['OUT']).parent / 'gpu-runs'}"
        command = [sys.executable, "benchmarks/fit.py", *COMMON, *options, steps, place]
        environment = os.environ | {"STEPS_PER_TURN": "1" if TINY else "20"}
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
