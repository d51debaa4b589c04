"""Names as strangers give them to classes, folders, runs and settings. To us they are text."""

import os

NASTY = (
    "Ba$$in",
    r"\$\frac{x}{0}$ \undefined",
    "[red]bold[/red] [/]\x1b[31mred\x07\x1b]0;title\x07",
    "two\nlines\r\nand\ttabs",
    "<script>alert('1')</script>&amp; a | b ||",
    "![](http://127.0.0.1/x.png) **bold** `code` _it_",
    '=HYPERLINK("http://127.0.0.1";"x"),1',
    os.fsdecode(b"caf\xe9"),  # Latin-1 in a file system
    "half a pair \ud800",
    "_猫 \u202egnp",  # a sign that turns the order of letters
    "x" * 4000,
)
