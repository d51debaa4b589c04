"""Names of strangers, of classes and settings, as text in pictures and tables."""

from inception_lightning.errors import visible


def short_name(name: str, most: int = 18) -> str:
    """A name cut to ``most`` letters, 18 of which fit above an image; a dollar sign in it starts no formula."""
    return no_formula(cut(name, most))


def cut(name: str, most: int) -> str:
    """A name on one line, cut to ``most`` letters."""
    shown = visible(name)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def no_formula(text: str) -> str:
    """Text as matplotlib takes it, which reads what stands between two dollar signs as a formula."""
    return text.replace("$", r"\$")


def writable(name: str) -> str:
    """A name as it is, for a file that takes a path's bytes back (``surrogateescape``); visible, where it has none."""
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a pair of UTF-16
        return visible(name)
    return name
