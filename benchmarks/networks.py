"""Our networks against timm's and torchvision's: ``python benchmarks/networks.py [--compiled] [--device cuda] ...``.

Training steps (forward, loss, backward, SGD) and evaluation, channels-last, in float32 and bfloat16. Ours have been
through the passes of `models.passes`, as in training. Ours and the peer take turns, so that both meet the machine in
the same state; a ratio above 1 says that ours is faster.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from inception_lightning import models
from inception_lightning.models.passes import faster

PAIRS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = {
    "v3 / torchvision": (
        lambda: faster(models.InceptionV3(1000, aux=True)),
        lambda: torchvision.models.inception_v3(aux_logits=True, init_weights=False),
    ),
    "v3 / timm": (lambda: faster(models.InceptionV3(1000, aux=False)), lambda: timm.create_model("inception_v3")),
    "v4 / timm": (lambda: faster(models.InceptionV4(1000, aux=False)), lambda: timm.create_model("inception_v4")),
    "IR-v2 / timm": (
        lambda: faster(models.InceptionResNetV2(1000, aux=False)),
        lambda: timm.create_model("inception_resnet_v2"),
    ),
    "GoogLeNet / torchvision": (
        lambda: faster(models.GoogLeNet(1000, aux=True, preset="torchvision")),  # 3x3 in the place of 5x5
        lambda: torchvision.models.googlenet(aux_logits=True, init_weights=False),
    ),
}
AUX_WEIGHT = 0.4
ROW = "{:<25}{:<10}{:<10}{:>14}{:>8}  {}"
Step = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """What is measured: training or evaluation, in which type, compiled or not, on what."""

    train: bool
    dtype: torch.dtype
    compiled: bool
    batch_size: int
    device: torch.device
    side: int


def ours_with_aux(net: nn.Module) -> Callable[[Tensor], list[Tensor]]:
    """Images -> logits of the classifier and, in training, of all heads."""
    assert isinstance(net, models.Inception)

    def outputs(images: Tensor) -> list[Tensor]:
        if not (net.training and net.aux_heads):
            return [net(images)]
        logits, aux = net.forward_with_aux(images)
        return [logits, *aux.values()]

    return outputs


def theirs_with_aux(net: nn.Module) -> Callable[[Tensor], list[Tensor]]:
    """The same for a peer, which returns a tuple in training."""

    def outputs(images: Tensor) -> list[Tensor]:
        given = net(images)
        return [given] if isinstance(given, Tensor) else list(given)

    return outputs


def step(net: nn.Module, outputs: Callable[[Tensor], list[Tensor]], images: Tensor, case: Case) -> Step:
    """A training step or an evaluation, ready to be called."""
    labels = torch.arange(len(images), device=images.device)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)
    forward = torch.compile(outputs) if case.compiled else outputs
    cast = torch.autocast(case.device.type, case.dtype, enabled=case.dtype != torch.float32)

    def train() -> None:
        with cast:
            logits, *heads = forward(images)
            loss = F.cross_entropy(logits, labels)
            for head in heads:
                loss = loss + AUX_WEIGHT * F.cross_entropy(head, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    @torch.inference_mode()
    def evaluate() -> None:
        with cast:
            forward(images)

    net.train(case.train)
    return train if case.train else evaluate


def seconds(run: Step, device: torch.device) -> float:
    """Wall-clock time of one step."""
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(pair: str, case: Case, rounds: int) -> tuple[float, list[float]]:
    """Our images per second, and the peer's time over ours for each of the rounds."""
    torch._dynamo.reset()
    side = case.side or (224 if pair.startswith("GoogLeNet") else 299)
    images = torch.randn(case.batch_size, 3, side, side, device=case.device).to(memory_format=torch.channels_last)
    runs = []
    for make, outputs in zip(PAIRS[pair], (ours_with_aux, theirs_with_aux), strict=True):
        net = make().to(case.device).to(memory_format=torch.channels_last)
        runs.append(step(net, outputs(net), images, case))
    for run in runs * 2:
        seconds(run, case.device)  # compiles, finds memory
    taken = []
    for turn in range(rounds):
        order = (0, 1) if turn % 2 == 0 else (1, 0)
        pairs = {index: seconds(runs[index], case.device) for index in order}
        taken.append((pairs[0], pairs[1]))
    return case.batch_size / statistics.median(ours for ours, _ in taken), [their / our for our, their in taken]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--modes", nargs="+", choices=("train", "evaluate"), default=["train", "evaluate"])
    parser.add_argument("--dtypes", nargs="+", choices=("float32", "bfloat16"), default=["float32", "bfloat16"])
    parser.add_argument("--compiled", action="store_true", help="both networks compiled by torch")
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--side", type=int, default=0, help="pixels; by default those of the papers")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    print(f"{options.device}, batch {options.batch_size}{', compiled' * options.compiled}")
    print(ROW.format("networks", "mode", "type", "ours, images/s", "ratio", "quartiles"), flush=True)
    device = torch.device(options.device)
    for pair, mode, dtype in itertools.product(options.networks, options.modes, options.dtypes):
        case = Case(mode == "train", getattr(torch, dtype), options.compiled, options.batch_size, device, options.side)
        rate, ratios = compare(pair, case, options.rounds)
        low, middle, high = statistics.quantiles(ratios, n=4)
        row = (pair, mode, dtype, f"{rate:.1f}", f"{middle:.3f}", f"{low:.3f} to {high:.3f}")
        print(ROW.format(*row), flush=True)  # a row takes minutes


if __name__ == "__main__":
    main()
