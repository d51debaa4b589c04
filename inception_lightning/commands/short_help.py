"""Help on one screen for the commands of LightningCLI; ``--help-all`` has the rest."""

USED = {
    "-c, --config FILE": "a YAML page; several merge, flags win",
    "--model.net NAME": "the network, such as InceptionV3",
    "--model.weights NAME": "public weights or a file: fine-tuning",
    "--model.optimizer NAME": "AdamW, SGD, ...; rate: --model.optimizer.lr",
    "--model.lr_scheduler NAME": "CosineAnnealingLR, OneCycleLR, ...",
    "--model.mixup SHARE": "mixed images (default: 0.0); also .cutmix",
    "--model.label_smoothing SHARE": "of the target (default: 0.0)",
    "--data NAME": "Digits, CIFAR10, ImageNet, ImageFolder, ...",
    "--data.root PATH": "the folder of images, or the table of them",
    "--data.channels N": "the files' own bands; else pictures are RGB",
    "--data.batch_size N": "images per step and process",
    "--data.num_workers N": "processes that read images",
    "--data.image_size SIDE": "side of the images, in pixels",
    "--trainer.max_epochs N": "when training ends",
    "--trainer.devices N": "GPUs or processes (default: auto)",
    "--trainer.strategy ddp": "for several of them",
    "--trainer.precision bf16-mixed": "faster on a GPU",
    "--trainer.default_root_dir PATH": "where runs' folders go (default: runs)",
    "--compile true": "compile the network (default: False)",
    "--ema_decay 0.9999": "average the weights",
    "--resume auto": "go on with the newest run, or start",
    "--ckpt_path FILE": "a checkpoint; best or last: the newest run's",
    "--crops 10|12|144": "the papers' crops, softmax averaged",
    "--flips true": "mirror images too; also --scales [1,1.15]",
    "--ensemble A.ckpt,B.ckpt": "further networks, softmax averaged",
    "--seed_everything N": "the seed of all that is random (default: 0)",
    "--trust PACKAGE": "let pages name this package of yours",
}
"""How an option is said -> what it does. tests/commands/test_short_help.py compares it with the parser."""

TRAINING = ("--model.", "--compile", "--ema_decay", "--resume", "--trainer.max_epochs")
"""What only ``fit`` uses."""

AVERAGING = ("--crops", "--flips", "--ensemble")
"""What neither ``fit`` nor ``calibrate`` has."""

ABOUT = {
    "fit": (
        "Train a network, and validate it after every epoch.",
        "lightning fit --config experiments/quickstart.yaml",
        "lightning fit --config experiments/quickstart.yaml --model.net.width 0.5",
        "lightning fit --model.net InceptionV3 --data ImageFolder --data.root photos",
    ),
    "validate": (
        "Evaluate a checkpoint on the validation images: a table, a folder of scores.",
        "lightning validate --ckpt_path best",
        "lightning validate --ckpt_path runs/quickstart/DATE/checkpoints/best.ckpt",
    ),
    "test": (
        "Evaluate a checkpoint on the test images: a table, a folder of scores.",
        "lightning test --ckpt_path best",
        "lightning test --ckpt_path best --data ImageFolder --data.root other_photos",
    ),
    "predict": (
        "Name the photos in a folder, as a CSV.",
        "lightning predict --ckpt_path best --data.root photos",
        "lightning predict --ckpt_path best --data.root 'new/*.jpg'",
    ),
    "calibrate": (
        "Fit the temperature of a checkpoint on the validation images, and keep it there.",
        "lightning calibrate --ckpt_path best",
    ),
}
"""The command -> what it does, and examples."""


def short_help(command: str) -> str:
    """The page of a command, 80 columns wide."""
    about, *examples = ABOUT[command]
    left_out = (*(() if command == "fit" else TRAINING), *(AVERAGING if command in ("fit", "calibrate") else ()))
    used = {said: what for said, what in USED.items() if not said.startswith(left_out)}
    more = {
        f"lightning {command} --help-all": "every option",
        f"lightning {command} --data.help NAME": "the options of a data set",
        f"lightning {command} --print_config": "all settings, as a page",
    }
    if command == "fit":
        more["lightning fit --model.net.help NAME"] = "the knobs of a network"
    return "\n".join(
        (
            f"{about}\n\nusage: lightning {command} [options]\n\nexamples:",
            *(f"  {example}" for example in examples),
            *("\noptions:", *_rows(used)),
            *("\nmore:", *_rows(more), ""),
        )
    )


def _rows(rows: dict[str, str]) -> list[str]:
    width = max(map(len, rows))
    return [f"  {said:<{width}}  {what}" for said, what in rows.items()]
