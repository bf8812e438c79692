"""The Replace view: the new unit's UID however it comes, what is taken over, the steps by hand, and the job."""

from __future__ import annotations

from dataclasses import replace

from core.errors import FieldhandError, Kind
from core.models import TaskState
from core.rpc import FoundDevice, IdentifyUnit, MakePlan, PinPressed, StartJob, WinkUnit
from drivers.base import Found
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tests.tui.operator import Operator
from tui.screens.plan import PlanDialog
from tui.screens.replace import ReplaceScreen

NEW, SAME, OTHER = "00D07AAA0001", "9FFFFF0501840450", "9FFFFF0501840460"


def unit(uid: str = NEW, program_id: str = SAME) -> FoundDevice:
    found = Found(uid, program_id, model=50, firmware=21)
    return FoundDevice(found=found, name=f"device {uid}", known=False)


async def site(engine: FakeEngine, program_id: str = SAME) -> None:
    await plant(engine)
    await engine.add_snapshot(2)
    engine.units[NEW] = unit(program_id=program_id)


async def ask_for(operator: Operator, uid: str = NEW) -> None:
    """On the second device, which is provisioned."""
    await operator.press("j", "c")
    await operator.type(uid)
    await operator.press("enter")


async def test_old_and_new_stand_side_by_side_with_what_is_taken_over(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await site(engine)
    async with open_console() as operator:
        await operator.press("j", "c")
        assert isinstance(operator.app.screen, ReplaceScreen)
        assert "00D071150907" in operator.line("waiting for it")
        await operator.type(NEW)
        await operator.press("enter")
        assert engine.called(IdentifyUnit) == [IdentifyUnit(port="FT-1", uid=NEW)]
        assert "00D071150907" in operator.line(f"{NEW}  (typed)")
        assert "the same" in operator.line("Program ID")
        assert "model 50, version 21" in operator.line("Model")
        assert "1/14" in operator.line("Address")
        assert "saved 3 h ago" in operator.line("Configuration")
        assert "restored" in operator.line("Configuration")
        assert "Enter shows the plan: Replace 1" in operator.screen()


async def test_the_job_is_started_after_the_plan_and_seen_to_its_end(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await site(engine)
    async with open_console() as operator:
        await ask_for(operator)
        await operator.press("enter")
        assert isinstance(operator.app.screen, PlanDialog)
        await operator.press("y")
        (start,) = engine.called(StartJob)
        assert (start.action, start.parameters) == ("replace", {"uid": NEW, "force": False})
        await engine.run_task(2, 2, percent=40, step="write address table")
        await operator.up_to_date()
        assert "running 40%  write address table" in operator.screen()
        await engine.end_task(2, 2, TaskState.DONE, "replaced, configuration restored")
        await engine.end_job(2)
        await operator.up_to_date()
        assert "done  replaced, configuration restored" in operator.screen()


async def test_a_replacement_that_fails_leaves_everything_and_can_be_tried_again(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await site(engine)
    async with open_console() as operator:
        await ask_for(operator)
        await operator.press("enter", "y")
        await engine.end_task(2, 2, TaskState.FAILED, "no answer at query status after 4 tries")
        await engine.end_job(2)
        await operator.up_to_date()
        assert "no answer at query status" in operator.screen()
        assert "Everything is as it was: AHU-04 supply fan is 00D071150907." in operator.screen()
        await engine.change("UPDATE device SET state = 'provisioned', rev = :rev WHERE id = 2")
        await operator.up_to_date()
        await operator.press("enter")
        assert isinstance(operator.app.screen, PlanDialog)


async def test_the_uid_comes_by_pasting_scanning_or_service_pin(engine: FakeEngine, open_console: OpenConsole) -> None:
    await site(engine)
    async with open_console() as operator:
        await operator.press("j", "c")
        await operator.paste("'00:D0:7A:AA:00:01 ")
        assert "(pasted)" in operator.screen()
        await operator.press("enter")
        assert engine.called(MakePlan)[-1].parameters == {"uid": "00:D0:7A:AA:00:01"}
        await operator.press("ctrl+u")
        for key in NEW:
            await operator.pilot.press(key)  # no time passes: faster than a person
        await operator.settled()
        assert "(scanned)" in operator.screen()
        await operator.press("ctrl+u")
        engine.tell(PinPressed(port="FT-1", device=unit()))
        await operator.until(lambda: "(service pin)" in operator.screen())
        await operator.until(lambda: "the same" in operator.line("Program ID"))


async def test_a_service_pin_on_another_port_is_not_meant(engine: FakeEngine, open_console: OpenConsole) -> None:
    await site(engine)
    async with open_console() as operator:
        await operator.press("j", "c")
        engine.tell(PinPressed(port="FT-2", device=unit()))
        await operator.until(lambda: "service pin on FT-2" in operator.message)
        assert "waiting for it" in operator.screen()


async def test_a_uid_that_is_taken_or_none_is_said_where_it_was_typed(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await site(engine)
    engine.errors[MakePlan] = FieldhandError(Kind.DUPLICATE_UID, uid=NEW, device="VAV 4.01 west")
    async with open_console() as operator:
        await ask_for(operator)
        assert "is already there: it is 'VAV 4.01 west'" in operator.screen()
        assert engine.called(IdentifyUnit) == []
        await operator.press("backspace")
        assert "is already there" not in operator.screen()


async def test_another_program_is_shown_and_needs_a_typed_word(engine: FakeEngine, open_console: OpenConsole) -> None:
    await site(engine, OTHER)
    async with open_console() as operator:
        await ask_for(operator)
        assert f"{OTHER}  differs" in operator.line("Program ID")
        await operator.press("enter", "enter")
        assert "type replace to agree" in operator.screen()
        assert engine.called(StartJob) == []
        await operator.type("replace")
        await operator.press("enter")
        assert [start.parameters["force"] for start in engine.called(StartJob)] == [True]


async def test_the_steps_by_hand_come_first_even_where_the_unit_does_not_answer_yet(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await site(engine)
    units, engine.units = engine.units, {}
    engine.adjust = lambda plan: replace(plan, by_hand=("Reset the new module", "Put it in"))
    async with open_console() as operator:
        await ask_for(operator)
        assert "no answer" in operator.screen()
        assert "[ ] Reset the new module" in operator.screen()
        await operator.press("enter", "enter")
        assert "[✓] Put it in" in operator.screen()
        assert "Enter asks the unit again" in operator.screen()
        engine.units = units
        await operator.press("enter")
        assert "Enter shows the plan" in operator.screen()
        assert engine.called(StartJob) == []


async def test_both_units_wink_while_the_field_has_the_focus(engine: FakeEngine, open_console: OpenConsole) -> None:
    await site(engine)
    async with open_console() as operator:
        await operator.press("j", "c", "ctrl+n")
        assert operator.message == "no UID of a new unit yet"
        await operator.type(NEW)
        await operator.press("ctrl+n", "ctrl+o")
        assert [wink.uid for wink in engine.called(WinkUnit)] == [NEW, "00D071150907"]


async def test_another_uid_forgets_what_was_known_of_the_one_before(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await site(engine)
    async with open_console() as operator:
        await ask_for(operator)
        await operator.press("backspace")
        assert "the same" not in operator.screen()
        assert "Enter asks the new unit who it is" in operator.screen()


async def test_a_device_that_can_no_longer_be_replaced_says_why(engine: FakeEngine, open_console: OpenConsole) -> None:
    await site(engine)
    async with open_console() as operator:
        await operator.press("j", "c")
        await engine.change("UPDATE device SET state = 'unprovisioned', rev = :rev WHERE id = 2")
        await operator.type(NEW)
        await operator.press("enter")
        assert "AHU-04 supply fan: not provisioned" in operator.screen()
