"""Text from outside cannot act on a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import text
from core.errors import FieldhandError, Kind

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(st.text(st.characters()))
def test_no_control_or_format_character_survives(outside: str) -> None:
    shown = text.printable(outside)
    assert not [char for char in shown if unicodedata.category(char)[0] == "C"]
    assert "\n" not in shown
    assert shown == " ".join(shown.split())
    assert text.printable(shown) == shown


@pytest.mark.parametrize(
    ("outside", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]0;title\x07after", "]0;titleafter"),
        ("\x9b2Jafter", "2Jafter"),
        ("AHU\x001", "AHU1"),
        ("two\r\nlines\u2028more", "two lines more"),
        ("  VAV\t 1 ", "VAV 1"),
        (f"a{BIDI}b", "ab"),
        ("Lüfter 3 日本", "Lüfter 3 日本"),
        ("\ud800", ""),
    ],
)
def test_what_a_terminal_would_act_on_is_taken_out(outside: str, shown: str) -> None:
    assert text.printable(outside) == shown


def test_a_name_is_kept_clean() -> None:
    assert text.name("device", " VAV\x1b 1\n") == "VAV 1"
    assert text.name("device", "x" * text.LONGEST_NAME) == "x" * text.LONGEST_NAME


@pytest.mark.parametrize("bad", ["", "  ", "\x1b\x00\u202e", "x" * (text.LONGEST_NAME + 1)])
def test_a_name_without_anything_to_read_or_without_end_is_refused(bad: str) -> None:
    with pytest.raises(FieldhandError) as refused:
        text.name("group", bad)
    assert refused.value.kind is Kind.INVALID
    assert "group name" in str(refused.value)
