"""Generated from the catalogue: each action, on each of its scopes, by each way to it, in each state of a device."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields

import pytest

from core.actions import ACTIONS, Action, LoadParameters, ReplaceParameters, Scope
from core.errors import Exit
from core.paths import StateDirectory
from core.rpc import FoundDevice, MakePlan, Selection, StartJob
from drivers.base import Found
from tests.tui.conftest import OpenConsole
from tests.tui.field import CUT_OFF, FakeEngine, Spec, hash_of, ok, plant
from tests.tui.operator import Operator
from tui.command_line import _common, _parser
from tui.commands.session import Session
from tui.model.site import Link
from tui.screens.load import LoadScreen
from tui.screens.main import MainScreen
from tui.screens.palette import Palette
from tui.screens.plan import PlanDialog
from tui.screens.replace import ReplaceScreen
from tui.screens.screen import FullScreen

SQL = "UPDATE device SET rev = :rev, "
NEW_UNIT = "00D07AAA0001"
SCREENS: dict[type, type[FullScreen[None]]] = {LoadParameters: LoadScreen, ReplaceParameters: ReplaceScreen}
"""Parameters that are asked for on a screen of their own."""


def named(action: Action) -> str:
    return action.name


# what is offered in which state of a device


@dataclass(frozen=True)
class State:
    """A device as a test makes it, alone on its site, and the keys of the actions it is then offered, by hand."""

    spec: Spec
    offered: str
    also: str = ""
    """SQL for what a `Spec` cannot say."""
    imm: bool = False
    read_only: bool = False
    busy: bool = False


STATES = {
    "not provisioned": State(Spec("a"), "pLXbtwe"),
    "ok": State(ok("a", "1/1"), "dLcXbBtwe"),
    "elsewhere": State(ok("a", "7/2", ours=False), "dRLXbtw"),
    "no application": State(Spec("a", application=False), "LcXt"),
    "cut off": State(Spec("a", application=False, interrupted=40), "LocXt"),
    "does not answer": State(ok("a", "1/1", health="down"), "dLcXbBtwe"),
    "reports a fault": State(ok("a", "1/1", marginal="low water"), "dLcXbBtwe"),
    "failed": State(Spec("a", failure="no answer"), "pLXbtwe"),
    "unlicensed": State(ok("a", "1/1", licensed=False), "X"),
    "in a job": State(ok("a", "1/1"), "", busy=True),
    "without a UID": State(Spec("a"), "X", SQL + "uid = NULL"),
    "on no port": State(ok("a", "1/1", port="none"), "X"),
    "port lost": State(ok("a", "1/1"), "X", "UPDATE port SET state = 'lost', detail = 'FT-1 is gone', rev = :rev"),
    "port paused": State(ok("a", "1/1"), "dLcXbBtwe", "UPDATE port SET paused = 1, rev = :rev"),
    "managed by another tool": State(ok("a", "1/1"), "LXbtwe", "UPDATE site SET mode = 'imm'", imm=True),
    "new under another tool": State(Spec("a"), "LXbtwe", "UPDATE site SET mode = 'imm'", imm=True),
    "site without LON": State(ok("a", "1/1"), "X", """UPDATE site SET without = '["lon"]'"""),
    "read-only": State(ok("a", "1/1"), "", read_only=True),
}


async def bring_about(engine: FakeEngine, state: State) -> None:
    await engine.add_port()
    await engine.add_license(10)
    (device,) = await engine.add(state.spec)
    if state.also:
        await engine.change(state.also)
    if state.busy:
        await engine.start_job("test", "Test", [device])
    if state.imm:
        engine.greeting = engine.greeting.model_copy(update={"other_tools": frozenset({"lon"})})


@pytest.mark.parametrize("state", STATES.values(), ids=list(STATES))
async def test_console_and_worker_offer_what_the_state_of_a_device_allows(
    engine: FakeEngine, open_console: OpenConsole, state: State
) -> None:
    await bring_about(engine, state)
    image = await engine.add_image(CUT_OFF)
    async with open_console((240, 50), read_only=state.read_only) as operator:
        await operator.until(lambda: operator.app.site.link is Link.UP)
        await operator.settled()
        last = operator.screen().splitlines()[-1]
        shown = {action.key for action in ACTIONS if f" {action.key} {action.label.lower()} " in last}
        assert shown == set(state.offered)
        await operator.press("a")
        palette = {action: operator.line(f" {action.title(Scope.DEVICE)}  ") for action in ACTIONS}
        await operator.press("escape")
        for action in ACTIONS:
            if state.read_only:
                assert palette[action] == ""
                await operator.press(action.key)
                assert isinstance(operator.app.screen, MainScreen)
                continue
            parameters = {"image": image} if action.parameters is LoadParameters else {}
            request = MakePlan(action=action.name, selection=Selection(devices=(1,)), parameters=parameters)
            plan = await engine.call(request)
            assert bool(plan.devices) is (action.key in state.offered)
            if plan.devices:
                assert action.help[:20] in palette[action]
            else:
                reason = plan.skipped[0].reason
                assert f"  {reason[:30]}" in palette[action]
                await operator.press(action.key)
                assert operator.message == f"nothing to {action.label.lower()} on a: {reason}"
                assert isinstance(operator.app.screen, MainScreen)
        assert engine.called(StartJob) == []


# what it leads to


async def one_of_each(engine: FakeEngine) -> None:
    """Not provisioned, provisioned, elsewhere, and cut off: every action is offered on one of them."""
    await engine.add_port()
    await engine.add_license(10)
    await engine.add_group("roof")
    await engine.add_image(CUT_OFF)
    engine.units[NEW_UNIT] = FoundDevice(found=Found(NEW_UNIT, "9FFFFF0501840450"), name="new", known=False)
    await engine.add(
        Spec("a", group="roof"),
        ok("b", "1/1", group="roof"),
        ok("c", "7/2", group="roof", ours=False),
        ok("d", "1/2", group="roof", interrupted=40),
    )


def on(action: Action, scope: Scope) -> tuple[int, ...]:
    """Which of them it is done to; of a single one, the first that is offered it."""
    one_each = (STATES["not provisioned"].offered, STATES["ok"].offered, STATES["elsewhere"].offered)
    offered = (*one_each, one_each[1] + "o")
    able = tuple(device for device, keys in enumerate(offered, start=1) if action.key in keys)
    return able[:1] if scope is Scope.DEVICE else able


async def by_key(operator: Operator, action: Action, _: Scope) -> None:
    await operator.press(action.key)


def by_palette(key: str) -> Callable[[Operator, Action, Scope], Awaitable[None]]:
    async def choose(operator: Operator, action: Action, scope: Scope) -> None:
        await operator.press(key)
        assert isinstance(operator.app.screen, Palette)
        await operator.paste(action.title(scope))
        await operator.press("enter")

    return choose


BY_PALETTE = (by_palette("a"), by_palette("colon"))
CASES = [
    pytest.param(action, scope, id=f"{action.name}-{scope.name.lower()}")
    for action in ACTIONS
    for scope in Scope
    if scope in action.scopes
]


def meant(action: Action, scope: Scope) -> Selection:
    """What the worker is asked to do it to."""
    match scope:
        case Scope.DEVICE:
            return Selection(devices=on(action, scope))
        case Scope.SELECTED:
            return Selection(devices=(1, 2, 3, 4))
        case Scope.GROUP:
            return Selection(group="roof")
    return Selection()


async def aim(operator: Operator, action: Action, scope: Scope) -> None:
    """Put the cursor, or select, so that the action is for these."""
    match scope:
        case Scope.DEVICE:
            await operator.press(*("j" * (on(action, scope)[0] - 1)))
        case Scope.SELECTED:
            await operator.press("asterisk")
        case Scope.GROUP:
            await operator.press("2")


async def to_the_plan(operator: Operator, action: Action) -> None:
    """Through the screen that asks for what the action has to know."""
    if screen := SCREENS.get(action.parameters):
        assert isinstance(operator.app.screen, screen)
    if action.parameters is LoadParameters:
        await operator.until(lambda: bool(operator.engine.called(MakePlan)))
        await operator.press("enter")
    elif action.parameters is ReplaceParameters:
        await operator.paste(NEW_UNIT)
        await operator.press("enter", "enter")


def started(engine: FakeEngine) -> list[tuple[str, Selection, tuple[int, ...] | None]]:
    return [(start.action, start.selection, start.agreed) for start in engine.called(StartJob)]


async def forget_jobs(operator: Operator) -> None:
    """As if none had been started."""
    engine = operator.engine
    await engine.change("DELETE FROM task", "DELETE FROM job", "UPDATE device SET rev = :rev")
    await operator.up_to_date()
    engine.calls.clear()


async def leave(operator: Operator) -> None:
    """Back to where the action was started, by Esc alone."""
    while not isinstance(operator.app.screen, MainScreen):
        await operator.press("escape")


@pytest.mark.parametrize(("action", "scope"), CASES)
async def test_each_way_to_an_action_leads_to_a_job_for_exactly_the_devices_it_was_started_on(
    engine: FakeEngine, open_console: OpenConsole, action: Action, scope: Scope
) -> None:
    await one_of_each(engine)
    wanted = (action.name, meant(action, scope), on(action, scope))
    async with open_console() as operator:
        await aim(operator, action, scope)
        selected = set(operator.devices.selected)
        ways = BY_PALETTE if scope is Scope.ALL else (by_key, *BY_PALETTE)
        if not action.asks(scope, 1 if scope is Scope.DEVICE else 4):
            for way in ways:
                await way(operator, action, scope)
                assert started(engine) == [wanted]
                await forget_jobs(operator)
            return
        for way in ways:
            engine.calls.clear()
            await way(operator, action, scope)
            await to_the_plan(operator, action)
            assert isinstance(operator.app.screen, PlanDialog)
            assert {(plan.action, plan.selection) for plan in engine.called(MakePlan)} == {wanted[:2]}
            if way is not ways[-1]:
                await leave(operator)
                assert not any(call.changes for call in engine.calls)
                assert operator.devices.selected == selected
        await operator.agree()
        assert started(engine) == [wanted]


@pytest.mark.parametrize("scope", [Scope.SELECTED, Scope.GROUP])
@pytest.mark.parametrize("action", [action for action in ACTIONS if action.scopes == {Scope.DEVICE}], ids=named)
async def test_what_is_for_one_device_says_so_of_several_and_is_not_in_their_palette(
    engine: FakeEngine, open_console: OpenConsole, action: Action, scope: Scope
) -> None:
    await one_of_each(engine)
    async with open_console() as operator:
        await aim(operator, action, scope)
        await operator.press(action.key)
        subject = "4 devices" if scope is Scope.SELECTED else "group roof"
        assert operator.message == f"{action.label} is for one device at a time, and {subject} is meant"
        await operator.press("a")
        await operator.paste(action.label)
        await operator.press("enter")
        assert isinstance(operator.app.screen, Palette)
        assert not any(call.changes for call in engine.calls)


async def test_a_refused_action_says_why_and_starts_nothing(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("a")
        assert "not provisioned" in operator.line("Deprovision")
        await operator.press("down", "enter")
        assert "Deprovision: not provisioned" in operator.screen()
        assert isinstance(operator.app.screen, Palette)
        assert engine.calls == []


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


# without a screen


ASKED_FOR: dict[type, tuple[str, ...]] = {
    LoadParameters: ("--image", hash_of(CUT_OFF)),
    ReplaceParameters: ("--uid", NEW_UNIT),
}
"""The parameters that must be given."""


def words(action: Action, scope: Scope) -> tuple[str, ...]:
    match scope:
        case Scope.DEVICE:
            return tuple("abcd"[device - 1] for device in on(action, scope))
        case Scope.SELECTED:
            return "a", "b", "c", "d"
        case Scope.GROUP:
            return "--group", "roof"
    return ("--all",)


@pytest.mark.parametrize(("action", "scope"), CASES)
async def test_the_command_of_an_action_shows_its_plan_and_starts_a_job_for_exactly_these_devices(
    engine: FakeEngine,
    action: Action,
    scope: Scope,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await one_of_each(engine)
    monkeypatch.setattr(Session, "worker", lambda _: nullcontext(engine))
    given = (action.name, *words(action, scope), *ASKED_FOR.get(action.parameters, ()))

    async def run(*more: str) -> Exit:
        parsed = _parser(_common(), action.name).parse_args([*given, *more])
        code: Exit = await parsed.command(parsed, Session(StateDirectory(engine.store.parent), False))
        return code

    assert await run("--dry-run") is Exit.DONE
    assert f"{len(on(action, scope))} of {1 if scope is Scope.DEVICE else 4} devices" in capsys.readouterr().out
    assert started(engine) == []
    assert await run("--yes", "--no-wait") is Exit.DONE
    assert started(engine) == [(action.name, meant(action, scope), on(action, scope))]


@pytest.mark.parametrize("action", ACTIONS, ids=named)
def test_the_command_of_an_action_has_the_options_the_catalogue_declares_and_tells_of_them(
    action: Action, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        _parser(_common(), action.name).parse_args([action.name, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert action.help in said
    options = set(re.findall(r"--[a-z][a-z-]*", said.partition(" options: ")[2]))
    always = {"--help", "--state", "--json", "--yes", "--dry-run", "--no-wait"}
    scopes = {"--group" for _ in {Scope.GROUP} & action.scopes} | {"--all" for _ in {Scope.ALL} & action.scopes}
    pausing = {"--pause", "--no-pause"} if action.pauses_monitoring else set()
    parameters = {f"--{parameter.name}" for parameter in fields(action.parameters)}
    pin = {"--service-pin"} if "--uid" in parameters else set()
    assert options == always | scopes | pausing | parameters | pin
    assert all(parameter.metadata["help"] in said for parameter in fields(action.parameters))
