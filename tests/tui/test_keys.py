"""No key means two things anywhere, each reaches the program over SSH, and nothing is there for a mouse alone."""

from __future__ import annotations

import ast
import re
import string
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from textual.binding import BindingsMap
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

import tui.bindings
from core.actions import ACTIONS
from core.rpc import ImportReport
from tests.tui import tour
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant, report
from tui.bindings import (
    BUTTONS,
    COMMANDS,
    DIALOGS,
    FILTERING,
    MOVES,
    ON_DEVICES,
    TO_BUTTONS,
    Place,
    at,
    bindings,
    pages,
)
from tui.screens.dialog import Dialog
from tui.screens.first import FirstScreen
from tui.screens.import_report import ImportDialog
from tui.screens.main import MainScreen
from tui.screens.plan import Word
from tui.screens.screen import FullScreen
from tui.screens.view import View
from tui.widgets.choices import Choices
from tui.widgets.filter_line import FilterLine
from tui.widgets.table import LineTable

KEPT_BY_TERMINALS = "sqzmihj"
"""With Ctrl these are flow control, suspend, or the same as Enter, Tab and Backspace."""
SENT_BY_ANY_TERMINAL = frozenset(
    {"enter", "escape", "tab", "shift+tab", "space", "up", "down", "left", "right", "home", "end", "pageup", "pagedown"}
    | {"asterisk", "slash", "colon", "question_mark", "exclamation_mark", "less_than_sign", "greater_than_sign"}
    | set(string.ascii_letters + string.digits)
    | {f"ctrl+{letter}" for letter in string.ascii_lowercase if letter not in KEPT_BY_TERMINALS}
)
CONVENIENCES = frozenset({"shift+up", "shift+down"})
"""Not sent by the plainest terminals; a range does the same."""
BROUGHT_BY: dict[type[Widget], Iterable[Any]] = {
    LineTable: MOVES,
    Choices: BUTTONS,
    FilterLine: FILTERING,
    Word: (TO_BUTTONS,),
}
"""Widgets with keys of their own. A new one is added to `tui.bindings.at` where it is, then here."""


def keys_at(place: Place) -> list[str]:
    return [key for command in at(place) for key in command.keys]


def bound(node: type[Widget | Screen[Any]]) -> set[tuple[str, str]]:
    merged = node._merge_bindings()
    return {(key, each.action) for key, found in merged.key_to_bindings.items() for each in found}


@pytest.mark.parametrize("place", Place)
def test_no_key_means_two_things_in_one_place(place: Place) -> None:
    assert [key for key, times in Counter(keys_at(place)).items() if times > 1] == []


@pytest.mark.parametrize("place", Place)
def test_every_key_is_one_that_an_ssh_terminal_sends(place: Place) -> None:
    assert set(keys_at(place)) <= SENT_BY_ANY_TERMINAL | CONVENIENCES
    for command in (*at(place), *FILTERING, TO_BUTTONS):
        assert set(command.keys) & SENT_BY_ANY_TERMINAL or "extend" in command.action


def test_whatever_is_bound_on_a_screen_is_said_of_its_place() -> None:
    for screen in (*tour.classes(FullScreen), *tour.classes(Dialog), *tour.classes(View)):
        if screen is MainScreen:
            continue
        if not hasattr(screen, "PLACE"):
            assert screen.__subclasses__(), f"{screen.__name__} has no PLACE"
            continue
        place: Place = screen.PLACE
        said = {(key, command.action) for command in at(place) for key in command.keys}
        assert bound(screen) <= said, screen.__name__
    for view in tour.classes(View):
        said = {(key, command.action) for command in at(view.PLACE) for key in command.keys}  # type: ignore[attr-defined]
        assert bound(MainScreen) <= said


def test_every_widget_with_keys_of_its_own_is_known() -> None:
    screens = {*tour.classes(Screen), *tour.classes(View), View}
    with_keys = {each for each in tour.classes(Widget) if each not in screens and each.__dict__.get("BINDINGS")}
    assert with_keys == set(BROUGHT_BY)
    for widget, commands in BROUGHT_BY.items():
        assert widget.__dict__["BINDINGS"] == bindings(*commands)


