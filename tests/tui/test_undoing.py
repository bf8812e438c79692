"""Local edits are taken back with z; what was sent to devices is not."""

from __future__ import annotations

from core.rpc import AssignGroup, EditDevice, RenameGroup
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant


async def test_a_device_is_put_back_into_its_group(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("m")
        await operator.type("offices")
        await operator.press("enter", "z")
        assert operator.message == "undone: AHU-03 supply fan is in group roof again"
        assert engine.called(AssignGroup)[-1] == AssignGroup(devices=(1,), group="roof")
        await operator.up_to_date()
        assert "roof" in operator.line("AHU-03")


async def test_many_devices_go_back_each_into_its_own_group(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("slash")
        await operator.type("boiler")
        await operator.press("enter", "asterisk", "escape", "space", "m")
        await operator.type("offices")
        await operator.press("enter", "z")
        assert operator.message == "undone: 3 devices are in their groups again"
        await operator.up_to_date()
        groups = {device.name: device.group for device in operator.devices}
        assert (groups["Boiler 1"], groups["Boiler 2"], groups["AHU-03 supply fan"]) == (
            "plant room",
            "plant room",
            "roof",
        )


async def test_what_was_changed_in_the_form_is_as_it_was(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("E", "end", "X", "enter", "z")
        assert engine.called(EditDevice)[-1] == EditDevice(device=1, name="AHU-03 supply fan")
        assert operator.message == "undone: AHU-03 supply fanX is called AHU-03 supply fan again"


async def test_fields_that_were_empty_are_empty_again(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("E", "up", "a", "up", "b", "enter", "z")
        assert engine.called(EditDevice)[0] == EditDevice(device=1, location="b", points=("a",))
        assert operator.message == "undone: AHU-03 supply fan is as it was"
        assert engine.called(EditDevice)[1] == EditDevice(device=1, location="", points=())


async def test_several_edits_are_undone_last_first_and_then_there_is_nothing(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("m")
        await operator.type("offices")
        await operator.press("enter", "2", "r", "end", "2", "enter")
        await operator.up_to_date()
        assert engine.called(RenameGroup) == [RenameGroup(group="offices", name="offices2")]
        await operator.press("z")
        assert operator.message == "undone: group offices2 is called offices again"
        await operator.press("z")
        assert operator.message == "undone: AHU-03 supply fan is in group roof again"
        await operator.press("z")
        assert operator.message.startswith("nothing to undo")


async def test_what_somebody_changed_since_is_left_alone(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("m")
        await operator.type("offices")
        await operator.press("enter")
        await engine.change("UPDATE device SET group_id = NULL, rev = :rev WHERE id = 1")
        await operator.press("z")
        assert operator.message == "not undone: AHU-03 supply fan changed again since, or is gone"
        assert len(engine.called(AssignGroup)) == 1


async def test_another_change_of_the_same_device_does_not_stand_in_the_way(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("m")
        await operator.type("offices")
        await operator.press("enter")
        await engine.change("UPDATE device SET location = 'attic', rev = :rev WHERE id = 1")
        await operator.press("z")
        assert operator.message == "undone: AHU-03 supply fan is in group roof again"


async def test_a_group_somebody_else_renamed_keeps_that_name(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("2", "r", "end", "2", "enter")
        await engine.change("UPDATE device_group SET name = 'north', rev = :rev WHERE name = 'offices2'")
        await operator.press("z")
        assert operator.message == "not undone: group offices2 changed again since, or is gone"


async def test_a_device_that_was_removed_since_is_not_missed(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("m")
        await operator.type("offices")
        await operator.press("enter")
        await engine.change("DELETE FROM device WHERE id = 1", "INSERT INTO removed (device_id, rev) VALUES (1, :rev)")
        await operator.up_to_date()
        await operator.press("z")
        assert operator.message == "not undone: AHU-03 supply fan changed again since, or is gone"


async def test_an_edit_that_changed_nothing_is_not_remembered(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("E", "enter", "z")
        assert operator.message.startswith("nothing to undo")


async def test_undo_is_in_the_palette_which_the_colon_opens(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("colon")
        await operator.type("undo")
        await operator.press("enter")
        assert operator.message.startswith("nothing to undo")
        await operator.press("6", "colon")
        await operator.type("undo")
        await operator.press("enter")
        assert operator.message.startswith("nothing to undo")
