"""Mixed precision computes in 16 bits and keeps its weights in 32."""

import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from inception_lightning.data import Digits
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.trainers import quiet_trainer

OPTIMIZER = functools.partial(torch.optim.AdamW, lr=0.003)


def fitted(folder: Path, precision: str, accelerator: str = "cpu") -> tuple[InceptionClassifier, list[Tensor], float]:
    """A module after 20 steps, an activation of each kind of its convolutions, and its last loss."""
    torch.manual_seed(0)
    net = InceptionResNetV1(10, width=0.1, depths=(1, 1, 1), stem="small", aux=True)
    seen: list[Tensor] = []
    convolution = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    convolution.register_forward_hook(lambda module, images, output: seen.append(output.detach()))
    trainer = quiet_trainer(
        folder,
        accelerator=accelerator,
        precision=precision,
        max_steps=20,
        gradient_clip_val=2.0,
    )
    module = InceptionClassifier(net, optimizer=OPTIMIZER)
    trainer.fit(module, Digits(batch_size=50, num_workers=0))
    trainer.save_checkpoint(folder / "saved.ckpt")
    loss = float(trainer.callback_metrics["train/loss_main"])
    return InceptionClassifier.load_from_checkpoint(folder / "saved.ckpt"), seen, loss


@pytest.mark.parametrize(
    ("precision", "kind"), [pytest.param("32", torch.float32, marks=pytest.mark.slow), ("bf16-mixed", torch.bfloat16)]
)
def test_16_bits_are_for_activations_and_32_for_weights(tmp_path: Path, precision: str, kind: torch.dtype) -> None:
    module, seen, loss = fitted(tmp_path, precision)
    assert {activation.dtype for activation in seen} == {kind}
    assert {value.dtype for value in module.state_dict().values() if value.is_floating_point()} == {torch.float32}
    assert loss < 2.0  # from ln 10 = 2.3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("precision", "kind"), [("16-mixed", torch.float16), ("bf16-mixed", torch.bfloat16)])
def test_16_bits_on_a_gpu(tmp_path: Path, precision: str, kind: torch.dtype) -> None:
    module, seen, loss = fitted(tmp_path, precision, "gpu")
    assert {activation.dtype for activation in seen} == {kind}
    assert {value.dtype for value in module.state_dict().values() if value.is_floating_point()} == {torch.float32}
    assert loss < 2.0
