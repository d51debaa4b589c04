"""The options of the commands that train nothing."""

import argparse
from typing import NoReturn

from inception_lightning.errors import InputError


class Options(argparse.ArgumentParser):
    """argparse's parser, whose errors are ours, and which takes no shortened option for a whole one."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})  # type: ignore[arg-type]  # argparse's own

    def error(self, message: str) -> NoReturn:
        """Raise.

        Raises:
            InputError: Always.
        """
        raise InputError(f"{message}; {self.prog} --help lists the options")
