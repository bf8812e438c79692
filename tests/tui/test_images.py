"""The image repository, the file browser, and the Load Image view."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import FieldhandError, Kind
from core.planning import Plan, Skipped
from core.rpc import AddImage, MakePlan, RemoveImage, Selection, StartJob
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.console import GRACE_SECONDS
from tui.screens.file_picker import FileDialog
from tui.screens.job import JobScreen
from tui.screens.load import LoadScreen
from tui.screens.plan import PlanDialog


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "stick"
    (folder / "old").mkdir(parents=True)
    (folder / "fan-2.1.apb").write_bytes(b"\1" * 2048)
    (folder / "old" / "fan-2.0.apb").write_bytes(b"\2" * 1024)
    (folder / "empty.nxi").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.apb").write_bytes(b"\3")
    monkeypatch.chdir(folder)
    return folder


def misfits(*devices: int) -> Callable[[Plan], Plan]:
    """The engine finds that the image is not made for these; with force it asks for a word instead."""

    def adjust(plan: Plan) -> Plan:
        if plan.action != "load":
            return plan
        if plan.parameters.get("force"):
            return replace(plan, typed="load")
        bad = [planned for planned in plan.devices if planned.device in devices]
        skipped = tuple(Skipped(one.device, one.name, one.uid, "made for model 50, this is 60") for one in bad)
        fits = tuple(one for one in plan.devices if one not in bad)
        return replace(plan, devices=fits, skipped=plan.skipped + skipped)

    return adjust


async def test_an_image_is_imported_by_going_through_the_folders(
    engine: FakeEngine, open_console: OpenConsole, folder: Path
) -> None:
    async with open_console() as operator:
        await operator.press("4")
        assert "No images yet" in operator.screen()
        await operator.press("i")
        assert "old/" in operator.screen()
        assert "2.0 kB" in operator.line("fan-2.1.apb")
        assert "notes.txt" not in operator.screen()
        assert ".hidden" not in operator.screen()
        await operator.press("down", "enter")
        assert "fan-2.0.apb" in operator.screen()
        await operator.press("down", "enter")
        assert engine.called(AddImage) == [AddImage(name="fan-2.0.apb", data=base64.b64encode(b"\2" * 1024).decode())]
        await operator.up_to_date()
        assert "1.0 kB" in operator.line("fan-2.0.apb")
        assert operator.message == "fan-2.0.apb is in the repository, 1.0 kB"


async def test_a_path_is_typed_completed_or_pasted(engine: FakeEngine, open_console: OpenConsole, folder: Path) -> None:
    async with open_console() as operator:
        await operator.press("4", "i")
        await operator.type("FAN")
        await operator.press("tab", "enter")
        assert [call.name for call in engine.called(AddImage)] == ["fan-2.1.apb"]
        await operator.up_to_date()
        await operator.press("i", "ctrl+u")
        await operator.paste(f"'{folder}/notes.txt'")
        await operator.press("enter")
        assert [call.name for call in engine.called(AddImage)] == ["fan-2.1.apb", "notes.txt"]


async def test_what_is_wrong_with_a_file_is_said_in_the_dialog(
    engine: FakeEngine, open_console: OpenConsole, folder: Path
) -> None:
    async with open_console() as operator:
        await operator.press("4", "i")
        await operator.type("empty.nxi")
        await operator.press("enter")
        await operator.until(lambda: "image empty.nxi: it is empty" in operator.screen())
        await operator.press("ctrl+u")
        await operator.type("nosuch/thing")
        await operator.press("enter")
        assert "no such file" in operator.screen().lower()
        assert isinstance(operator.app.screen, FileDialog)
        await operator.press("escape")
        assert engine.calls == []


async def test_it_is_said_while_the_file_is_being_saved(
    engine: FakeEngine, open_console: OpenConsole, folder: Path
) -> None:
    engine.hold(AddImage)
    async with open_console() as operator:
        await operator.press("4", "i")
        await operator.type("fan")
        await operator.press("enter")
        await operator.until(lambda: "saving" in operator.screen())
        await operator.press("escape", "enter")
        assert isinstance(operator.app.screen, FileDialog)
        engine.let_go()
        await operator.until(lambda: "in the repository" in operator.message)
        assert len(engine.called(AddImage)) == 1


async def test_an_image_is_removed_after_asking_and_a_refusal_is_said(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    sha256 = await engine.add_image("fan.apb")
    async with open_console() as operator:
        await operator.press("4", "x", "enter")
        assert engine.called(RemoveImage) == []
        engine.errors[RemoveImage] = FieldhandError(Kind.IN_USE, what="image", name="fan.apb", reason="job 7 loads it")
        await operator.press("x", "y")
        assert "job 7 loads it" in operator.message
        engine.errors.clear()
        await operator.press("x", "y")
        assert engine.called(RemoveImage)[-1] == RemoveImage(image=sha256)
        await operator.up_to_date()
        assert "No images yet" in operator.screen()


async def test_everything_about_an_image(engine: FakeEngine, open_console: OpenConsole) -> None:
    sha256 = await engine.add_image("fan.apb")
    async with open_console() as operator:
        await operator.press("4", "enter")
        assert sha256[:40] in operator.screen()
        assert "48,700 bytes" in operator.screen()


async def test_the_load_view_says_for_each_device_whether_the_image_fits(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    first, second = await engine.add_image("a.apb"), await engine.add_image("b.apb")
    engine.adjust = misfits(3)
    async with open_console() as operator:
        await operator.press("space", "j", "space", "L")
        assert isinstance(operator.app.screen, LoadScreen)
        await operator.until(lambda: "2 devices: a.apb fits 1" in operator.screen())
        assert "✓ fits" in operator.line("AHU-03")
        assert "made for model 50" in operator.line("AHU-05")
        await operator.press("j")
        await operator.until(lambda: "b.apb fits 1" in operator.screen())
        plans = engine.called(MakePlan)
        assert [plan.parameters for plan in plans] == [{"image": first}, {"image": second}]
        assert {plan.selection for plan in plans} == {Selection(devices=(1, 3))}


async def test_the_image_is_loaded_after_the_plan_and_the_job_is_shown(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    sha256 = await engine.add_image("a.apb")
    async with open_console() as operator:
        await operator.press("L", "enter")
        assert isinstance(operator.app.screen, PlanDialog)
        await operator.press("escape")
        assert isinstance(operator.app.screen, LoadScreen)
        await operator.press("enter", "y")
        (start,) = engine.called(StartJob)
        assert (start.action, start.agreed) == ("load", (1,))
        assert start.parameters == {"image": sha256, "force": False}
        await operator.until(lambda: isinstance(operator.app.screen, JobScreen))
        operator.clock.pass_(GRACE_SECONDS)
        await engine.run_task(2, 1, percent=25, step="write image")
        await engine.change("UPDATE task SET detail = '12.3 of 48.7 kB, 3.1 kB/s, 12 s left', rev = :rev")
        await operator.up_to_date()
        await operator.until(lambda: "running 25%" in operator.line("AHU-03"))
        assert "12.3 of 48.7 kB, " in operator.line("running 25%")
        assert "12.3 of 48.7 kB, 3.1 kB/s, 12 s left" in operator.screen()


async def test_force_loads_what_is_made_for_another_device_after_a_typed_word(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    await engine.add_image("a.apb")
    engine.adjust = misfits(1)
    async with open_console() as operator:
        await operator.press("L", "enter")
        assert "made for model 50, this is 60" in operator.message
        await operator.press("F", "y")
        assert engine.called(StartJob) == []
        await operator.press("ctrl+u")
        await operator.type("load")
        await operator.press("enter")
        assert [start.parameters["force"] for start in engine.called(StartJob)] == [True]


@pytest.mark.parametrize(
    ("keys", "selection"), [(("2", "j", "j", "L"), Selection(group="roof")), (("a",), Selection())]
)
async def test_a_group_and_all_devices_are_loaded_the_same_way(
    engine: FakeEngine, open_console: OpenConsole, keys: tuple[str, ...], selection: Selection
) -> None:
    await plant(engine)
    await engine.add_image("a.apb")
    async with open_console() as operator:
        await operator.press(*keys)
        if selection == Selection():
            await operator.type("load image all")
            await operator.press("enter")
        await operator.until(lambda: "a.apb fits" in operator.screen())
        assert {plan.selection for plan in engine.called(MakePlan)} == {selection}


async def test_an_image_is_imported_from_the_load_view(
    engine: FakeEngine, open_console: OpenConsole, folder: Path
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("L")
        assert "i  imports a file" in operator.screen()
        await operator.press("i")
        await operator.type("fan")
        await operator.press("enter")
        await operator.up_to_date()
        await operator.until(lambda: "fan-2.1.apb fits 1" in operator.screen())


@pytest.mark.parametrize(("width", "beside"), [(80, False), (120, True)])
async def test_the_lists_stand_side_by_side_where_there_is_room(
    engine: FakeEngine, open_console: OpenConsole, width: int, beside: bool
) -> None:
    await plant(engine)
    await engine.add_image("a.apb")
    async with open_console((width, 24)) as operator:
        await operator.press("L")
        await operator.until(lambda: "a.apb fits" in operator.screen())
        assert ("a.apb fits" in operator.line("▸ Images")) is beside
        await operator.press("tab")
        assert "▸ 1 device" in operator.screen()
        assert "AHU-03 supply fan: fits" in operator.screen()


async def test_a_load_that_was_cut_off_shows_on_the_device(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    await engine.cut_off(2, percent=40)
    async with open_console() as operator:
        await operator.press("j", "i")
        assert "load of fan.apb was cut off at 40%" in operator.screen()
        await operator.press("o")
        assert [start.action for start in engine.called(StartJob)] == ["resume"]
