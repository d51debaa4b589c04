import pytest
import torch
from torch import Tensor

from inception_lightning.data import Digits
from inception_lightning.evaluation.predictions import draw_predictions, predict_some, predictions_table
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier


class Sevens(InceptionClassifier):
    """Says 7 to everything."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.eye(10)[7].expand(len(images), -1)


@pytest.mark.parametrize(("fraction", "count"), [(0.2, 32), (0.01, 18)])
def test_predictions_show_true_and_predicted_names(fraction: float, count: int) -> None:
    data = Digits(val_fraction=fraction)
    module = Sevens(InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small"))
    guesses = predict_some(module, data)
    figure = draw_predictions(guesses)
    (axis,) = figure.axes
    shown, said = axis.get_images(), axis.texts
    assert len(shown) == count
    views = data.views("val")
    wrong = [index for index in range(len(views)) if views[index][1] != 7]
    assert [text.get_text() for text in said] == [
        f"true {guess.true}\nsays 7 23%{'' if guess.true == '7' else ' ✗'}" for guess in guesses
    ]
    assert [guess.true == "7" for guess in guesses] == [False] * min(count, len(wrong)) + [True] * (count - len(wrong))
    for image, text, guess in zip(shown, said, guesses, strict=True):
        assert text.get_color() == ("black" if guess.true == "7" else "#c22")
        drawn = torch.as_tensor(image.get_array())
        assert torch.equal(drawn.permute(2, 0, 1), guess.image)
    assert module.training
    table = predictions_table(guesses)
    assert table.columns == ["image", "true", "predicted", "probability"]
    assert [row[1:] for row in table.data] == [[guess.true, "7", pytest.approx(0.232, abs=1e-3)] for guess in guesses]
