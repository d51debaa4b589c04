"""What mkdocs puts into the pages: sections of the README and of other files, figures and options from the code."""

import base64
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
ROOT = DOCS.parent
SECTION = re.compile(r"^\{\{ section (\S+) \"(.+?)\" \}\}$", re.MULTILINE)
NOTEBOOK = re.compile(r"^\{\{ notebook (\S+) \}\}$", re.MULTILINE)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LINK = re.compile(r"(!?)\[([^\]]+)\]\((?!https?:|#)([^)]+)\)")
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
BACKSPACE = re.compile(r".\x08")
INLINE = re.compile(r"<code>[^<]+</code>")
OPTION = re.compile(r"(?<![\w-])--[\w.]+")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill a page in."""
    markdown = links(markdown, DOCS)
    markdown = SECTION.sub(lambda found: section(ROOT / found[1], found[2]), markdown)
    markdown = NOTEBOOK.sub(lambda found: notebook(ROOT / found[1]), markdown)
    if "{{ family }}" in markdown:
        markdown = markdown.replace("{{ family }}", family())
    if "{{ options }}" in markdown:
        markdown = markdown.replace("{{ options }}", options())
    return markdown


def on_page_content(html: str, **_: Any) -> str:
    """Keep options whole where a line ends."""
    return INLINE.sub(lambda found: OPTION.sub(r'<span class="option">\g<0></span>', found[0]), html)


def section(file: Path, title: str) -> str:
    """What stands in a file below a heading, up to the next of its level or above."""
    text = file.read_text(encoding="utf-8")
    hidden = FENCE.sub(lambda found: re.sub(r"(?m)^#", " ", found[0]), text)  # a comment of a shell is no heading
    headings = list(HEADING.finditer(hidden))
    place = next(index for index, one in enumerate(headings) if one[2] == title)
    level = len(headings[place][1])
    end = next((one.start() for one in headings[place + 1 :] if len(one[1]) <= level), len(text))
    return links(text[headings[place].end() : end].strip(), file.parent)


def links(text: str, folder: Path) -> str:
    """Text of a file in ``folder`` with links for the site: to its other pages; what else lies in the clone is code."""

    def link(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        aim = (folder / target.partition("#")[0]).resolve()
        if aim.is_relative_to(DOCS):
            return f"{picture}[{words}]({target.removeprefix('docs/')})"
        if picture:
            return f"![{words}](data:image/png;base64,{base64.b64encode(aim.read_bytes()).decode()})"
        return f"`{aim.relative_to(ROOT)}`"

    return LINK.sub(link, text)


def notebook(file: Path) -> str:
    """A notebook with what it printed and drew."""
    parts = []
    for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(links(HEADING.sub(r"#\1 \2", source), file.parent))
        elif source:
            parts.append(f"```python\n{source}\n```")
        parts += [shown(output) for output in cell.get("outputs", [])]
    return "\n\n".join(parts)


def shown(output: dict[str, Any]) -> str:
    """One output of a cell: a picture, Markdown, or text."""
    data = {kind: "".join(lines) for kind, lines in output.get("data", {"text/plain": output.get("text", [])}).items()}
    if "image/png" in data:
        return f"![](data:image/png;base64,{data['image/png'].strip()})"
    if "text/markdown" in data:
        return data["text/markdown"]
    return f"```text\n{COLOURS.sub('', data['text/plain']).rstrip()}\n```"


def family() -> str:
    """Each network: its figure, drawn from its table, beside its numbers."""
    from inception_lightning.commands.models import ENTRIES, text
    from inception_lightning.models.cost import skeleton
    from inception_lightning.models.figure import figure

    parts = []
    for entry in ENTRIES:
        drawn = figure(skeleton(entry.variant)).strip().replace("<svg ", '<svg style="max-width:100%;height:auto" ')
        parts.append(f"### {entry.title}\n\n```\n{text(entry)}\n```\n\n<div>{drawn}</div>")
    return "\n\n".join(parts)


def options() -> str:
    """The help of every command, the longest there is."""
    from inception_lightning.__main__ import COMMANDS

    words = {command: ("--help-all" if command == "fit" else "--help") for command in COMMANDS}
    return "\n\n".join(f"## lightning {command}\n\n{printed(command, asked)}" for command, asked in words.items())


def printed(*words: str) -> str:
    """What the program prints."""
    from inception_lightning.__main__ import main

    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
        main(words)
    return f"```text\n{BACKSPACE.sub('', told.getvalue()).rstrip()}\n```"
