"""Where a training step's time goes on a GPU, as text: kernels by their time, and the gaps; a part of ``gpu.sh``.

Gaps are the share of the time in which no kernel runs, from the first kernel to the last.
"""

import os

import torch
from networks import AUX_WEIGHT
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from inception_lightning import models
from inception_lightning.models.passes import faster

TINY = bool(os.environ["TINY"])
STEPS = 2 if TINY else 10


def main() -> None:
    """Profile Inception-v3 with its head, batches of 256 and 32."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for batch in (2,) if TINY else (256, 32):
        print(f"\nInception-v3, batch {batch}, bfloat16, {STEPS} steps on {device.type}", flush=True)
        print(profiled(device, batch), flush=True)


def profiled(device: torch.device, batch: int) -> str:
    """The table of one batch size, and its gaps."""
    width = 0.1 if TINY else 1.0
    net = faster(models.InceptionV3(1000, aux=True, width=width)).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    images = torch.randn(batch, 3, 299, 299, device=device).to(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            logits, aux = net.forward_with_aux(images)
            loss = F.cross_entropy(logits, labels)
            for head in aux.values():
                loss = loss + AUX_WEIGHT * F.cross_entropy(head, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in range(1 if TINY else 5):
        step()
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device.type == "cuda")
    with profile(activities=kinds) as seen:
        for _ in range(STEPS):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
    key = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    table = seen.key_averages().table(sort_by=key, row_limit=20, max_name_column_width=70)
    return f"{table}\n{gaps(seen)}"


def gaps(seen: profile) -> str:
    """What the kernels leave of the time."""
    kernels = sorted(
        (event.time_range.start, event.time_range.end)
        for event in seen.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    if not kernels:
        return "no kernels: no GPU"
    busy, reached = 0.0, kernels[0][0]
    for start, end in kernels:
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    whole = reached - kernels[0][0]
    return f"{len(kernels) / STEPS:.0f} kernels a step, {1e-3 * whole / STEPS:.2f} ms; gaps {1 - busy / whole:.1%}"


if __name__ == "__main__":
    main()
