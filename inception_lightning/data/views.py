"""Views of images as data sets: random ones to train on, fixed ones to evaluate on."""

from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from inception_lightning.data.draws import Draws
from inception_lightning.data.images import ImageDataset
from inception_lightning.data.jpeg import Window
from inception_lightning.data.samplers import mixed_seed
from inception_lightning.data.transforms import RandomView


class RandomViews(Dataset[tuple[Tensor, int]]):
    """Training views: what is drawn depends on (seed, epoch, index) alone, not on worker, process or resume."""

    def __init__(self, dataset: ImageDataset, view: RandomView, seed: int) -> None:
        self.dataset = dataset
        self.view = view
        self.seed = seed
        self.draws = Draws()

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        epoch, index = key
        seed = mixed_seed(self.seed, epoch, index)

        def place(height: int, width: int) -> Window:
            self.draws.seed(seed)
            return self.view.place(height, width, self.draws)

        image, label = self.dataset.part(index, place)
        return self.view.show(image, self.draws), label


class FixedViews(Dataset[tuple[Tensor, int]]):
    """Evaluation views, always the same."""

    def __init__(self, dataset: ImageDataset, transform: v2.Transform) -> None:
        self.dataset = dataset
        self.transform = transform

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.dataset[index]
        return self.transform(image), label
