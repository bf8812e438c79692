from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.errors import FieldhandError
from core.lifecycle import Status
from core.models import JobState, TaskState
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, Spec, plant
from tui.model.devices import SEVERITY
from tui.screens.pages import MEANINGS
from tui.theme import JOB_TOKENS, PALETTES, STATUS_TOKENS, TASK_TOKENS, THEMES, Appearance, Depth, Token


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


def contrast(first: str, second: str) -> float:
    """As WCAG 2 defines it (relative luminance)."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", PALETTES)
def test_every_text_can_be_read_on_and_off_the_cursor(theme: str) -> None:
    palette = PALETTES[theme]
    least = 7.0 if theme == "high-contrast" else 4.5
    texts = ("text", "strong", "accent", "good", "bad", "warning", "magenta", "blue", "cyan")
    for name in texts:
        assert contrast(getattr(palette, name), palette.surface) >= least, name
        assert contrast(getattr(palette, name), palette.cursor) >= 4.4, name


def test_a_theme_can_be_named_on_the_command_line_or_in_the_environment() -> None:
    terminal = {"TERM": "xterm-256color", "FIELDHAND_THEME": "light", **UTF8}
    assert Appearance.of_terminal(terminal).name == "light"
    assert Appearance.of_terminal(terminal, "high-contrast").name == "high-contrast"
    assert Appearance.of_terminal(terminal, "ansi").depth is Depth.SIXTEEN
    with pytest.raises(FieldhandError, match="dark, light, high-contrast, colour-blind, ansi"):
        Appearance.of_terminal(terminal, "pink")


@pytest.mark.parametrize("theme", THEMES)
def test_a_theme_adds_no_colour_where_none_is_wanted(theme: str) -> None:
    appearance = Appearance.of_terminal({"TERM": "xterm-256color", "NO_COLOR": "1", **UTF8}, theme)
    assert all(appearance.style(token).color is None for token in Token)
    assert appearance.themed("light").depth is Depth.NONE


async def test_the_theme_is_changed_from_the_palette_and_everything_follows(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        for theme in ("light", "ansi", "dark"):
            await operator.press("colon")
            await operator.type("theme")
            await operator.press("enter")
            await operator.type(theme)
            await operator.press("enter")
            assert operator.app.appearance.name == theme
            plain = operator.app.appearance.style(Token.TEXT).bgcolor
            strip = next(s for s in operator.app.screen._compositor.render_strips() if "Boiler 2" in s.text)
            shown = {segment.style.bgcolor for segment in strip if segment.style}
            assert plain in shown or (plain is None and operator.app.native_ansi_color)


async def test_on_a_terminal_of_ascii_nothing_else_is_written_whatever_devices_say(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await engine.add_port()
    await engine.add_license(10)
    await engine.add(Spec("Lüfter 漢 ½"), Spec("Zuluftanlage Süd – Ventilator im Erdgeschoß, Achse 14"))
    async with open_console(appearance=Appearance(ascii_only=True)) as operator:
        assert "Lufter ?? ?" in operator.screen()
        for key in ("asterisk", "p", "d", "escape", "i", "escape", "question_mark", "escape", "m", "escape", "3"):
            await operator.press(key)
            assert operator.screen().isascii()


def test_without_colour_what_failed_stands_out_from_work_that_goes_on() -> None:
    appearance = Appearance(Depth.NONE)
    assert appearance.style(Token.BAD).underline
    assert not appearance.style(Token.ACCENT).underline
