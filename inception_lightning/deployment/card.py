"""The model card: what is in the folder, what it was trained on, how good it is, and how others load it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inception_lightning.deployment.deployed import INPUT, OUTPUT, About
from inception_lightning.deployment.torch_packages import LOADED
from inception_lightning.errors import visible
from inception_lightning.weights.public import PUBLIC

RGB_IMAGE = (
    'image = np.asarray(Image.open("photo.jpg").convert("RGB")).transpose(2, 0, 1)[None]  # uint8 (1, 3, H, W)\n'
)
"""The line of Python that reads a picture; images of other channels are read by their own."""

SHOWN = 20
"""Of how many classes the names stand in the card; the files' metadata have them all."""

PYTHON = {
    "onnx": """\
import numpy as np, onnxruntime
from PIL import Image
session = onnxruntime.InferenceSession("{file}")
image = np.asarray(Image.open("photo.jpg").convert("RGB")).transpose(2, 0, 1)[None]  # uint8 (1, 3, H, W)
({output},) = session.run(None, {{"{input}": image}})  # (1, {classes})""",
    "openvino": """\
import numpy as np, openvino
from PIL import Image
model = openvino.Core().compile_model("{file}", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
image = np.asarray(Image.open("photo.jpg").convert("RGB")).transpose(2, 0, 1)[None]  # uint8 (1, 3, H, W)
{output} = model({{"{input}": image}})[0]  # (1, {classes})""",
    "pt2": LOADED,
    "safetensors": """\
from pathlib import Path
from inception_lightning.deployment.formats import opened
from inception_lightning.deployment.proof import as_batch
from inception_lightning.loading.decoding import decode
{output} = opened(Path("{file}"))(as_batch([decode("photo.jpg")]))  # (1, {classes}); the one format that needs us""",
}
"""Five lines of Python for each format."""

OTHER = {
    "onnx": (
        "JavaScript (npm install onnxruntime-node sharp)",
        "js",
        """\
const ort = require('onnxruntime-node'), sharp = require('sharp');
(async () => {{
  const {{ data, info }} = await sharp('photo.jpg').removeAlpha().raw().toBuffer({{ resolveWithObject: true }});
  const size = info.width * info.height, planes = new Uint8Array(3 * size);
  for (let i = 0; i < 3 * size; i++) planes[(i % 3) * size + Math.floor(i / 3)] = data[i];
  const session = await ort.InferenceSession.create('{file}');
  const image = new ort.Tensor('uint8', planes, [1, 3, info.height, info.width]);
  console.log((await session.run({{ {input}: image }})).{output}.data);
}})();""",
    ),
    "openvino": (
        "C++",
        "cpp",
        """\
#include <openvino/openvino.hpp>  // pixels: uint8 (1, 3, height, width)
ov::Core core;
auto model = core.compile_model("{file}", "CPU", ov::hint::inference_precision(ov::element::f32));
auto request = model.create_infer_request();
request.set_input_tensor(ov::Tensor(ov::element::u8, {{1, 3, height, width}}, pixels));
request.infer();
const float* {output} = request.get_output_tensor().data<float>();""",
    ),
    "pt2": (
        "C++",
        "cpp",
        """\
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>  // image: uint8 (1, 3, height, width)
torch::inductor::AOTIModelPackageLoader loader("{file}");
at::Tensor {output} = loader.run({{image.contiguous()}})[0];""",
    ),
}
"""Another language, where the format has one."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a network comes from.

    Attributes:
        data: What it was trained on, and how the images it was scored on were taken.
        weights: The public weights that its training started from, or that it has unchanged; None without any.
        trained: Whether it was trained here after that.
    """

    data: str
    weights: str | None = None
    trained: bool = True

    def licence(self) -> str:
        """What is known of the licence of the weights."""
        public = next((entry for entry in PUBLIC if entry.name == self.weights), None)
        if self.weights is None:
            return "The weights were trained from random ones: who trained them says their licence."
        said = f"published under {public.licence}" if public else "whose licence this program does not know"
        start = "Training started from" if self.trained else "The weights are"
        return (
            f"{start} `{visible(self.weights)}`, {said}. The images that they were trained on have terms of their own."
        )


