"""Which code a run was made with: version, commit, and what was changed since."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inception_lightning import __version__

PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class CodeState:
    """The code's version; its commit, where it lies in a git repository; and the difference from it."""

    version: str
    commit: str | None
    patch: str

    @property
    def facts(self) -> dict[str, Any]:
        """Without the patch, as plain data."""
        return {"version": self.version, "commit": self.commit, "changed": bool(self.patch)}

    def write(self, folder: Path) -> None:
        """``code.json`` and, where something was changed, ``code.patch``."""
        (folder / "code.json").write_text(f"{json.dumps(self.facts)}\n")
        if self.patch:
            (folder / "code.patch").write_text(self.patch)


def code_state(place: Path = PACKAGE) -> CodeState:
    """The state of the code in ``place``, which git may or may not know."""
    if _git(place, "ls-files", "--error-unmatch", "__init__.py") is None:
        return CodeState(__version__, None, "")  # perhaps in another project's repository, which says nothing of it
    commit, patch = _git(place, "rev-parse", "HEAD"), _git(place, "diff", "HEAD")
    return CodeState(__version__, commit.strip() if commit else None, patch or "")


def _git(place: Path, *words: str) -> str | None:
    """What git says; None where it has nothing to say or is not there."""
    command = ["git", "-C", str(place), *words]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")
