"""The options of the commands that train nothing, known without torch: their help is printed in a blink."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from inception_lightning.commands.command_line import RUNS, TRUST, TRUST_ALL
from inception_lightning.commands.typos import instead
from inception_lightning.errors import InputError

# argparse's errors have no fields that say what was wrong
UNKNOWN = re.compile(r"unrecognized arguments: --?([\w.-]+)")
CHOICE = re.compile(r"invalid choice: '(.+?)' \(choose from (.+)\)")
OPTION = re.compile(r"argument (--[\w.]+)")
WORD = re.compile(r"\w+")

STANDARD = "pytorch-fid/inception_v3"  # what the Fréchet Inception distance is measured with
FLAGS = "pages (--config) and further options are those of the data, --data CIFAR10 or --data.image_size 299"


class Options(argparse.ArgumentParser):
    """argparse's parser, whose errors are ours, and which takes no shortened option for a whole one."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})  # type: ignore[arg-type]  # argparse's own

    def error(self, message: str) -> NoReturn:
        """Raise.

        Raises:
            InputError: Always.
        """
        if unknown := UNKNOWN.search(message):
            known = [option.lstrip("-") for option in self._option_string_actions]
            raise InputError(f"there is no option {unknown[1]}{instead(unknown[1], known)}")
        if (choice := CHOICE.search(message)) and (option := OPTION.match(message)):
            raise InputError(f"there is no {option[1]} {choice[1]}: choose from {choice[2]}")
        if choice:
            raise InputError(f"there is no {self.prog} {choice[1]}{instead(choice[1], WORD.findall(choice[2]))}")
        raise InputError(f"{message}; {self.prog} --help lists the options")


def models() -> Options:
    """Those of ``lightning models``."""
    parser = Options("lightning models", description="The networks of inception_lightning.")
    parser.add_argument("name", nargs="?", help="a network whose stages to show, such as InceptionV4")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--svg", action="store_true", help="print the network's figure, drawn from its table")
    return parser


def sweep() -> Options:
    """Those of ``lightning sweep``."""
    parser = Options("lightning sweep", description="Run a W&B sweep file on this machine.")
    parser.add_argument("file", type=Path, help="a W&B sweep file with method grid or random")
    parser.add_argument("--jobs", type=int, help="runs at a time (default: 1, or one per device)")
    parser.add_argument("--devices", default="", help="GPUs to share out, one per run: 0,1,2,3")
    parser.add_argument("--runs", type=int, help="at most so many runs; random sweeps need it, or run_cap in the file")
    parser.add_argument("--place", type=Path, help="where the runs go (default: runs/NAME)")
    parser.add_argument("--dry_run", action="store_true", help="print the commands, run none")
    parser.add_argument(TRUST, action="append", default=[], help="a package that the file and its pages may name")
    parser.add_argument(TRUST_ALL, action="store_true", dest="all", help="run the file's own command, whatever it is")
    return parser


def report() -> Options:
    """Those of ``lightning report``."""
    parser = Options("lightning report", description="Runs as one page of figures and a table.")
    parser.add_argument("runs", type=Path, nargs="+", help="runs' folders, or folders that hold them")
    parser.add_argument("--knob", help="what to compare the runs by (default: model.net.init_args.residual_scales)")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write into (default: report)")
    return parser


def dashboard() -> Options:
    """Those of ``lightning dashboard``."""
    parser = Options("lightning dashboard", description="The W&B dashboard: pushed, or as a file.")
    parser.add_argument("run", type=Path, nargs="?", help="a run's folder: its project, and where the file goes")
    parser.add_argument("--project", help="W&B project (default: the run's)")
    parser.add_argument("--entity", help="W&B user or team (default: the key's)")
    parser.add_argument("--dry_run", action="store_true", help="write the file though there is a key")
    return parser


def data() -> Options:
    """Those of ``lightning data``, beside the data's own."""
    parser = Options("lightning data", description="Check, show and prepare images before days are spent on them.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about, out in (
        ("check", "read every image once; exit code 2 if any is bad", None),
        ("show", "draw training and evaluation views", Path("data.png")),
    ):
        command = commands.add_parser(name, help=about, description=f"{about}; {FLAGS}")
        command.add_argument("--root", type=Path, help="a folder of images, or a table of them, instead of a page")
        command.add_argument("--out", type=Path, default=out, help="the picture, or the list of bad images as a CSV")
        if name == "check":
            told = "measure mean and std of each channel, and print them as a page, or write it for --config"
            command.add_argument("--statistics", type=Path, nargs="?", const=Path(), metavar="FILE", help=told)
    make = commands.add_parser("prepare", help="unpack an archive, or ImageNet's official ones")
    make.add_argument("source", type=Path, help="a tar or zip, or the folder of ImageNet's tars and devkit")
    make.add_argument("--root", type=Path, required=True, help="where the class folders go")
    make.add_argument("--unchecked", action="store_true", help="do not compare ImageNet's checksums")
    shard = commands.add_parser("shard", help="write a folder as shards for --data Shards")
    shard.add_argument("source", type=Path, help="the folder, as for --data ImageFolder, whose options may follow")
    shard.add_argument("out", type=Path, help="a new folder, to be used where it is or copied to a cloud")
    return parser


