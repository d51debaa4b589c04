"""ONNX files, and ONNX Runtime, which runs them."""

import logging
from pathlib import Path

import torch
from torch import nn

from inception_lightning.deployment.deployed import INPUT, OUTPUT, SIDES, About, Deployed, example
from inception_lightning.deployment.runtimes import Images, Probabilities, damaged

OPSET = 20
"""Of ONNX, which the runtimes of the last two years read."""


class ONNXFile:
    """A file in ONNX Runtime."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime  # an extra, and a second

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime has a dozen kinds, without a common one
            raise damaged(path, "an ONNX file", error) from None
        self.about = About.read(self.session.get_modelmeta().custom_metadata_map, str(path))

    def __call__(self, images: Images) -> Probabilities:
        """As `Runtime` says."""
        probabilities: Probabilities = self.session.run([OUTPUT], {INPUT: images})[0]
        return probabilities


def write_onnx(net: nn.Module, about: About, path: Path) -> None:
    """Write an ONNX file, its weights inside."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        Deployed(net, about).eval(),
        (example(about),),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=(SIDES,),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.clear()
    program.model.metadata_props.update(about.metadata())
    program.save(path, external_data=False)
