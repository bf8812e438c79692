from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from core.errors import FieldhandError, Kind
from core.interchange import read_devices
from core.rpc import (
    AddDevice,
    Adopt,
    AssignGroup,
    Discover,
    EditDevice,
    FoundDevice,
    ImportDevices,
    ImportProblem,
    PinPressed,
    Searching,
)
from drivers.base import Found, NetworkState
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant, report
from tui.console import GRACE_SECONDS
from tui.screens.discover import DiscoverDialog
from tui.screens.form import FormDialog


def found(*uids: str, known: bool = False) -> tuple[FoundDevice, ...]:
    return tuple(FoundDevice(found=Found(uid), name=f"device {uid}", known=known) for uid in uids)


async def test_what_another_tool_configured_is_adopted_with_a_word_on_how_to_take_it_over(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await engine.add_port()
    await engine.add_license(10)
    stray = Found("00D07AAA0001", state=NetworkState.PROVISIONED)
    engine.found = (FoundDevice(found=stray, name="stray", known=False),)
    async with open_console() as operator:
        await operator.press("D", "enter")
        await operator.until(lambda: "adopted" in operator.message)
        assert operator.message == "1 device adopted from FT-1, configured by another tool: R takes it over"
        assert "◇ elsewhere" in operator.line("stray")


async def test_discovery_counts_while_it_searches_and_adopts_what_is_ticked(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await engine.add_port()
    engine.found = (*found("00D07AAA0001", "00D07AAA0002"), *found("00D07AAA0003", known=True))
    engine.search_may_end.clear()
    async with open_console() as operator:
        await operator.press("D")
        assert engine.called(Discover) == [Discover(port="FT-1")]
        engine.tell(Searching(port="FT-1", found=7, doing="asking each"))
        await operator.until(lambda: "7 found, asking each" in operator.screen())
        engine.search_may_end.set()
        await operator.until(lambda: "2 new, 1 known, 2 ticked" in operator.screen())
        await operator.until(lambda: "known already" in operator.line("00D07AAA0003"))
        await operator.press("space", "enter")
        (adopt,) = engine.called(Adopt)
        assert [device.found.uid for device in adopt.devices] == ["00D07AAA0002"]
        await operator.up_to_date()
        assert "00D07AAA0002" in operator.screen()


async def test_what_was_said_to_be_ignored_is_shown_but_not_ticked(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await engine.add_port()
    (ignored,) = found("00D07AAA0002")
    engine.found = (*found("00D07AAA0001"), ignored.model_copy(update={"ignored": True}))
    async with open_console() as operator:
        await operator.press("D")
        await operator.until(lambda: "2 new, 0 known, 1 ticked" in operator.screen())
        assert "ignored" in operator.line("00D07AAA0002")
        await operator.press("u", "asterisk", "enter")
        (adopt,) = engine.called(Adopt)
        assert [device.found.uid for device in adopt.devices] == ["00D07AAA0001"]


async def test_with_several_ports_one_is_chosen_and_a_closed_one_says_why_not(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await engine.add_port("FT-1")
    await engine.add_port("FT-2", "lost", "unplugged")
    async with open_console() as operator:
        await operator.press("D", "down", "enter")
        assert "FT-2: unplugged" in operator.screen()
        await operator.press("up", "enter")
        assert engine.called(Discover) == [Discover(port="FT-1")]


async def test_a_search_that_fails_says_so_in_its_dialog(engine: FakeEngine, open_console: OpenConsole) -> None:
    await engine.add_port()
    engine.errors[Discover] = FieldhandError(Kind.PORT_LOST, port="FT-1", reason="unplugged")
    async with open_console() as operator:
        await operator.press("D")
        await operator.until(lambda: "FT-1 is gone" in operator.screen())
        assert isinstance(operator.app.screen, DiscoverDialog)


async def test_a_service_pin_offers_its_device(engine: FakeEngine, open_console: OpenConsole) -> None:
    await engine.add_port()
    async with open_console() as operator:
        (device,) = found("00D07AAA0009")
        engine.tell(PinPressed(port="FT-1", device=device))
        await operator.until(lambda: "00D07AAA0009, new" in operator.message)
        await operator.press("j", "D", "enter")
        assert engine.called(Discover) == []
        assert [adopt.devices for adopt in engine.called(Adopt)] == [(device,)]


async def test_the_service_pin_of_a_known_device_tells_its_name(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        known = FoundDevice(found=Found("00D071150900"), name="AHU-03 supply fan", known=True)
        engine.tell(PinPressed(port="FT-1", device=known))
        await operator.until(lambda: operator.message.endswith("AHU-03 supply fan"))


async def test_a_device_is_added_by_hand(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("A")
        await operator.type("New fan")
        await operator.press("tab")
        await operator.type("00D07AAA0010")
        await operator.press("enter")
        assert engine.called(AddDevice) == [AddDevice(name="New fan", uid="00D07AAA0010", port="FT-1")]
        await operator.until(lambda: operator.message == "New fan added")
        assert operator.line("New fan").startswith("▸")


async def test_what_is_wrong_stands_by_its_field_and_nothing_is_lost(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("A")
        await operator.type("Boiler 1")
        await operator.press("tab")
        await operator.type("00D0")
        await operator.press("enter")
        await operator.until(lambda: "is taken" in operator.screen())
        lines = operator.screen().splitlines()
        name = next(place for place, line in enumerate(lines) if "Boiler 1" in line and "Name" in line)
        assert "taken" in lines[name + 1]
        assert "00D0" in operator.line("│  UID")
        assert isinstance(operator.app.screen, FormDialog)
        engine.errors[AddDevice] = FieldhandError(Kind.INVALID_UID, uid="00D0", protocol="LON", reason="too short")
        await operator.press("enter")
        await operator.until(lambda: "too short" in operator.screen())
        assert "is taken" not in operator.screen()


async def test_a_device_is_added_with_type_and_location(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("A")
        await operator.type("New fan")
        await operator.press("up")
        await operator.type("roof, west")
        await operator.press("up")
        await operator.type("fan")
        await operator.press("enter")
        (added,) = engine.called(AddDevice)
        assert (added.type, added.location) == ("fan", "roof, west")


async def test_only_what_was_changed_of_a_device_is_sent(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("E", "end")
        await operator.type(" 2")
        await operator.press("up")
        await operator.type("nvoTemp, nvoFlow")
        await operator.press("enter")
        assert engine.called(EditDevice) == [
            EditDevice(device=1, name="AHU-03 supply fan 2", points=("nvoTemp", "nvoFlow"))
        ]
        assert engine.called(AssignGroup) == []
        await operator.up_to_date()
        assert "AHU-03 supply fan 2" in operator.screen()


async def test_editing_moves_a_device_to_another_group(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("i", "E", "down", "down", "down", "ctrl+u")
        await operator.type("offices")
        await operator.press("enter")
        assert engine.called(AssignGroup) == [AssignGroup(devices=(1,), group="offices")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.csv").write_text("Name,UID\nfan,00D07AAA0001\n", encoding="utf-8-sig")
    return tmp_path


async def test_an_import_shows_what_is_wrong_by_line_and_column_and_changes_nothing(
    engine: FakeEngine, open_console: OpenConsole, folder: Path
) -> None:
    await plant(engine)
    problem = ImportProblem(line=7, column="UID", reason="'00D0' is no LON UID: too short")
    engine.report = report(rows=12, added=("fan",), problems=(problem,))
    async with open_console() as operator:
        await operator.press("less_than_sign")
        await operator.type("plan")
        await operator.press("enter")
        assert "12 rows" in operator.screen()
        assert "line 7    UID             '00D0' is no LON UID: too short" in operator.screen()
        assert "Nothing is imported: 1 problem" in operator.screen()
        await operator.press("enter")
        assert [call.dry_run for call in engine.called(ImportDevices)] == [True]


async def test_an_import_names_the_groups_that_are_made_for_it(
    engine: FakeEngine, open_console: OpenConsole, folder: Path
) -> None:
    await plant(engine)
    engine.report = report(rows=1, added=("a",), groups=("attic", "cellar [east]"))
    async with open_console() as operator:
        await operator.press("less_than_sign")
        await operator.type("plan")
        await operator.press("enter")
        assert "1 row: 1 new device " in operator.screen()
        assert "2 groups made for it: attic, cellar [east]" in operator.screen()


@pytest.mark.parametrize("keys", ["less_than_sign", "4 i", "5 n", "5 t"])
async def test_the_keys_of_a_file_dialog_stand_on_one_line(
    engine: FakeEngine, open_console: OpenConsole, folder: Path, keys: str
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press(*keys.split())
        assert "Enter: " in operator.line("Esc: Cancel")


@pytest.mark.parametrize(("keys", "provision"), [(("right",), False), (("left",), True)])
async def test_an_import_is_done_after_it_was_tried(
    engine: FakeEngine, open_console: OpenConsole, folder: Path, keys: tuple[str, ...], provision: bool
) -> None:
    await plant(engine)
    engine.report = report(rows=3, added=("a", "b"), known=("c",), seats_short=1)
    async with open_console() as operator:
        await operator.press("less_than_sign")
        await operator.type("plan")
        await operator.press("enter")
        assert "3 rows: 2 new devices" in operator.screen()
        assert "1 device known already" in operator.screen()
        assert "1 license seat short" in operator.screen()
        await operator.press("enter")
        assert len(engine.called(ImportDevices)) == 1
        await operator.press("less_than_sign")
        await operator.type("plan")
        await operator.press("enter", *keys, "enter")
        tried, done = engine.called(ImportDevices)[1:]
        assert tried.dry_run
        assert done == ImportDevices(
            text="Name,UID\nfan,00D07AAA0001\n", port="FT-1", provision=provision, grace=GRACE_SECONDS
        )
        assert operator.message == "2 devices imported from plan.csv"


async def test_the_selected_devices_are_exported_or_all_that_are_shown(
    engine: FakeEngine, open_console: OpenConsole, folder: Path
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "O", "enter")
        await operator.until((folder / "devices.csv").exists)
        assert _names(folder / "devices.csv") == ["AHU-03 supply fan"]
        await operator.press("u", "slash")
        await operator.type("boiler")
        await operator.press("enter", "O", "ctrl+u")
        await operator.type(str(folder / "boilers.csv"))
        await operator.press("enter")
        await operator.until((folder / "boilers.csv").exists)
        assert _names(folder / "boilers.csv") == ["Boiler 1", "Boiler 2"]


def _names(file: Path) -> list[str]:
    rows, problems = read_devices(file.read_text())
    assert problems == []
    return [row.name for row in rows]


async def test_what_is_typed_ahead_goes_field_by_field(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("A")
        operator.clock.pass_(1.0)
        await operator.type_ahead("a", "b", "backspace", "c", "tab", "9", "f")
        assert [field.value for field in operator.app.screen.query(Input)][:2] == ["ac", "9f"]
