"""Where the time goes on paper: ``python benchmarks/roofline.py``; ``--write`` puts it into ``benchmarks/README.md``.

Operations and bytes of every layer come from the networks themselves, built without weights. A layer takes as long as
its arithmetic or its memory traffic, whichever is more; a stage is the sum of its layers. Traffic is that of layers
that run one after the other, as they do uncompiled: a convolution reads and writes once, batch norm reads twice
in training, ReLU works in place; backward, each reads what it needs again. Sums, concatenations and the launching of
kernels are left out, and what is compiled may exceed this roof, since it moves less.
"""

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from inception_lightning import models
from inception_lightning.models.cost import count_macs, count_parameters, empty_batch, skeleton
from inception_lightning.models.network import Inception

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- roofline.py writes from here -->", "<!-- to here -->"
JPEG_BYTES = 110e3
NETWORKS: dict[str, type[Inception]] = {
    "GoogLeNet": models.GoogLeNet,
    "Inception-v3": models.InceptionV3,
    "Inception-v4": models.InceptionV4,
    "Inception-ResNet-v2": models.InceptionResNetV2,
}


@dataclass(frozen=True)
class Device:
    """What a device can do at most.

    Attributes:
        operations: Multiplications and additions a second.
        bandwidth: Bytes a second between it and its memory.
        bytes: Of one number.
    """

    name: str
    operations: float
    bandwidth: float
    bytes: int


CORE = Device("one CPU core", 2.1e9 * 64, 10e9, 4)
A100 = Device("A100", 312e12, 2.0e12, 2)
H100 = Device("H100", 989e12, 3.35e12, 2)
H200 = Device("H200", 989e12, 4.8e12, 2)
DEVICES = (CORE, A100, H100, H200)
REACHED = 0.73
"""The share of its roof at which training on one H100 is expected: 5.5 thousand images a second for Inception-v3."""


@dataclass(frozen=True)
class Layer:
    """One layer's work for one image: sizes are counts of numbers."""

    stage: str
    kind: str
    macs: int
    read: int
    written: int
    weights: int


@cache
def layers(name: str) -> list[Layer]:
    """All layers of a network that compute something, in the order in which they run."""
    net = skeleton(NETWORKS[name])
    found: list[Layer] = []
    names = {module: name.split(".")[0] for name, module in net.named_modules()}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        macs = output.shape[1:].numel() * layer.weight[0].numel() if isinstance(layer, nn.Conv2d | nn.Linear) else 0
        weights = sum(parameter.numel() for parameter in layer.parameters())
        sizes = inputs[0].shape[1:].numel(), output.shape[1:].numel()
        found.append(Layer(names[layer], type(layer).__name__, macs, *sizes, weights))

    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.LocalResponseNorm)
    hooks = [layer.register_forward_hook(note) for layer in names if isinstance(layer, kinds)]
    with torch.no_grad():
        net(empty_batch(net))
    for hook in hooks:
        hook.remove()
    assert sum(layer.macs for layer in found) == sum(
        macs for part, macs in count_macs(net).items() if not part.startswith("aux_heads.")
    )
    return found


def passes(layer: Layer, train: bool) -> Iterator[tuple[int, int, int]]:
    """Multiply-accumulates, activations and weights moved by each of the layer's kernels."""
    moved = layer.read + layer.written
    if not train:
        yield layer.macs, moved, layer.weights
    elif layer.macs:  # forward, gradient of the input, gradient of the weights
        yield from [(layer.macs, moved, layer.weights)] * 3
    elif layer.kind == "BatchNorm2d":
        yield 0, 2 * layer.read + layer.written, 0
        yield 0, 4 * layer.read + layer.written, 0  # gradient and input, twice: for two sums, then for the gradient
    else:
        yield 0, moved, 0
        yield 0, layer.written + moved, 0


def seconds(layer: Layer, device: Device, train: bool, batch: int) -> float:
    """For one image of a batch."""
    spent = 0.0
    for macs, activations, weights in passes(layer, train):
        traffic = device.bytes * (activations + weights / batch)
        spent += max(2 * macs / device.operations, traffic / device.bandwidth)
    return spent


def roof(name: str, device: Device, train: bool, batch: int = 256) -> float:
    """Images a second that ``device`` cannot exceed."""
    return 1 / sum(seconds(layer, device, train, batch) for layer in layers(name))


def device_named(name: str) -> Device | None:
    """The device whose name is in ``name``, as torch says it."""
    return next((device for device in DEVICES if device.name in name), None)


