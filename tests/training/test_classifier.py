import contextlib
import csv
import functools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from PIL import Image
from sklearn.metrics import f1_score
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau
from torch.utils.data import DataLoader
from torchmetrics import Metric
from torchmetrics.classification import MulticlassF1Score

from inception_lightning.configurable import KEY
from inception_lightning.data import Digits, ImageFolder
from inception_lightning.errors import InputError
from inception_lightning.loading.dataset import ImageTensors
from inception_lightning.loading.sampler import EvaluationSampler
from inception_lightning.models import GoogLeNet, Inception, InceptionResNetV1, InceptionV3
from inception_lightning.training.classifier import (
    InceptionClassifier,
    Prediction,
    chosen_loss,
    classes_of,
    normalisation,
)
from inception_lightning.training.losses import BinaryCrossEntropy, FocalLoss
from inception_lightning.training.optim import WarmupCosineLR
from inception_lightning.weights.save import save_weights

SGD = functools.partial(torch.optim.SGD, lr=0.01, momentum=0.9)


def net_of(module: InceptionClassifier) -> Inception:
    assert isinstance(module.net, Inception)
    return module.net


def tiny(num_classes: int = 10, width: float = 0.05) -> InceptionResNetV1:
    return InceptionResNetV1(num_classes, width=width, depths=(1, 1, 1), stem="small", aux=True)


def trainer(folder: Path, **options: Any) -> pl.Trainer:
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(accelerator="cpu", devices=1, default_root_dir=folder, **(quiet | options))


def images(count: int, size: int = 16) -> Tensor:
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)


