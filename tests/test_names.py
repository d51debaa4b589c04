"""Names of strangers as text in pictures."""

from inception_lightning.names import short_name


def test_a_name_in_a_picture_is_no_formula() -> None:
    assert short_name("Ba$$in") == r"Ba\$\$in"
    assert short_name("x" * 30) == "x" * 17 + "…"
