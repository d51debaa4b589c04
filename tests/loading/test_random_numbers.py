import numpy as np
import torch

from inception_lightning.loading.random_numbers import RandomNumbers, mixed_seed


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
