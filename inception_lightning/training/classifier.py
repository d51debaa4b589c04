"""`InceptionClassifier`: the training step, once, for every network."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict

import torch
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, distributed, nn
from torch.optim import AdamW, Muon
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau
from torchmetrics import Metric, MetricCollection

from inception_lightning.configurable import partial_class
from inception_lightning.data.base import Batch, ImageDataModule
from inception_lightning.data.folder import Photos
from inception_lightning.errors import InputError
from inception_lightning.loading.bands import Pixels, channels
from inception_lightning.models.network import Inception
from inception_lightning.models.passes import faster
from inception_lightning.runs.checkpoints import refuse_other_classes
from inception_lightning.training.compiled import FullBatches, Mode, Outputs, prepare
from inception_lightning.training.logged import log_step
from inception_lightning.training.losses import (
    BinaryCrossEntropy,
    BinaryFocalLoss,
    FocalLoss,
    Loss,
    classification_losses,
    weighted,
    weights_by_stage,
)
from inception_lightning.training.mean_answer import Gathering, mean_answer
from inception_lightning.training.metrics import LabelScores, MeanLoss, TopK
from inception_lightning.training.mixing import mix
from inception_lightning.training.optim import (
    LRSchedulerCallable,
    OptimizerCallable,
    check_clip,
    fused,
    made,
    parameter_groups,
    scale_rates,
    steps_of,
)
from inception_lightning.training.rebuildable import Rebuildable
from inception_lightning.training.validation_scores import validation_metrics
from inception_lightning.trust import locate
from inception_lightning.weights.channels import ExtraChannels, adapted_normalisation
from inception_lightning.weights.load import load_weights

log = logging.getLogger(__name__)

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What a network that says nothing of it is taken to expect, as torchvision's do."""


class Prediction(NamedTuple):
    """What `InceptionClassifier.predict_step` gives: the samples' indices (N,) and their up to five best classes.

    ``classes`` and ``probabilities`` are (N, k), most probable first.
    """

    indices: Tensor
    classes: Tensor
    probabilities: Tensor


class LabelPrediction(NamedTuple):
    """What `InceptionClassifier.predict_step` gives of images with several labels.

    ``indices`` (N,) are the samples' own; ``labels`` (N, K) say which labels are above their thresholds, and
    ``probabilities`` (N, K) how probable each is.
    """

    indices: Tensor
    labels: Tensor
    probabilities: Tensor


class Evaluated(TypedDict):
    """What the steps of validation and test give: ``logits`` (N, num_classes) of images, and their ``labels`` (N,).

    Images of which some views are still to come are given with the batch that has the last one.
    """

    logits: Tensor
    labels: Tensor


