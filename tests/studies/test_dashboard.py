"""What a run logs to W&B, read back from its offline file, and whether the dashboard shows it."""

import csv
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from inception_lightning.__main__ import main
from inception_lightning.studies.dashboard import SCALES, SECTIONS, WIDTH, spec, workspace
from inception_lightning.studies.results import knobs
from tests.processes import SMALL, finish, module

Record = list[dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an auxiliary head, learned scales and telemetry, without a server."""
    place = tmp_path_factory.mktemp("runs")
    telemetry = '[{"class_path": "ResidualTelemetry", "init_args": {"every_n_steps": 5}}]'
    knobs = ["--wandb.mode=offline", "--model.net.learned_scales=true", f"--trainer.callbacks={telemetry}"]
    assert main(["fit", *SMALL, *knobs, f"--trainer.default_root_dir={place}"]) == 0
    (folder,) = place.iterdir()
    return folder


@pytest.fixture(scope="module")
def record(run: Path) -> Record:
    """What W&B's own reader finds in the run's file."""
    (offline,) = run.glob("wandb/offline-run-*")
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", "--json", str(offline)]
    read = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in read.stdout.splitlines()]


def history(record: Record) -> Record:
    return [each["history"]["item"] for each in record if each["type"] == "history"]


def media(record: Record) -> dict[str, dict[str, Any]]:
    """Pictures and tables by name; the reader writes ``name._type`` and so on."""
    found: dict[str, dict[str, Any]] = {}
    for item in history(record):
        for name in [key.removesuffix("._type") for key in item if key.endswith("._type")]:
            found[name] = {key.removeprefix(f"{name}."): value for key, value in item.items()}
    return found


def logged(record: Record) -> set[str]:
    shown = media(record)
    names = {name for item in history(record) for name in item if not name.startswith("_")}
    return shown.keys() | {name for name in names if not any(name.startswith(f"{key}.") for key in shown)}


def test_every_metric_is_in_the_file(run: Path, record: Record) -> None:
    items = history(record)
    with (run / "metrics.csv").open(newline="") as file:
        rows = [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]
    assert len(rows) > 24
    for row in rows:
        wanted: dict[str, Any] = {name: pytest.approx(float(value)) for name, value in row.items() if name != "step"}
        wanted["trainer/global_step"] = int(row["step"])
        wanted["epoch"] = int(row["epoch"]) - 1  # Lightning's, from 0
        assert any(wanted == {name: item[name] for name in wanted if name in item} for item in items), row
    assert {"train/loss_inception_b", "scale/inception_a.0", "before_pool/dead"} <= logged(record)


def test_every_knob_and_the_code_are_in_the_file(run: Path, record: Record) -> None:
    config: dict[str, Any] = {}
    for each in record:
        config |= each.get("config", {}).get("update", {})
    page = yaml.safe_load((run / "config.yaml").read_text())
    assert {name: config[name] for name in page} == page
    assert config["code"] == json.loads((run / "code.json").read_text())
    assert config["code"]["version"]
    assert {SCALES, WIDTH} <= knobs(run).keys()


def test_every_picture_and_table_lies_in_the_run(run: Path, record: Record) -> None:
    (files,) = run.glob("wandb/offline-run-*/files")
    shown = media(record)
    assert {"pictures/curves", "pictures/predictions", "pictures/confusion"} <= shown.keys()
    for name in ("curves", "predictions", "confusion"):
        (picture,) = shown[f"pictures/{name}"]["filenames"]
        assert (files / picture).read_bytes() == (run / f"{name}.png").read_bytes()
    table = json.loads((files / shown["predictions"]["path"]).read_text())
    assert table["columns"] == ["image", "true", "predicted", "probability"]
    assert len(table["data"]) == 32
    counts = json.loads((files / shown["confusion_table"]["path"]).read_text())
    with (run / "confusion.csv").open(newline="") as file:
        header, *matrix = csv.reader(file)
    frequent = {(row[0], name): int(count) for row in matrix for name, count in zip(header[1:], row[1:], strict=True)}
    assert {(true, says): count for true, says, count in counts["data"]} == {
        pair: count for pair, count in frequent.items() if count
    }
    assert sum(frequent.values()) == 3 * 16  # three validation batches


def test_the_best_and_the_last_checkpoint_are_artifacts_and_nothing_lies_elsewhere(run: Path, record: Record) -> None:
    artifacts = [each["artifact"] for each in record if each["type"] == "artifact"]
    entries = [(each, entry) for each in artifacts for entry in each["manifest"]["contents"]]
    models = {alias: entry["path"] for each, entry in entries if each["type"] == "model" for alias in each["aliases"]}
    assert {alias: models[alias] for alias in ("best", "last")} == {"best": "best.ckpt", "last": "last.ckpt"}
    assert sum(each["type"] == "model" for each in artifacts) == 2
    for _, entry in entries:
        staged = Path(entry["local_path"])
        assert staged.is_relative_to(run)
        assert staged.stat().st_size == int(entry["size"])


def test_panels_show_only_what_a_run_logs_and_all_of_it(record: Record) -> None:
    panels = [panel for section in SECTIONS for panel in section.panels]
    names = logged(record)
    seen: set[str] = set()
    for panel in panels:
        for pattern in panel.shows:
            found = {
                name for name in names if re.fullmatch(pattern if panel.kind == "every" else re.escape(pattern), name)
            }
            assert found, f"{panel.title}: {pattern}"
            seen |= found
    assert names - seen == {"epoch", "trainer/global_step", "confusion"} & names


def test_the_workspace_has_the_panels_of_the_table() -> None:
    bank = workspace("project", "someone")._to_model().model_dump(by_alias=True, exclude_none=True)
    sections = bank["spec"]["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in sections] == [section.name for section in SECTIONS]
    for built, section in zip(sections, SECTIONS, strict=True):
        for panel, wanted in zip(built["panels"], section.panels, strict=True):
            config = json.dumps(panel)
            assert all(name in config for name in wanted.shows)
            assert wanted.kind in ("table", "confusion") or panel["config"]["chartTitle"] == wanted.title


def test_without_a_key_the_dashboard_is_a_file_beside_the_run(
    run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["dashboard", str(run)]) == 0
    assert json.loads((run / "dashboard.json").read_text()) == json.loads(json.dumps(spec("inception_lightning")))
    assert f"panels are in {run / 'dashboard.json'}" in capsys.readouterr().out
    assert main(["dashboard", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path} is no run's folder: it has no config.yaml\n"


class Server(BaseHTTPRequestHandler):
    """As much of W&B's server as pushing asks for: it knows the key, the project, and takes views."""

    views: list[dict[str, Any]]

    def do_POST(self) -> None:
        asked = (
            json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}") if "graphql" in self.path else {}
        )
        query, page = asked.get("query", ""), {"endCursor": "", "hasNextPage": False}
        project = {"id": "1", "internalId": "UHJvamVjdDo=", "name": "mine", "entityName": "me", "createdAt": ""}
        view = {"id": "1", "name": "v", "displayName": "d", "type": "t", "description": "", "spec": "{}"}
        if "upsertView" in query:
            self.views.append(asked["variables"])
            answer: Any = {"upsertView": {"view": view | {"user": {"username": "me"}}, "inserted": True}}
        elif "models" in query:
            answer = {"models": {"edges": [{"node": project | {"isBenchmark": False, "user": None}}], "pageInfo": page}}
        elif "project(" in query:
            answer = {"project": project}
        else:
            viewer = {"id": "1", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": {"edges": []}}
            answer = {"viewer": viewer}
        body = json.dumps({"data": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Server.views = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_with_a_key_the_workspace_and_the_report_are_pushed(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    key = {"WANDB_API_KEY": "k" * 40, "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}"}
    words = ["dashboard", "--project=mine"]
    code, said = finish(module("inception_lightning", *words, HOME=str(tmp_path), **key))
    assert code == 0, said
    assert re.fullmatch(r"workspace  http\S+\nreport     http\S+\n", said)
    pushed = [view for view in Server.views if view.get("spec")]
    assert len(pushed) == 2
    for view in pushed:
        assert all(panel.title in view["spec"] for panel in SECTIONS[0].panels)
        assert (view["entityName"], view["projectName"]) == ("me", "mine")
