"""The runs of a sweep on this machine, several at a time, each in a process of its own.

They are shown in a live table or, where there is no terminal, in lines.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from inception_lightning.studies.sweep_file import Run, label
from inception_lightning.studies.sweep_run import Progress

POLL_SECONDS = 0.5
STOPPING = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 30.0  # for a run whose sweep was killed, and which is still stopping


def conduct(runs: Sequence[Run], jobs: int, devices: Sequence[str]) -> int:
    """Run what is not finished, ``jobs`` at a time; the exit code.

    Args:
        runs: The runs.
        jobs: How many at a time.
        devices: What each running one gets as CUDA_VISIBLE_DEVICES, in turn; empty leaves it alone.
    """
    states = [Progress(run, "kept" if run.done else "waiting") for run in runs]
    kept = sum(state.state == "kept" for state in states)
    console = Console(soft_wrap=not sys.stdout.isatty())
    console.print(f"{len(runs)} runs, {kept} of them finished before", highlight=False)
    with _signals() as signals:
        try:
            with _display(console, states) as show:
                _run_all(states, jobs, devices, show, signals)
        finally:
            for state in states:
                state.stop()
    if signals:
        console.print("stopped: the same command goes on from here", highlight=False)
        return 128 + signals[0]
    busy = sum(state.state == "busy" for state in states)
    if busy:
        console.print(f"{busy} runs are left to another process that has begun them", highlight=False)
    return next((state.exit_code for state in states if state.state == "failed"), 0)


def _run_all(
    states: list[Progress],
    jobs: int,
    devices: Sequence[str],
    show: Callable[[Progress | None], None],
    signals: list[int],
) -> None:
    free = list(range(jobs))
    waiting = [state for state in states if state.state == "waiting"]
    running: list[Progress] = []
    patience = time.monotonic() + PATIENCE
    while (waiting or running) and not signals:
        busy: list[Progress] = []
        while free and waiting:
            state = waiting.pop(0)
            state.launch(free[0], _environment(free[0], jobs, devices))
            if state.state == "running":
                running.append(state)
                free.pop(0)
            elif state.state == "busy" and time.monotonic() < patience:
                busy.append(state)
        waiting += busy
        for state in [state for state in running if state.poll()]:
            running.remove(state)
            free.append(state.slot)
            show(state)
        show(None)
        if running or waiting:
            time.sleep(POLL_SECONDS)


def _environment(slot: int, jobs: int, devices: Sequence[str]) -> dict[str, str]:
    threads = max(1, len(os.sched_getaffinity(0)) // jobs)
    chosen = {"CUDA_VISIBLE_DEVICES": devices[slot % len(devices)]} if devices else {}
    return {"OMP_NUM_THREADS": str(threads), **os.environ, **chosen}


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """The SIGINT and SIGTERM that came; no exception, which might leave a run behind that has just been started."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in STOPPING}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _display(console: Console, states: list[Progress]) -> Iterator[Callable[[Progress | None], None]]:
    """What shows a run that has ended, or all when given None: a live table in a terminal, else lines."""
    if not console.is_terminal:
        count = sum(state.state == "kept" for state in states)

        def say(state: Progress | None) -> None:
            nonlocal count
            if state is not None:
                count += 1
                console.print(f"[{count}/{len(states)}] {state.line()}", highlight=False, markup=False)

        yield say
        return
    with Live(table(states), console=console, refresh_per_second=2) as live:
        yield lambda _: live.update(table(states))


def table(states: Sequence[Progress]) -> Table:
    """The runs as a table."""
    result = Table("run", "state")
    for heading in ("epoch", "top-1", "seconds"):
        result.add_column(heading, justify="right")
    for state in states:
        scores = (state.shown.get(name, "") for name in ("epoch", "val/top1"))
        result.add_row(label(state.run.choice), state.state, *scores, f"{state.seconds:.0f}" if state.seconds else "")
    return result
