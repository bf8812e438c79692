from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from core.lifecycle import Status
from tui.screens.groups import portions

counts = st.dictionaries(st.sampled_from(Status), st.integers(1, 100_000))


@given(counts, st.integers(11, 24))
def test_every_status_of_a_group_is_seen_and_the_bar_is_never_too_long(found: dict[Status, int], width: int) -> None:
    shown = dict(portions(Counter(found), width))
    assert set(shown) == set(found)
    assert all(cells >= 1 for cells in shown.values())
    assert sum(shown.values()) == min(width, max(sum(found.values()), len(found)))


def test_a_small_group_has_one_cell_a_device() -> None:
    assert portions(Counter({Status.OK: 5, Status.FAILED: 1}), 10) == [(Status.FAILED, 1), (Status.OK, 5)]


def test_an_empty_group_has_no_bar() -> None:
    assert portions(Counter(), 10) == []
