from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.lifecycle import Status
from core.models import JobState, TaskState
from tui.model.devices import SEVERITY
from tui.screens.pages import MEANINGS
from tui.theme import JOB_TOKENS, STATUS_TOKENS, TASK_TOKENS, Appearance, Depth, Token


@pytest.mark.parametrize("ascii_only", [False, True])
def test_every_status_has_a_glyph_of_its_own_of_one_cell(ascii_only: bool) -> None:
    glyphs = Appearance(ascii_only=ascii_only).glyphs
    assert set(glyphs.status) == set(Status)
    assert len(set(glyphs.status.values())) == len(Status)
    assert all(len(glyph) == 1 and glyph.isascii() is ascii_only for glyph in glyphs.status.values())
    assert set(glyphs.task) == set(TaskState)
    assert set(glyphs.job) == set(JobState)


def test_every_status_has_a_colour_a_rank_and_a_meaning() -> None:
    assert set(STATUS_TOKENS) == set(SEVERITY) == set(MEANINGS) == set(Status)
    assert set(TASK_TOKENS) == set(TaskState)
    assert set(JOB_TOKENS) == set(JobState)


@pytest.mark.parametrize("depth", Depth)
def test_what_failed_is_bold_on_and_off_the_cursor(depth: Depth) -> None:
    appearance = Appearance(depth)
    assert appearance.style(Token.BAD).bold
    assert appearance.style(Token.BAD, cursor=True).bold


@pytest.mark.parametrize("depth", [Depth.SIXTEEN, Depth.NONE])
def test_without_a_palette_of_its_own_the_cursor_row_is_reversed(depth: Depth) -> None:
    appearance = Appearance(depth)
    assert all(appearance.style(token, cursor=True).reverse for token in Token)
    assert not appearance.style(Token.TEXT).reverse


def test_without_colour_no_style_has_one() -> None:
    appearance = Appearance(Depth.NONE)
    for token in Token:
        for cursor in (False, True):
            style = appearance.style(token, cursor=cursor)
            assert style.color is None
            assert style.bgcolor is None


UTF8 = {"LANG": "de_DE.UTF-8"}


@pytest.mark.parametrize(
    ("environment", "depth", "ascii_only"),
    [
        ({"TERM": "xterm-256color", **UTF8}, Depth.FULL, False),
        ({"TERM": "xterm", "COLORTERM": "truecolor", **UTF8}, Depth.FULL, False),
        ({"TERM": "xterm", **UTF8}, Depth.SIXTEEN, False),
        ({"TERM": "linux", **UTF8}, Depth.SIXTEEN, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1", **UTF8}, Depth.NONE, False),
        ({"TERM": "xterm-256color", "TEXTUAL_COLOR_SYSTEM": "standard", **UTF8}, Depth.SIXTEEN, False),
        ({"TERM": "xterm-256color", "LANG": "C"}, Depth.FULL, True),
        ({"TERM": "xterm-256color", "LC_ALL": "de_DE.ISO-8859-1", **UTF8}, Depth.FULL, True),
    ],
)
def test_the_terminal_decides_how_it_looks(environment: Mapping[str, str], depth: Depth, ascii_only: bool) -> None:
    appearance = Appearance.of_terminal(environment)
    assert (appearance.depth, appearance.ascii_only) == (depth, ascii_only)
