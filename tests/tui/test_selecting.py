from __future__ import annotations

from core.lifecycle import Status
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant


async def test_space_selects_and_goes_on(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "space")
        assert len(operator.devices.selected) == 2
        assert operator.devices.index == 2
        assert "36 devices, 2 selected" in operator.screen()
        assert operator.line("AHU-04").startswith("  ✓")


async def test_a_selected_device_hidden_by_the_filter_is_counted(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "space", "space", "slash")
        await operator.type("boiler")
        assert "2 of 36, 3 selected (3 hidden)" in operator.screen()


async def test_a_range_is_selected_with_v_and_with_shift(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("v", "j", "j", "v", "j")
        assert len(operator.devices.selected) == 3
        await operator.press("j", "shift+down", "escape")
        assert len(operator.devices.selected) == 5


async def test_all_that_the_filter_shows_none_and_the_other_way_round(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("slash")
        await operator.type("group:roof")
        await operator.press("enter", "asterisk")
        assert len(operator.devices.selected) == 7
        await operator.press("escape", "I")
        assert len(operator.devices.selected) == 29
        await operator.press("u")
        assert not operator.devices.selected


async def test_escape_clears_the_filter_first_and_the_selection_second(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "slash")
        await operator.type("roof")
        await operator.press("enter", "escape")
        assert (len(operator.devices.view), len(operator.devices.selected)) == (36, 1)
        await operator.press("escape")
        assert not operator.devices.selected


async def test_the_selection_survives_sorting(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "s", "S")
        (selected,) = operator.devices.selected
        assert operator.devices.rows[selected].device.name == "AHU-03 supply fan"


async def test_what_was_selected_before_is_selected_again(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "space", "u", "space", "V")
        assert operator.devices.selected == {1, 2}
        await operator.press("V")
        assert operator.devices.selected == {3}


async def test_a_device_that_is_gone_is_not_selected_again(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "space", "escape")
        await engine.remove(1)
        await operator.up_to_date()
        await operator.press("V")
        assert operator.devices.selected == {2}


async def test_the_list_is_sorted_by_a_column_that_is_chosen_and_then_by_the_one_before(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("C")
        await operator.type("group")
        await operator.press("enter", "C")
        assert "then by Group, then by name" in operator.screen()
        await operator.type("status")
        await operator.press("enter")
        shown = [operator.devices.at(place) for place in range(len(operator.devices.view))]
        oks = [row.device.group for row in shown if row.status is Status.OK]
        assert oks == sorted(oks, key=str)
        assert "Status▴" in operator.screen()
        await operator.press("S")
        shown = [operator.devices.at(place) for place in range(len(operator.devices.view))]
        oks = [row.device.group for row in shown if row.status is Status.OK]
        assert oks == sorted(oks, key=str)
        assert shown[0].status is Status.OK
