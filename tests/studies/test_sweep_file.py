from pathlib import Path

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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("parameters: {a: {value: 1}}\nmethod: bayes", "grid and random need no server"),
        ("parameters: {a: {value: 1}}\nmethod: random", "without an end"),
        ("parameters: {a: {min: 1, max: 2}}\nmethod: grid", "needs value or values"),
        ("parameters: {a: {distribution: beta}}\nmethod: random\nrun_cap: 1", "is none of"),
        ("method: grid", "has no parameters"),
        ("a: [", "cannot read the page"),
    ],
)
def test_what_needs_a_server_or_makes_no_sense_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "sweep.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "sweep.yaml")
    assert main(["sweep", str(tmp_path / "sweep.yaml")]) == 2
