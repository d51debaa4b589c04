import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, distributed
from torch.multiprocessing.spawn import start_processes
from torch.nn import functional

from inception_lightning.loading.sampler import EvaluationSampler
from inception_lightning.training.losses import BinaryCrossEntropy, FocalLoss, Loss
from inception_lightning.training.metrics import MeanLoss, TopK

SIZES = (1, 7, 101)
CLASSES = 10


def samples(size: int) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and labels (N,)."""
    generator = torch.Generator().manual_seed(size)
    labels = torch.randint(0, CLASSES, (size,), generator=generator)
    return torch.randn(size, CLASSES, generator=generator), labels


def by_numpy(logits: Tensor, labels: Tensor, k: int) -> float:
    best = np.argsort(-logits.numpy(), axis=1)[:, :k]
    return float(np.mean([label in row for row, label in zip(best, labels.numpy(), strict=True)]))


def values(metric: TopK) -> dict[str, float]:
    return {name: value.item() for name, value in metric.compute().items()}


@pytest.mark.parametrize("ks", [(1,), (1, 5), (2, 3, 10)])
@pytest.mark.parametrize("size", SIZES)
def test_top_k_is_numpys(size: int, ks: Sequence[int]) -> None:
    logits, labels = samples(size)
    metric = TopK(ks)
    for start in range(0, size, 8):  # the last batch is smaller
        metric.update(logits[start : start + 8], labels[start : start + 8])
    assert values(metric) == pytest.approx({f"top{k}": by_numpy(logits, labels, k) for k in ks}, abs=1e-7)


def loss_by_numpy(logits: Tensor, labels: Tensor) -> np.float32:
    wide = logits.double().numpy()
    losses = np.log(np.exp(wide).sum(axis=1)) - wide[np.arange(len(labels)), labels.numpy()]
    return np.float32(losses.mean())


@pytest.mark.parametrize("batch_size", [1, 8, 1000])
def test_the_loss_is_numpys_however_it_is_batched(batch_size: int) -> None:
    logits, labels = samples(5000)
    metric = MeanLoss()
    for batch in torch.arange(5000).split(batch_size):
        metric.update(logits[batch], labels[batch])
    assert np.float32(metric.compute()) == loss_by_numpy(logits, labels)


@pytest.mark.parametrize("batch_size", [1, 8, 1000])
@pytest.mark.parametrize("loss", [FocalLoss(2.0), BinaryCrossEntropy(), functional.multi_margin_loss])
def test_another_loss_counts_each_sample_alike_however_it_is_batched(loss: Loss, batch_size: int) -> None:
    logits, labels = samples(1001)
    metric = MeanLoss(loss)
    for batch in torch.arange(1001).split(batch_size):  # the last is smaller
        metric.update(logits[batch], labels[batch])
    metric.update(logits[:0], labels[:0])  # a process without a sample
    assert metric.compute().item() == pytest.approx(loss(logits.double(), labels).item(), rel=1e-12)


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_shows(number: float) -> None:
    metric = MeanLoss()
    metric.update(torch.full((2, 3), number), torch.tensor([0, 1]))
    assert not metric.compute().isfinite()


def test_low_precision_does_not_lose_samples() -> None:
    metric = MeanLoss().to(torch.bfloat16)  # as Lightning does for bf16-true
    for _ in range(1000):  # 8 bits stop counting at 256
        metric.update(torch.zeros(1, 2, dtype=torch.bfloat16), torch.tensor([1]))
    assert np.float32(metric.compute()) == np.float32(np.log(2))


def test_reset_forgets() -> None:
    metric = TopK((1,))
    metric.update(torch.eye(3), torch.tensor([0, 1, 2]))
    metric.reset()
    metric.update(torch.eye(2), torch.tensor([0, 0]))
    assert values(metric) == {"top1": 0.5}


def test_states_of_processes_add_up() -> None:
    logits, labels = samples(101)
    parts = [TopK((1, 5)) for _ in range(2)]
    for rank, metric in enumerate(parts):
        metric.update(logits[rank::2], labels[rank::2])
    first, second = parts
    first.correct += second.correct
    first.total += second.total
    assert values(first) == pytest.approx({f"top{k}": by_numpy(logits, labels, k) for k in (1, 5)}, abs=1e-7)


def count(sizes: Sequence[int]) -> list[dict[str, float]]:
    """Scores over all processes for each size, each process with its share of the samples."""
    scores = []
    for size in sizes:
        logits, labels = samples(size)
        top, loss = TopK((1, 5)), MeanLoss()
        mine = torch.tensor(list(EvaluationSampler(size)), dtype=torch.long)
        for batch in mine.split(8):  # one empty batch where this process has no sample
            top.update(logits[batch], labels[batch])
            loss.update(logits[batch], labels[batch])
        scores.append(values(top) | {"loss": loss.compute().item()})
    return scores


def count_as_one_of_two(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(count(SIZES), Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_count_what_one_counts() -> None:
    with tempfile.TemporaryDirectory() as folder:
        start_processes(count_as_one_of_two, (folder,), nprocs=2, start_method="fork")
        found: list[Any] = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(2)]
    expected = count(SIZES)
    for scores in found:  # every process knows the same
        for size, score, alone in zip(SIZES, scores, expected, strict=True):
            assert score == pytest.approx(alone, abs=1e-7), size
