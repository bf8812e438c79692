from __future__ import annotations

import pytest

from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, Spec, ok, plant


async def test_the_filter_narrows_while_it_is_typed(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("slash")
        await operator.type("roof !status:ok")
        assert "6 of 36" in operator.screen()
        await operator.press("enter")
        assert "/ roof !status:ok" in operator.screen()
        assert operator.line("AHU-03").startswith("▸")
        await operator.press("j")
        assert operator.line("AHU-05").startswith("▸")


async def test_the_cursor_returns_to_its_device_when_the_filter_shows_it_again(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("j", "j", "slash")
        await operator.type("boiler")
        assert "AHU-05" not in operator.screen()
        await operator.press("escape")
        assert operator.line("AHU-05").startswith("▸")


async def test_keys_typed_into_the_filter_start_nothing(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("slash")
        await operator.type("pdtwq1?")
        assert engine.calls == []
        assert operator.app.is_running


async def test_no_match_says_how_to_go_on(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("slash")
        await operator.type("nosuch")
        assert "No device matches the filter. There are 36 devices." in operator.screen()
        assert "Esc clears the filter" in operator.screen()


async def test_sorting_goes_through_the_columns_and_keeps_the_cursor_on_its_device(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("j", "j")
        await operator.press("s")
        assert operator.devices.sort == "uid"
        assert "UID▴" in operator.screen()
        assert operator.devices.current is not None
        assert operator.devices.current.name == "AHU-05 supply fan"
        await operator.press("S")
        assert "UID▾" in operator.screen()


@pytest.mark.parametrize(
    ("keys", "index"),
    [
        (("j", "j", "k"), 1),
        (("down", "up"), 0),
        (("G",), 35),
        (("end", "g"), 0),
        (("pagedown",), 17),
        (("ctrl+d",), 9),
        (("G", "ctrl+u"), 26),
        (("k",), 0),
        (("G", "j"), 35),
    ],
)
async def test_the_cursor_moves_with_arrows_and_letters(
    engine: FakeEngine, open_console: OpenConsole, keys: tuple[str, ...], index: int
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press(*keys)
        assert operator.devices.index == index
        assert operator.devices.current is not None
        assert operator.line(operator.devices.current.uid).startswith("▸")


async def test_the_cursor_stays_in_sight_when_the_window_shrinks(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console((120, 40)) as operator:
        await operator.press("G")
        await operator.pilot.resize_terminal(80, 15)
        await operator.settled()
        assert operator.line("VAV 5.12").startswith("▸")


async def test_an_empty_site_says_what_to_do_first(engine: FakeEngine, open_console: OpenConsole) -> None:
    async with open_console() as operator:
        assert "no port to find them on" in operator.screen()
        await engine.add_port()
        await operator.up_to_date()
        assert "searches a port for devices" in operator.screen()
        await engine.add(Spec("first"))
        await operator.up_to_date()
        assert "first" in operator.screen()


async def test_changes_in_the_store_are_seen_without_a_key(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await engine.change("UPDATE device SET health = 'down', rev = :rev WHERE name = 'AHU-04 supply fan'")
        await operator.up_to_date()
        assert "▼ down" in operator.line("AHU-04")
        await engine.add(ok("AAA first of all", "1/99"))
        await operator.up_to_date()
        assert "37 devices" in operator.screen()
        assert operator.devices.current is not None
        assert operator.devices.current.name == "AHU-03 supply fan"


async def test_devices_removed_by_somebody_else_disappear(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await engine.remove(25)
        await operator.up_to_date()
        assert "35 devices" in operator.screen()


async def test_what_is_removed_leaves_cursor_and_selection_where_they_are(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "space", "j")
        on = operator.devices.current
        await engine.remove(1, 25)
        await operator.up_to_date()
        assert operator.devices.current == on
        assert "34 devices, 1 selected" in operator.screen()
        await engine.remove(on.id if on else 0)
        await operator.up_to_date()
        assert operator.devices.current is not None
        assert "33 devices, 1 selected" in operator.screen()


async def test_n_goes_to_the_next_device_that_needs_somebody(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        seen = []
        for key in ("n", "n", "n", "N", "N", "N"):
            await operator.press(key)
            seen.append(" ".join(operator.line("▸").split()[1:3]))
        assert seen == [
            "✖ failed:",
            "□ no",
            "◍!marginal: repo…",
            "□ no",
            "✖ failed:",
            "▲ suspect",
        ]


async def test_where_all_is_well_n_says_so(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("slash")
        await operator.type("4.01")
        await operator.press("enter", "n")
        assert operator.message == "nothing here needs anybody"
        await operator.press("slash", "x", "y", "enter", "n")
        assert operator.message == "nothing here needs anybody"
