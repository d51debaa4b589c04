"""How the house is built: the order of its rooms, where private names stand, and the tree in CONTRIBUTING."""

import ast
import re
from pathlib import Path

HOUSE = Path("inception_lightning")
ROOMS = (
    *("errors", "names", "pages", "trust", "configurable", "models", "weights", "loading", "data", "runs", "training"),
    *("evaluation", "deployment", "callbacks", "studies", "commands", "__main__"),
)
"""From top to bottom: a room imports only from rooms above it, and from itself."""

PRIVATE = re.compile(
    r"^(?!.*\b(?:self|cls)\._).*[\w)]\._(?!_)[a-z]\w*|\bimport _[a-z]|\bself\._average_model", re.MULTILINE
)
PRIVATE_NAMES = {
    "callbacks/averaging.py",  # Lightning's averages, whose subclass it is; torch's _foreach functions
    "callbacks/lightning_state.py",  # Lightning's loops and strategies
    "deployment/torch_packages.py",  # torch's AOTInductor, whose documented entry points lie in torch._inductor
    "loading/shared_memory.py",  # torch's shared storage
    "training/logged.py",  # Lightning's collection of what is logged
    "training/compiled.py",  # torch's trees of tensors
    "trust.py",  # jsonargparse's settings, which it cannot take back
    "training/optim.py",  # torch's _foreach functions, which its own optimizers are made of
}
"""The files in which private names of other packages stand, one for each concern, with their reasons."""
OURS = re.compile(r"\bos\._exit\b|\b_asdict\b|#.*")
"""What only looks private: public names of Python, and comments."""


def imported(file: Path) -> set[str]:
    """The rooms that a file imports from."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    names = [
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("inception_lightning.")} & set(ROOMS)


def files() -> list[Path]:
    return sorted(HOUSE.rglob("*.py"))


def test_imports_run_downward_only() -> None:
    for file in files():
        room = file.relative_to(HOUSE).parts[0].removesuffix(".py")
        if room != "__init__":
            upward = {other for other in imported(file) if ROOMS.index(other) > ROOMS.index(room)}
            assert not upward, f"{file} imports from {upward}, which is below it"


def test_every_file_is_in_a_room_two_floors_deep_at_most() -> None:
    for file in files():
        room, *rest = file.relative_to(HOUSE).parts
        assert room.removesuffix(".py") in (*ROOMS, "__init__")
        assert len(rest) <= 1
        assert file.stem not in ("utils", "helpers", "common")


def test_private_names_of_others_stand_in_few_files() -> None:
    found = {str(file.relative_to(HOUSE)) for file in files() if PRIVATE.search(OURS.sub("", file.read_text()))}
    assert found == PRIVATE_NAMES


def tree() -> str:
    """One line for each file: its name and the first line of its docstring."""
    lines = []
    for room in ROOMS:
        folder = HOUSE / room
        for file in sorted(folder.glob("*.py")) if folder.is_dir() else [HOUSE / f"{room}.py"]:
            if file.is_file() and (file.stem != "__init__" or folder.is_dir()):
                said = (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n")[0]
                name = f"{room}/" if file.stem == "__init__" else f"  {file.stem}" if folder.is_dir() else file.stem
                lines.append(f"{name:<22}{said}")
    return "\n".join(lines)


def test_contributing_has_the_tree() -> None:
    assert f"```\n{tree()}\n```" in Path("CONTRIBUTING.md").read_text(), f"the tree is now\n{tree()}"
