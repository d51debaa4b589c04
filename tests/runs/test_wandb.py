"""W&B is the default dashboard and never a condition. Each test runs in a process of its own: W&B remembers."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inception_lightning.errors import InputError
from inception_lightning.runs.wandb import Wandb, wandb_logger
from tests.processes import ROOT, SOON, finish, module, start, the_run, unused_port, wait_for_rows


def run(folder: Path, wanted: dict[str, Any] | None = None, **environment: str) -> tuple[list[str], float]:
    """The lines of a run, whose questions nobody answers, and the seconds until it can log."""
    home = {"HOME": str(folder / "home"), "NETRC": str(folder / "netrc")}  # where a key might be
    words = [str(folder / "run"), json.dumps(wanted or {})]
    code, said = finish(module("tests.runs.logs_a_number", *words, **home | environment))
    assert code == 0, said
    *lines, seconds = said.splitlines()
    return lines, float(seconds)


def offline_files(folder: Path) -> list[Path]:
    return list((folder / "run" / "wandb").glob("offline-run-*/run-*.wandb"))


def test_without_a_key_the_run_is_offline_and_says_so_once(tmp_path: Path) -> None:
    lines, _ = run(tmp_path)
    sync = tmp_path / "run" / "wandb" / "offline-run-*"
    assert lines[0] == f"W&B is offline: there is no key (wandb login); later: wandb sync {sync}"
    known = {"offline": True, "name": "run", "project": "inception_lightning", "tags": []}
    assert known.items() <= json.loads(lines[1]).items()
    assert len(lines) == 2
    assert len(offline_files(tmp_path)) == 1
    assert not any((tmp_path / "home").rglob("*wandb*/artifacts/staging/*"))


def test_what_the_page_leaves_open_the_environment_says(tmp_path: Path) -> None:
    said = {"WANDB_PROJECT": "theirs", "WANDB_NAME": "a name", "WANDB_TAGS": "a,b", "WANDB_RUN_GROUP": "seeds"}
    more = {"WANDB_ENTITY": "us", "WANDB_NOTES": "why", "WANDB_DIR": str(tmp_path / "elsewhere")}
    (tmp_path / "elsewhere").mkdir()
    lines, _ = run(tmp_path, {}, WANDB_MODE="offline", **said, **more)
    found = json.loads(lines[0])
    assert (found["project"], found["name"], found["tags"]) == ("theirs", "a name", ["a", "b"])
    assert (found["group"], found["entity"], found["notes"]) == ("seeds", "us", "why")
    assert list((tmp_path / "elsewhere" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert not offline_files(tmp_path)
    wanted = {"project": "ours", "name": "b", "tags": ["c"], "group": "d"}
    lines, _ = run(tmp_path, wanted, WANDB_MODE="offline", **said)
    found = json.loads(lines[0])
    assert {name: found[name] for name in wanted} == wanted


def test_a_server_that_cannot_be_reached_costs_seconds_and_no_run(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{unused_port()}"
    lines, seconds = run(tmp_path, WANDB_API_KEY="k" * 40, WANDB_BASE_URL=address)
    assert lines[0].startswith("W&B is offline: 127.0.0.1 cannot be reached (")
    assert json.loads(lines[1])["offline"]
    assert len(lines) == 2
    assert len(offline_files(tmp_path)) == 1
    assert seconds < SOON


@contextlib.contextmanager
def server(silence: Path) -> Iterator[dict[str, str]]:
    """The environment of a W&B server on this machine, which falls silent when the file ``silence`` appears."""
    script = [sys.executable, str(ROOT / "tests" / "wandb_server.py"), str(silence)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        address = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        online = {"WANDB_MODE": "online", "WANDB_API_KEY": "k" * 40, "WANDB_BASE_URL": address}
        try:
            yield online | {"HOME": str(silence.parent)}  # where another key might be
        finally:
            process.kill()


def test_a_server_that_never_answers_costs_seconds_and_no_run(tmp_path: Path) -> None:
    (tmp_path / "silence").touch()
    with server(tmp_path / "silence") as environment:
        lines, seconds = run(tmp_path, {}, **environment)
    print(f"{seconds:.1f} s until the first number is logged")
    assert lines[0].startswith("W&B is offline: 127.0.0.1 cannot be reached (timed out)")
    assert json.loads(lines[1])["offline"]
    assert len(offline_files(tmp_path)) == 1
    assert seconds < SOON


def test_the_wish_beats_the_environment(tmp_path: Path) -> None:
    with server(tmp_path / "silence") as environment:
        lines, _ = run(tmp_path, {"mode": "online"}, **environment | {"WANDB_MODE": "offline"})
        assert not json.loads(lines[0])["offline"]
        lines, _ = run(tmp_path, {"mode": "offline"}, **environment)
        assert json.loads(lines[0])["offline"]


@pytest.mark.slow
def test_an_empty_wish_is_none(tmp_path: Path) -> None:
    lines, _ = run(tmp_path, WANDB_MODE="")
    assert lines[0].startswith("W&B is offline: there is no key")
    lines, _ = run(tmp_path, {"mode": "offline"}, WANDB_MODE="")
    assert json.loads(lines[0])["offline"]


@pytest.mark.slow
@pytest.mark.parametrize("told_to_stop", [False, True])
def test_a_server_that_falls_silent_during_training(whole: Path, tmp_path: Path, told_to_stop: bool) -> None:
    place = tmp_path / "runs"
    with server(tmp_path / "silence") as environment:
        limit = {} if told_to_stop else {"WANDB_FINISH_TIMEOUT": "5"}
        process = start(place, "--wandb.mode=online", **environment, **limit)
        wait_for_rows(process, place, 5)
        (tmp_path / "silence").touch()
        silent = time.monotonic()
        if told_to_stop:
            process.send_signal(signal.SIGTERM)
        code, output = finish(process)
    print(f"{time.monotonic() - silent:.1f} s from the silence to the end, exit code {code}")
    print(output)
    assert "W&B: http://127.0.0.1" in output  # it was online
    assert "Traceback" not in output
    assert code == (143 if told_to_stop else 0)
    assert time.monotonic() - silent < SOON
    assert len(list(place.glob("*/wandb/run-*/run-*.wandb"))) == 1  # wandb sync takes it
    if not told_to_stop:
        assert (the_run(place) / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()


def test_offline_by_wish_says_nothing_and_keeps_what_was_wanted(tmp_path: Path) -> None:
    wanted = {"mode": "offline", "name": "mine", "project": "other", "tags": ["a", "b"]}
    lines, _ = run(tmp_path, wanted)
    expected = {"offline": True, "name": "mine", "project": "other", "tags": ["a", "b"]}
    assert [json.loads(line) for line in lines] == [expected | {"group": "", "entity": "", "notes": None}]


def test_a_service_that_does_not_start_leaves_it_out(tmp_path: Path) -> None:
    words = [str(tmp_path / "run"), '{"mode": "offline"}', shutil.which("false") or ""]
    code, said = finish(module("tests.runs.logs_a_number", *words))
    assert code == 0, said
    warned, printed = said.splitlines()
    assert warned.startswith("W&B is left out, its service does not start: ")
    assert printed == "none"


def test_disabled_leaves_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wandb_logger(tmp_path, Wandb(mode="disabled")) is None
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_logger(tmp_path, Wandb()) is None
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_mode_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with pytest.raises(InputError, match="WANDB_MODE is 'ofline': set it to online, offline or disabled"):
        wandb_logger(tmp_path, Wandb())
    with pytest.raises(InputError, match="WANDB_MODE is 'ofline'"):
        wandb_logger(tmp_path, Wandb(mode="offline"))  # W&B itself reads the environment


def test_each_run_of_a_process_stages_its_pictures_in_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    monkeypatch.setenv("WANDB_CACHE_DIR", "mine")
    for name in ("first", "second"):
        assert wandb_logger(tmp_path / name, Wandb(mode="offline")) is not None
        assert os.environ["WANDB_DATA_DIR"] == str(tmp_path / name / "wandb" / "data")
    assert os.environ["WANDB_CACHE_DIR"] == "mine"
