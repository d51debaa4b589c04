import logging
import os

import pytest

from inception_lightning.errors import spared, visible
from inception_lightning.evaluation.names import short_name


def test_what_is_spared_is_said_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), spared("a picture"):
        raise OSError(28, "No space left on device")
    assert caplog.messages == [
        "a picture could not be made ([Errno 28] No space left on device); the run is not affected"
    ]


def test_a_signal_is_not_spared() -> None:
    with pytest.raises(KeyboardInterrupt), spared("a picture"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Katze é 猫", "Katze é 猫"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines", "two\\nlines"),
        (os.fsdecode(b"caf\xe9"), "caf\\udce9"),
    ],
)
def test_names_of_strangers_are_text(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_a_name_in_a_picture_is_no_formula() -> None:
    assert short_name("Ba$$in") == r"Ba\$\$in"
    assert short_name("x" * 30) == "x" * 17 + "…"