@dataclass
class Trained:
    module: InceptionClassifier
    data: Digits
    checkpoint: Path
    rows: list[dict[str, str]]

    def logged(self) -> dict[str, float]:
        """The last value of everything that was logged."""
        return {name: float(value) for row in self.rows for name, value in row.items() if value}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A network that a Python program, without the command line, trained for five steps."""
    folder = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    module, data = InceptionClassifier(tiny(), optimizer=SGD, label_smoothing=0.1), Digits(batch_size=50, num_workers=0)
    running = trainer(
        folder, max_epochs=1, limit_train_batches=5, log_every_n_steps=1, logger=CSVLogger(folder, "", "")
    )
    running.fit(module, data)
    running.save_checkpoint(folder / "python.ckpt")
    with (folder / "metrics.csv").open(newline="") as file:
        return Trained(module.eval(), data, folder / "python.ckpt", list(csv.DictReader(file)))


@pytest.mark.parametrize("mode", [True, False])
def test_forward_takes_uint8_and_gives_logits_in_training_and_evaluation(mode: bool) -> None:
    module = InceptionClassifier(tiny(7)).train(mode)
    logits = module(images(2))
    assert logits.shape == (2, 7)
    assert logits.dtype == torch.float32


def test_images_that_are_not_uint8_are_refused() -> None:
    with pytest.raises(TypeError, match=r"images must be uint8 \(0..255\), got torch.float32"):
        InceptionClassifier(tiny())(torch.rand(2, 3, 16, 16))


def test_images_are_normalised_as_the_network_wants() -> None:
    net = tiny()
    net.mean, net.std = (0.1, 0.2, 0.3), (0.5, 1.0, 2.0)
    module, seen = InceptionClassifier(net), images(4)
    normalised = module.normalize(seen)
    for channel in range(3):
        expected = (seen[:, channel].double() / 255 - net.mean[channel]) / net.std[channel]
        torch.testing.assert_close(normalised[:, channel].double(), expected, atol=1e-6, rtol=0)
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    module.eval()
    assert torch.equal(module(seen), net.eval()(normalised))


def test_losses_are_logged_by_their_stage(trained: Trained) -> None:
    logged = trained.logged()
    names = {f"{split}/{name}" for split in ("train", "val") for name in ("loss", "top1", "top5")}
    names |= {"val/balanced_accuracy", "val/f1"}
    assert logged.keys() == names | {"train/loss_main", "train/loss_inception_b", "train/lr", "epoch", "step"}
    assert logged["train/lr"] == pytest.approx(0.01)
    for row in trained.rows:
        if row["train/loss"]:
            main, head = float(row["train/loss_main"]), float(row["train/loss_inception_b"])
            assert float(row["train/loss"]) == pytest.approx(main + 0.4 * head, rel=1e-5)


def test_validation_figures_are_those_of_all_images_at_once(trained: Trained) -> None:
    val = trained.data.views("val")
    shown = torch.stack([val[index][0] for index in range(len(val))])
    labels = torch.tensor([val[index][1] for index in range(len(val))])
    with torch.inference_mode():
        logits = trained.module(shown)
    best = logits.topk(5).indices == labels[:, None]
    logged = trained.logged()
    assert logged["val/top1"] == pytest.approx(best[:, 0].float().mean().item(), abs=1e-6)
    assert logged["val/top5"] == pytest.approx(best.any(dim=1).float().mean().item(), abs=1e-6)
    assert logged["val/loss"] == pytest.approx(cross_entropy(logits, labels).item(), rel=1e-5)  # not smoothed


def test_a_checkpoint_rebuilds_itself(trained: Trained) -> None:
    loaded = InceptionClassifier.load_from_checkpoint(trained.checkpoint)
    assert type(loaded.net) is InceptionResNetV1
    assert not loaded.training
    assert loaded.class_names == tuple("0123456789")
    assert loaded.label_smoothing == 0.1
    shown = images(8)
    with torch.inference_mode():
        assert torch.equal(loaded(shown), trained.module(shown))


def test_a_checkpoint_is_plain_data(trained: Trained) -> None:
    checkpoint = torch.load(trained.checkpoint, weights_only=True)
    held = checkpoint[KEY]
    assert held["model"]["init_args"]["optimizer"] == {
        "class_path": "torch.optim.sgd.SGD",
        "init_args": {"lr": 0.01, "momentum": 0.9},
    }
    assert held["model"]["init_args"]["net"]["init_args"]["width"] == 0.05
    assert held["data"]["class_path"] == "inception_lightning.data.digits.Digits"
    assert held["data"]["init_args"]["batch_size"] == 50
    assert held["class_names"] == list("0123456789")
    keys = {key.partition(".")[0] for key in checkpoint["state_dict"]}
    assert keys == {"mean", "std", "net"}
    stages = {key.split(".")[1] for key in checkpoint["state_dict"] if key.startswith("net.")}
    assert stages == {*net_of(trained.module).stages, "aux_heads", "classifier"}


def test_the_rebuilt_module_trains_on_with_its_own_optimizer(trained: Trained, tmp_path: Path) -> None:
    loaded = InceptionClassifier.load_from_checkpoint(trained.checkpoint)
    running = trainer(tmp_path, max_epochs=2, limit_train_batches=1, limit_val_batches=0)
    running.fit(loaded, trained.data, ckpt_path=trained.checkpoint)
    assert running.global_step == 6
    assert loaded.training
    assert isinstance(running.optimizers[0], torch.optim.SGD)
    assert running.optimizers[0].param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (
            InceptionV3(10, width=0.05, stem="small", aux=False),
            "does not fit InceptionV3 as it is configured: it has no net.",
        ),
        (tiny(width=0.1), "does not fit InceptionResNetV1 as it is configured: its net."),
        (
            InceptionResNetV1(10, width=0.05, depths=(1, 1, 1), stem="small"),
            "does not fit InceptionResNetV1 as it is configured: it also has net.aux_heads",
        ),
    ],
    ids=["another", "wider", "headless"],
)
def test_weights_of_another_network_are_refused(trained: Trained, tmp_path: Path, net: Any, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        trainer(tmp_path).test(InceptionClassifier(net), trained.data, ckpt_path=trained.checkpoint)
    assert str(raised.value).startswith("the checkpoint (InceptionResNetV1) does not fit")
    assert expected in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_everything_that_is_trained_gets_a_gradient(tmp_path: Path) -> None:
    module = InceptionClassifier(tiny(), optimizer=SGD)
    trainer(tmp_path, max_steps=1, limit_val_batches=0).fit(module, Digits(num_workers=0))
    assert [name for name, parameter in module.named_parameters() if parameter.grad is None] == []


def test_a_head_of_weight_0_is_frozen_and_nothing_trained_is_unused(tmp_path: Path) -> None:
    module = InceptionClassifier(tiny(), optimizer=SGD, aux_weight=0)
    head = {f"net.aux_heads.{name}" for name, _ in net_of(module).aux_heads.named_parameters()}
    frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    assert frozen == head != set()
    before = [buffer.clone() for buffer in net_of(module).aux_heads.buffers()]
    running = trainer(tmp_path, max_steps=1, limit_val_batches=0)
    running.fit(module, Digits(num_workers=0))
    without = {name for name, parameter in module.named_parameters() if parameter.grad is None}
    assert without == head
    assert "train/loss_inception_b" not in running.callback_metrics
    assert all(torch.equal(now, then) for now, then in zip(net_of(module).aux_heads.buffers(), before, strict=True))


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (None, {"inception_4a": 0.3, "inception_4d": 0.3}),
        (0.7, {"inception_4a": 0.7, "inception_4d": 0.7}),
        ({"inception_4d": 0.1}, {"inception_4a": 0.3, "inception_4d": 0.1}),
        ({"inception_4a": 0, "inception_4d": 2}, {"inception_4a": 0.0, "inception_4d": 2.0}),
    ],
)
def test_weights_of_heads(weight: Any, expected: dict[str, float]) -> None:
    module = InceptionClassifier(GoogLeNet(6, width=0.05, stem="small", aux=True), aux_weight=weight)
    assert module.aux_weights == expected
    for name, head in net_of(module).aux_heads.items():
        assert all(parameter.requires_grad == (expected[name] > 0) for parameter in head.parameters())


def test_weights_for_heads_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match=r"aux_weight names 'stem', and the heads are on \['inception_b'\]"):
        InceptionClassifier(tiny(), aux_weight={"stem": 0.3})
    with pytest.raises(InputError, match="aux_weight names 'inception_b', and the heads are on no stage"):
        InceptionClassifier(InceptionV3(5, width=0.05, stem="small", aux=False), aux_weight={"inception_b": 0.3})


def test_weights_and_smoothing_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match=r"aux_weight must be at least 0, got -0\.1"):
        InceptionClassifier(tiny(), aux_weight={"inception_b": -0.1})
    with pytest.raises(InputError, match=r"label_smoothing must be 0\.\.1, got 1\.5"):
        InceptionClassifier(tiny(), label_smoothing=1.5)


def test_top5_is_left_out_where_there_are_five_classes_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for place, name in enumerate("abcde"):
        (tmp_path / name).mkdir()
        for index in range(5):
            Image.new("RGB", (16, 16), (index, place, 0)).save(tmp_path / name / f"{index}.png")
    module = InceptionClassifier(tiny(5), optimizer=SGD)
    running = trainer(tmp_path, max_epochs=1)
    with caplog.at_level(logging.INFO, "inception_lightning"):
        running.fit(module, ImageFolder(root=tmp_path, image_size=16, batch_size=10, num_workers=0))
    assert {"train/top1", "val/top1"} <= running.callback_metrics.keys()
    assert not [name for name in running.callback_metrics if "top5" in name]
    said = [record.getMessage() for record in caplog.records if record.name.startswith("inception_lightning")]
    assert said == [
        "5 classes of 4 training images; balance none",
        "top-5 is left out: there are only 5 classes",
    ]
    assert module.class_names == tuple("abcde")


@pytest.mark.parametrize("stage", ["fit", "validate", "test"])
def test_data_that_do_not_fit_the_network_are_refused(tmp_path: Path, stage: str) -> None:
    run = getattr(trainer(tmp_path), stage)
    with pytest.raises(InputError, match="the network has num_classes 7 and Digits has 10"):
        run(InceptionClassifier(tiny(7)), datamodule=Digits(num_workers=0))
    with pytest.raises(InputError, match="InceptionV3 needs images of at least 75 x 75 pixels and got 16 x 16"):
        run(InceptionClassifier(InceptionV3(10, width=0.05)), datamodule=Digits(num_workers=0))


def test_plain_loaders_do_as_well(tmp_path: Path) -> None:
    loader = DataLoader(ImageTensors(images(8), torch.arange(8)), batch_size=4)
    module = InceptionClassifier(tiny(8), optimizer=SGD)
    running = trainer(tmp_path, max_epochs=1)
    running.fit(module, loader, loader)
    running.save_checkpoint(tmp_path / "plain.ckpt")
    assert InceptionClassifier.load_from_checkpoint(tmp_path / "plain.ckpt").class_names == ()
    (scores,) = running.test(module, loader, verbose=False)
    assert scores.keys() == {"test/loss", "test/top1", "test/top5"}


@pytest.mark.parametrize(("interval", "expected"), [("epoch", 0.01 * 0.5**2), ("step", 0.01 * 0.5**6)])
def test_the_schedule_advances_every_epoch_or_every_step(tmp_path: Path, interval: Any, expected: float) -> None:
    halve = functools.partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.5)
    module = InceptionClassifier(tiny(), optimizer=SGD, lr_scheduler=halve, lr_interval=interval)
    running = trainer(tmp_path, max_epochs=2, limit_train_batches=3, limit_val_batches=0)
    running.fit(module, Digits(batch_size=4, num_workers=0))
    assert running.optimizers[0].param_groups[0]["lr"] == pytest.approx(expected)


@pytest.mark.parametrize(("precision", "clip", "refused"), [("bf16-mixed", 1.0, True), ("bf16-mixed", None, False)])
def test_a_fused_optimizer_is_not_clipped_in_mixed_precision(
    tmp_path: Path, precision: str, clip: float | None, refused: bool
) -> None:
    module = InceptionClassifier(tiny(), optimizer=functools.partial(torch.optim.AdamW, fused=True))
    running = trainer(tmp_path, fast_dev_run=True, precision=precision, gradient_clip_val=clip)
    with pytest.raises(InputError, match=r"model\.optimizer\.fused") if refused else contextlib.nullcontext():
        running.fit(module, Digits(batch_size=8, num_workers=0))


def test_predictions_are_the_most_probable_classes_first(tmp_path: Path) -> None:
    module = InceptionClassifier(tiny(8)).eval()
    shown = images(4)
    with torch.inference_mode():
        found = module.predict_step((shown, torch.tensor([3, 1, 0, 2])), 0)
        probabilities = module(shown).softmax(dim=1)
    assert isinstance(found, Prediction)
    assert found.indices.tolist() == [3, 1, 0, 2]
    assert found.classes.shape == found.probabilities.shape == (4, 5)
    assert torch.equal(found.classes[:, 0], probabilities.argmax(dim=1))
    assert torch.equal(found.probabilities, probabilities.gather(1, found.classes))
    assert (found.probabilities.diff(dim=1) <= 0).all()
    few = InceptionClassifier(tiny(3)).predict_step((shown, torch.arange(4)), 0)
    assert isinstance(few, Prediction)
    assert few.classes.shape == (4, 3)


def test_the_loss_falls_when_few_images_are_learned_by_heart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    loader = DataLoader(ImageTensors(images(16), torch.arange(16) % 4), batch_size=16)
    module = InceptionClassifier(tiny(4), optimizer=functools.partial(torch.optim.AdamW, lr=0.003))
    folder = CSVLogger(tmp_path, "", "")
    trainer(tmp_path, max_epochs=30, logger=folder, log_every_n_steps=1, limit_val_batches=0).fit(module, loader)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["train/loss"]) for row in rows if row["train/loss"]]
    assert len(losses) == 30
    assert losses[-1] < 0.2 * losses[0]
    assert float(rows[-1]["train/top1"]) == 1.0


def test_training_starts_from_weights_and_its_checkpoint_needs_them_no_more(tmp_path: Path) -> None:
    file = tmp_path / "start.safetensors"
    source = tiny()
    source.mean = (0.1, 0.2, 0.3)
    save_weights(source, file)
    module = InceptionClassifier(tiny(), weights=str(file), optimizer=SGD)
    stem = "stem.0.conv.weight"
    assert torch.equal(module.net.state_dict()[stem], source.state_dict()[stem])
    assert module.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    fitting = trainer(tmp_path, fast_dev_run=True)
    fitting.fit(module, datamodule=Digits(num_workers=0))
    fitting.save_checkpoint(tmp_path / "trained.ckpt")
    file.unlink()
    again = InceptionClassifier.load_from_checkpoint(tmp_path / "trained.ckpt")
    assert again.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert torch.equal(net_of(again).classifier.weight, net_of(module).classifier.weight)


class Doubt(Metric):
    """The mean probability of the wrong classes, which a test knows by heart."""

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        self.total += (1 - logits.double().softmax(dim=1).gather(1, labels[:, None])).sum()
        self.count += len(labels)

    def compute(self) -> Tensor:
        return self.total / self.count


def hinge(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.multi_margin_loss(logits, targets)


def with_own_parts(seed: int = 0) -> InceptionClassifier:
    torch.manual_seed(seed)
    metrics = {"f1": MulticlassF1Score(num_classes=10), "doubt": Doubt()}
    return InceptionClassifier(tiny(), loss=hinge, metrics=metrics, optimizer=SGD)


def validated() -> dict[str, float]:
    """The figures of all 360 digits, of which each process sees its share."""
    module, val = with_own_parts().eval(), Digits().views("val")
    mine = torch.tensor(list(EvaluationSampler(len(val))))
    for indices in mine.split(50):  # batches of unequal size
        batch = [val[index] for index in indices.tolist()]
        with torch.inference_mode():
            module.validation_step((torch.stack([one[0] for one in batch]), torch.tensor([one[1] for one in batch])), 0)
    module.validation_step((images(0), torch.empty(0, dtype=torch.long)), 0)  # a process without a sample
    figures = {**module.val_metrics.compute(), "loss": module.val_loss.compute(), **module.val_scores.compute()}
    return {name: float(value) for name, value in figures.items()}


def validated_by_one_of_two(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save(validated(), Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


def test_ones_own_metrics_and_loss_are_exact_over_two_processes(tmp_path: Path) -> None:
    start_processes(validated_by_one_of_two, (str(tmp_path),), nprocs=2, start_method="fork")
    alone = validated()
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt") == pytest.approx(alone, abs=1e-7)
    val = Digits().views("val")
    shown = torch.stack([val[index][0] for index in range(len(val))])
    labels = torch.tensor([val[index][1] for index in range(len(val))])
    with torch.inference_mode():
        logits = with_own_parts().eval()(shown)
    wrong = 1 - logits.softmax(dim=1).gather(1, labels[:, None])
    f1 = f1_score(labels.numpy(), logits.argmax(dim=1).numpy(), average="macro")
    expected = {"doubt": wrong.mean().item(), "loss": hinge(logits, labels).item(), "f1": float(f1)}
    assert {name: alone[name] for name in expected} == pytest.approx(expected, rel=1e-5)


def test_ones_own_loss_serves_the_heads_and_its_parts_are_logged(tmp_path: Path) -> None:
    module = with_own_parts()
    running = trainer(tmp_path, max_epochs=1, limit_train_batches=1, limit_val_batches=1)
    running.fit(module, Digits(batch_size=8, num_workers=0))
    logged = running.callback_metrics
    main, head = logged["train/loss_main"].item(), logged["train/loss_inception_b"].item()
    assert 0 < main < 2  # a hinge of ten classes; cross-entropy starts above 2
    assert logged["train/loss"].item() == pytest.approx(main + 0.4 * head)
    assert not [name for name in logged if "metrics" in name]


def test_a_checkpoint_with_ones_own_loss_rebuilds_itself_or_says_what_to_give(tmp_path: Path) -> None:
    saved = trainer(tmp_path, fast_dev_run=True)
    saved.fit(with_own_parts(), Digits(batch_size=8, num_workers=0))
    saved.save_checkpoint(tmp_path / "a.ckpt")
    sentence = (
        r"a\.ckpt does not say how its metrics is made: give it again, load_from_checkpoint\(path, metrics=\.\.\.\)"
    )
    with pytest.raises(InputError, match=sentence):
        InceptionClassifier.load_from_checkpoint(tmp_path / "a.ckpt", trust=["tests"])
    with pytest.raises(InputError, match=r"may not name tests.training.test_classifier.hinge: say --trust tests"):
        InceptionClassifier.load_from_checkpoint(tmp_path / "a.ckpt", metrics=None)
    again = InceptionClassifier.load_from_checkpoint(tmp_path / "a.ckpt", trust=["tests"], metrics={"doubt": Doubt()})
    assert again.loss is hinge
    assert list(again.val_metrics) == ["doubt"]


@pytest.mark.parametrize("loss", [FocalLoss(1.5), BinaryCrossEntropy(), None])
def test_losses_of_ours_are_rebuilt(tmp_path: Path, loss: nn.Module | None) -> None:
    saved = trainer(tmp_path, fast_dev_run=True)
    saved.fit(InceptionClassifier(tiny(), loss=loss, optimizer=SGD), Digits(batch_size=8, num_workers=0))
    saved.save_checkpoint(tmp_path / "a.ckpt")
    again = InceptionClassifier.load_from_checkpoint(tmp_path / "a.ckpt").loss
    assert type(again) is type(loss or nn.CrossEntropyLoss())
    assert getattr(again, "gamma", None) == getattr(loss, "gamma", None)


class Plain(nn.Module):
    """Logits (N, 7) of any images."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 7, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images).mean(dim=(2, 3))


