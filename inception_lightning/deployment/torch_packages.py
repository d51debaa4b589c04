"""Packages of torch's AOTInductor: machine code. Its documented entry points lie in a private module of torch."""

import logging
from pathlib import Path

import torch
from torch import nn

from inception_lightning.deployment.deployed import About, Deployed, exported_program
from inception_lightning.deployment.runtimes import Images, Probabilities, damaged

LOADED = """\
import numpy as np, torch
from PIL import Image
model = torch._inductor.aoti_load_package("{file}")  # machine code: only from whom you trust
image = np.asarray(Image.open("photo.jpg").convert("RGB")).transpose(2, 0, 1)[None]  # uint8 (1, 3, H, W)
{output} = model(torch.from_numpy(np.ascontiguousarray(image)))  # (1, {classes}); images must be contiguous"""
"""Five lines of Python that load a package, for its card; the words in braces are filled in there."""


class TorchPackage:
    """A package that torch's AOTInductor compiled: machine code, which needs torch but neither Python nor the network.

    It takes images as they lie in memory, so they must be contiguous.
    """

    def __init__(self, path: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        try:
            self.package = torch._inductor.aoti_load_package(str(path))
        except Exception as error:  # whatever is wrong with an archive, or with code for another machine
            raise damaged(path, "a package of AOTInductor for this machine", error) from None
        self.about = About.read(self.package.get_metadata(), str(path))

    def __call__(self, images: Images) -> Probabilities:
        """As `Runtime` says."""
        with torch.inference_mode():
            probabilities: Probabilities = self.package(torch.from_numpy(images).contiguous()).numpy()
        return probabilities


def write_package(net: nn.Module, about: About, path: Path) -> None:
    """Compile the network; it takes a compiler (g++) and a minute or more."""
    settings = {"freezing": True, "aot_inductor.metadata": about.metadata()}
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # about GPUs that are not there
    program = exported_program(Deployed(net, about), about)
    with torch.no_grad():
        torch._inductor.aoti_compile_and_package(program, package_path=str(path), inductor_configs=settings)
