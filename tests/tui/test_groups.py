from __future__ import annotations

from core.rpc import AddGroup, AssignGroup, RemoveGroup, RenameGroup
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.screens.ask import AskDialog


async def test_a_group_shows_how_its_devices_stand(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console((120, 30)) as operator:
        await operator.press("2")
        assert "26" in operator.line("offices")
        assert "12 unprovisioned  14 ok" in operator.line("offices")


async def test_enter_shows_the_members_of_exactly_that_group(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    await engine.add_group("roof 2")
    async with open_console() as operator:
        await operator.press("2", "j", "j", "enter")
        assert '/ group:"roof"' in operator.screen()
        assert "7 of 36" in operator.screen()


async def test_a_group_is_made_renamed_and_deleted(engine: FakeEngine, open_console: OpenConsole) -> None:
    async with open_console() as operator:
        await operator.press("2", "n")
        await operator.type("cellar")
        await operator.press("enter")
        assert engine.called(AddGroup) == [AddGroup(name="cellar")]
        await operator.up_to_date()
        await operator.press("r", "end", "2", "enter")
        assert engine.called(RenameGroup) == [RenameGroup(group="cellar", name="cellar2")]
        await operator.up_to_date()
        await operator.press("x", "enter")
        assert engine.called(RemoveGroup) == []
        await operator.press("x", "y")
        assert engine.called(RemoveGroup) == [RemoveGroup(group="cellar2")]
        await operator.up_to_date()
        assert "No groups yet" in operator.screen()


async def test_a_name_that_is_taken_is_said_in_the_dialog_and_nothing_is_lost(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("2", "n")
        await operator.type("roof")
        await operator.press("enter")
        await operator.until(lambda: "taken" in operator.screen())
        assert isinstance(operator.app.screen, AskDialog)
        assert "roof" in operator.screen()


async def test_the_selected_devices_are_put_into_a_group(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "space", "m")
        await operator.type("off")
        await operator.press("enter")
        assert engine.called(AssignGroup) == [AssignGroup(devices=(1, 2), group="offices")]
        await operator.up_to_date()
        assert "offices" in operator.line("AHU-03")


async def test_typing_a_new_name_makes_the_group(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("m")
        await operator.type("west wing")
        await operator.press("enter")
        assert engine.called(AddGroup) == [AddGroup(name="west wing")]
        assert engine.called(AssignGroup) == [AssignGroup(devices=(1,), group="west wing")]


async def test_devices_are_taken_out_of_their_group(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("m", "up", "enter")
        assert engine.called(AssignGroup) == [AssignGroup(devices=(1,), group=None)]


async def test_a_renamed_group_has_its_new_name_at_every_device(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await engine.change("UPDATE device_group SET name = 'attic', rev = :rev WHERE name = 'roof'")
        await operator.up_to_date()
        assert "attic" in operator.line("AHU-03")
