"""``lightning embed`` against a plain loop over the same photos: ``python benchmarks/embed.py FOLDER``.

A narrow GoogLeNet for 32 pixels, so that what is not the network's shows. Both read and decode the photos in the same
process, by the same loader; the loop keeps nothing, ``embed`` writes its rows and ends with an array on the disk. They
take turns, pass by pass; times are the processor's, of which a busy machine gives each pass less but counts it alike.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import torch

from inception_lightning.commands import embed
from inception_lightning.data import Photos
from inception_lightning.models import GoogLeNet
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.weights.load import pretrained
from inception_lightning.weights.save import save_weights


def plain(photos: Photos, module: InceptionClassifier) -> None:
    """Evaluate, as one would by hand."""
    with torch.inference_mode():
        for images, _ in photos.predict_dataloader():
            module(images)


def seconds(run: Callable[[], None]) -> float:
    """Of the processor, on this process and its threads."""
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        net = GoogLeNet(10, stem="small", width=options.width, aux=False)
        net.image_size, net.crop_fraction = 32, 1.0
        save_weights(net, place / "net.safetensors")
        module = InceptionClassifier(pretrained(place / "net.safetensors")).eval()
        photos = Photos(root=options.folder, class_names=list("abcdefghij"), image_size=32, num_workers=0)
        words = ["embed", str(options.folder), "--weights", str(place / "net.safetensors"), "--data.num_workers=0"]
        ratios = []
        for turn in range(options.rounds):
            loop = seconds(lambda: plain(photos, module))
            call = [*words, "--trainer.accelerator=cpu", "--out", str(place / f"{turn}")]
            with redirect_stdout(StringIO()):
                whole = seconds(lambda call=call: embed.main(call))  # type: ignore[misc]  # a default holds it
            ratios.append(loop / whole)
            count = len(photos.files)
            print(f"{count:,} photos: loop {count / loop:,.0f} images/s, embed {count / whole:,.0f}", flush=True)
    print(f"embed is {statistics.median(ratios):.3f} x as fast as the loop ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
