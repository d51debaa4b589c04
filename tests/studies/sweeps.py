"""A sweep of a script that trains nothing."""

from pathlib import Path

import yaml

SCRIPT = """
import json, pathlib, sys, time
args = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
folder = pathlib.Path(args["trainer.default_root_dir"])
time.sleep(float(args.get("sleep", 0)))
(folder / "ran").open("a").write("x")
sys.exit(int(args.get("code", 0)))
"""


def write(folder: Path, parameters: dict[str, object], **more: object) -> Path:
    (folder / "script.py").write_text(SCRIPT)
    command = ["${env}", "${interpreter}", str(folder / "script.py"), "${args}"]
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump({"method": "grid", "command": command, "parameters": parameters} | more))
    return file
