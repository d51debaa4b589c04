"""The program: ``lightning``, ``inception-lightning`` and ``python -m inception_lightning``.

It prints its help without importing torch, which takes seconds.
"""

import sys

from inception_lightning import __version__

HELP = """\
Train, evaluate and study Inception networks.

usage: lightning COMMAND [options]

commands:
  fit        train a network, and validate it after every epoch
  validate   evaluate a checkpoint on the validation images
  test       evaluate a checkpoint on the test images
  predict    name the photos in a folder, as a CSV
  models     list the networks, or the stages of one
  sweep      run a W&B sweep file on this machine, and go on where it was stopped
  report     runs on disk as one page of figures and a table
  dashboard  push the W&B dashboard, or write it as a file
  data       check, show or prepare images

examples:
  lightning fit --config experiments/quickstart.yaml
  lightning fit --config experiments/quickstart.yaml --model.net.init_args.residual_scales 0.3
  lightning fit --model.net InceptionV3 --data ImageFolder --data.root photos --trainer.max_epochs 20
  lightning test --ckpt_path runs/quickstart/DATE/checkpoints/best.ckpt
  lightning fit --model.weights timm/inception_v4.tf_in1k --data ImageFolder --data.root photos
  lightning models InceptionV4
  lightning sweep experiments/residual_scale/short.yaml --jobs 2
  lightning report runs/residual_scale_short
  lightning dashboard runs/quickstart/DATE
  lightning predict --ckpt_path best --data.root photos
  lightning data check --root photos

options:
  -c, --config FILE      a YAML page; several are merged, the later wins, and flags win over all
  --print_config         print the merged configuration, which can be run again
  --ckpt_path FILE       a checkpoint; best or last take the newest run's
  --version              print the version
  lightning COMMAND -h   every option of a command
  lightning fit --model.net.help InceptionV4
                         the knobs of a network; --data.help ImageFolder those of a data set

exit codes: 0 done, 2 wrong usage, configuration or data, 65 loss not finite, 74 storage,
            130 Ctrl-C, 143 terminated
"""


def main(args: list[str] | None = None) -> int:
    """Run the program.

    Args:
        args: The words after the program's name; by default those of the command line.

    Returns:
        The exit code.
    """
    args = sys.argv[1:] if args is None else args
    if not args or args[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if args[0] == "--version":
        print(f"inception-lightning {__version__}")
        return 0
    if args[0] == "models":
        from inception_lightning.commands import models

        try:
            return models.main(args[1:])
        except BrokenPipeError:  # its reader, head perhaps, has seen enough
            sys.stdout = None
            return 0
    if args[0] == "sweep":
        from inception_lightning.commands import sweep

        return sweep.main(args[1:])
    if args[0] == "report":
        from inception_lightning.commands import report

        return report.main(args[1:])
    if args[0] == "dashboard":
        from inception_lightning.commands import dashboard

        return dashboard.main(args[1:])
    if args[0] == "data":
        from inception_lightning.commands import data

        return data.main(args[1:])
    from inception_lightning.commands import fit  # imports torch

    return fit.run(args)


if __name__ == "__main__":
    sys.exit(main())
