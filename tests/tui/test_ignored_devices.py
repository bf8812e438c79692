"""Devices that were removed and ignored are listed, and can be offered again."""

from __future__ import annotations

from core.rpc import StopIgnoring
from tests.tui.conftest import OpenConsole
from tests.tui.field import NOW, FakeEngine, plant


async def ignore(engine: FakeEngine, uid: str, name: str) -> None:
    await engine.change(
        f"INSERT INTO ignored (uid, name, protocol, at, by) VALUES ('{uid}', '{name}', 'lon', {NOW - 7200}, 'bob')"
    )


async def test_one_of_them_is_offered_again(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    await ignore(engine, "00D07AAA0001", "AHU-09 old fan")
    await ignore(engine, "00D07AAA0002", "Boiler [9]")
    async with open_console() as operator:
        await operator.press("U")
        assert operator.line("AHU-09").split()[2:8] == ["AHU-09", "old", "fan", "00D07AAA0001", "2", "h"]
        assert "bob" in operator.line("Boiler [9]")
        assert "Enter: offer it again when it is found   Esc: Cancel" in operator.screen()
        await operator.type("boi")
        await operator.press("enter")
        assert engine.called(StopIgnoring) == [StopIgnoring(uid="00D07AAA0002")]
        assert operator.message == "Boiler [9] is offered again when a search finds it"


async def test_leaving_the_list_changes_nothing(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    await ignore(engine, "00D07AAA0001", "AHU-09 old fan")
    async with open_console() as operator:
        await operator.press("a")
        await operator.type("ignored")
        await operator.press("enter", "escape")
        assert engine.called(StopIgnoring) == []


async def test_where_none_is_ignored_it_says_so(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("U")
        assert operator.message == "no device is ignored"
