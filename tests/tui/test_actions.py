"""Generated from the catalogue: every action can be reached by its key and through the palette."""

from __future__ import annotations

import pytest

from core.actions import ACTIONS, BY_NAME, Action, LoadParameters, ReplaceParameters, Scope
from core.rpc import MakePlan, Selection, StartJob
from tests.tui.conftest import OpenConsole
from tests.tui.field import CUT_OFF, FakeEngine, Spec, ok, plant
from tui.screens.palette import Palette
from tui.screens.plan import PlanDialog

SCREENS = {LoadParameters, ReplaceParameters}
"""Parameters that are asked for on a screen of their own, which has its own tests."""


def each(*actions: Action) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("action", actions, ids=lambda action: action.name)


every_action = each(*ACTIONS)
every_planned_action = each(*(action for action in ACTIONS if action.parameters not in SCREENS))
every_action_on_many = each(*(action for action in ACTIONS if Scope.SELECTED in action.scopes))


async def one_of_each(engine: FakeEngine) -> None:
    """Not provisioned, provisioned, elsewhere, and cut off: every action is offered on one of them."""
    await engine.add_port()
    await engine.add_license(10)
    await engine.add_group("roof")
    await engine.add_image(CUT_OFF)
    await engine.add(
        Spec("a", group="roof"),
        ok("b", "1/1", group="roof"),
        ok("c", "7/2", group="roof", ours=False),
        ok("d", "1/2", group="roof", interrupted=40),
    )


@every_planned_action
async def test_the_key_of_an_action_plans_it_for_the_selection(
    engine: FakeEngine, open_console: OpenConsole, action: Action
) -> None:
    await one_of_each(engine)
    async with open_console() as operator:
        await operator.press("asterisk", action.key)
        (plan,) = engine.called(MakePlan)
        assert plan.action == action.name
        assert plan.selection == Selection(devices=(1, 2, 3, 4))
        assert isinstance(operator.app.screen, PlanDialog)
        assert action.title(Scope.SELECTED) in operator.screen()
        await operator.agree()
        (start,) = engine.called(StartJob)
        assert start.selection.devices is not None
        assert set(start.selection.devices) <= {1, 2, 3, 4}


@every_action_on_many
async def test_the_palette_has_every_action_with_its_key_and_for_how_many(
    engine: FakeEngine, open_console: OpenConsole, action: Action
) -> None:
    await one_of_each(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "a")
        line = operator.line(action.title(Scope.SELECTED))
        assert f" {action.key} " in line
        assert "of 4" in line


@every_planned_action
async def test_the_palette_finds_an_action_by_typing_and_starts_it(
    engine: FakeEngine, open_console: OpenConsole, action: Action
) -> None:
    await one_of_each(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "enter")
        await operator.type(action.label)
        await operator.press("enter")
        assert [plan.action for plan in engine.called(MakePlan)] == [action.name]


@every_planned_action
async def test_the_key_of_an_action_plans_it_for_all_devices_of_a_group(
    engine: FakeEngine, open_console: OpenConsole, action: Action
) -> None:
    await one_of_each(engine)
    async with open_console() as operator:
        await operator.press("2", action.key)
        (plan,) = engine.called(MakePlan)
        assert plan.selection == Selection(group="roof")
        assert isinstance(operator.app.screen, PlanDialog)
        assert f"{action.title(Scope.GROUP)}: group roof" in operator.screen()
        await operator.press("escape")
        assert engine.called(StartJob) == []


@every_action
async def test_the_key_line_offers_an_action_only_where_the_device_does(
    engine: FakeEngine, open_console: OpenConsole, action: Action
) -> None:
    await one_of_each(engine)
    async with open_console((240, 24)) as operator:
        for _ in range(4):
            device = operator.devices.current
            assert device is not None
            offered = operator.app.site.offered(action, [device])
            last = operator.screen().splitlines()[-1]
            assert (f" {action.key} {action.label.lower()} " in last) is offered
            await operator.press("j")


async def test_a_refused_action_says_why_and_starts_nothing(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("a")
        assert "not provisioned" in operator.line("Deprovision")
        await operator.press("down", "enter")
        assert "Deprovision: not provisioned" in operator.screen()
        assert isinstance(operator.app.screen, Palette)
        assert engine.calls == []


async def test_nothing_eligible_says_why_and_opens_no_dialog(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("d")
        assert operator.message == "nothing to deprovision on AHU-03 supply fan: not provisioned"
        assert not isinstance(operator.app.screen, PlanDialog)
        assert engine.called(StartJob) == []


async def test_one_device_that_needs_no_agreement_starts_at_once(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("p")
        assert [start.selection.devices for start in engine.called(StartJob)] == [(1,)]
        await operator.up_to_date()
        assert "◔ queued" in operator.line("AHU-03")


async def test_keys_typed_ahead_are_for_the_view_they_were_typed_for(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await one_of_each(engine)
    async with open_console() as operator:
        await operator.type_ahead("2", "p")
        await operator.until(lambda: isinstance(operator.app.screen, PlanDialog))
        assert [plan.selection for plan in engine.called(MakePlan)] == [Selection(group="roof")]


async def test_a_filter_typed_ahead_starts_no_action(engine: FakeEngine, open_console: OpenConsole) -> None:
    await one_of_each(engine)
    async with open_console() as operator:
        await operator.type_ahead("slash", "d", "t")
        await operator.until(lambda: operator.devices.filter.text == "dt")
        assert engine.calls == []


async def test_the_selection_is_meant_and_not_the_cursor(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "j", "j", "t")
        assert [start.selection.devices for start in engine.called(StartJob)] == [(1,)]


async def test_the_palette_of_one_device_has_what_is_for_one_device_only(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await one_of_each(engine)
    async with open_console() as operator:
        await operator.press("j", "a")
        assert BY_NAME["replace"].help[:20] in operator.line("Replace")
        await operator.press("escape", "asterisk", "c")
        assert operator.message == "Replace is for one device at a time, and 4 devices is meant"


async def test_the_palette_starts_an_action_on_all_devices_of_the_site(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await one_of_each(engine)
    async with open_console() as operator:
        await operator.press("a")
        await operator.type("test all")
        await operator.press("enter")
        assert [plan.selection for plan in engine.called(MakePlan)] == [Selection()]
        assert "4 devices" in operator.screen()


@pytest.mark.parametrize(
    ("keys", "command"),
    [((), "Edit"), ((), "Export Devices"), (("2",), "Rename Group"), (("3",), "History"), (("6",), "Add Port")],
)
async def test_the_palette_has_the_commands_of_the_place_too(
    engine: FakeEngine, open_console: OpenConsole, keys: tuple[str, ...], command: str
) -> None:
    await one_of_each(engine)
    async with open_console() as operator:
        await operator.press(*keys, "ctrl+p")
        await operator.type(command)
        assert operator.line(command)
        await operator.press("enter")
        assert not isinstance(operator.app.screen, Palette)