class InceptionClassifier(Rebuildable):
    """Trains and evaluates an Inception network, or any other that gives logits, on uint8 images.

    For a training step of one's own, subclass it: `training_step` is short, and `losses` is what most change.

    Attributes:
        net: The network, which passes have made faster (`models.passes`); its weights are channels-last in memory,
            which convolutions like best.
        members: The other networks of an `ensemble`.
    """

    mean: Tensor
    std: Tensor
    train_scores: TopK | LabelScores
    val_scores: TopK | LabelScores
    test_scores: TopK | LabelScores
    members: tuple["InceptionClassifier", ...] = ()
    classes_of_weights: tuple[str, ...] = ()
    class_weights: Tensor | None = None  # no buffer, which an average of the weights would have to have too
    full_batches: FullBatches | None = None  # where the network is compiled

    def __init__(  # noqa: PLR0913  # each argument is a line of an experiment page
        self,
        net: nn.Module,
        *,
        weights: str | None = None,
        loss: nn.Module | Callable[..., Any] | str | None = None,
        metrics: Mapping[str, Metric] | None = None,
        validation_scores: Sequence[str] = ("balanced_accuracy", "f1"),
        optimizer: OptimizerCallable = AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_interval: Literal["epoch", "step"] = "epoch",
        lr_monitor: str = "val/loss",
        base_batch_size: int | None = None,
        trunk_rate: float = 1.0,
        aux_weight: float | dict[str, float] | None = None,
        label_smoothing: float = 0.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        several_labels: bool = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        extra_channels: ExtraChannels = "repeat",
        pixels: Pixels = "uint8",
    ) -> None:
        """Say what is trained and how.

        Args:
            net: The network: normalised images (N, C, H, W) -> logits (N, num_classes). Only an Inception has
                heads. Another one is normalised as its timm ``pretrained_cfg`` says, or as torchvision's are.
            weights: Public weights to start from, or a file of weights; see `weights.load`. They bring the
                mean and std that they were trained with.
            loss: Logits (N, K) and class indices (N,), or shares (N, K) of a mixed batch, -> the mean loss; a module,
                a function or a function's import path. It serves the heads as well. By default cross-entropy;
                `losses.FocalLoss` and `losses.BinaryCrossEntropy` are others.
            metrics: Name -> metric of torchmetrics that takes logits (N, K) and class indices (N,), besides top-1
                and top-5: logged as ``val/NAME`` and ``test/NAME``, to be selected on by ``checkpoint.monitor``.
            validation_scores: What validation logs besides, as ``val/NAME``; see `validation_scores.KNOWN`. ``auroc``
                and ``average_precision`` keep all probabilities until its end. One's own metric of a name wins.
            optimizer: Makes the optimizer from parameter groups; Adam and AdamW step fused where they can, see
                `optim.fused`.
            lr_scheduler: Makes the learning-rate schedule from the optimizer. OneCycleLR advances every step and is
                told its length.
            lr_interval: Whether the schedule advances every epoch or every step.
            lr_monitor: What ReduceLROnPlateau watches.
            base_batch_size: The global batch (images per step, all processes) that the optimizer's rate is
                meant for: with another one the rate grows or shrinks with it. By default it never does.
            trunk_rate: Factor on the rate of all stages, at least 0; the classifiers keep the whole rate.
            aux_weight: Weight of the auxiliary losses, at least 0: one number, or one per stage name.
                By default the network's own. Heads of weight 0 are not trained.
            label_smoothing: Share of the target that is spread over all classes, 0..1.
            mixup: Alpha of MixUp, 0 for none; see `mixing`. With both, each batch gets one of the two.
            cutmix: Alpha of CutMix, 0 for none.
            several_labels: Whether an image may have several labels, or none, each with a probability of its own. The
                loss is then `losses.BinaryCrossEntropy` unless another is given (`losses.FocalLoss` is the binary one),
                targets are rows (N, K) of 0 and 1, and the threshold of each label is that of its best F1 in the last
                validation. The command line takes it from the data.
            mean: What is subtracted from each channel of images in 0..1, in the place of what the network, or its
                weights, expect; ``lightning data check --statistics`` measures the data's.
            std: What they are divided by, above 0.
            extra_channels: What channels beyond red, green and blue start with where ``weights`` are for these: theirs
                in turn, scaled (``repeat``), or nothing (``zero``); see `weights.channels`. A single channel gets their
                sum.
            pixels: ``uint8``, 0..255, or ``float32``, of which 1.0 is 1.0, which data of more than 8 bits give. The
                command line takes it from the data.

        Raises:
            InputError: A weight for a stage that has no head, a number out of range, something that only an
                Inception network has, or weights that cannot be had or do not fit.
        """
        super().__init__()
        if partial_class(optimizer) is Muon:
            raise InputError(
                "torch.optim.Muon moves matrices only, no kernels or biases: say inception_lightning.training.muon.Muon"
            )
        refuse_less({"trunk_rate": 0, "mixup": 0, "cutmix": 0, "base_batch_size": 1}, locals())
        refuse_what_only_an_inception_has(net, weights=weights, trunk_rate=None if trunk_rate == 1 else trunk_rate)
        if isinstance(net, Inception) and weights is not None:
            self.classes_of_weights = load_weights(net, weights, extra_channels)
        self.net = faster(net).to(memory_format=torch.channels_last)
        self.several_labels, self.label_smoothing = several_labels, label_smoothing
        self.loss = chosen_loss(loss, label_smoothing, several_labels)
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.lr_interval = lr_interval
        self.lr_monitor = lr_monitor
        self.base_batch_size = base_batch_size
        self.trunk_rate = trunk_rate
        self.aux_weights = weights_by_stage(net, aux_weight)
        self.mixup, self.cutmix = mixup, cutmix
        self.gathering = Gathering(1)
        mean, std = normalisation(net, mean, std)
        self.pixels = pixels
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])  # (C, 1, 1)
        self.register_buffer("std", torch.tensor(std)[:, None, None])
        self.num_classes = classes_of(net)
        own_loss = None if loss is None and not several_labels else self.loss
        self._make_metrics(own_loss, metrics or {}, () if several_labels else validation_scores)
        if isinstance(net, Inception):
            self.forward_with_aux = net.forward_with_aux
            self._freeze_unused_heads(net)

    def _freeze_unused_heads(self, net: Inception) -> None:
        for name, weight in self.aux_weights.items():
            net.aux_heads[name].requires_grad_(weight > 0)

    def _make_metrics(self, loss: Loss | None, metrics: Mapping[str, Metric], further: Sequence[str]) -> None:
        ks = (1, 5) if self.num_classes > 5 else (1,)
        for split in ("train", "val", "test"):
            scores = LabelScores(self.num_classes, split != "train") if self.several_labels else TopK(ks)
            setattr(self, f"{split}_scores", scores)
        self.val_loss, self.test_loss = MeanLoss(loss), MeanLoss(loss)
        own = MetricCollection(dict(metrics), compute_groups=False)
        self.val_metrics, self.test_metrics = own.clone(), own.clone()
        further = [] if self.several_labels else [name for name in further if name not in metrics]
        self.val_further = validation_metrics(further, self.num_classes)

    def compile(self, mode: Mode = "default") -> None:
        """Have both passes of the network compiled when they first run; the names in the state dict stay.

        Args:
            mode: See `compiled.Mode`.
        """
        prepare()
        self.full_batches = FullBatches(mode)
        self.net.compile(mode=mode, dynamic=False)
        if isinstance(self.net, Inception):
            self.forward_with_aux = torch.compile(self.net.forward_with_aux, mode=mode, dynamic=False)

    def ensemble(self, members: Sequence["InceptionClassifier"]) -> None:
        """Have evaluation and prediction answer with the mean probabilities of this network and of ``members``.

        Raises:
            InputError: One has other classes, or is for images of other channels.
        """
        for member in members:
            if len(member.mean) != len(self.mean):
                raise InputError(
                    f"an ensemble needs the same images: one network takes {channels(len(self.mean))}, another "
                    f"{len(member.mean)}"
                )
            if member.num_classes != self.num_classes:
                raise InputError(
                    f"an ensemble needs the same classes: one network has {self.num_classes}, another "
                    f"{member.num_classes}"
                )
        self.members = tuple(member.eval() for member in members)

    def answer(self, images: Tensor) -> Tensor:
        """Images, as `normalize` takes them, -> logits (N, num_classes) of this network or of its `ensemble`."""
        logits = self(images)
        if not self.members:
            return logits
        others = [member.to(self.device)(images) for member in self.members]
        return mean_answer(torch.stack([logits, *others], dim=1), self.several_labels)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W), as `normalize` takes them, -> logits (N, num_classes), divided by `temperature`."""
        logits = self._through(self.net, self.normalize(images))
        return logits if self.temperature == 1 else logits / self.temperature

    def _through(self, network: Callable[[Tensor], Outputs], inputs: Tensor) -> Outputs:
        if self.full_batches is None:
            return network(inputs)
        return self.full_batches.run(network, inputs, training=self.training)

    def normalize(self, images: Tensor) -> Tensor:
        """uint8 images (N, C, H, W) -> what the network expects, channels-last, on their device.

        Where ``pixels`` are float32, so may the images be.

        Raises:
            TypeError: The images are of another type, so nobody knows how they are scaled.
            InputError: They have another number of channels.
        """
        if images.shape[1] != len(self.mean):
            raise InputError(f"images have {channels(images.shape[1])} and the network takes {len(self.mean)}")
        scaled = images.to(self.mean.dtype, memory_format=torch.channels_last)
        if images.dtype == torch.uint8:
            scaled = scaled / 255
        elif self.pixels == "uint8" or not images.is_floating_point():
            raise TypeError(f"images must be uint8 (0..255), got {images.dtype}: the module normalises them itself")
        return (scaled - self.mean) / self.std

    def setup(self, stage: str) -> None:
        """Learn from the data what is not known before."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # set by the Trainer's entry points
        if not isinstance(data, ImageDataModule):
            return
        self.check_data(data)
        if not data.allow_changes:
            self._meet_other_classes(stage, data.class_names)
        self.class_names = tuple(data.class_names)
        self.gathering = Gathering(data.crops.per_image)
        self.class_weights = data.class_weights() if stage == "fit" else None
        if self.class_weights is not None:
            weighted(self.loss, self.class_weights)  # refuses a loss that takes none before anything starts
        self.example_input_array = torch.zeros(2, len(self.mean), data.image_size, data.image_size, dtype=torch.uint8)
        if stage == "fit" and data.num_classes <= 5 and not self.several_labels and self.trainer.is_global_zero:
            log.info("top-5 is left out: there are only %d classes", data.num_classes)

    def check_data(self, data: ImageDataModule) -> None:
        """Refuse data that the network cannot take.

        Raises:
            InputError: The numbers of classes or of channels differ, the images are too small or have more bits, or one
                of both knows a single label per image and the other several.
        """
        if data.several_labels != self.several_labels and not isinstance(data, Photos):
            whose = f"{type(data).__name__}'s images have {'several labels' if data.several_labels else 'one label'}"
            raise InputError(f"{whose}: say --model.several_labels {str(data.several_labels).lower()}")
        if data.num_classes != self.num_classes:
            raise InputError(
                f"the network has num_classes {self.num_classes} and {type(data).__name__} has {data.num_classes}: "
                "leave num_classes out, it is taken from the data"
            )
        self.check_bands(data)
        if isinstance(self.net, Inception):
            self.net.check_size(data.image_size, data.image_size)

    def check_bands(self, data: ImageDataModule) -> None:
        """Refuse images of another number of channels, or of more bits, than the network is for.

        Raises:
            InputError: They are.
        """
        ours, theirs, whose = len(self.mean), data.num_channels, type(data).__name__
        if ours != theirs:
            what = f"the network takes images of {channels(ours)} and those of {whose} have {theirs}: "
            inception = isinstance(self.net, Inception)
            mended = (
                "choose the images that it was trained for" if inception else "build it for them, and say model.mean"
            )
            raise InputError(what + mended)
        if data.pixels == "float32" and self.pixels == "uint8":
            raise InputError(
                f"the network was made for images of 8 bits and those of {whose} have more: save them in 8 bits, or "
                "say --model.pixels float32"
            )

    def _meet_other_classes(self, stage: str, names: Sequence[str]) -> None:
        """Where the weights were trained for classes of other names, train a new classifier.

        Raises:
            InputError: They were, and it is not trained.
        """
        known = self.classes_of_weights
        if not known or known == tuple(names):
            return
        if stage != "fit" or not isinstance(self.net, Inception):
            refuse_other_classes(known, names)
            return
        self.classes_of_weights = ()
        self.net.reset_classifier(self.num_classes)
        self._freeze_unused_heads(self.net)
        if self.trainer.is_global_zero:
            index = next(place for place, (one, other) in enumerate(zip(known, names, strict=True)) if one != other)
            log.warning(
                "class %d is %r to the weights and %r to the data: the classifier starts anew, unless you say "
                "--allow_changes true",
                *(index, known[index], names[index]),
            )

    def on_fit_start(self) -> None:
        """Train all of it, also what `load_from_checkpoint` gave in evaluation mode."""
        self.train()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch; logs every part of it and counts the accuracy."""
        images, labels = batch
        labels = labels.float() if labels.ndim == 2 else labels
        inputs, targets = mix(self.normalize(images), labels, self.num_classes, mixup=self.mixup, cutmix=self.cutmix)
        with_aux = any(self.aux_weights.values())
        logits, aux_logits = (
            self._through(self.forward_with_aux, inputs) if with_aux else (self._through(self.net, inputs), {})
        )
        losses = self.losses(logits, aux_logits, targets)
        self.train_scores.update(logits.detach(), labels)
        # written on the device: a number of the host would be copied there, which waits for it
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        numbers = losses | {"lr": torch.full((), rate, dtype=torch.float32, device=self.device)}
        log_step(self, {f"train/{name}": number.detach() for name, number in numbers.items()})
        return losses["loss"]

    def losses(self, logits: Tensor, aux_logits: Mapping[str, Tensor], targets: Tensor) -> dict[str, Tensor]:
        """What is minimised, as ``loss``, and its parts, which are logged; see `losses.classification_losses`."""
        return classification_losses(logits, aux_logits, targets, loss=self.train_loss, aux_weights=self.aux_weights)

    @property
    def train_loss(self) -> Loss:
        """The loss in training: with the weights of the classes where the data's ``balance`` says so."""
        if self.class_weights is None:
            return self.loss
        self.class_weights = self.class_weights.to(self.device)  # once
        return weighted(self.loss, self.class_weights)

    def logged_in_training(self) -> set[str]:
        """The names of all numbers that are logged outside of validation."""
        heads = (f"loss_{name}" for name, weight in self.aux_weights.items() if weight)
        names = {"loss", "loss_main", "lr", *heads, *self.train_scores.names}
        scales = (name for name, _ in self.net.named_parameters() if name.endswith(".scale"))
        return {f"train/{name}" for name in names} | {f"scale/{name.removesuffix('.scale')}" for name in scales}

    def on_validation_epoch_start(self) -> None:
        """Give every process the batch norm of the first, which is what a checkpoint holds."""
        if self.trainer.world_size > 1:
            for buffer in self.buffers():
                distributed.broadcast(buffer, 0)

    def validation_step(self, batch: Batch, batch_idx: int) -> Evaluated | None:
        """Count one validation batch; its logits and labels, without rows where this process has no sample."""
        found = self._evaluate(batch, batch_idx, self.val_scores, self.val_loss, self.val_metrics)
        self.val_further.update(found["logits"].float(), found["labels"])
        return found

    def test_step(self, batch: Batch, batch_idx: int) -> Evaluated | None:
        """Count one test batch; as `validation_step`."""
        return self._evaluate(batch, batch_idx, self.test_scores, self.test_loss, self.test_metrics)

    def predict_step(self, batch: Batch, batch_idx: int) -> "Prediction | LabelPrediction":
        """The most probable classes of one batch, or its labels; in place of labels it has the samples' own indices."""
        images, indices = batch
        logits, indices = self._gathered(images, indices, batch_idx)
        if self.several_labels:
            return LabelPrediction(indices, logits >= self._limits, logits.sigmoid())
        if len(indices) == 0:  # this process has no photo, or not yet all views of one
            return Prediction(indices, indices[:, None], indices[:, None])
        probabilities, classes = logits.softmax(dim=1).topk(min(5, self.num_classes))
        return Prediction(indices, classes, probabilities)

    @property
    def thresholds(self) -> Tensor | None:
        """From which probability on an image has a label (K,), float64; None where each image has one class."""
        return self._limits.cpu().double().sigmoid() if self.several_labels else None

    @property
    def _limits(self) -> Tensor:
        """From which logit on an image has a label (K,); 0 before the first validation."""
        limits = torch.tensor(self.limits or [0.0] * self.num_classes, device=self.device)
        return limits / self.temperature  # as the logits are

    def on_train_epoch_end(self) -> None:
        """Log the epoch's accuracy and the residual scales that are learned."""
        self._log("train", self.train_scores)
        scales = {name: value for name, value in self.net.named_parameters() if name.endswith(".scale")}
        self.log_dict({f"scale/{name.removesuffix('.scale')}": value.detach() for name, value in scales.items()})

    def on_validation_epoch_end(self) -> None:
        """Log loss, accuracy and metrics over all validation images, and choose the thresholds of several labels."""
        self._log("val", self.val_scores, self.val_loss, self.val_metrics)
        if self.val_further:
            self.log_dict({f"val/{name}": value for name, value in self.val_further.compute().items()})
            self.val_further.reset()

    def on_test_epoch_end(self) -> None:
        """Log loss, accuracy and metrics over all test images."""
        self._log("test", self.test_scores, self.test_loss, self.test_metrics)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer and, where there is one, the schedule.

        Raises:
            InputError: Lightning cannot clip the gradients of this optimizer, the schedule's length is not known, or
                one of them refuses its arguments.
        """
        trunk = self.net.stages if isinstance(self.net, Inception) and self.trunk_rate != 1 else ()
        optimizer = made("model.optimizer", fused(self.optimizer, self.trainer), parameter_groups(self.net, trunk))
        if self.trainer.gradient_clip_val and "mixed" in str(self.trainer.precision):
            check_clip(optimizer)
        scale_rates(optimizer, self._rate_factor(), self.trunk_rate)
        if self.lr_scheduler is None:
            return optimizer
        interval, length = self.lr_interval, dict[str, int]()
        if partial_class(self.lr_scheduler) is OneCycleLR:
            interval, length = "step", {"total_steps": steps_of(self.trainer)}
        schedule = made("model.lr_scheduler", self.lr_scheduler, optimizer, **length)
        advance: Any = {"scheduler": schedule, "interval": interval}
        if isinstance(schedule, ReduceLROnPlateau):
            advance["monitor"] = self.lr_monitor
        return {"optimizer": optimizer, "lr_scheduler": advance}

    def _rate_factor(self) -> float:
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # as in setup
        if self.base_batch_size is None or not isinstance(data, ImageDataModule):
            return 1.0
        batch_size = data.batch_size * self.trainer.world_size * self.trainer.accumulate_grad_batches
        if self.trainer.is_global_zero:
            log.info("rate x %d / %d: the global batch and the one it is meant for", batch_size, self.base_batch_size)
        return batch_size / self.base_batch_size

    def _gathered(self, images: Tensor, labels: Tensor, batch_idx: int) -> tuple[Tensor, Tensor]:
        """Logits and labels of the images of which all views are there."""
        if batch_idx == 0:  # what the last pass left half
            self.gathering = Gathering(self.gathering.views)
        # a process without a sample counts none of them
        logits = self.answer(images) if len(labels) else self.mean.new_zeros(0, self.num_classes)
        return self.gathering.add(logits, labels)

    def _evaluate(
        self, batch: Batch, batch_idx: int, scores: TopK | LabelScores, loss: MeanLoss, metrics: MetricCollection
    ) -> Evaluated:
        logits, labels = self._gathered(*batch, batch_idx)
        loss.update(logits, labels)
        scores.update(logits, labels)
        if len(labels):
            metrics.update(logits.float(), labels)
        return Evaluated(logits=logits, labels=labels)

    def _log(
        self,
        split: str,
        scores: TopK | LabelScores,
        loss: MeanLoss | None = None,
        metrics: MetricCollection | None = None,
    ) -> None:
        # The metrics gather all processes themselves: every process logs the same numbers.
        values = scores.compute()
        limits = values.pop("limits", None)
        if limits is not None and split == "val" and self.trainer.state.fn == TrainerFn.FITTING:
            self.limits = tuple(limits.tolist())
        scores.reset()
        if loss is not None:
            values["loss"] = loss.compute()
            loss.reset()
        self.log_dict({f"{split}/{name}": value for name, value in values.items()}, prog_bar=split == "val")
        if metrics:
            self.log_dict({f"{split}/{name}": value for name, value in _scalars(metrics.compute()).items()})
            metrics.reset()


def chosen_loss(
    loss: nn.Module | Callable[..., Any] | str | None, label_smoothing: float, several_labels: bool = False
) -> Loss:
    """The loss that was asked for; where none was cross-entropy. For several labels both are those of each label.

    Raises:
        InputError: It cannot be imported, it knows a single label only, or the smoothing (0..1) is out of range or
            belongs to another loss.
    """
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"label_smoothing must be 0..1, got {label_smoothing}")
    if loss is not None and label_smoothing:
        raise InputError("label_smoothing belongs to the usual loss: give it to your own, or leave one out")
    if several_labels:
        if label_smoothing:
            raise InputError("label_smoothing is for images with one label, and these have several: leave it out")
        if isinstance(loss, nn.CrossEntropyLoss):
            raise InputError(
                f"{type(loss).__name__} is for images with one label, and these have several: leave it out for "
                "BinaryCrossEntropy, or say FocalLoss or a loss of your own"
            )
        if type(loss) is FocalLoss:
            return BinaryFocalLoss(loss.gamma)
        loss = BinaryCrossEntropy() if loss is None else loss
    if isinstance(loss, str):
        found: Loss = locate(loss)
        return found
    return loss or nn.CrossEntropyLoss(label_smoothing=label_smoothing)


def refuse_less(least: Mapping[str, float], given: Mapping[str, Any]) -> None:
    """See to it that those of the ``given`` arguments that have a least value are not less, where they are given.

    Raises:
        InputError: One is less.
    """
    for name, value in least.items():
        if given[name] is not None and not given[name] >= value:  # nor is a NaN
            raise InputError(f"model.{name} must be at least {value}, got {given[name]}")


def refuse_what_only_an_inception_has(net: nn.Module, **said: Any) -> None:
    """See to it that arguments which only an Inception network understands are left out for another.

    Raises:
        InputError: One was given.
    """
    for name, value in said.items():
        if value is not None and not isinstance(net, Inception):
            raise InputError(f"{name} is for Inception networks, and this is {type(net).__name__}: leave it out")


def normalisation(
    net: nn.Module, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and std, per channel of images in 0..1, that a network expects; an Inception is told what is said.

    Args:
        net: The network.
        mean: What is said instead.
        std: The same.

    Raises:
        InputError: What is said is not one number for each channel, or a std is not above 0.
    """
    expected = (net.mean, net.std) if isinstance(net, Inception) else _expected(net)
    wanted = tuple(expected[0] if mean is None else mean), tuple(expected[1] if std is None else std)
    count = len(wanted[0] if mean is not None and not isinstance(net, Inception) else expected[0])
    for name, values in zip(("mean", "std"), wanted, strict=True):
        if len(values) != count:
            raise InputError(
                f"model.{name} has {len(values)} numbers and the images have {channels(count)}: say one for each"
            )
    if not all(value > 0 for value in wanted[1]):
        raise InputError(f"model.std must be above 0, got {list(wanted[1])}")
    if isinstance(net, Inception):
        net.mean, net.std = wanted
    return wanted


