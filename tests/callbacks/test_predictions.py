"""What prediction leaves behind. tests/commands/test_fit.py looks at every row of photos."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from inception_lightning.callbacks import PredictionWriter
from inception_lightning.training.classifier import Prediction
from tests.trainers import quiet_trainer


class Giver(pl.LightningModule):
    """Gives what a test wants."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self.given = given

    def predict_step(self, batch: list[Tensor], batch_idx: int) -> Any:
        return self.given(batch[0])


def predicted(folder: Path, given: Any) -> list[Any]:
    """The content of the file that is left behind."""
    trainer = quiet_trainer(folder, callbacks=[PredictionWriter(folder / "predict")])
    loader = DataLoader(TensorDataset(torch.arange(5.0)), batch_size=2)
    trainer.predict(Giver(given), loader, return_predictions=False)
    assert [path.name for path in (folder / "predict").iterdir()] == ["predictions-0.pt"]
    content: list[Any] = torch.load(folder / "predict" / "predictions-0.pt", weights_only=True)
    return content


def test_tensors_of_any_module_are_kept_batch_by_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = predicted(tmp_path, lambda batch: 2 * batch)
    assert [batch.tolist() for batch in found] == [[0, 2], [4, 6], [8]]
    assert f"3 batches of predictions in {tmp_path / 'predict' / 'predictions-0.pt'}" in capsys.readouterr().out


def test_dictionaries_and_lists_are_kept_as_they_are(tmp_path: Path) -> None:
    found = predicted(tmp_path, lambda batch: {"twice": 2 * batch, "names": ["a", 1, None]})
    assert found[2]["twice"].tolist() == [8]
    assert found[2]["names"] == ["a", 1, None]


def test_a_classifiers_predictions_of_other_data_are_named(tmp_path: Path) -> None:
    found = predicted(tmp_path, lambda batch: Prediction(batch.long(), batch[:, None].long(), batch[:, None]))
    assert [batch["indices"].tolist() for batch in found] == [[0, 1], [2, 3], [4]]
    assert found[2].keys() == {"indices", "classes", "probabilities"}


def test_without_predictions_nothing_is_written(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, callbacks=[PredictionWriter(tmp_path / "predict")])
    trainer.predict(Giver(None), DataLoader(TensorDataset(torch.ones(0))), return_predictions=False)
    assert not (tmp_path / "predict").exists()
