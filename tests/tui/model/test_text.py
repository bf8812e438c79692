import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.text import age, clean, cut_end, cut_middle, duration, exact, fit, in_ascii, natural, width_of, wrap


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "now"), (9.9, "now"), (12, "10 s"), (59, "50 s"), (185, "3 m"), (7300, "2 h"), (4e5, "4 d")],
)
def test_ages_are_compact_and_coarse(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (0.3, "1 s"), (4.4, "4 s"), (61, "1 m")])
def test_durations_never_promise_less_than_a_second(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_took_short_is_told_in_tenths() -> None:
    assert (exact(1.42), exact(75)) == ("1.4 s", "1 m 15 s")


def test_long_names_are_cut_in_the_middle() -> None:
    assert cut_middle("Pump P-11 primary heating west", 14, "…") == "Pump P-…g west"


@given(st.text(), st.integers(1, 40))
def test_cut_text_always_fits_its_cells(text: str, width: int) -> None:
    for cut, ellipsis in itertools.product((cut_middle, cut_end), ("…", "~")):
        shown = cut(clean(text), width, ellipsis)
        assert width_of(shown) <= width
        assert width_of(fit(shown, width)) == width


@given(st.text(), st.integers(4, 40))
def test_wrapped_text_fits_and_loses_no_letter(text: str, width: int) -> None:
    lines = wrap(clean(text), width)
    assert all(width_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(clean(text).split())


@given(st.text())
def test_clean_text_holds_nothing_a_terminal_acts_on(text: str) -> None:
    assert all(char.isprintable() for char in clean(text))


def test_escape_sequences_lose_their_escape() -> None:
    assert clean("fan\x1b[31m\r\n\u202eevil\x9b2J") == "fan[31m evil2J"


def test_numbers_in_names_count() -> None:
    assert sorted(["AHU-10", "ahu-2", "AHU-1"], key=natural) == ["AHU-1", "ahu-2", "AHU-10"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Lüfter", "Lufter"), ("reading…", "reading~"), ("漢 ½", "?? ?"), ("fan", "fan"), ("ß→", "??")],
)
def test_a_terminal_of_ascii_gets_twins_where_there_are_some(text: str, expected: str) -> None:
    assert in_ascii(text) == expected


@given(st.text())
def test_in_ascii_a_text_is_ascii_and_as_wide_as_before(text: str) -> None:
    text = clean(text)
    assert in_ascii(text).isascii()
    assert width_of(in_ascii(text)) == width_of(text)
