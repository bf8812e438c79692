from __future__ import annotations

from collections import Counter

import pytest

from core.actions import ACTIONS
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.bindings import BACK, COMMANDS, EVERYWHERE, INTERRUPT, MOVES, ON_DEVICES, ON_TOP, QUIT, VIEWS, Place, pages

UNRELIABLE = {"ctrl+s", "ctrl+q", "ctrl+z", "ctrl+m", "ctrl+i", "ctrl+h", "ctrl+j", "ctrl+enter", "ctrl+space"}
"""Keys that terminals keep for themselves or do not tell apart."""


def keys_at(place: Place) -> list[str]:
    frame = (BACK,) if place in ON_TOP else (QUIT, *VIEWS)
    commands = (*COMMANDS[place], *MOVES, *frame, *EVERYWHERE, INTERRUPT)
    return [key for command in commands for key in command.keys]


@pytest.mark.parametrize("place", Place)
def test_no_key_means_two_things_in_one_place(place: Place) -> None:
    assert [key for key, times in Counter(keys_at(place)).items() if times > 1] == []


@pytest.mark.parametrize("place", Place)
def test_every_key_reaches_the_program_over_ssh(place: Place) -> None:
    keys = set(keys_at(place))
    assert not keys & UNRELIABLE
    assert not any(key.startswith(("f1", "f2", "f3", "alt")) for key in keys)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_action_of_the_catalogue_has_its_key_on_devices_and_groups(action: object) -> None:
    keys = {key for command in ON_DEVICES for key in command.keys}
    assert {entry.key for entry in ACTIONS} == keys
    assert set(ON_DEVICES) <= set(COMMANDS[Place.DEVICES])
    assert set(ON_DEVICES) <= set(COMMANDS[Place.GROUPS])


@pytest.mark.parametrize("place", Place)
def test_the_help_page_tells_of_every_key(place: Place) -> None:
    told = {key for _, commands in pages(place) for command in commands for key in command.keys}
    assert set(keys_at(place)) <= told


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
