"""Weights from public checkpoints and local files into our networks.

``pretrained("timm/inception_v4.tf_in1k", num_classes=10)`` is a ready network. A file may have any of the layouts of
`layouts`, or ours, as safetensors or ``torch.save``; it is always read as data. The way back is in `save`.
"""

import difflib
import logging
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from inception_lightning.configurable import class_path, rebuild, subclasses
from inception_lightning.errors import InputError
from inception_lightning.models.network import Inception
from inception_lightning.weights.channels import RGB, ExtraChannels, adapted, adapted_normalisation
from inception_lightning.weights.files import read
from inception_lightning.weights.layouts import Layout
from inception_lightning.weights.public import PUBLIC, Preprocessing, PublicWeights, download, download_from_hub
from inception_lightning.weights.recognition import Recognised, recognise

log = logging.getLogger(__name__)

OUR_FIRST = ["stem.0.conv", "stem.0.0.conv"]
"""What the first convolution is called in our networks; a separable one does not show the number of channels."""
HUB = re.compile(r"hf[_-]hub:(.+/.+)")
# arguments that do not change what weights mean, or that their shapes betray
HARMLESS = {"num_classes", "in_channels", "aux", "dropout", "stem", "init", "depths", "width", "learned_scales"}


@dataclass(frozen=True)
class Weights:
    """A file's tensors and what is known about them.

    Attributes:
        name: The public name or the path, for messages.
        tensors: Key -> tensor, in the file's own layout.
        layout: The peer's layout, or none if it is ours.
        config: Class path and arguments of the network they were trained in, if known.
        preprocessing: What they expect of an image, as far as known; names as in `Preprocessing`.
        heads: Whether auxiliary heads in it are trained.
        class_names: The name of each class index, if known.
    """

    name: str
    tensors: dict[str, Tensor]
    layout: Layout | None
    config: dict[str, Any] | None
    preprocessing: dict[str, Any]
    heads: bool = True
    class_names: tuple[str, ...] = ()


def pretrained(
    source: str | Path,
    num_classes: int | None = None,
    *,
    aux: bool | None = None,
    in_channels: int | None = None,
    extra_channels: ExtraChannels = "repeat",
) -> Inception:
    """A ready network with the weights of ``source``, and their mean, std, image size, crop and interpolation.

    Args:
        source: Name of a public checkpoint (`public.PUBLIC`), ``hf_hub:user/name``, or path of a file.
        num_classes: Length of the logits, the checkpoint's own by default. With another number the
            trunk keeps its weights and the classifier starts anew; with 0 the network gives features.
        aux: Whether auxiliary heads are built; by default, where the checkpoint has trained ones.
        in_channels: Channels of the images, the checkpoint's own by default; for another number the weights for red,
            green and blue are adapted, see `channels`.
        extra_channels: What channels beyond the third start with.

    Raises:
        InputError: There is no such name or file, it cannot be had, it holds no network of ours, or weights of another
            number of channels that is not 3.
    """
    weights = find(source)
    if weights.config is None:
        raise InputError(
            f"{weights.name} does not say which network its weights are for: build the network, then load_weights"
        )
    if weights.config["class_path"] not in map(class_path, subclasses(Inception)):
        raise InputError(f"{weights.name} is for {weights.config['class_path']}, which is no network known here")
    classes = num_classes or _classes(weights)  # a file's classifier needs a place, so the features come last
    knobs = {"num_classes": classes, "aux": _has_heads(weights) if aux is None else aux}
    knobs["in_channels"] = in_channels or _channels(weights)
    try:
        net: Inception = rebuild(weights.config | {"init_args": weights.config["init_args"] | knobs})
    except TypeError as error:
        raise InputError(f"{weights.name} is of another version of its network: {error}") from error
    _fill(net, weights, extra_channels)
    if num_classes == 0:
        net.reset_classifier(0)
    return net


def load_weights(net: Inception, source: str | Path, extra_channels: ExtraChannels = "repeat") -> tuple[str, ...]:
    """Give ``net`` the weights of ``source`` and what these expect of an image; see `pretrained`.

    The network keeps its own knobs; a warning names those with which the weights were not trained.

    Args:
        net: The network.
        source: As there.
        extra_channels: As there, where the network has more channels than the weights' three.

    Returns:
        The names of the classes that the network now knows; none where they are unknown, or of another number, so that
        the classifier has started anew.

    Raises:
        InputError: As `pretrained`, or the weights are another network's. ``net`` is then untouched.
    """
    weights = find(source)
    _fill(net, weights, extra_channels)
    return weights.class_names if len(weights.class_names) == net.num_classes else ()