def card(about: About, origin: Origin, files: Mapping[str, Path], table: str) -> str:
    """The text of ``README.md``.

    Args:
        about: What the files say of themselves.
        origin: Where the network comes from.
        files: Format -> its file.
        table: The proof, in Markdown.
    """
    return "\n".join(
        [
            *_head(about, origin),
            "",
            "## Scores",
            "",
            table,
            "",
            *_preprocessing(about),
            "",
            "## Licence",
            "",
            origin.licence(),
            *(line for name, file in files.items() for line in _usage(name, file.name, about)),
            "",
        ]
    )


def _head(about: About, origin: Origin) -> list[str]:
    names = [visible(name).replace("|", "\\|") for name in about.class_names]
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [
        "---",
        "library_name: inception-lightning",
        "pipeline_tag: image-classification",
        "tags: [image-classification, inception]",
        "---",
        "",
        f"# {about.network}, {len(names)} classes",
        "",
        f"Made by inception_lightning {about.version}. Classes: {', '.join(names[:SHOWN])}{rest}.",
        "",
        "## Data",
        "",
        origin.data,
    ]


def _preprocessing(about: About) -> list[str]:
    side = about.view.build(about.image_size).transforms[0].size[0]
    temperature = f", divided by the temperature {about.temperature:g}," if about.temperature != 1 else ""
    taken = "sigmoid" if about.thresholds else "softmax"
    few = _numbers(about.thresholds) if len(about.thresholds) <= SHOWN else "their threshold in the metadata"
    limits = f"An image has the labels whose probability is at least {few}, in their order. "
    return [
        "## Preprocessing",
        "",
        f"All of it is in the files. They take `{INPUT}`, {about.pixels} (N, {about.channels}, H, W) of any one size, "
        f"upright, {_channels(about)}, and give `{OUTPUT}`, float32 (N, {len(about.class_names)}). Inside, the shorter "
        f"side is resized to {side} pixels ({about.interpolation}, antialiased), the centre {about.image_size} x "
        f"{about.image_size} is cut out, mean {_numbers(about.mean)} and std {_numbers(about.std)} (of pixels in 0..1) "
        f"are applied, and the {taken} of the logits{temperature} is taken. {limits if about.thresholds else ''}"
        "The metadata of each file say the same, and all class names, as JSON.",
    ]


def _channels(about: About) -> str:
    if about.is_rgb:
        return "red, green, blue"
    scaled = f", {about.numbers} divided by {about.scale:g}" if about.pixels == "float32" else ""
    return f"in the order that the channels have in the files that it was trained on{scaled}"


def _numbers(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"


def _usage(name: str, file: str, about: About) -> list[str]:
    kind = name.removesuffix("-int8")
    filled = {"file": file, "input": INPUT, "output": OUTPUT, "classes": len(about.class_names)}
    python = PYTHON[kind] if about.is_rgb else _of_other_bands(PYTHON[kind], about)
    lines = ["", f"## {file}", "", "```python", python.format(**filled), "```"]
    if kind in OTHER and about.is_rgb:
        language, mark, code = OTHER[kind]
        lines += ["", f"{language}:", "", f"```{mark}", code.format(**filled), "```"]
    if kind == "pt2":
        lines += ["", "It is compiled for processors like the one it was made on, and for its version of torch."]
    return lines


def _of_other_bands(code: str, about: About) -> str:
    """The lines of Python with an array in the place of the picture."""
    array = f'image = np.load("bands.npy")[None]  # {about.pixels} (1, {about.channels}, H, W)\n'
    for ours, theirs in (
        (RGB_IMAGE, array),
        ("from PIL import Image\n", ""),
        ("from inception_lightning.deployment.proof import as_batch\n", "import numpy as np\n"),
        ("from inception_lightning.loading.decoding import decode\n", array),
        ('as_batch([decode("photo.jpg")])', "image"),
    ):
        code = code.replace(ours, theirs)
    return code
