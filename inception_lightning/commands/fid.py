"""``lightning fid``: how far generated images are from real ones, in the features of an Inception network."""

import json
import logging
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from inception_lightning.commands import options
from inception_lightning.commands.trained import accelerator
from inception_lightning.errors import InputError, visible
from inception_lightning.evaluation.fid import Moments, features, frechet_distance
from inception_lightning.loading.listing import LeftOut, files_like
from inception_lightning.models.network import Inception
from inception_lightning.models.passes import faster
from inception_lightning.weights.load import pretrained


def main(words: Sequence[str]) -> None:
    """Run ``lightning fid``."""
    arguments = options.fid().parse_args(words[1:])
    if arguments.batch_size < 1 or arguments.num_workers < 0:
        raise InputError("--batch_size must be at least 1 and --num_workers at least 0")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    net = pretrained(arguments.weights, aux=False).eval().to(accelerator(arguments.device))
    net = faster(net).to(memory_format=torch.channels_last)
    real, generated = (_moments(path, net, arguments) for path in (arguments.real, arguments.generated))
    distance = frechet_distance(real, generated)
    told = {"distance": distance, "weights": arguments.weights, "features": len(real.mean)}
    told |= {"real": real.count, "generated": generated.count}
    print(json.dumps(told) if arguments.json else _sentence(told, str(net.config["init_args"].get("preset"))))


def _moments(path: Path, net: Inception, arguments: Namespace) -> Moments:
    if path.suffix == ".npz":
        return Moments.read(path)
    left_out = LeftOut()
    files = files_like(path, left_out)
    if left_out.counts:
        print(f"{visible(str(path))}: {left_out.text()}", file=sys.stderr)
    if len(files) < 2:
        raise InputError(f"{path} holds {len(files)} images: a distance needs at least two on either side")
    size = arguments.batch_size
    batches = features(net, files, stage=arguments.stage, batch_size=size, num_workers=arguments.num_workers)
    total = -(-len(files) // size)
    found = Moments.of(track(batches, escape(path.name), total, console=Console(stderr=True), transient=True))
    if arguments.save is not None and path == arguments.real:
        found.write(arguments.save)
    return found


def _sentence(told: dict[str, Any], preset: str) -> str:
    kind = "FID" if preset == "fid" else "Fréchet distance (not the FID: another network)"
    counts = " and ".join("a file's" if told[side] is None else f"{told[side]:,}" for side in ("real", "generated"))
    lines = [f"{kind}: {told['distance']:.6g}", f"{counts} images, {told['features']:,} features of {told['weights']}"]
    few = [told[side] for side in ("real", "generated") if told[side] is not None]
    if few and min(few) <= told["features"]:
        lines.append("fewer images than features: compare it with the distance of as many images only")
    return "\n".join(lines)
