"""The program: ``lightning``, ``inception-lightning`` and ``python -m inception_lightning``.

It prints its help without importing torch, which takes seconds.
"""

import importlib
import sys
from collections.abc import Sequence

from inception_lightning import __version__
from inception_lightning.commands.beforehand import answered, keeping
from inception_lightning.commands.exit_codes import exit_code
from inception_lightning.commands.typos import instead
from inception_lightning.errors import InputError
from inception_lightning.runs import signals

COMMANDS = {
    "fit": "fit",
    "validate": "fit",
    "test": "fit",
    "predict": "fit",
    "calibrate": "fit",
    "export": "export",
    "models": "models",
    "sweep": "sweep",
    "crossval": "crossval",
    "report": "report",
    "dashboard": "dashboard",
    "data": "data",
    "fid": "fid",
    "embed": "embed",
    "explain": "explain",
    "init": "init",
    "schema": "schema",
    "completion": "completion",
}
"""The first word of the command line -> the file in ``commands/`` whose ``main`` takes all words."""

HELP = """\
Train, evaluate and study Inception networks.

usage: lightning COMMAND [options]

commands:
  fit        train a network, and validate it after every epoch
  validate   evaluate a checkpoint on the validation images: a table, and a folder of scores
  test       the same on the test images
  predict    name the photos in a folder, as a CSV
  calibrate  fit the temperature of a checkpoint on the validation images, and keep it there
  export     write a checkpoint as files for other programs, and prove them
  models     list the networks, or the stages of one
  sweep      run a W&B sweep file on this machine, and go on where it was stopped
  crossval   train once per fold, and score each image by the network that has not seen it
  report     runs on disk as one page of figures and a table
  dashboard  push the W&B dashboard, or write it as a file
  data       check, show or prepare images
  fid        how far generated images are from real ones
  embed      the features of photos, as a table or an array
  explain    which places of photos speak for their classes, as pictures and a page
  init       make a folder of your own: a page, a package, a test
  schema     print what a page may say, as a JSON schema for editors
  completion print what bash or zsh needs to complete these words: eval "$(lightning completion)"

examples:
  lightning fit --config experiments/quickstart.yaml
  lightning fit --config experiments/quickstart.yaml --model.net.init_args.residual_scales 0.3
  lightning fit --model.net InceptionV3 --data ImageFolder --data.root photos --trainer.max_epochs 20
  lightning test --ckpt_path runs/quickstart/DATE/checkpoints/best.ckpt
  lightning test --ckpt_path best --crops 144
  lightning fit --model.weights timm/inception_v4.tf_in1k --data ImageFolder --data.root photos
  lightning models InceptionV4
  lightning sweep experiments/residual_scale/short.yaml --jobs 2
  lightning crossval --folds 5 --config experiments/quickstart.yaml
  lightning report runs/residual_scale_short
  lightning dashboard runs/quickstart/DATE
  lightning predict --ckpt_path best --data.root photos
  lightning export --ckpt_path best --format onnx openvino --int8 --out exported
  lightning predict --model exported/inceptionv3.onnx --data.root photos
  lightning data check --root photos
  lightning fid photos generated
  lightning embed photos --ckpt_path best --out features.parquet
  lightning explain photos --ckpt_path best

options:
  -c, --config FILE      a YAML page; several are merged, the later wins, and flags win over all
  --print_config         print the merged configuration, which can be run again
  --ckpt_path FILE       a checkpoint; best or last take the newest run's
  --trust PACKAGE        let pages name this package of yours; --trust-config lets them name everything
  --version              print the version
  lightning COMMAND -h   the options of a command; lightning fit --help-all every one of them
  lightning fit --model.net.help InceptionV4
                         the knobs of a network; --data.help ImageFolder those of a data set

exit codes: 0 done, 2 wrong usage, configuration or data, 65 loss not finite, 74 storage,
            129 closed terminal, 130 Ctrl-C, 143 terminated
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        words: What follows the program's name; by default the command line.

    Returns:
        The exit code.
    """
    words = sys.argv[1:] if words is None else words
    match words:
        case [] | ["-h" | "--help" | "help", *_]:
            print(HELP, end="")
        case ["--version", *_]:
            print(f"inception-lightning {__version__}")
        case _:
            return exit_code(lambda: _run(words))
    return 0


def _run(words: Sequence[str]) -> int | None:
    if words[0] not in COMMANDS:
        raise InputError(f"there is no command {words[0]}{instead(words[0], COMMANDS)}")
    if words[0] in ("fit", "embed"):
        signals.begin()
    try:
        if answered(words):
            return 0
        with keeping(words):
            command = importlib.import_module(f"inception_lightning.commands.{COMMANDS[words[0]]}")
            code: int | None = command.main(words)
            return code
    finally:
        signals.SIGNALS.restore()


if __name__ == "__main__":
    sys.exit(main())
