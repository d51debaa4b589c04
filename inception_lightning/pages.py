"""Pages: YAML files of settings, read once and as plain data."""

import os
import re
import stat
from pathlib import Path
from typing import Any

import yaml

from inception_lightning.errors import InputError

MOST_BYTES = 2**20  # a thousand times the longest page of ours
MOST_VALUES = 10_000  # those that aliases repeat counted: nine aliases of nine aliases of ... fill any memory

# a number as YAML 1.2, JSON and Python have it: YAML 1.1, which PyYAML reads, takes 1e-3 for text
FLOAT = re.compile(r"[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.\d[\d_]*([eE][-+]?\d+)?)$")
INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$")


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses a key that stands twice and a flood of values, and leaves dates as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.values = 0
        self.values_of: dict[str, int] = {}  # by anchor

    def compose_node(self, parent: Any, index: Any) -> Any:
        before, event = self.values, self.peek_event()
        if self.check_event(yaml.AliasEvent) and event.anchor in self.anchors:
            if event.anchor not in self.values_of:
                raise yaml.YAMLError(f"{event.anchor} is an alias of what it stands in")
            self.values += self.values_of[event.anchor]
        node = super().compose_node(parent, index)
        self.values += 1
        if self.values > MOST_VALUES:
            raise yaml.YAMLError(f"it has more than {MOST_VALUES:,} values")
        if event.anchor is not None:
            self.values_of[event.anchor] = self.values - before
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for place, key in enumerate(keys):
            if key in keys[:place]:
                raise yaml.YAMLError(f"the key {key} stands there twice, in line {node.start_mark.line + 1} and below")
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":float"))]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = yaml.SafeLoader.yaml_constructors | {
    "tag:yaml.org,2002:timestamp": yaml.SafeLoader.construct_yaml_str
}
for _pattern in (FLOAT, INFINITE):
    _Loader.add_implicit_resolver("tag:yaml.org,2002:float", _pattern, list("-+0123456789."))


def read_page(file: Path) -> dict[str, Any]:
    """The settings in a page.

    Raises:
        InputError: There is no such file, or it is no page.
    """
    return parse_page(_text(file), str(file))


def parse_page(text: str, name: str) -> dict[str, Any]:
    """The settings in a page's text; ``name`` is for the sentence that refuses it.

    Raises:
        InputError: It is no page.
    """
    try:
        content = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, TypeError) as error:  # the latter from odd numbers and keys
        raise InputError(f"cannot read the page {name}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError(f"cannot read the page {name}: it is nested too deeply") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{name} is no page: it holds {type(content).__name__} instead of settings by name")
    return content


def _text(file: Path) -> str:
    try:
        found = os.stat(file)
        if not stat.S_ISREG(found.st_mode):  # reading a pipe or device may never end
            raise InputError(f"{file} is no page: it is a {'folder' if stat.S_ISDIR(found.st_mode) else 'device'}")
        if found.st_size > MOST_BYTES:
            raise InputError(f"{file} is no page: it has {found.st_size:,} bytes, and a page at most {MOST_BYTES:,}")
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"cannot read the page {file}: there is no file of that name") from None
    except UnicodeDecodeError:
        raise InputError(f"cannot read the page {file}: it is no text in UTF-8") from None
    except (OSError, ValueError) as error:  # the latter from a name with a null
        raise InputError(f"cannot read the page {file}: {getattr(error, 'strerror', None) or error}") from None
