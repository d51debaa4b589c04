"""Another task: a LightningModule and a LightningDataModule that are none of inception_lightning's."""

import lightning.pytorch as pl
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset


class Autoencoder(pl.LightningModule):
    """Squeezes images of 64 pixels through few features and draws them again."""

    def __init__(self, *, features: int = 8, rate: float = 0.01) -> None:
        """Say how.

        Args:
            features: How many numbers an image becomes.
            rate: Adam's learning rate.
        """
        super().__init__()
        self.rate = rate
        self.net = nn.Sequential(nn.Linear(64, features), nn.ReLU(), nn.Linear(features, 64))

    def error(self, batch: list[Tensor], name: str) -> Tensor:
        """The mean squared error of a batch, logged as ``name``."""
        (images,) = batch  # (N, 64)
        error = nn.functional.mse_loss(self.net(images), images)
        self.log(name, error, prog_bar=True)
        return error

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """What is minimised."""
        return self.error(batch, "train/error")

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """What the best checkpoint is chosen by."""
        self.error(batch, "val/error")

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """What ``lightning test`` prints."""
        self.error(batch, "test/error")

    def predict_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """What ``lightning predict`` saves: features (N, features)."""
        return self.net[0](batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.rate)


class FlatDigits(pl.LightningDataModule):
    """Handwritten digits as rows of 64 numbers, 0..1."""

    def __init__(self, *, batch_size: int = 64) -> None:
        """Say how many rows make a batch."""
        super().__init__()
        self.batch_size = batch_size

    def rows(self, start: int, end: int) -> Dataset[tuple[Tensor, ...]]:
        """The images ``start`` to ``end``."""
        return TensorDataset(torch.from_numpy(load_digits().data[start:end]).float() / 16)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Shuffled."""
        return DataLoader(self.rows(0, 1500), batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """In order."""
        return DataLoader(self.rows(1500, 1797), batch_size=self.batch_size)

    test_dataloader = predict_dataloader = val_dataloader