def describe(source: str) -> tuple[dict[str, Any], Preprocessing]:
    """The network that weights are for, as `Configurable.config` says it, and what they expect of an image.

    Public weights are described without being fetched.

    Raises:
        InputError: As `pretrained`.
    """
    public = next((entry for entry in PUBLIC if entry.name == source), None)
    if public is not None:
        return public.layout.config(), public.preprocessing
    net = pretrained(source)
    return net.config, Preprocessing.of(net)


def find(source: str | Path) -> Weights:
    """The weights of a public name or a local file, read but not yet in a network.

    Raises:
        InputError: As `pretrained`.
    """
    if match := HUB.fullmatch(str(source)):
        return _of_hub(match[1])
    public = next((entry for entry in PUBLIC if entry.name == str(source)), None)
    path = download(public) if public else Path(source)
    if not path.is_file():
        raise InputError(f"there is no file {source} and no public checkpoint of that name{_nearest(str(source))}")
    tensors, about = read(path)
    name = public.name if public else str(path)
    recognised = Recognised(None, tensors) if about is not None else recognise(tensors, name)
    layout, tensors = recognised.layout, recognised.tensors
    if layout is None:
        about = about or {"config": None, "preprocessing": {}}
        names, config = about.get("class_names", ()), about["config"] and _with_full_path(about["config"])
        return Weights(name, tensors, None, config, about["preprocessing"], class_names=names)
    public = public or _public_for(path, layout)
    return Weights(name, tensors, layout, layout.config(), asdict(public.preprocessing), public.heads)


def _of_hub(repository: str) -> Weights:
    path, about = download_from_hub(repository)
    name = f"hf_hub:{repository}"
    found = recognise(read(path)[0], name)
    config = found.layout.config() if found.layout else None
    return Weights(name, found.tensors, found.layout, config, about["preprocessing"], class_names=about["class_names"])


def _with_full_path(config: dict[str, Any]) -> dict[str, Any]:
    """A network of ours under the path of its file: a page may name it ``inception_lightning.InceptionV3``."""
    place, _, name = config["class_path"].rpartition(".")
    package = __name__.partition(".")[0]
    ours = {cls.__name__: class_path(cls) for cls in subclasses(Inception) if cls.__module__.startswith(f"{package}.")}
    return config | {"class_path": ours[name]} if name in ours and place.partition(".")[0] in ("", package) else config


def _nearest(source: str) -> str:
    names = difflib.get_close_matches(source, [entry.name for entry in PUBLIC], 1, 0.4)
    return f": did you mean {names[0]}?" if names else f"; these are {', '.join(entry.name for entry in PUBLIC)}"


def _public_for(path: Path, layout: Layout) -> PublicWeights:
    """The public checkpoint that a local file is, by its name, or else the first for the same network."""
    alike = [entry for entry in PUBLIC if (entry.layout.variant, entry.layout.knobs) == (layout.variant, layout.knobs)]
    entries = [entry for entry in alike if entry.layout is layout] or alike
    for entry in entries:
        if entry.goes_with(path):
            return entry
    others = [entry.file_name for entry in entries if entry.preprocessing != entries[0].preprocessing]
    if others:
        log.warning(
            "%s: taken to expect images as %s does; if it is another's, name it so: %s",
            path,
            entries[0].name,
            ", ".join(others),
        )
    return entries[0]


def _classes(weights: Weights) -> int:
    key = f"{weights.layout.names('classifier')[-1]}.weight" if weights.layout else "classifier.weight"
    if key not in weights.tensors:
        return 1000 if weights.layout or weights.config is None else int(weights.config["init_args"]["num_classes"])
    classes = len(weights.tensors[key])
    return 1000 if weights.layout and classes == 1001 else classes


def _channels(weights: Weights) -> int:
    """Of the images that the weights are for, by what a file of ours says, or else by their first layer."""
    layout, config = weights.layout, weights.config or {"init_args": {}}
    said = None if layout else config["init_args"].get("in_channels")
    if said is not None:
        return int(said)
    names = [name.format(layout.names("stem")[0]) for name in (layout.conv, "{}")] if layout else OUR_FIRST
    first = next((weights.tensors[f"{name}.weight"] for name in names if f"{name}.weight" in weights.tensors), None)
    return RGB if first is None else first.shape[1]


def _has_heads(weights: Weights) -> bool:
    heads = weights.layout.heads() if weights.layout else ["aux_heads"]
    return weights.heads and any(key.startswith(f"{head}.") for head in heads for key in weights.tensors)


