import json
from pathlib import Path
from typing import Any

import pytest

from inception_lightning.__main__ import main
from inception_lightning.errors import InputError
from inception_lightning.studies.sweep_file import read
from tests.studies.sweeps import write


def test_a_random_sweep_draws_the_same_runs_again(tmp_path: Path) -> None:
    parameters = {
        "a": {"min": 1, "max": 9},
        "b": {"min": 0.0, "max": 1.0},
        "c": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1},
        "d": {"values": ["x", "y"], "probabilities": [1, 0]},
    }
    file = write(tmp_path, parameters, method="random", run_cap=5)
    choices = read(file).choices
    assert choices == read(file).choices
    assert len(choices) == 5
    assert all(choice["d"] == "x" and 1 <= choice["a"] <= 9 and 0.001 <= choice["c"] <= 0.1 for choice in choices)


def test_probabilities_are_heeded(tmp_path: Path) -> None:
    weighted = {"values": ["x", "y"], "probabilities": [0.9, 0.1], "distribution": "categorical_w_probabilities"}
    choices = read(write(tmp_path, {"a": weighted}, method="random", run_cap=1000)).choices
    assert 860 < [choice["a"] for choice in choices].count("x") < 940


def test_nested_parameters_have_dotted_names(tmp_path: Path) -> None:
    nested: dict[str, object] = {
        "net": {"parameters": {"width": {"values": [1, 2]}, "b": {"parameters": {"c": {"value": 3}}}}}
    }
    assert read(write(tmp_path, nested)).choices == ({"net.width": 1, "net.b.c": 3}, {"net.width": 2, "net.b.c": 3})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("parameters: {a: {value: 1}}\nmethod: bayes", "grid and random need no server"),
        ("parameters: {a: {value: 1}}\nmethod: random", "without an end"),
        ("parameters: {a: {min: 1, max: 2}}\nmethod: grid", "needs value or values"),
        ("parameters: {a: {distribution: cauchy}}\nmethod: random\nrun_cap: 1", "is none of"),
        ("method: grid", "has no parameters"),
        ("a: [", "cannot read the page"),
    ],
)
def test_what_needs_a_server_or_makes_no_sense_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "sweep.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "sweep.yaml")
    assert main(["sweep", str(tmp_path / "sweep.yaml")]) == 2


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (3, "parameters.a is none of value, values"),
        ({"min": 1}, "parameters.a is none of value, values"),
        ({"min": "1", "max": 2}, "parameters.a.min must be a finite number, got '1'"),
        ({"min": True, "max": 2}, "parameters.a.min must be a whole number"),
        ({"min": 0.0, "max": float("nan")}, "parameters.a.max must be a finite number, got nan"),
        ({"min": float("-inf"), "max": 0.0}, "parameters.a.min must be a finite number"),
        ({"min": 2, "max": 1}, "parameters.a: min 2 is above max 1"),
        ({"min": 1, "max": 2, "q": 1}, "parameters.a: int_uniform takes min and max, and no q"),
        ({"min": 0.5, "max": 2, "distribution": "int_uniform"}, "parameters.a.min must be a whole number"),
        ({"max": 2, "distribution": "uniform"}, "parameters.a.min is missing, which uniform needs"),
        ({"min": 0, "max": 1, "distribution": "log_uniform_values"}, "parameters.a.min must be above 0"),
        ({"min": 1, "max": 2, "q": 0, "distribution": "q_uniform"}, "parameters.a.q must be above 0"),
        ({"min": 900, "max": 1000, "distribution": "log_uniform"}, "draws numbers that are too large"),
        ({"sigma": -1, "distribution": "normal"}, "parameters.a.sigma must be at least 0"),
        ({"a": "x", "distribution": "beta"}, "parameters.a.a must be a finite number"),
        ({"distribution": ["uniform"]}, "parameters.a.distribution must be a name"),
        ({"value": 1, "distribution": "uniform"}, "parameters.a: uniform takes min and max, and no value"),
        ({"value": 1, "min": 0}, "parameters.a: constant takes value, and no min"),
        ({"values": 3}, "parameters.a.values must be a list"),
        ({"values": []}, "parameters.a.values must be a list of at least one value"),
        ({"values": [1, 2], "probabilities": [1]}, "parameters.a.probabilities must be a list of 2 numbers"),
        ({"values": [1, 2], "probabilities": ["1", 0]}, "parameters.a.probabilities must be numbers from 0 to 1"),
        ({"values": [1, 2], "probabilities": [0.9, 0.9]}, "parameters.a.probabilities must sum to 1"),
        ({"value": "a\0b"}, "parameters.a: no command takes a null character"),
        ({"value": "\ud800"}, "parameters.a: .* is no text"),
        ({"value": "x" * 200_000}, "parameters.a: a value of 200,000 letters is too long"),
        ({"parameters": {}}, "parameters.a is none of"),
        ({"parameters": {"--b": {"value": 1}}}, "parameters.a.--b: a name has letters"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name(tmp_path: Path, said: Any, message: str) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(json.dumps({"method": "random", "run_cap": 3, "parameters": {"a": said}}).replace("NaN", ".nan"))
    file.write_text(file.read_text().replace("-Infinity", "-.inf"))
    with pytest.raises(InputError, match=message) as refused:
        read(file)
    assert str(refused.value).startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"early_terminate": {"type": "hyperband"}}, "early_terminate is only done by W&B's server"),
        ({"metric": {"name": "val/top1", "target": 1}}, "metric.target is only done by W&B's server"),
        ({"methods": "grid"}, "methods is no key of a sweep file"),
        ({"run_cap": "3"}, "run_cap must be a whole number of at least 1, got '3'"),
        ({"run_cap": 0}, "run_cap must be a whole number"),
        ({"run_cap": True}, "run_cap must be a whole number"),
        ({"name": ["a"]}, "name must be text"),
        ({"command": "python train.py"}, "command must be a list of words"),
        ({"command": ["fit", {"a": 1}]}, "command must be a list of words"),
        ({"command": ["fit", "${args_json}"]}, r"command: \$\{args_json\} is not done here"),
        ({"command": ["fit", "--a=${envvar:HOME}"]}, r"\$\{envvar:HOME\} is not done here"),
        ({"command": ["${program}"]}, "program must be a file's name"),
        ({"parameters": {"a.b": {"value": 1}, "a": {"parameters": {"b": {"value": 1}}}}}, "a.b stands there twice"),
        ({"parameters": {"a": {"values": [1, 2], "probabilities": [1, 0]}}}, "a grid has none"),
        ({"parameters": {f"a{place}": {"values": list(range(20))} for place in range(50)}}, "are more than 10,000"),
        ({"method": "random", "run_cap": 10**12}, "1,000,000,000,000 runs are more than 10,000"),
    ],
)
def test_a_file_that_asks_for_what_is_not_done_here_is_refused(
    tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, **({"parameters": {"a": {"value": 1}}} | more)))


def test_what_has_no_effect_without_a_server_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    metric = {"name": "val/top1", "goal": "maximize"}
    file = write(tmp_path, {"a": {"value": 1}}, project="p", entity="e", metric=metric, description="d")
    assert len(read(file).choices) == 1
    assert caplog.messages == [f"{file}: without W&B's server entity and project has no effect"]


def test_a_grid_of_any_size_is_run_up_to_its_cap(tmp_path: Path) -> None:
    parameters: dict[str, object] = {f"a{place}": {"values": list(range(20))} for place in range(50)}
    assert len(read(write(tmp_path, parameters, run_cap=7)).choices) == 7
    assert len(read(write(tmp_path, parameters), cap=9).choices) == 9


def test_a_program_is_run_as_wandb_does(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("{method: grid, program: train.py, parameters: {a: {value: 1}}}")
    assert read(file).command == ("${env}", "${interpreter}", "train.py", "${args}")
    assert main(["sweep", str(file)]) == 2  # only fit runs unless --trust-config says so
