"""Answers to several views are the mean of their probabilities, wherever a batch ends."""

import pytest
import torch

from inception_lightning.data import Digits
from inception_lightning.errors import InputError
from inception_lightning.models import GoogLeNet
from inception_lightning.training.classifier import InceptionClassifier
from inception_lightning.training.mean_answer import Gathering, mean_answer


def test_the_mean_is_that_of_probabilities() -> None:
    torch.manual_seed(0)
    logits = 3 * torch.randn(5, 4, 7)
    torch.testing.assert_close(mean_answer(logits).softmax(dim=1), logits.softmax(dim=2).mean(dim=1))
    torch.testing.assert_close(mean_answer(logits, True).sigmoid(), logits.sigmoid().mean(dim=1))
    certain = torch.tensor([[[0.0, 500.0], [0.0, 500.0]]])
    assert mean_answer(certain).tolist() == [[-500.0, 0.0]]  # not minus infinity


@pytest.mark.parametrize("batch", [1, 7, 12, 60])
def test_views_are_gathered_across_batches(batch: int) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(60, 3), torch.arange(5).repeat_interleave(12)
    gathering = Gathering(12)
    parts = [gathering.add(*one) for one in zip(logits.split(batch), labels.split(batch), strict=True)]
    answers, found = (torch.cat(each) for each in zip(*parts, strict=True))
    torch.testing.assert_close(answers, mean_answer(logits.reshape(5, 12, 3)))
    assert found.tolist() == [0, 1, 2, 3, 4]


def module(classes: int = 10, seed: int = 0) -> InceptionClassifier:
    torch.manual_seed(seed)
    return InceptionClassifier(GoogLeNet(classes, stem="small", width=0.05, aux=False)).eval()


def test_an_ensemble_answers_with_the_mean_of_softmax() -> None:
    one, other = module(), module(seed=1)
    images = torch.stack([Digits().views("val")[index][0] for index in range(8)])
    with torch.inference_mode():
        expected = (one(images).softmax(dim=1) + other(images).softmax(dim=1)) / 2
        alone = one.answer(images)
        one.ensemble([other])
        torch.testing.assert_close(one.answer(images).softmax(dim=1), expected)
        one.ensemble([module()])  # itself
        torch.testing.assert_close(one.answer(images).softmax(dim=1), alone.softmax(dim=1))
    assert not any(name.startswith("members") for name in one.state_dict())
    with pytest.raises(InputError, match="one network has 10, another 3"):
        one.ensemble([module(3)])
