"""ONNX files in 8 bits: ONNX Runtime's own static quantisation, calibrated on images."""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from inception_lightning.deployment.deployed import INPUT
from inception_lightning.deployment.runtimes import Images

QUANTISED = ("Conv", "Gemm", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Add", "Relu")
"""The operations that are done in 8 bits: the network's, and none of the resize's and the normalisation's."""


def quantise(source: Path, target: Path, images: Iterable[Images]) -> None:
    """Write ``source``, an exported ONNX file, with weights and activations in 8 bits.

    Weights have a scale per channel. The range of an activation is the smallest and the largest value that it takes on
    the calibration images.

    Args:
        source: The file in float32.
        target: The file to be written.
        images: Calibration images, each (1, C, H, W), of the training data.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.getLogger().setLevel(max(logging.getLogger().level, logging.WARNING))
    with tempfile.TemporaryDirectory() as place:
        prepared = Path(place) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            target,
            _reader(images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=_preprocessing(prepared),
        )


def _reader(images: Iterable[Images]) -> object:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        """The images one after the other, as ONNX Runtime asks for them."""

        def __init__(self) -> None:
            self.rest: Iterator[Images] = iter(images)

        def get_next(self) -> dict[str, Images] | None:
            image = next(self.rest, None)
            return None if image is None else {INPUT: image}

    return Reader()


def _preprocessing(file: Path) -> list[str]:
    """The names of the operations before the first convolution, which must stay exact."""
    import onnx

    nodes = onnx.load(file, load_external_data=False).graph.node
    first = next(place for place, node in enumerate(nodes) if node.op_type == "Conv")
    return [node.name for node in nodes[:first]]