def test_nothing_is_there_for_a_mouse() -> None:
    for widget in tour.classes(Widget):
        handlers = {name for each in widget.__mro__ if each.__module__.startswith("tui.") for name in vars(each)}
        assert not {name for name in handlers if "click" in name or "mouse" in name}, widget.__name__


async def test_no_key_is_bound_twice_between_what_has_the_focus_and_its_screen(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await tour.furnish(engine)
    seen = set()
    async with open_console() as operator:
        async for name in tour.tour(operator):
            seen.add(name)
            check_focus(operator.app.screen)
        for screen in (FirstScreen(), ImportDialog("a.csv", a_report())):
            operator.app.push_screen(screen)
            await operator.settled()
            seen.add(type(screen).__name__)
            check_focus(operator.app.screen)
            operator.app.pop_screen()
            await operator.settled()
    assert seen >= tour.screens() - {"MainScreen"}
    assert seen >= {view.__name__ for view in tour.classes(View)}


def a_report() -> ImportReport:
    return report(rows=1, added=("x",))


def check_focus(screen: Screen[Any]) -> None:
    """Whatever can have the focus; what is typed into a field comes first there, as anybody expects."""
    assert isinstance(screen, FullScreen | Dialog)
    said = set(keys_at(screen.view.PLACE if isinstance(screen, MainScreen) else screen.PLACE))
    for widget in (screen, *screen.focus_chain):
        actions: defaultdict[str, set[str]] = defaultdict(set)
        for node in widget.ancestors_with_self[:-1]:
            if not isinstance(node, Input | FilterLine):
                for key, action in keys_of(node._bindings):
                    actions[key].add(action)
        assert {key: twice for key, twice in actions.items() if len(twice) > 1} == {}, screen
        assert set(actions) <= said, screen


def keys_of(of: BindingsMap) -> list[tuple[str, str]]:
    return [(key, each.action) for key, found in of.key_to_bindings.items() for each in found]


def texts(module: Path) -> Iterable[str]:
    """The strings of a module, but for its docstrings."""
    tree = ast.parse(module.read_text())
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


@pytest.mark.parametrize("folder", ["screens", "flows", "widgets", "model"])
def test_no_text_but_the_table_of_keys_has_the_name_of_a_key_in_it(folder: str) -> None:
    named = re.compile(r"\b(Esc|Enter|Tab|Space|PgUp|PgDn|Ctrl-|Shift-)")
    for module in (Path(tui.bindings.__file__).parent / folder).glob("*.py"):
        assert [text for text in texts(module) if named.search(text)] == [], module.name


def test_every_action_of_the_catalogue_has_its_key_on_devices_and_groups() -> None:
    assert [(action.key,) for action in ACTIONS] == [command.keys for command in ON_DEVICES]
    assert set(ON_DEVICES) <= set(COMMANDS[Place.DEVICES])
    assert set(ON_DEVICES) <= set(COMMANDS[Place.GROUPS])


@pytest.mark.parametrize("place", Place)
def test_the_help_page_tells_of_every_key(place: Place) -> None:
    told = {key for _, commands in pages(place) for command in commands for key in command.keys}
    assert set(keys_at(place)) <= told
    if place not in DIALOGS:
        assert {key for command in (*FILTERING, *BUTTONS) for key in command.keys} <= told


@pytest.mark.parametrize("place", Place)
def test_every_command_says_what_it_does(place: Place) -> None:
    assert all(command.help for _, commands in pages(place) for command in commands)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ((), "/ filter  D discover  ? help"),
        (("2",), "n new  ? help"),
        (("3",), "H history  ? help"),
        (("4",), "i import  ? help"),
        (("6",), "n add port  ? help"),
        (("7",), "f freeze  / filter  ? help"),
        (("3", "H"), "/ filter  Esc back  ? help"),
    ],
)
async def test_where_nothing_is_listed_the_key_line_offers_nothing_on_it(
    engine: FakeEngine, open_console: OpenConsole, keys: tuple[str, ...], line: str
) -> None:
    async with open_console() as operator:
        await operator.press(*keys)
        assert operator.screen().splitlines()[-1].strip() == line


async def test_what_is_selected_can_be_acted_on_while_the_filter_hides_it(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "slash", "x", "y", "enter")
        assert "a actions on selected" in operator.screen().splitlines()[-1]
        await operator.press("u")
        assert operator.screen().splitlines()[-1].strip() == "/ filter  D discover  ? help"
