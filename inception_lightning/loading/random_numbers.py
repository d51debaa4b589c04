"""Random numbers for one view, hundreds of thousands of times: their seed, and the numbers themselves."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

STEPS = 2**24
WORD = 0xFFFFFFFF


class RandomNumbers:
    """The numbers that torch's generator draws on the CPU from the same seed, for a small part of the time.

    Between two decoded images the processor has forgotten how torch draws; each call of it costs 10 us.
    """

    def __init__(self) -> None:
        self.bits = np.random.MT19937()
        self.state = np.random.RandomState(self.bits)  # which can be seeded as torch is

    def seed(self, seed: int) -> None:
        """Begin anew; as in torch, the lower 32 bits of the seed count."""
        self.state.seed(seed & WORD)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number from ``low`` to below ``high``."""
        return low + (high - low) * (self.word() % STEPS) / STEPS

    def below(self, limit: int) -> int:
        """A whole number from 0 to below ``limit``."""
        return self.word() % limit

    def word(self) -> int:
        """A whole number of 32 bits."""
        return int(self.bits.random_raw())

    def words(self, seeds: NDArray[np.uint64], count: int) -> NDArray[np.uint32]:
        """The first words after each seed (seeds, count)."""
        drawn = np.empty((len(seeds), count), np.uint32)
        seed, draw = self.state.seed, self.bits.random_raw
        for row, value in zip(drawn, (seeds & np.uint64(WORD)).tolist(), strict=True):
            seed(value)
            row[:] = draw(count)
        return drawn


def mixed_seed(*numbers: int) -> int:
    """One well-mixed 64-bit seed from up to four numbers of 32 bits, the same on every machine.

    It is that of ``numpy.random.SeedSequence(numbers)``, which takes as long as a twentieth of an image.
    """
    factor, pool = 0x43B0D7E5, []
    for number in (*numbers, 0, 0, 0, 0)[:4]:
        factor, word = _hashed(number, factor, 0x931E8875)
        pool.append(word)
    for source in range(4):
        for target in range(4):
            if source != target:
                factor, word = _hashed(pool[source], factor, 0x931E8875)
                mixed = (0xCA01F9DD * pool[target] - 0x4973F715 * word) & WORD
                pool[target] = mixed ^ mixed >> 16
    factor, low = _hashed(pool[0], 0x8B51F9DD, 0x58F38DED)
    _, high = _hashed(pool[1], factor, 0x58F38DED)
    return low | high << 32


def mixed_seeds(*numbers: ArrayLike) -> NDArray[np.uint64]:
    """`mixed_seed` of many: each number is one for all, or one for each seed (N,)."""
    four = (number & WORD if isinstance(number, int) else number for number in (*numbers, 0, 0, 0, 0)[:4])
    words = np.broadcast_arrays(*(np.asarray(number, np.uint32) for number in four))
    factor, pool = 0x43B0D7E5, []
    for number in words:
        factor, word = _all_hashed(number, factor, 0x931E8875)
        pool.append(word)
    for source in range(4):
        for target in range(4):
            if source != target:
                factor, word = _all_hashed(pool[source], factor, 0x931E8875)
                mixed = np.uint32(0xCA01F9DD) * pool[target] - np.uint32(0x4973F715) * word
                pool[target] = mixed ^ mixed >> np.uint32(16)
    factor, low = _all_hashed(pool[0], 0x8B51F9DD, 0x58F38DED)
    _, high = _all_hashed(pool[1], factor, 0x58F38DED)
    return low.astype(np.uint64) | high.astype(np.uint64) << np.uint64(32)


def _all_hashed(words: NDArray[np.uint32], factor: int, next_factor: int) -> tuple[int, NDArray[np.uint32]]:
    following = factor * next_factor & WORD
    words = (words ^ np.uint32(factor)) * np.uint32(following)  # modulo 2 ** 32
    return following, words ^ words >> np.uint32(16)


def _hashed(word: int, factor: int, next_factor: int) -> tuple[int, int]:
    following = factor * next_factor & WORD
    word = (word ^ factor) * following & WORD
    return following, word ^ word >> 16
