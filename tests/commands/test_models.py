import json
import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from inception_lightning import models
from inception_lightning.__main__ import main
from inception_lightning.commands import models as catalogue
from inception_lightning.commands.models import ENTRIES, describe, detail, find, text
from inception_lightning.models.cost import skeleton
from inception_lightning.weights.public import PUBLIC

NAMES = ["GoogLeNet", "InceptionV2", "InceptionV3", "InceptionV4", "InceptionResNetV1", "InceptionResNetV2"]


def test_every_network_and_every_public_checkpoint_is_shown_once() -> None:
    assert {entry.name for entry in ENTRIES} == set(models.__all__) - {"Inception"}
    shown = text()
    assert [shown.count(f"\n{public.name} ") for public in PUBLIC] == [1] * len(PUBLIC)


def test_the_overview_is_machine_readable(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in data] == NAMES
    assert [row["parameters"] for row in data] == [7005832, 11285224, 23834568, 42679816, 22756328, 55843464]
    assert [row["macs"] for row in data][2:] == [5713216096, 12253974624, 6206361696, 13155794016]
    assert [row["minimum_size_with_heads"] for row in data][2:] == [75, 75, 75, 75]
    assert data[3]["weights"][0]["top1"] == 80.144


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_stages_add_up_to_the_network(entry: catalogue.Entry) -> None:
    data, row = detail(entry), describe(entry)
    trunk = [stage for stage in data["stages"] if not stage["name"].startswith("aux_heads.")]
    assert sum(stage["parameters"] for stage in trunk) == row["parameters"]
    assert sum(stage["macs"] for stage in trunk) == row["macs"]
    assert sum(stage["parameters"] for stage in data["stages"]) == row["parameters"] + row["head_parameters"]
    assert [preset["parameters"] for preset in data["presets"][:1]] in ([], [row["parameters"]])


def test_counts_are_those_of_torch() -> None:
    net = skeleton(models.GoogLeNet, {"aux": False})
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, 3, 224, 224))
    assert 2 * describe(ENTRIES[0])["macs"] == counter.get_total_flops()


def test_a_stage_reads_as_in_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "InceptionV4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["InceptionV4: Inception-v4 (2016, arXiv:1602.07261)", "299x299 images, at least 75x75"]
    assert next(line for line in lines if line.startswith("inception_b")).split() == [
        *("inception_b", "7", "x", "17x17x1024", "20,553,792", "5,930,853,376")
    ]


def test_names_are_found_however_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "inception-resnet-v2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "InceptionResNetV2"
    assert [find(name).name for name in ("InceptionResNetV2", "inception_resnet_v2")] == ["InceptionResNetV2"] * 2


@pytest.mark.parametrize(("name", "nearest"), [("Inceptoin-v3", "InceptionV3"), ("GoogleNet1", "GoogLeNet")])
def test_a_wrong_name_gets_the_nearest(name: str, nearest: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", name]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"error: there is no network {name}: did you mean {nearest}?\n"


def test_the_overview_takes_about_a_second() -> None:
    start = time.process_time()
    text()
    assert time.process_time() - start < 3  # 0.5 s on an idle core


@pytest.mark.parametrize("entry", [None, *ENTRIES], ids=lambda entry: entry.name if entry else "overview")
def test_tables_fit_an_old_terminal(entry: catalogue.Entry | None) -> None:
    assert max(len(line) for line in text(entry).splitlines()) <= 80
