"""What happens inside a residual network while it trains: the measurements of the residual-scale study.

Inception-v4 paper (arXiv:1602.07261), section 3.3: with many filters the networks "died" early in
training, their last layer before the average pooling gave only zeros, and scaling the residuals
down cured it.
"""

import contextlib
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from inception_lightning.errors import InputError
from inception_lightning.models.blocks import ResidualBlock
from inception_lightning.models.network import Inception


class ResidualTelemetry(Callback):
    """Logs what residuals and activations do, on sampled steps and from the process's own batch.

    ``residual/ratio/BLOCK``: norm of the scaled residual over norm of what it is added to;
    ``residual/zeros/BLOCK``, ``residual/dead/BLOCK``: share of zeros in the block's output, and of channels
    that are zero for the whole batch (left out where no ReLU follows the sum);
    ``before_pool/zeros``, ``before_pool/dead``: the same for the last ReLU before the average pooling;
    ``grad_norm/STAGE``: norm of the stage's gradient, before it is clipped.

    The module itself logs the learned scales (``scale/BLOCK``) every epoch. A sampled step of a compiled network runs
    as if it were not compiled: what watches it would have to be compiled too.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        """Say how often.

        Args:
            every_n_steps: Optimizer steps from one sample to the next, at least 1; the first step is one.

        Raises:
            InputError: Less than 1.
        """
        if every_n_steps < 1:
            raise InputError(f"every_n_steps must be at least 1, got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self.step = 0
        self.hooks: list[RemovableHandle] = []
        self.while_watching = contextlib.ExitStack()
        self.measured: dict[str, Tensor] = {}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Watch the batch, if its step is sampled."""
        due = trainer.global_step % self.every_n_steps == 0
        net = getattr(pl_module, "net", None)
        if due and not self.hooks and trainer.loggers and isinstance(net, Inception):
            self.step = trainer.global_step
            self.watch(net)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Measure the gradients of a sampled step."""
        net = getattr(pl_module, "net", None)
        if self.hooks and isinstance(net, Inception):
            self.measured |= gradient_norms(net)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log what was measured, once the step is complete."""
        if self.hooks and trainer.global_step > self.step:
            values = torch.stack(list(self.measured.values())).tolist()  # one wait for the device
            row = dict(zip(self.measured, values, strict=True)) | {"epoch": trainer.current_epoch}
            for logger in trainer.loggers:  # not pl_module.log, which writes old values again at every logged step
                logger.log_metrics(row, self.step)
            self.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave no hook behind."""
        self.stop()

    def watch(self, net: Inception) -> None:
        """Measure what the network's next forward pass computes."""
        self.while_watching.enter_context(torch.compiler.set_stance("force_eager"))
        for name, block in residual_blocks(net).items():
            self.hooks += [
                block.register_forward_hook(self._measure_output(name)),
                block.project.register_forward_hook(self._measure_residual(name)),
            ]
        self.hooks.append(before_pool(net).register_forward_hook(self._measure_before_pool))

    def stop(self) -> None:
        """Remove all hooks and forget what was measured."""
        for hook in self.hooks:
            hook.remove()
        self.hooks, self.measured = [], {}
        self.while_watching.close()

    def _measure_residual(self, name: str) -> Any:
        def measure(module: nn.Module, args: tuple[Tensor], residual: Tensor) -> None:
            self.measured[f"residual/ratio/{name}"] = _norm(residual)  # divided in _measure_output

        return measure

    def _measure_output(self, name: str) -> Any:
        def measure(block: ResidualBlock, args: tuple[Tensor], output: Tensor) -> None:
            scale = block.scale.detach().abs() if isinstance(block.scale, Tensor) else abs(block.scale)
            self.measured[f"residual/ratio/{name}"] *= scale / _norm(args[0])
            if not isinstance(block.activation, nn.Identity):
                zeros, dead = silence(output)
                self.measured |= {f"residual/zeros/{name}": zeros, f"residual/dead/{name}": dead}

        return measure

    def _measure_before_pool(self, module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
        zeros, dead = silence(output)
        self.measured |= {"before_pool/zeros": zeros, "before_pool/dead": dead}


def residual_blocks(net: Inception) -> dict[str, ResidualBlock]:
    """The residual blocks by name, such as ``inception_a.0``, in order."""
    return {name: module for name, module in net.named_modules() if isinstance(module, ResidualBlock)}


def before_pool(net: Inception) -> nn.Module:
    """What makes the last rectified activation before the average pooling.

    The last stage, or the last block with a ReLU where the stage ends in a linear block.
    """
    last = net.get_submodule(net.stages[-1])
    blocks = [module for module in last.modules() if isinstance(module, ResidualBlock)]
    rectified = [block for block in blocks if not isinstance(block.activation, nn.Identity)]
    if len(rectified) == len(blocks) or not rectified:
        return last
    return rectified[-1]


@torch.no_grad()
def silence(activation: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of zeros, and of channels that are zero throughout, in an activation (N, C, H, W); scalars."""
    active = torch.count_nonzero(activation, dim=(0, 2, 3))  # (C,)
    return 1 - active.sum() / activation.numel(), (active == 0).float().mean()


@torch.no_grad()
def gradient_norms(net: Inception) -> dict[str, Tensor]:
    """``grad_norm/STAGE`` of every stage that has gradients."""
    gradients = {
        stage: [parameter.grad for parameter in net.get_submodule(stage).parameters() if parameter.grad is not None]
        for stage in net.stages
    }
    return {f"grad_norm/{stage}": nn.utils.get_total_norm(tensors) for stage, tensors in gradients.items() if tensors}


def _norm(tensor: Tensor) -> Tensor:
    # in float32: half precision would overflow
    return torch.linalg.vector_norm(tensor.detach(), dtype=torch.float32)
