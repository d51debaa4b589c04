"""Says how much memory was held at most, before and after a GiB was."""

import torch

from inception_lightning.callbacks.speed import peak_memory

print(peak_memory(torch.device("cpu")))
torch.ones(2**28).add_(1)
print(peak_memory(torch.device("cpu")))
