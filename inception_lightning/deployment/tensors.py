"""Weights in a file of safetensors, and torch, which runs the network that they are for."""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from inception_lightning.configurable import KEY, rebuild
from inception_lightning.deployment.deployed import About, Deployed
from inception_lightning.deployment.runtimes import Images, Probabilities, damaged
from inception_lightning.errors import InputError
from inception_lightning.models.network import Inception

HEADS = "aux_heads."


class Tensors:
    """A file of weights, in the network that it describes, run by torch."""

    def __init__(self, path: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        try:
            with safe_open(path, framework="pt") as file:
                said = file.metadata() or {}
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # no mapping
            self.about = About.read(said, str(path))
            net: Inception = rebuild(json.loads(said[KEY])["config"])
            net.load_state_dict(state)
        except InputError:
            raise
        except Exception as error:  # a damaged file can fail in any way
            raise damaged(path, "a file of safetensors", error) from None
        self.deployed = Deployed(net, self.about).eval()

    def __call__(self, images: Images) -> Probabilities:
        """As `Runtime` says."""
        with torch.inference_mode():
            probabilities: Probabilities = self.deployed(torch.from_numpy(images)).numpy()
        return probabilities


def write_tensors(net: nn.Module, about: About, path: Path) -> None:
    """Write the weights under their own names, for this package and for whoever builds the network elsewhere.

    Raises:
        InputError: The network is none of ours, so nobody could say what it is.
    """
    if not isinstance(net, Inception):
        raise InputError(f"safetensors holds weights of our networks, and this is {type(net).__name__}: choose onnx")
    seen = {
        "image_size": about.image_size,
        "crop_fraction": about.crop_fraction,
        "interpolation": about.interpolation,
        "mean": about.mean,
        "std": about.std,
    }
    config = net.config | {"init_args": net.config["init_args"] | {"aux": False}}
    described = {"config": config, "preprocessing": seen, "class_names": about.class_names}
    state = {name: tensor.contiguous() for name, tensor in net.state_dict().items() if not name.startswith(HEADS)}
    path.write_bytes(save(state, {"format": "pt", KEY: json.dumps(described)} | about.metadata()))
