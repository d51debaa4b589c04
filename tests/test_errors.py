import logging
import os

import pytest

from inception_lightning.errors import peer_died, spared, visible


def test_what_is_spared_is_said_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), spared("a picture"):
        raise OSError(28, "No space left on device")
    assert caplog.messages == [
        "a picture could not be made ([Errno 28] No space left on device); the run is not affected"
    ]


@pytest.mark.parametrize(
    ("message", "dead"),
    [
        ("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4242", True),
        (
            "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Read error [::1]:1: Connection reset by peer",
            True,
        ),
        ("NCCL error in: ProcessGroupNCCL.cpp:1, remote process exited or there was a network error", True),
        ("ncclRemoteError: A call failed possibly due to a network error", True),
        ("cannot fetch https://x: network error", False),
        ("the logger's server: Connection reset by peer", False),
        ("[Errno 32] Broken pipe", False),
        ("shapes differ", False),
    ],
)
def test_only_a_process_of_the_training_is_taken_for_dead(message: str, dead: bool) -> None:
    stop = peer_died(RuntimeError(message))
    assert (stop is not None) == dead
    if stop is not None:
        assert stop.code == 1


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
