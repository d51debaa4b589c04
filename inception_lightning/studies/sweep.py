"""All runs of a sweep on this machine, several at a time, each in a process of its own.

Progress is shown as a live table in a terminal, and as a line per finished run elsewhere.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from inception_lightning.errors import InputError, visible
from inception_lightning.studies.sweep_process import Process
from inception_lightning.studies.sweep_run import Run, label

POLL_SECONDS = 0.5
STOPPING = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 30.0  # seconds that a run which another process holds is waited for: its sweep may have been killed just now


def run_sweep(runs: Sequence[Run], jobs: int, devices: Sequence[str]) -> int:
    """Run what is not done yet.

    Args:
        runs: The runs of the sweep.
        jobs: How many run at a time.
        devices: GPUs that the runs share out, as CUDA_VISIBLE_DEVICES names them; if empty, each run sees all.

    Returns:
        The exit code: 0, that of the first run that failed, or 128 and the number of the signal that stopped the sweep.

    Raises:
        InputError: This is Windows.
    """
    if sys.platform == "win32":
        raise InputError("lightning sweep needs Linux or macOS: its runs are locked and told to stop as Windows cannot")
    processes = [Process(run, "done before" if run.done else "waiting") for run in runs]
    console = Console(soft_wrap=not sys.stdout.isatty())
    console.print(f"{len(runs)} runs, {_count(processes, 'done before')} of them finished before", highlight=False)
    with _signals() as signals:
        try:
            with _display(console, processes) as show:
                _run_all(processes, jobs, devices, show, signals)
        finally:
            for process in processes:
                process.stop()
    if signals:
        console.print("stopped: the same command goes on from here", highlight=False)
        return 128 + signals[0]
    elsewhere = _count(processes, "elsewhere")
    if elsewhere:
        console.print(f"{elsewhere} runs are left to another process that has begun them", highlight=False)
    return next((process.exit_code for process in processes if process.state == "failed"), 0)


def _run_all(
    processes: Sequence[Process],
    jobs: int,
    devices: Sequence[str],
    show: Callable[[Process | None], None],
    signals: list[int],
) -> None:
    free = list(range(jobs))
    waiting = [process for process in processes if process.state == "waiting"]
    running: list[Process] = []
    patience = time.monotonic() + PATIENCE
    while (waiting or running) and not signals:
        elsewhere: list[Process] = []
        while free and waiting:
            process = waiting.pop(0)
            process.launch(free[0], _environment(free[0], jobs, devices))
            if process.state == "running":
                running.append(process)
                free.pop(0)
            elif process.state == "elsewhere" and time.monotonic() < patience:
                elsewhere.append(process)
        waiting += elsewhere
        for process in [process for process in running if process.poll()]:
            running.remove(process)
            free.append(process.slot)
            show(process)
        show(None)
        if running or waiting:
            time.sleep(POLL_SECONDS)


def _count(processes: Sequence[Process], state: str) -> int:
    return sum(process.state == state for process in processes)


def _environment(slot: int, jobs: int, devices: Sequence[str]) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = max(1, cores // jobs)
    chosen = {"CUDA_VISIBLE_DEVICES": devices[slot % len(devices)]} if devices else {}
    return {"OMP_NUM_THREADS": str(threads), **os.environ, **chosen}


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """The numbers of the signals to stop that have come.

    They raise no exception: between the start of a process and the note of it, that would leave the process behind.
    """
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in STOPPING}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _display(console: Console, processes: Sequence[Process]) -> Iterator[Callable[[Process | None], None]]:
    """A function to call with each run that has ended, and with None whenever the others may have changed."""
    if not console.is_terminal:
        count = _count(processes, "done before")

        def print_line(process: Process | None) -> None:
            nonlocal count
            if process is not None:
                count += 1
                console.print(Text(visible(f"[{count}/{len(processes)}] {process.line()}")))

        yield print_line
        return
    try:
        # on a screen of its own: a terminal that gets narrower breaks lines that are there already
        with Live(table(processes), console=console, refresh_per_second=2, screen=True) as live:
            yield lambda _: live.update(table(processes))
    finally:
        console.print(table(processes))


def table(processes: Sequence[Process]) -> Table:
    """A row per run: the knobs that vary, its state, last validation and seconds."""
    knobs = varied([process.run.choice for process in processes])
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for knob in knobs or ["run"]:
        result.add_column(Text(visible(knob.rpartition(".")[2])), overflow="ellipsis", no_wrap=True)
    result.add_column("state", no_wrap=True)
    found = dict.fromkeys(name for process in processes for name in process.scores) or {"epoch": None, "top-1 %": None}
    for heading in (*found, "seconds"):
        result.add_column(heading, justify="right", no_wrap=True)
    for process in processes:
        choice = process.run.choice
        values = [Text(visible(str(choice.get(knob, "")))) for knob in knobs] or [Text(label(choice))]
        scores = (process.scores.get(name, "") for name in found)
        seconds = f"{process.seconds:.0f}" if process.seconds else ""
        result.add_row(*values, process.state, *scores, seconds)
    return result


def varied(choices: Sequence[dict[str, Any]]) -> list[str]:
    """The parameters that are not the same in all runs of a sweep, in their order."""
    names = list(dict.fromkeys(name for choice in choices for name in choice))
    return [name for name in names if len({str(choice.get(name)) for choice in choices}) > 1]
