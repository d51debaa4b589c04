"""``lightning init``: a folder of one's own, with a page, a package, a test, ready to train."""

from collections.abc import Sequence

from inception_lightning.commands import options
from inception_lightning.errors import InputError, visible

PAGE = """\
# yaml-language-server: $schema=./schema.json
# The first experiment of NAME: a small Inception-ResNet-v1, with a loss of your own, on handwritten digits.
#
# claim    what this experiment is to show
# command  lightning fit --config page.yaml --trust NAME
# result   not run yet
seed_everything: 0
model:
  net:
    class_path: InceptionResNetV1
    init_args:
      stem: small
      width: 0.1
      depths: [1, 1, 1]
      residual_scales: 0.2
  loss: NAME.losses.ConfidentLoss
  optimizer:
    class_path: AdamW
    init_args:
      lr: 0.003
data:
  class_path: Digits  # your own images: ImageFolder, with root: a folder that has one folder per class
  init_args:
    batch_size: 64
trainer:
  max_epochs: 3
  default_root_dir: runs
"""

PACKAGE = '''"""What is our own: losses, networks, metrics, data and training steps."""
'''

LOSSES = '''"""Losses of our own."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy


class ConfidentLoss(nn.Module):
    """Cross-entropy, and a little less of it where the network is sure.

    Args:
        share: Of the entropy of the probabilities that is added, 0..1.
    """

    def __init__(self, share: float = 0.1) -> None:
        super().__init__()
        self.share = share

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (N, K), and class indices (N,) or shares (N, K), -> the mean loss."""
        log = logits.log_softmax(dim=1)
        entropy = -(log.exp() * log).sum(dim=1).mean()
        return cross_entropy(logits, targets) + self.share * entropy
'''

TEST = '''"""The page trains."""

from pathlib import Path

from inception_lightning.__main__ import main

PAGE = Path(__file__).parent.parent / "page.yaml"


def test_the_page_trains() -> None:
    assert main(["fit", "--config", str(PAGE), "--trust", "NAME", "--trainer.fast_dev_run", "true"]) == 0
'''

README = """\
# NAME

| command | what it does |
| --- | --- |
| `lightning fit --config page.yaml --trust NAME` | trains; each run has a folder in `runs/` |
| `lightning test --ckpt_path best --trust NAME` | tests the newest run's best checkpoint |
| `lightning predict --ckpt_path best --trust NAME --data.root PHOTOS` | names photos, as a CSV |
| `lightning schema > schema.json` | lets an editor check pages while you type |
| `python -m pytest` | runs the test (`pip install pytest`) |

Run them in this folder.
"""

IGNORED = "runs/\n__pycache__/\nschema.json\n"


def main(words: Sequence[str]) -> None:
    """Run ``lightning init``."""
    place = options.init().parse_args(words[1:]).folder
    name = place.resolve().name
    if not name.isidentifier() or name == "inception_lightning":
        raise InputError(f"init: {name} cannot be the name of a Python package: take letters, digits and _")
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise InputError(f"init: {place} is there already: give a new folder")
    files = {
        "page.yaml": PAGE,
        "README.md": README,
        ".gitignore": IGNORED,
        f"{name}/__init__.py": PACKAGE,
        f"{name}/losses.py": LOSSES,
        "tests/test_page.py": TEST,
    }
    try:
        for path, text in files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text.replace("NAME", name), encoding="utf-8")
    except OSError as error:
        raise InputError(f"init: {place} cannot be written: {error.strerror}") from None
    print(f"{visible(str(place))} is ready:\n  cd {visible(str(place))}")
    print(f"  lightning fit --config page.yaml --trust {name}")
