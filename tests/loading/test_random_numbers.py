import numpy as np
import torch

from inception_lightning.loading.random_numbers import RandomNumbers, mixed_seed, mixed_seeds


def test_numbers_are_drawn_as_torch_draws_them() -> None:
    for seed in (0, 1, 2**32 - 1, 2**63 + 12345):
        drawn, generator = RandomNumbers(), torch.Generator().manual_seed(seed)
        drawn.seed(seed)
        for _ in range(700):  # more than the generator's state
            assert drawn.uniform() == torch.rand(1, generator=generator).item()
            assert drawn.below(345) == torch.randint(345, (1,), generator=generator).item()


def test_mixed_seeds_are_the_same_on_every_machine_and_all_differ() -> None:
    assert mixed_seed(1, 2, 3) == 12997252459554536576
    for numbers in ((0,), (5, 2**32 - 1), (0, 3, 12345), (7, 0, 0, 9)):
        assert mixed_seed(*numbers) == np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    seeds = {mixed_seed(seed, epoch, index) for seed in range(5) for epoch in range(5) for index in range(200)}
    assert len(seeds) == 5_000
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_many_seeds_and_words_are_those_one_by_one() -> None:
    epochs, indices = [0, 1, 2**32 - 1, 5], [7, 0, 12345, 2**32 - 1]
    for seed in (3, -1, 2**40 + 1):
        seeds = mixed_seeds(seed, epochs, indices)
        assert seeds.tolist() == [mixed_seed(seed, *numbers) for numbers in zip(epochs, indices, strict=True)]
    numbers = RandomNumbers()
    for seed, words in zip(seeds.tolist(), numbers.words(seeds, 30).tolist(), strict=True):
        numbers.seed(seed)
        assert words == [numbers.word() for _ in range(30)]
