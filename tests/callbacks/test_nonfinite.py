"""A loss that is not finite ends the run at its step, and no checkpoint holds what came of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inception_lightning.callbacks import FiniteGuard
from inception_lightning.data import ImageFolder
from inception_lightning.errors import Stop
from inception_lightning.models import InceptionResNetV1
from inception_lightning.training.classifier import InceptionClassifier
from tests.faults import Fault
from tests.processes import FAULT, SOON, TWO, finish, last_checkpoint, seconds_since_fault, start, the_run
from tests.trainers import quiet_trainer


def stopped(place: Path, *options: str) -> str:
    """What a run says that stops at its sixth step; what it has saved is finite."""
    code, output = finish(start(place, *FAULT, "--last.every_n_steps=1", *options))
    seconds = seconds_since_fault(output)
    print(f"{seconds:.1f} s from the fault to the end of all processes, exit code {code}")
    assert code == 65, output
    assert seconds <= SOON
    assert "Traceback" not in output
    saved = last_checkpoint(the_run(place))
    assert saved["global_step"] == 5
    for state in (saved["state_dict"], saved["current_model_state"], *saved["optimizer_states"][0]["state"].values()):
        assert all(tensor.isfinite().all() for tensor in state.values())
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize("where", ["main", pytest.param("head", marks=pytest.mark.slow)])
def test_the_loss(tmp_path: Path, where: str) -> None:
    line = stopped(tmp_path, f"--trainer.callbacks.what={where}", "--data.batch_size=40")
    assert line.startswith("error: step 6, learning rate 0.003: the loss is nan on process 0, of the training images ")
    assert line.endswith(" and 8 more. Try a lower rate, or look at these images")


@pytest.mark.slow
def test_the_gradients(tmp_path: Path) -> None:
    line = stopped(tmp_path, "--trainer.callbacks.what=gradient")
    assert line.startswith("error: step 6, learning rate 0.003: the gradients are not finite, the loss is ")


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_one_of_two_processes(tmp_path: Path, rank: int) -> None:
    line = stopped(tmp_path, *TWO, "--trainer.callbacks.what=main", f"--trainer.callbacks.rank={rank}")
    assert f"the loss is nan on process {rank}, of the training images" in line
    assert f"on process {1 - rank}" not in line


def test_the_files_are_named(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0)
    files = [tmp_path / "photos" / "train" / name / f"{index}.png" for name in "ab" for index in range(4)]
    for file in [*files, *(tmp_path / "photos" / "val" / name / "0.png" for name in "ab")]:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(numbers.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(file)
    module = InceptionClassifier(InceptionResNetV1(2, stem="small", width=0.05, depths=(1, 1, 1)))
    data = ImageFolder(root=tmp_path / "photos", image_size=16, batch_size=4, num_workers=0)
    trainer = quiet_trainer(
        tmp_path,
        max_epochs=3,
        callbacks=[Fault("main", step=3), FiniteGuard()],
    )
    with pytest.raises(Stop, match=r"step 4, learning rate 0\.001: the loss is nan on process 0") as stop:
        trainer.fit(module, data)
    assert stop.value.code == 65
    assert sum(str(file) in str(stop.value) for file in files) == 4  # the fourth batch, of four images
    assert not all(torch.isfinite(tensor).all() for tensor in module.state_dict().values())  # the fault was real
