"""What the host learns late so that nobody waits: numbers on their way from the device, and what processes agree on."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, distributed


class Arrival:
    """A few numbers on their way from the device to the host: nobody waits for them until they are there.

    A CPU's are there at once. A GPU's come by way of pinned memory behind everything that the device has still to
    do before; other devices are waited for, since torch has no such way for them.

    Attributes:
        at_once: Whether they were there from the start.
    """

    def __init__(self, values: Tensor) -> None:
        """Send for ``values`` (N,), of any floating type."""
        values = values.detach().float()
        self.at_once = values.device.type != "cuda"
        if self.at_once:
            self._host = values.cpu()
            return
        self._host = torch.empty(values.shape, pin_memory=True)
        self._host.copy_(values, non_blocking=True)
        self._event = torch.cuda.Event()
        self._event.record(torch.cuda.current_stream(values.device))

    def is_here(self) -> bool:
        """Whether reading them waits for nothing."""
        return self.at_once or self._event.query()

    def read(self) -> list[float]:
        """The numbers; waits until they are there."""
        if not self.at_once:
            self._event.synchronize()
        numbers: list[float] = self._host.numpy().tolist()  # NumPy reads memory, and asks torch for nothing
        return numbers


class Agreement:
    """What processes tell each other between steps: said at one step, known to all at the next.

    It goes from host to host, by gloo and in a group of its own, so that no GPU takes part and nothing in it waits for
    one. All processes ask alike and equally often; what came of an error on one of them is an error on all.
    """

    def __init__(self, world_size: int) -> None:
        """Meet the others; all processes do it at the same time.

        Args:
            world_size: How many processes there are. A single one agrees with itself, at once.
        """
        self.group: Any = distributed.new_group(backend="gloo") if world_size > 1 else None
        self._size = world_size
        self._under_way: tuple[distributed.Work, Tensor] | None = None

    def say(self, *values: int) -> None:
        """Tell the others, who need not listen yet; after `hear`."""
        if self.group is not None:
            self._under_way = self._sent(values)

    def hear(self, *own: int) -> Sequence[int]:
        """The highest of each value that was said last, zeros where nothing was; a single process hears ``own``."""
        if self.group is None:
            return own
        if self._under_way is None:
            return [0] * len(own)
        under_way, self._under_way = self._under_way, None
        return _highest(*under_way)

    def close(self) -> None:
        """Wait for what is still under way, and forget it."""
        if self._under_way is not None:
            _highest(*self._under_way)
            self._under_way = None

    def now(self, *values: int) -> Sequence[int]:
        """The highest of each value over all processes, which wait for each other here."""
        if self.group is None:
            return values
        return _highest(*self._sent(values))

    def gather(self, own: Any) -> list[Any]:
        """What each process says, in their order; they wait for each other."""
        if self.group is None:
            return [own]
        everyone: list[Any] = [None] * self._size
        distributed.all_gather_object(everyone, own, self.group)
        return everyone

    def _sent(self, values: Sequence[int]) -> tuple[distributed.Work, Tensor]:
        numbers = torch.tensor(values)  # (V,), on the CPU
        work = distributed.all_reduce(numbers, distributed.ReduceOp.MAX, self.group, async_op=True)
        assert work is not None
        return work, numbers


def _highest(work: distributed.Work, numbers: Tensor) -> list[int]:
    work.wait()
    highest: list[int] = numbers.numpy().tolist()
    return highest
