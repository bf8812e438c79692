from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.model.fuzzy import by_beginnings, in_order


@pytest.mark.parametrize("letters", ["ahsu", "a3f", "ahusf", "03fan", "supply", "f", "ahu3"])
def test_letters_that_begin_words_find_a_name(letters: str) -> None:
    assert by_beginnings(letters, "ahu-03 supply fan")


@pytest.mark.parametrize("letters", ["hsf", "fa3", "upply", "ahuu", "sn", "x"])
def test_letters_from_the_middle_of_words_or_out_of_order_do_not(letters: str) -> None:
    assert not by_beginnings(letters, "ahu-03 supply fan")


def test_a_number_is_found_without_its_zeros_and_letters_right_behind_a_number() -> None:
    assert by_beginnings("v14e", "vav 0014east")


@given(st.text(min_size=1), st.text())
def test_whatever_is_typed_and_written_beginnings_are_in_order(letters: str, text: str) -> None:
    if by_beginnings(letters, text):
        assert in_order(letters, text)


@given(st.text(), st.text(min_size=1), st.text())
def test_what_a_text_contains_it_has_in_order(before: str, letters: str, after: str) -> None:
    assert in_order(letters, before + letters + after)


def test_a_long_name_of_one_letter_is_decided_at_once() -> None:
    assert not by_beginnings("a" * 60 + "b", "a " * 500)
    assert by_beginnings("a" * 60, "a " * 500)
