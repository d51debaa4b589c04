"""Which packages the project needs that a machine for GPU work lacks; ``gpu.sh pack`` fetches them.

They are found among what is installed here, from requirement to requirement, with the versions of ``constraints.txt``.
"""

import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
THERE = ("torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "pytest")
"""What such a machine has, and with it all that these need. Its lightning may be an older one."""
ENVIRONMENT = {"python_version": "3.12", "python_full_version": "3.12.3", "sys_platform": "linux", "extra": ""}


def closure(names: tuple[str, ...]) -> set[str]:
    """These packages, and all that they need."""
    found: set[tuple[str, str]] = set()
    open_ends = [Requirement(name) for name in names]
    while open_ends:
        wanted = open_ends.pop()
        for extra in {"", *wanted.extras}:
            key = (canonicalize_name(wanted.name), extra)
            if key in found:
                continue
            found.add(key)
            try:
                needs = requires(wanted.name) or []
            except PackageNotFoundError:  # for another system or Python
                needs = []
            for need in map(Requirement, needs):
                if need.marker is None or need.marker.evaluate(ENVIRONMENT | {"extra": extra}):
                    open_ends.append(need)
    return {name for name, _ in found}


def main() -> None:
    """Print one pin a line."""
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    missing = closure(tuple(ours)) - closure(THERE)
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if canonicalize_name(line.partition("==")[0].strip()) in missing:
            print(line.partition(" ")[0])


if __name__ == "__main__":
    main()
