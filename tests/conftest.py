"""What all tests share: one thread per process (two test processes share the cores) and no W&B server."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import finish, start, the_run

MEMORY = Path("/dev/shm")
LONGEST = """
    test_own_work models/test_parity models/test_network weights/test_load test_channels models/test_tools test_readme
    commands/test_fit test_bad_input test_ddp runs/test_resuming runs/test_signals test_experiments commands/test_embed
    commands/test_export models/test_golden test_dead_processes training/test_classifier data/test_fingerprint
    test_compile callbacks/test_scores test_checkpoints commands/test_trust studies/test_crossval test_main
    runs/test_wandb
"""
"""Files that take longest, which are begun first, so that no test process ends long after the other."""

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_MODE"] = "offline"
os.environ["INCEPTION_LIGHTNING_CACHE"] = ""  # no test reads what another one has kept


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; each keeps its own order."""
    places = {f"tests/{file}.py": place for place, file in enumerate(LONGEST.split())}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(places)))


@pytest.fixture(autouse=True, scope="module")
def _no_traces() -> Iterator[None]:
    """What runs in this process leave behind, variables and log levels, ends with their module."""
    variables = dict(os.environ)
    loggers = [logging.getLogger(name) for name in ("inception_lightning", "lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    yield
    os.environ.clear()
    os.environ.update(variables)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on one process that nothing has disturbed."""
    place = tmp_path_factory.mktemp("whole")
    code, output = finish(start(place))
    assert code == 0, output
    return the_run(place)


@pytest.fixture
def other_file_system() -> Iterator[Path]:
    """A folder that is not on the file system of temporary files."""
    if not os.access(MEMORY, os.W_OK) or MEMORY.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("needs a second file system")
    folder = Path(tempfile.mkdtemp(prefix="inception-", dir=MEMORY))
    yield folder
    shutil.rmtree(folder)