def test_a_plain_network_says_what_it_can_and_is_taken_as_torchvisions_are() -> None:
    module = InceptionClassifier(Plain())
    assert module.num_classes == 7
    assert module.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert module.std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])
    assert module.aux_weights == {}
    shown = images(2)
    expected = module.net((shown / 255 - module.mean) / module.std)
    torch.testing.assert_close(module(shown), expected)


@pytest.mark.parametrize(
    ("attributes", "classes", "mean"),
    [
        ({"num_classes": 5}, 5, 0.485),
        ({"num_classes": None}, 7, 0.485),
        ({"pretrained_cfg": {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}}, 7, 0.5),
        ({"pretrained_cfg": None}, 7, 0.485),
    ],
)
def test_what_a_plain_network_says_is_heeded(attributes: dict[str, Any], classes: int, mean: float) -> None:
    net = Plain()
    for name, value in attributes.items():
        setattr(net, name, value)
    assert classes_of(net) == classes
    assert normalisation(net)[0][0] == mean


def test_what_only_an_inception_has_is_refused_for_others() -> None:
    refused: list[dict[str, Any]] = [{"weights": "timm/inception_v3.tv_in1k"}, {"trunk_rate": 0.1}]
    for said in refused:
        with pytest.raises(InputError, match=f"{next(iter(said))} is for Inception networks, and this is Plain"):
            InceptionClassifier(Plain(), **said)
    with pytest.raises(InputError, match="aux_weight names 'stem', and the heads are on no stage"):
        InceptionClassifier(Plain(), aux_weight={"stem": 0.3})
    with pytest.raises(InputError, match="Flatten does not say how many classes it has: give it an attribute num_cl"):
        InceptionClassifier(nn.Flatten())


