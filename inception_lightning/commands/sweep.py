"""``lightning sweep``: the runs of a W&B sweep file on this machine, with no server."""

import argparse
import shlex
import sys
from pathlib import Path

from inception_lightning.commands.trust import FLAG, is_own_command
from inception_lightning.errors import InputError
from inception_lightning.studies.sweep import run_sweep
from inception_lightning.studies.sweep_file import read
from inception_lightning.studies.sweep_run import plan


def main(argv: list[str]) -> int:
    """Run ``lightning sweep``.

    Args:
        argv: What follows the word ``sweep``.

    Returns:
        The exit code: 0, 2 for a wrong file, 130 and 143 when stopped, or that of the first run that failed.
    """
    parser = argparse.ArgumentParser("lightning sweep", description="Run a W&B sweep file on this machine.")
    parser.add_argument("file", type=Path, help="a W&B sweep file with method grid or random")
    parser.add_argument("--jobs", type=int, help="runs at a time (default: 1, or one per device)")
    parser.add_argument("--devices", default="", help="GPUs to share out, one per run: 0,1,2,3")
    parser.add_argument("--runs", type=int, help="at most so many runs; random sweeps need it, or run_cap in the file")
    parser.add_argument("--place", type=Path, help="where the runs go (default: runs/NAME)")
    parser.add_argument("--dry_run", action="store_true", help="print the commands, run none")
    parser.add_argument(FLAG, action="store_true", dest="trusted", help="run the file's own command, whatever it is")
    arguments = parser.parse_args(argv)
    devices = [device for device in arguments.devices.split(",") if device]
    try:
        sweep = read(arguments.file, arguments.runs)
        runs = plan(sweep, arguments.place or Path("runs") / sweep.name)
        jobs = arguments.jobs if arguments.jobs is not None else max(1, len(devices))
        if jobs < 1:
            raise InputError(f"--jobs must be at least 1, got {jobs}")
        if not (arguments.trusted or arguments.dry_run or is_own_command(sweep.command)):
            raise InputError(f"{arguments.file} would run {shlex.join(sweep.command)}: say {FLAG} if you trust it")
    except InputError as error:
        print(f"lightning sweep: {error}", file=sys.stderr)
        return 2
    if arguments.dry_run:
        print("\n".join(shlex.join(run.command) for run in runs))
        return 0
    return run_sweep(runs, jobs, devices)
