"""Random numbers for one view, hundreds of thousands of times."""

import numpy as np

STEPS = 2**24


class Draws:
    """The numbers that torch's generator draws on the CPU from the same seed, for a small part of the time.

    Between two decoded images the processor has forgotten how torch draws; each call of it costs 10 us.
    """

    def __init__(self) -> None:
        self.bits = np.random.MT19937()
        self.state = np.random.RandomState(self.bits)  # which can be seeded as torch is

    def seed(self, seed: int) -> None:
        """Begin anew; as in torch, the lower 32 bits of the seed count."""
        self.state.seed(seed & 0xFFFFFFFF)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number from ``low`` to below ``high``."""
        return low + (high - low) * (self.word() % STEPS) / STEPS

    def below(self, limit: int) -> int:
        """A whole number from 0 to below ``limit``."""
        return self.word() % limit

    def word(self) -> int:
        """32 bits."""
        return int(self.bits.random_raw())