def rows(table: list[list[str]]) -> str:
    """A Markdown table."""
    head, *body = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([head, "|" + " --- |" * len(table[0]), *body])


def overview() -> str:
    """Roofs of all networks on all devices."""
    table = [["network", "multiply-accumulates", "activations moved in training"]]
    table[0] += [f"{device.name}, {mode}" for device in DEVICES for mode in ("training", "evaluation")]
    for name in NETWORKS:
        found = layers(name)
        moved = sum(activations for layer in found for _, activations, _ in passes(layer, train=True))
        row = [name, f"{sum(layer.macs for layer in found) / 1e9:.2f} G", f"{moved / 1e6:.0f} M"]
        for device, train in itertools.product(DEVICES, (True, False)):
            row.append(f"{roof(name, device, train):,.{1 if device is CORE else 0}f}")
        table.append(row)
    return rows(table)


def by_stage(name: str) -> str:
    """Where one network's training spends its time, stage by stage."""
    found = layers(name)
    table = [["stage", "multiply-accumulates", "activations moved in training"]]
    table[0] += [f"{device.name}: share of time (in convolutions)" for device in (CORE, A100, H100)]
    for stage in dict.fromkeys(layer.stage for layer in found):
        inside = [layer for layer in found if layer.stage == stage]
        moved = sum(activations for layer in inside for _, activations, _ in passes(layer, train=True))
        row = [stage, f"{sum(layer.macs for layer in inside) / 1e6:.0f} M", f"{moved / 1e6:.1f} M"]
        for device in (CORE, A100, H100):
            whole = sum(seconds(layer, device, True, 256) for layer in found)
            spent = sum(seconds(layer, device, True, 256) for layer in inside)
            convolved = sum(seconds(layer, device, True, 256) for layer in inside if layer.macs)
            row.append(f"{spent / whole:.0%} ({convolved / spent:.0%})")
        table.append(row)
    return rows(table)


def eight(core_rate: float) -> str:
    """What eight H100 in one machine, or in eight, need around them."""
    table = [
        ["network", "images/s on one H100", "eight: images/s", "disk, GB/s", "decoding cores", "gradients a step, MB"]
    ]
    table[0] += ["network of one machine of eight, Gbit/s"]
    for name, variant in NETWORKS.items():
        one = REACHED * roof(name, H100, train=True)
        size = 4e-6 * sum(count_parameters(skeleton(variant)).values())
        steps = one / 256
        sent = 2 * 7 / 8 * size * steps * 8e-3
        row = [
            name,
            f"{one:,.0f}",
            f"{8 * one:,.0f}",
            f"{8 * one * JPEG_BYTES / 1e9:.1f}",
            f"{8 * one / core_rate:.0f}",
        ]
        table.append([*row, f"{size:.0f}", f"{sent:.0f}"])
    return rows(table)


def text(core_rate: float) -> str:
    """All tables with what is to be said of them."""
    stages = "\n\n".join(f"### {name}, by stage\n\n{by_stage(name)}" for name in NETWORKS)
    return f"""Images a second that a device cannot exceed, batch 256, at the papers' size, auxiliary heads left out;
float32 on the CPU, bfloat16 on a GPU. Devices, by their makers' data sheets: A100 (80 GB) 312 TFLOP/s and 2.0 TB/s,
H100 (SXM) 989 and 3.35, H200 989 and 4.8; one CPU core with AVX-512 at 2.1 GHz, 134 GFLOP/s and 10 GB/s.

{overview()}

So on a GPU these networks are bound by memory: what moves are activations, and batch norm and ReLU move more of them
than convolutions do. Compiling fuses them. A CPU core is bound by arithmetic.

{stages}

### Eight GPUs, in one machine or in eight

At {REACHED:.0%} of the roof, where 5.3 to 5.8 thousand images a second are expected of Inception-v3 (an estimate: no
such GPU was at hand). Photos of 110 KB; one core decodes and crops {core_rate:.0f} a second (`data.py`); gradients
in float32, added up in a ring while the backward pass runs.

{eight(core_rate)}"""


def main() -> None:
    """Print, or write into the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core_rate", type=float, default=600, help="photos that one core decodes and crops a second")
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md, between its two marks")
    options = parser.parse_args()
    said = text(options.core_rate)
    if not options.write:
        print(said)
        return
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(f"{before}{BEGIN}\n\n{said}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
