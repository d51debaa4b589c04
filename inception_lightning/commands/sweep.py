"""``lightning sweep``: the runs of a W&B sweep file on this machine, with no server."""

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

from inception_lightning.commands import options
from inception_lightning.commands.command_line import TRUST, TRUST_ALL, flag_value, flag_values, nested
from inception_lightning.errors import InputError, visible
from inception_lightning.studies.sweep import run_sweep
from inception_lightning.studies.sweep_file import ARGUMENTS, Sweep, read
from inception_lightning.studies.sweep_run import folder_name, plan
from inception_lightning.trust import refuse_reach

log = logging.getLogger(__name__)

OWN = (("${interpreter}", "-m", "inception_lightning", "fit"), ("lightning", "fit"), ("inception-lightning", "fit"))
"""How the command of a sweep file begins when it is this program."""


def main(words: Sequence[str]) -> int:
    """Run ``lightning sweep``; the exit code is that of the first run that failed, or of the signal that stopped it."""
    arguments = options.sweep().parse_args(words[1:])
    devices = [device for device in arguments.devices.split(",") if device]
    sweep = read(arguments.file, arguments.runs)
    jobs = arguments.jobs if arguments.jobs is not None else max(1, len(devices))
    if jobs < 1:
        raise InputError(f"--jobs must be at least 1, got {jobs}")
    if not (arguments.all or arguments.dry_run or is_own_command(sweep.command)):
        raise InputError(f"{arguments.file} would run {shlex.join(sweep.command)}: say {TRUST_ALL} if you trust it")
    if ARGUMENTS not in sweep.command:
        raise InputError(f"{arguments.file}: without {ARGUMENTS} in the command all runs would be the same")
    place = arguments.place or Path("runs") / folder_name(sweep.name)
    if arguments.place is None and place.name != sweep.name:
        log.warning("the sweep's name %s names no folder: the runs go to %s", visible(sweep.name), place)
    if not (arguments.all or arguments.dry_run):
        refuse_reach_of(sweep, place)
    runs = plan(sweep, place, [f"{TRUST}={name}" for name in arguments.trust])
    if arguments.dry_run:
        print("\n".join(visible(shlex.join(run.command)) for run in runs))
        return 0
    return run_sweep(runs, jobs, devices)


def refuse_reach_of(sweep: Sweep, place: Path) -> None:
    """See to it that the flags in a sweep file, which are a stranger's, say no more than a page may.

    Args:
        sweep: What the file says.
        place: The folder of the sweep's runs.

    Raises:
        InputError: They would write elsewhere, or send what a run logs to somebody.
    """
    values = [(name, value) for choice in sweep.choices for name, value in choice.items()]
    texts = [f"--{name}={value}" for name, value in values if not isinstance(value, int | float)]
    for name, text in flag_values([*sweep.command, *dict.fromkeys(texts)]):
        refuse_reach(nested(name, flag_value(text)), [place])


def is_own_command(words: Sequence[str]) -> bool:
    """Whether a sweep file's command is our ``fit``, and trusts nobody itself."""
    said = tuple(word for word in words if word != "${env}")
    return any(said[: len(own)] == own for own in OWN) and not any(word.startswith(TRUST) for word in said)
