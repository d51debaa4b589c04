"""Public checkpoints: where they lie, and what their networks expect of an image."""

import contextlib
import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import huggingface_hub as hub  # what is named of it below is imported when it is first asked for
import torch

from inception_lightning.errors import InputError
from inception_lightning.models.network import Inception
from inception_lightning.weights.layouts import (
    BN_INCEPTION,
    GOOGLENET,
    RESNET_V1,
    RESNET_V2,
    RESNET_V2_KERAS,
    V3,
    V3_FID,
    V3_KERAS,
    V4,
    Layout,
)

HUB_FILE = "model.safetensors"


@dataclass(frozen=True)
class Preprocessing:
    """What a network's weights expect of an image: resize, centre crop, normalise. Fields as in `Inception`."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    crop_fraction: float
    interpolation: Literal["bilinear", "bicubic"]

    @classmethod
    def of(cls, net: Inception) -> "Preprocessing":
        """What ``net`` expects."""
        return cls(**{field.name: getattr(net, field.name) for field in fields(cls)})

    def give_to(self, net: Inception) -> None:
        """Make ``net`` expect this."""
        for name, value in asdict(self).items():
            setattr(net, name, value)


@dataclass(frozen=True)
class PublicWeights:
    """One public checkpoint.

    Attributes:
        name: What ``weights:`` calls it; timm's are the names of repositories on the Hugging Face hub.
        layout: Names of its tensors, and the network they are for.
        preprocessing: What the weights expect of an image.
        licence: Licence of the code that publishes it; the training data have terms of their own.
        top1: Published single-crop accuracy on ImageNet's validation set, %; none for faces.
        top5: The same among the best five.
        classes: Length of its logits.
        heads: Whether its auxiliary heads, if it has any, are trained.
        url: Where it lies if not on the hub.
        sha256: How the file's checksum starts; the hub tells its own.
        md5: The file's checksum where only that is published.
    """

    name: str
    layout: Layout
    preprocessing: Preprocessing
    licence: str
    top1: float | None = None
    top5: float | None = None
    classes: int = 1000
    heads: bool = True
    url: str = ""
    sha256: str | None = None
    md5: str | None = None

    @property
    def file_name(self) -> str:
        """What a file of it is called."""
        return Path(self.url or f"{self.name}.safetensors").name

    def goes_with(self, path: Path) -> bool:
        """Whether a file's path says that it is this checkpoint: ``inception_v3.gluon_in1k.safetensors``."""
        in_hub_cache = f"models--{self.name.replace('/', '--')}" in path.parts
        return in_hub_cache or path.name == self.file_name or (not self.url and path.stem == Path(self.name).name)