def init() -> Options:
    """That of ``lightning init``."""
    parser = Options("lightning init", description="A folder of your own: a page, a package, a test, ready to train.")
    parser.add_argument("folder", type=Path, help="the new folder, whose name the package gets: my_project")
    return parser


def schema() -> Options:
    """None: ``lightning schema`` has no options."""
    return Options("lightning schema", description="Print what a page may say, as a JSON schema for editors.")


def completion() -> Options:
    """None: ``lightning completion`` has no options."""
    return Options("lightning completion", description="Print what bash or zsh needs to complete our words.")


def fid() -> Options:
    """Those of ``lightning fid``."""
    parser = Options(
        "lightning fid",
        description=f"How far generated images are from real ones: the FID with the weights {STANDARD}.",
    )
    sides = "a folder of images, a pattern in quotes, or the .npz of their moments"
    parser.add_argument("real", type=Path, help=sides)
    parser.add_argument("generated", type=Path, help="the same")
    parser.add_argument(
        "--weights", default=STANDARD, help="public weights, a file of weights, or a checkpoint of yours"
    )
    parser.add_argument("--stage", help="the stage whose averaged activation is compared; the last by default")
    parser.add_argument("--save", type=Path, help="write the moments of the real images as an .npz, to be used again")
    parser.add_argument("--batch_size", type=int, default=32, help="images per batch (default: 32)")
    parser.add_argument("--num_workers", type=int, default=2, help="processes that decode (default: 2)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, mps; auto takes an accelerator if there is one")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    return parser


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add those that name a trained network."""
    parser.add_argument(
        "--ckpt_path", metavar="FILE", help="a checkpoint; best (the default) or last of the newest run"
    )
    parser.add_argument(
        "--weights", metavar="NAME", help="public weights, or a file of weights, instead of a checkpoint"
    )
    parser.add_argument(
        "--runs",
        "--trainer.default_root_dir",
        default=RUNS,
        metavar="FOLDER",
        help=f"where the newest run is looked for (default: {RUNS})",
    )


def _photos(parser: Options) -> None:
    """Add those that say how photos are read."""
    parser.add_argument("--data.batch_size", type=int, metavar="N", help="photos per batch and process")
    parser.add_argument("--data.num_workers", type=int, metavar="N", help="processes that decode; 0 for none")
    parser.add_argument(
        "--data.image_size", type=int, metavar="SIDE", help="side of the images, in pixels (default: as trained)"
    )
    parser.add_argument(
        TRUST, action="append", default=[], metavar="PACKAGE", help="a package that the checkpoint may name"
    )
    parser.add_argument(TRUST_ALL, action="store_true", dest="all", help="let the checkpoint name everything")


def embed() -> Options:
    """Those of ``lightning embed``."""
    parser = Options(
        "lightning embed",
        description="The features of photos, a row of each. A call that was stopped goes on where it was.",
    )
    parser.add_argument("folder", type=Path, help="a folder of photos, a photo, or a pattern in quotes")
    add_network(parser)
    parser.add_argument(
        "--stage",
        default="pooled",
        metavar="NAME",
        help="a stage, averaged over its grid; pooled (default): what the classifier reads",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("embeddings"),
        metavar="PLACE",
        help="FILE.parquet, FILE.npy, or a folder for embeddings.npy and files.csv (default: embeddings)",
    )
    _photos(parser)
    parser.add_argument("--trainer.devices", default="auto", metavar="N", help="GPUs or processes (default: auto)")
    parser.add_argument(
        "--trainer.strategy", default="auto", metavar="NAME", help="ddp for several of them (default: auto)"
    )
    parser.add_argument(
        "--trainer.accelerator", default="auto", metavar="NAME", help="cpu, gpu, mps, ... (default: auto)"
    )
    parser.add_argument("--trainer.precision", default="32-true", metavar="NAME", help="bf16-mixed is faster on a GPU")
    return parser


def explain() -> Options:
    """Those of ``lightning explain``."""
    parser = Options(
        "lightning explain",
        description="Which places of photos speak for their classes: class-activation maps as pictures, and one page.",
    )
    parser.add_argument("folder", type=Path, nargs="?", help="a folder of photos, a photo, or a pattern in quotes")
    parser.add_argument(
        "--test", type=Path, metavar="FOLDER", help="instead, the worst mistakes of a folder that test has left"
    )
    add_network(parser)
    parser.add_argument(
        "--stage",
        metavar="NAMES",
        help="stages to look at by Grad-CAM: inception_a,inception_b (default: the last, where maps are exact)",
    )
    parser.add_argument(
        "--class", dest="label", metavar="NAME", help="the class to explain (default: each photo's answer)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="a new folder (default: explain-DATE among the runs)"
    )
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="cpu, cuda, mps; auto takes an accelerator if there is one"
    )
    _photos(parser)
    parser.set_defaults(**{"data.batch_size": 8})  # gradients keep the activations of all of them
    return parser


OPTIONS: dict[str, Callable[[], Options]] = {
    "models": models,
    "sweep": sweep,
    "report": report,
    "dashboard": dashboard,
    "data": data,
    "fid": fid,
    "embed": embed,
    "explain": explain,
    "init": init,
    "schema": schema,
    "completion": completion,
}
"""The word of the command line -> what makes its parser."""
