from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_fid.fid_score
import pytorch_fid.inception
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.inception import Inception3

from inception_lightning.errors import InputError
from inception_lightning.evaluation.fid import Moments, features, frechet_distance
from inception_lightning.loading.listing import image_files
from inception_lightning.models import Inception
from inception_lightning.models.initialisation import NoDraws
from inception_lightning.weights.load import pretrained


def state_of_2015() -> dict[str, Tensor]:
    """Weights of the FID network's shapes, random; the activations keep their size."""
    torch.manual_seed(0)
    with NoDraws():
        net = Inception3(num_classes=1008, aux_logits=False, init_weights=False)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
            nn.init.normal_(module.bias, std=0.1)
    return net.state_dict()


def photos(folder: Path, seed: int, noise: float = 0.0) -> Path:
    """Four smooth images of two sizes, and their noise."""
    folder.mkdir()
    random, noises = np.random.default_rng(seed), np.random.default_rng(seed + 100)
    for number in range(4):
        colours = Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8))
        image = np.asarray(colours.resize((180, 120 + 40 * (number % 2)), Image.Resampling.BICUBIC), np.float64)
        noisy = (image + noise * noises.normal(size=image.shape)).clip(0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "pt_inception-2015-12-05-6726825d.pth"
    torch.save(state_of_2015(), path)
    return path


@pytest.fixture(scope="module")
def net(weights: Path) -> Inception:
    net = pretrained(weights).eval()
    assert net.config["init_args"]["preset"] == "fid"
    return net


@pytest.fixture
def peer(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """pytorch-fid with the same weights: the distance of two folders, in features of some length."""
    monkeypatch.setattr(pytorch_fid.inception, "load_state_dict_from_url", lambda *_, **__: torch.load(weights))

    def distance(first: Path, second: Path, dims: int) -> float:
        return float(pytorch_fid.fid_score.calculate_fid_given_paths([str(first), str(second)], 1, "cpu", dims, 0))

    return distance


def ours(net: Inception, *folders: Path, stage: str | None = None) -> list[Moments]:
    return [Moments.of(features(net, image_files(folder), stage=stage, batch_size=3)) for folder in folders]


def test_as_pytorch_fid_at_the_second_pool(net: Inception, peer: Any, tmp_path: Path) -> None:
    real, generated = photos(tmp_path / "real", 0), photos(tmp_path / "generated", 1)
    distance = frechet_distance(*ours(net, real, generated, stage="stem"))
    assert distance == pytest.approx(peer(real, generated, 192), rel=1e-5)


def test_one_image_has_pytorch_fids_features(net: Inception, peer: Any, tmp_path: Path) -> None:
    folder = photos(tmp_path / "real", 0)
    file = image_files(folder)[0]
    theirs = pytorch_fid.inception.InceptionV3([2, 3])
    image = torch.tensor(np.asarray(Image.open(file))).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = [out.mean((2, 3)) for out in theirs.eval()(image)]
    for stage, wanted in zip(("inception_b", None), expected, strict=True):
        assert torch.allclose(next(features(net, [file], stage=stage)), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_as_pytorch_fid_at_the_end(net: Inception, peer: Any, tmp_path: Path) -> None:
    real, generated = photos(tmp_path / "real", 0), photos(tmp_path / "generated", 1)
    assert frechet_distance(*ours(net, real, generated)) == pytest.approx(peer(real, generated, 2048), rel=1e-5)


def test_the_distance_grows_with_the_noise(net: Inception, tmp_path: Path) -> None:
    folders = [photos(tmp_path / str(noise), 0, noise) for noise in (0, 2, 8, 32)]
    real, *others = ours(net, *folders, stage="stem")
    distances = [frechet_distance(real, other) for other in others]
    assert 0 < distances[0] < distances[1] < distances[2]
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-9 * float(real.covariance.trace()))


def test_moments_are_numpys_whatever_the_batches() -> None:
    values = torch.randn(101, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1000
    for size in (1, 10, 101):
        moments = Moments.of(values.split(size))
        assert np.allclose(moments.mean, values.numpy().mean(0), rtol=1e-12)
        assert np.allclose(moments.covariance, np.cov(values.numpy(), rowvar=False), rtol=1e-9, atol=1e-10)


def test_the_distance_of_known_gaussians() -> None:
    """Of commuting covariances it is the sum over the axes of (m1 - m2)^2 + (s1 - s2)^2."""
    first = Moments(None, torch.tensor([1.0, 2.0]).double(), torch.diag(torch.tensor([4.0, 9.0]).double()))
    second = Moments(None, torch.tensor([0.0, 4.0]).double(), torch.diag(torch.tensor([1.0, 0.0]).double()))
    assert frechet_distance(first, second) == pytest.approx(1 + 4 + 1 + 9, rel=1e-12)
    with pytest.raises(InputError, match="the two sides have 2 and 3 features"):
        frechet_distance(first, Moments(None, torch.zeros(3), torch.zeros(3, 3)))


def test_a_file_of_moments_is_read_as_data(tmp_path: Path) -> None:
    values = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    Moments.of([values]).write(tmp_path / "real.npz")
    again = Moments.read(tmp_path / "real.npz")
    assert torch.equal(again.covariance, Moments.of([values]).covariance)
    np.savez(tmp_path / "evil.npz", mu=np.array([object()], dtype=object), sigma=np.eye(1))
    (tmp_path / "text.npz").write_text("mu, sigma")
    np.savez(tmp_path / "other.npz", mean=np.ones(3))
    for name in ("evil", "text", "other", "missing"):
        with pytest.raises(InputError, match=rf"{name}.npz holds no moments"):
            Moments.read(tmp_path / f"{name}.npz")


def test_what_is_no_image_or_stage_is_refused(net: Inception, tmp_path: Path) -> None:
    folder = photos(tmp_path / "real", 0)
    (folder / "0.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot read the image .*0.png"):
        list(features(net, image_files(folder)))
    with pytest.raises(InputError, match="there is no stage mixed_7c: InceptionV3 has stem, inception_a"):
        list(features(net, image_files(folder), stage="mixed_7c"))
    with pytest.raises(InputError, match="at least two images on either side, and there is 0"):
        Moments.of([])