HALF = (0.5, 0.5, 0.5)
TIMM = Preprocessing(HALF, HALF, 299, 0.875, "bicubic")
TIMM_RESNET = replace(TIMM, crop_fraction=0.8975)
GLUON = replace(TIMM, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
# torchvision normalises with ImageNet's mean and std, then its networks' transform_input makes 2x - 1 of that
TORCHVISION_V3 = Preprocessing(HALF, HALF, 299, 299 / 342, "bilinear")
TORCHVISION_GOOGLENET = Preprocessing(HALF, HALF, 224, 224 / 256, "bilinear")
# Cadene's takes 0..255 images and subtracts these means; that its channels are B, G, R is the layout's
CADENE_BN = Preprocessing((128 / 255, 117 / 255, 104 / 255), (1 / 255, 1 / 255, 1 / 255), 224, 224 / 256, "bilinear")
WHOLE = Preprocessing(HALF, HALF, 299, 1.0, "bilinear")  # the whole image, squashed or not, and no crop
FACES = Preprocessing(HALF, (128 / 255, 128 / 255, 128 / 255), 160, 1.0, "bilinear")  # (x - 127.5) / 128

TORCHVISION = "https://download.pytorch.org/models/"
CADENE = "http://data.lip6.fr/cadene/pretrainedmodels/"
FACENET = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
KERAS_FILE = "_weights_tf_dim_ordering_tf_kernels.h5"
FID = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"

APACHE, BSD, MIT = "Apache-2.0", "BSD-3-Clause", "MIT"

# fmt: off
PUBLIC = (  # the first of a layout lends its preprocessing to a file that does not say which it is
    PublicWeights("torchvision/googlenet", GOOGLENET, TORCHVISION_GOOGLENET, BSD, 69.778, 89.530, heads=False,
                  url=TORCHVISION + "googlenet-1378be20.pth", sha256="1378be20"),
    PublicWeights("cadene/bninception", BN_INCEPTION, CADENE_BN, BSD, 73.524, 91.562,
                  url=CADENE + "bn_inception-52deb4733.pth", sha256="52deb4733"),
    PublicWeights("timm/inception_v3.tf_in1k", V3, TIMM, APACHE, 77.866, 93.644),
    PublicWeights("timm/inception_v3.tf_adv_in1k", V3, TIMM, APACHE, 77.598, 93.726),
    PublicWeights("timm/inception_v3.tv_in1k", V3, TIMM, APACHE, 77.472, 93.468),
    PublicWeights("timm/inception_v3.gluon_in1k", V3, GLUON, APACHE, 78.806, 94.372),
    PublicWeights("torchvision/inception_v3", V3, TORCHVISION_V3, BSD, 77.294, 93.450,
                  url=TORCHVISION + "inception_v3_google-0cc3c7bd.pth", sha256="0cc3c7bd"),
    PublicWeights("keras/inception_v3", V3_KERAS, WHOLE, MIT, 77.9, 93.7, md5="9a0d58056eeedaa3f26cb7ebd46da564",
                  url=f"{KERAS}inception_v3/inception_v3{KERAS_FILE}"),
    PublicWeights("pytorch-fid/inception_v3", V3_FID, WHOLE, APACHE, classes=1008,
                  url=FID + "pt_inception-2015-12-05-6726825d.pth", sha256="6726825d"),
    PublicWeights("timm/inception_v4.tf_in1k", V4, TIMM, APACHE, 80.144, 94.982),
    PublicWeights("facenet/vggface2", RESNET_V1, FACES, MIT, classes=8631,
                  url=FACENET + "20180402-114759-vggface2.pt", sha256="281cebca8662831a"),
    PublicWeights("facenet/casia-webface", RESNET_V1, FACES, MIT, classes=10575,
                  url=FACENET + "20180408-102900-casia-webface.pt"),  # no checksum of it is published
    PublicWeights("timm/inception_resnet_v2.tf_in1k", RESNET_V2, TIMM_RESNET, APACHE, 80.434, 95.312),
    PublicWeights("timm/inception_resnet_v2.tf_ens_adv_in1k", RESNET_V2, TIMM_RESNET, APACHE, 79.998, 94.940),
    PublicWeights("keras/inception_resnet_v2", RESNET_V2_KERAS, WHOLE, MIT, 80.3, 95.3,
                  url=f"{KERAS}inception_resnet_v2/inception_resnet_v2{KERAS_FILE}",
                  md5="e693bd0210a403b3192acc6073ad2e96"),
)
# fmt: on


def download(weights: PublicWeights) -> Path:
    """The checkpoint's file, from the cache of torch.hub or huggingface_hub or else from the network.

    Raises:
        InputError: There is no network, or the file that came is not the published one.
    """
    try:
        return _from_url(weights) if weights.url else _from_hub(weights.name)
    except Exception as error:  # each of the two libraries has its own for each way a network can fail
        url = weights.url or hub.hf_hub_url(weights.name, HUB_FILE)
        raise InputError(
            f"{weights.name} could not be downloaded ({_first_line(error)}): where there is no network, "
            f"fetch {url} elsewhere, name it {weights.file_name} and give its path"
        ) from error


def download_from_hub(repository: str) -> tuple[Path, dict[str, Any]]:
    """The file and the description of a network that timm, or somebody with timm, has put on the hub.

    Args:
        repository: ``user/name``.

    Returns:
        The file of weights, and what ``config.json`` says: ``preprocessing`` and ``class_names`` as in `load.Weights`.

    Raises:
        InputError: It cannot be had, or is no network of timm's form.
    """
    try:
        page = json.loads(_from_hub(repository, "config.json").read_text(encoding="utf-8"))
        path = _first_of_hub(repository, (HUB_FILE, "pytorch_model.bin"))
    except Exception as error:  # as in download
        raise InputError(
            f"hf_hub:{repository} could not be downloaded ({_first_line(error)}): where there is no network, fetch "
            f"{hub.hf_hub_url(repository, HUB_FILE)} elsewhere and give its path"
        ) from error
    expected = page.get("pretrained_cfg") if isinstance(page, dict) else None
    if not isinstance(expected, dict):
        raise InputError(f"hf_hub:{repository} is no network of timm's: its config.json has no pretrained_cfg")
    names = {"mean": "mean", "std": "std", "crop_pct": "crop_fraction", "interpolation": "interpolation"}
    preprocessing = {ours: expected[theirs] for theirs, ours in names.items() if theirs in expected}
    if expected.get("input_size"):
        preprocessing["image_size"] = expected["input_size"][-1]
    labels = page.get("label_names") or expected.get("label_names") or ()
    return path, {"preprocessing": preprocessing, "class_names": tuple(map(str, labels))}


def _first_of_hub(repository: str, files: tuple[str, ...]) -> Path:
    for file in files[:-1]:
        with contextlib.suppress(hub.errors.EntryNotFoundError):
            return _from_hub(repository, file)
    return _from_hub(repository, files[-1])


def _from_url(weights: PublicWeights) -> Path:
    path = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(weights.url, str(path), weights.sha256)
        if weights.md5 is not None:
            _check(path, "md5", weights.md5)
    return path


def _from_hub(name: str, file: str = HUB_FILE) -> Path:
    cached = hub.try_to_load_from_cache(name, file)
    if isinstance(cached, str):
        return Path(cached)
    # asked first because it fails at once where there is no network; hf_hub_download tries for 20 s
    checksum = hub.get_hf_file_metadata(hub.hf_hub_url(name, file)).etag or ""
    path = Path(hub.hf_hub_download(name, file))
    if re.fullmatch("[0-9a-f]{64}", checksum):
        _check(path, "sha256", checksum)
    return path


def _check(path: Path, kind: str, checksum: str) -> None:
    with path.open("rb") as file:
        if hashlib.file_digest(file, kind).hexdigest() != checksum:
            path.unlink()
            raise OSError("the file's checksum is wrong, try again")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".:")