def _expected(net: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What a network that is not ours expects, as far as it says so: timm's name their first layer."""
    known = getattr(net, "pretrained_cfg", None) or {}
    mean, std = tuple(known.get("mean", IMAGENET_MEAN)), tuple(known.get("std", IMAGENET_STD))
    first = known.get("first_conv")
    taken = getattr(net.get_submodule(first), "in_channels", len(mean)) if isinstance(first, str) else len(mean)
    return (mean, std) if taken == len(mean) else adapted_normalisation(mean, std, taken)


def classes_of(net: nn.Module) -> int:
    """The length of a network's logits: what it says, or else the outputs of its last layer.

    Raises:
        InputError: Neither is known.
    """
    said = getattr(net, "num_classes", None)
    if isinstance(said, int):
        return said
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    if not layers:
        raise InputError(f"{type(net).__name__} does not say how many classes it has: give it an attribute num_classes")
    last = layers[-1]
    return last.out_features if isinstance(last, nn.Linear) else last.out_channels


def _scalars(values: dict[str, Any]) -> dict[str, Tensor]:
    """Metrics that can be logged.

    Raises:
        InputError: One is no single number.
    """
    for name, value in values.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise InputError(f"model.metrics: {name} is no single number: choose an average, such as average: macro")
    return values
