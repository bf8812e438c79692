from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from core.errors import FieldhandError, Kind
from core.planning import MonitoringPlan, Plan
from core.rpc import StartJob
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.screens.plan import PlanDialog


async def test_the_plan_says_how_many_which_not_and_why(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "p")
        screen = operator.screen()
        assert "14 of 36 devices, about 2 s on FT-1" in screen
        assert "19  already provisioned" in screen
        assert "1  no license seat" in screen
        assert "Provision 14" in screen


async def test_cancel_has_the_focus(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "p", "enter")
        assert not isinstance(operator.app.screen, PlanDialog)
        assert engine.called(StartJob) == []


@pytest.mark.parametrize("keys", [("tab", "enter"), ("right", "enter"), ("left", "enter"), ("y",)])
async def test_agreeing_starts_exactly_the_devices_of_the_plan(
    engine: FakeEngine, open_console: OpenConsole, keys: tuple[str, ...]
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "p", *keys)
        (start,) = engine.called(StartJob)
        assert sorted(start.agreed or ()) == [1, 3, *range(25, 37)]


async def test_the_dialog_is_deaf_for_a_moment(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "p")
        operator.clock.pass_(-0.1)
        await operator.pilot.press("y")
        await operator.settled()
        assert isinstance(operator.app.screen, PlanDialog)
        assert engine.called(StartJob) == []
        operator.clock.pass_(0.1)
        await operator.press("y")
        assert len(engine.called(StartJob)) == 1


async def test_a_held_enter_presses_nothing(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "a", "enter")
        for _ in range(20):
            operator.clock.pass_(0.03)
            await operator.pilot.press("enter")
        await operator.settled()
        assert isinstance(operator.app.screen, PlanDialog)


async def test_the_lists_show_each_device_and_each_reason(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "p", "s")
        assert "no application" in operator.line("Boiler 1")
        assert "Provision 14" in operator.screen()
        await operator.press("d")
        assert "FT-1" in operator.line("AHU-03")
        await operator.press("d")
        assert "14 of 36" in operator.screen()


async def test_devices_hidden_by_the_filter_are_counted_in_the_plan(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "slash")
        await operator.type("AHU")
        await operator.press("enter", "p")
        assert "12 of them are hidden by the filter" in operator.screen()


async def test_what_the_other_tool_loses_is_a_warning(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("slash")
        await operator.type("status:elsewhere")
        await operator.press("enter", "d")
        assert "provisioned by another tool" in operator.screen()


async def test_a_refusal_of_the_engine_is_said_and_kept(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        engine.errors[StartJob] = FieldhandError(Kind.NOT_ALLOWED, reason="you may only look")
        await operator.press("p")
        assert "not allowed: you may only look" in operator.screen()
        await operator.press("j")
        assert "you may only look" not in operator.screen()
        await operator.press("exclamation_mark")
        assert "not allowed: you may only look" in operator.screen()


def with_monitoring(*, pauses: bool = True, asks: bool = True) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, monitoring=MonitoringPlan(12.4, pauses, asks))


async def test_the_plan_pauses_monitoring_unless_the_operator_says_otherwise(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    engine.adjust = with_monitoring()
    async with open_console() as operator:
        await operator.press("asterisk", "p")
        assert "12.4 events/s, paused by this job, then resumed     [✓]" in operator.screen()
        await operator.press("m")
        assert "12.4 events/s, goes on during this job              [ ]" in operator.screen()
        await operator.press("y")
        assert [start.pause for start in engine.called(StartJob)] == [False]


async def test_what_monitoring_does_is_said_where_nobody_is_asked(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    engine.adjust = with_monitoring(pauses=False, asks=False)
    async with open_console() as operator:
        await operator.press("asterisk", "p", "m")
        assert "goes on during this job" in operator.screen()
        assert "[" not in operator.line("Monitoring")
        await operator.press("y")
        assert [start.pause for start in engine.called(StartJob)] == [None]


async def test_a_word_has_to_be_typed_before_the_button_works(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.adjust = lambda plan: replace(plan, typed="provision")
    async with open_console() as operator:
        await operator.press("asterisk", "p", "enter")
        assert "type provision to agree, or Esc" in operator.screen()
        await operator.press("tab", "y")
        assert isinstance(operator.app.screen, PlanDialog)
        assert engine.called(StartJob) == []
        await operator.type("Provision")
        await operator.press("enter")
        assert len(engine.called(StartJob)) == 1


async def test_what_has_to_be_done_by_hand_is_in_the_plan(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.adjust = lambda plan: replace(plan, by_hand=("Hold the button for 5 s", "Wait for the LED"))
    async with open_console() as operator:
        await operator.press("asterisk", "p")
        assert "1. Hold the button for 5 s" in operator.line("By hand")
        assert "2. Wait for the LED" in operator.screen()


async def test_what_is_removed_can_be_ignored_from_now_on(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.adjust = lambda plan: replace(plan, warnings=("take it off the channel first",))
    async with open_console() as operator:
        await operator.press("X")
        assert "take it off the channel first" in operator.screen()
        assert "Remove 1" in operator.screen()
        await operator.press("i")
        assert "Remove and ignore 1" in operator.screen()
        await operator.press("y")
        assert [start.parameters for start in engine.called(StartJob)] == [{"ignore": True}]


async def test_removing_keeps_the_device_on_offer_unless_told(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("X", "y")
        assert [start.parameters for start in engine.called(StartJob)] == [{"ignore": False}]


async def test_many_are_removed_only_when_the_word_is_typed(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "space", "X", "y", "enter")
        assert "type remove to agree, or Esc" in operator.screen()
        assert engine.called(StartJob) == []
        await operator.press("backspace")
        await operator.type("remove")
        await operator.press("enter")
        (start,) = engine.called(StartJob)
        assert start.selection.devices == (1, 2)


async def test_the_word_is_asked_for_also_when_a_whole_group_is_removed(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("2", "X")
        assert "type remove to agree" in operator.screen()
        await operator.press("tab")
        assert "▸ Cancel" in operator.screen()
        await operator.press("y")
        assert engine.called(StartJob) == []
