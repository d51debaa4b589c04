"""What the proof of an export has shown, as a table, and whether the files may be used."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from inception_lightning.deployment.proof import Agreement, Speed
from inception_lightning.errors import Stop

BEFORE = "checkpoint"
"""What the row of the network before its export is called."""

INT8 = "onnx-int8"
"""What the row of the file in 8 bits is called."""


@dataclass(frozen=True)
class Verdict:
    """What the proof has shown.

    Attributes:
        agreements: Format -> how its file agreed with the checkpoint.
        speeds: The same, and the checkpoint -> its images per second.
        megabytes: Format -> size of its file.
        threads: With how many threads all of them ran.
        size: Height and width of the image that was timed.
        score: What the share of images is called that are right.
    """

    agreements: dict[str, Agreement]
    speeds: dict[str, Speed]
    megabytes: dict[str, float]
    threads: int
    size: tuple[int, int]
    score: str = "top-1"

    @property
    def titles(self) -> tuple[str, ...]:
        """What the columns are called."""
        speed = ("images/s, batch 1", "batch 32")
        return ("format", f"{self.score} %", "changed", "largest difference", "MB", *speed)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The checkpoint and each file."""
        first = next(iter(self.agreements.values()))
        yield (BEFORE, _share(first.right_before, first.images), "", "", "", *self._rates(BEFORE))
        for name, one in self.agreements.items():
            top1, megabytes = _share(one.right_after, one.images), f"{self.megabytes[name]:.1f}"
            yield (name, top1, f"{one.changed:,}", f"{one.difference:.1e}", megabytes, *self._rates(name))

    def _rates(self, name: str) -> Iterator[str]:
        yield from (f"{rate:.1f}" for rate in self.speeds[name].rates.values())

    def caption(self) -> str:
        """What was measured."""
        images = next(iter(self.agreements.values())).images
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return (
            f"{images:,} validation images, each file in its own runtime; speed with {threads} on the CPU, "
            f"from pixels of {self.size[0]} x {self.size[1]} to probabilities."
        )

    def text(self) -> str:
        """A table for the terminal."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for index, title in enumerate(self.titles):
            table.add_column(title, justify="right" if index else "left")
        for row in self.rows():
            table.add_row(*row)
        console = Console(width=100, color_system=None)
        with console.capture() as capture:
            console.print(table)
        return "\n".join([*(line.rstrip() for line in capture.get().splitlines()), self.caption()])

    def markdown(self) -> str:
        """The same for the card."""
        lines = [self.titles, ["---", *["---:"] * (len(self.titles) - 1)], *self.rows()]
        return "\n".join([*(f"| {' | '.join(row)} |" for row in lines), "", self.caption()])

    def judge(self, tolerance: float, int8_loss: float) -> None:
        """Refuse files that differ by more than they may.

        Raises:
            Stop: One does, with exit code 1.
        """
        for name, one in self.agreements.items():
            lost = 100 * (one.right_before - one.right_after) / one.images
            if name == INT8 and lost > int8_loss:
                raise Stop(f"{name} loses {lost:.2f} points of {self.score}, more than --int8_loss {int8_loss:g}", 1)
            if name != INT8 and not one.difference <= tolerance:
                raise Stop(
                    f"{name} differs from the checkpoint by up to {one.difference:.2g} in a probability, "
                    f"more than --tolerance {tolerance:g}: do not use the file",
                    1,
                )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}"