def test_a_plain_network_trains_and_must_be_given_again(tmp_path: Path) -> None:
    net = Plain()
    net.layer = nn.Conv2d(3, 10, 1)
    module = InceptionClassifier(net, optimizer=SGD, mixup=0.2)
    running = trainer(tmp_path, max_epochs=1, limit_train_batches=2, limit_val_batches=1)
    running.fit(module, Digits(batch_size=8, num_workers=0))
    running.save_checkpoint(tmp_path / "plain.ckpt")
    with pytest.raises(
        InputError, match=r"does not say how its net is made: .*load_from_checkpoint\(path, net=\.\.\.\)"
    ):
        InceptionClassifier.load_from_checkpoint(tmp_path / "plain.ckpt")
    other = Plain()
    other.layer = nn.Conv2d(3, 10, 1)
    again = InceptionClassifier.load_from_checkpoint(tmp_path / "plain.ckpt", net=other)
    shown = images(3)
    assert torch.equal(again(shown), module.eval()(shown))
    assert again.class_names == tuple("0123456789")


@pytest.mark.parametrize(
    ("loss", "smoothing", "expected"),
    [
        (None, 1.5, r"label_smoothing must be 0\.\.1, got 1\.5"),
        (hinge, 0.1, "label_smoothing belongs to the usual loss: give it to your own, or leave one out"),
        ("torch.nn.functional.nothing", 0.0, r"torch.nn.functional.nothing cannot be imported \(module"),
        ("os.system", 0.0, "a page may not name os.system"),
    ],
)
def test_losses_that_cannot_be_had_are_refused(loss: Any, smoothing: float, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        chosen_loss(loss, smoothing)


def test_a_metric_that_is_no_number_is_refused(tmp_path: Path) -> None:
    module = InceptionClassifier(tiny(), metrics={"each": MulticlassF1Score(num_classes=10, average=None)})
    with pytest.raises(InputError, match=r"model.metrics: each is no single number: choose an average"):
        trainer(tmp_path).validate(module, Digits(num_workers=0), verbose=False)


@pytest.mark.parametrize(
    ("optimizer", "schedule", "expected"),
    [
        (functools.partial(torch.optim.SGD, lr=-1.0), None, "model.optimizer: Invalid learning rate: -1.0"),
        (SGD, functools.partial(WarmupCosineLR, total=2), "model.lr_scheduler: warmup must be 0 or more and less than"),
    ],
)
def test_what_an_optimizer_or_schedule_refuses_is_said(
    tmp_path: Path, optimizer: Any, schedule: Any, expected: str
) -> None:
    module = InceptionClassifier(tiny(), optimizer=optimizer, lr_scheduler=schedule)
    with pytest.raises(InputError, match=expected):
        trainer(tmp_path, fast_dev_run=True).fit(module, Digits(batch_size=8, num_workers=0))


def test_a_schedule_that_watches_a_figure_is_told_it(tmp_path: Path) -> None:
    plateau = functools.partial(
        ReduceLROnPlateau, factor=0.5, patience=0, mode="min", threshold=10.0
    )  # no figure is good enough
    module = InceptionClassifier(tiny(), optimizer=SGD, lr_scheduler=plateau, lr_monitor="val/top1")
    running = trainer(tmp_path, max_epochs=3, limit_train_batches=1, limit_val_batches=1)
    running.fit(module, Digits(batch_size=8, num_workers=0))
    schedule = running.lr_scheduler_configs[0]
    assert schedule.monitor == "val/top1"
    assert running.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01 * 0.5**3)


def test_one_cycle_knows_its_length(tmp_path: Path) -> None:
    cycle = functools.partial(OneCycleLR, max_lr=0.1)
    module = InceptionClassifier(tiny(), optimizer=SGD, lr_scheduler=cycle)
    running = trainer(tmp_path, max_epochs=2, limit_train_batches=3, limit_val_batches=0)
    running.fit(module, Digits(batch_size=8, num_workers=0))
    schedule = running.lr_scheduler_configs[0]
    assert isinstance(schedule.scheduler, OneCycleLR)
    assert (schedule.interval, schedule.scheduler.total_steps) == ("step", 6)
