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

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_MODE"] = "offline"
os.environ["INCEPTION_LIGHTNING_CACHE"] = ""  # no test reads what another one has kept


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
