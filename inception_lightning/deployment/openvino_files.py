"""OpenVINO's files, and OpenVINO, which runs them."""

import json
from pathlib import Path

from torch import nn

from inception_lightning.configurable import KEY
from inception_lightning.deployment.deployed import INPUT, OUTPUT, About
from inception_lightning.deployment.onnx_files import write_onnx
from inception_lightning.deployment.runtimes import Images, Probabilities, damaged


class OpenVINOFile:
    """A file in OpenVINO, on the CPU, in float32: where it could, OpenVINO would round to bfloat16."""

    def __init__(self, path: Path, threads: int) -> None:
        import openvino

        core = openvino.Core()
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        try:
            model = core.read_model(path)
            said = json.loads(model.get_rt_info([KEY]).astype(str)) if model.has_rt_info([KEY]) else {}
            self.model = core.compile_model(model, "CPU", settings)
        except Exception as error:  # RuntimeError, or what its parser raises
            raise damaged(path, "an OpenVINO model", error) from None
        self.about = About.read(said, str(path))

    def __call__(self, images: Images) -> Probabilities:
        """As `Runtime` says."""
        probabilities: Probabilities = self.model({INPUT: images})[OUTPUT].copy()
        return probabilities


def write_openvino(net: nn.Module, about: About, path: Path) -> None:
    """Write OpenVINO's two files, by way of ONNX."""
    import openvino

    onnx = path.with_suffix(".partial.onnx")
    write_onnx(net, about, onnx)
    try:
        model = openvino.Core().read_model(onnx)
        model.set_rt_info(json.dumps(about.metadata()), [KEY])
        openvino.save_model(model, path, compress_to_fp16=False)
    finally:
        onnx.unlink(missing_ok=True)