def _fill(net: Inception, weights: Weights, extra_channels: ExtraChannels) -> None:
    if weights.config is not None and weights.config["class_path"] != class_path(type(net)):
        theirs = weights.config["class_path"].rpartition(".")[2]
        raise InputError(f"{weights.name} holds weights of {theirs} and the network is {type(net).__name__}")
    channels = _channels(weights)
    if channels not in (RGB, net.in_channels):
        raise InputError(
            f"{weights.name} holds weights for images of {channels} channels and the network has in_channels "
            f"{net.in_channels}: only weights for {RGB} channels are adapted to other numbers"
        )
    state, new = _fitted(net, weights, extra_channels)
    net.load_state_dict(state)
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in weights.preprocessing.items()
    }
    if channels != net.in_channels and {"mean", "std"} <= known.keys():
        known["mean"], known["std"] = adapted_normalisation(known["mean"], known["std"], net.in_channels)
    replace(Preprocessing.of(net), **known).give_to(net)
    warn_of_knobs(net, weights.config, weights.name, HARMLESS)
    if channels != net.in_channels:
        rule = "their sum over the channels" if net.in_channels == 1 else extra_channels
        log.info("%s: weights for %d channels, adapted to %d: %s", weights.name, channels, net.in_channels, rule)
    if new:
        told = (weights.name, net.num_classes, ", ".join(new))
        log.warning("%s: the trunk is loaded and these layers start anew, for %d classes: %s", *told)
    else:
        log.info("%s: all weights are loaded", weights.name)


def _fitted(net: Inception, weights: Weights, extra: ExtraChannels) -> tuple[dict[str, Tensor], list[str]]:
    """The network's state with the file's tensors, and the names of the layers that keep their own."""
    tensors = adapted(net, _in_our_keys(net, weights), _channels(weights), extra)
    state, new = net.state_dict(), dict[str, None]()
    for key, own in state.items():
        layer, value = key.rpartition(".")[0], tensors.pop(key, None)
        if value is None and key.startswith(("aux_heads.", "classifier.")):
            new[".".join(layer.split(".")[:2])] = None
        elif value is None and not key.endswith((".num_batches_tracked", ".scale")):
            raise _misfit(net, weights, f"it has no {key}")
        elif value is not None and (value := _reshaped(value, own)).shape == own.shape:
            state[key] = value
        elif value is not None and layer.endswith("classifier"):
            new[layer] = None
        elif value is not None:
            raise _misfit(net, weights, f"{key} has the shape {list(value.shape)} there and {list(own.shape)} here")
    unknown = [key for key in tensors if not key.startswith("aux_heads.")]
    if unknown:
        raise _misfit(net, weights, f"the network has no {unknown[0]}")
    theirs = weights.config["init_args"].get("preset") if weights.config else None
    if theirs is not None and theirs != net.config["init_args"].get(
        "preset"
    ):  # FID's network has the plain one's shapes
        raise _misfit(net, weights, f"they are of preset: {theirs}")
    return state, list(new)


def _misfit(net: Inception, weights: Weights, why: str) -> InputError:
    knobs, ours = weights.layout.knobs if weights.layout else {}, net.config["init_args"]
    needed = "".join(f"; it needs {knob}: {value}" for knob, value in knobs.items() if ours.get(knob) != value)
    return InputError(f"{weights.name} does not fit this {type(net).__name__}: {why}{needed}")


def _in_our_keys(net: Inception, weights: Weights) -> dict[str, Tensor]:
    tensors, layout = dict(weights.tensors), weights.layout
    if layout is None:
        return tensors
    keys = layout.keys(net)
    ours = {key: tensors.pop(theirs) for key, theirs in keys.items() if theirs in tensors}
    for key, tensor in ours.items():
        if "classifier." in key and len(tensor) == 1001 and net.num_classes == 1000:
            ours[key] = tensor[1:]  # TensorFlow's class 0 is the background
        elif layout.bgr and key == next(iter(keys)):
            ours[key] = tensor.flip(1)
    heads = tuple(f"{head}." for head in layout.heads())
    return ours | {key: tensor for key, tensor in tensors.items() if not key.startswith(heads)}


def _reshaped(value: Tensor, own: Tensor) -> Tensor:
    """A fully connected layer as a convolution, and without the leading 1 that Caffe's batch norms have."""
    same = value.shape == (1, *own.shape) or (own.dim() == 4 and value.shape == own.flatten(1).shape)
    return value.reshape(own.shape) if same else value


def warn_of_knobs(net: Inception, config: dict[str, Any] | None, name: str, harmless: set[str]) -> None:
    """Log each argument in ``config``, the network that ``name`` was trained in, that ``net`` does not share."""
    theirs, ours = config["init_args"] if config else {}, net.config["init_args"]
    for knob in theirs.keys() - harmless:
        if ours.get(knob) not in (theirs[knob], "learned"):
            log.warning("%s has %s = %s and this network %s", name, knob, theirs[knob], ours.get(knob))
