"""Events per second on every screen, the Ports view, and the Events view."""

from __future__ import annotations

import pytest

from core.models import Event, EventKind, PortMonitoring
from core.rpc import PauseMonitoring, RemovePort
from tests.tui.conftest import OpenConsole
from tests.tui.field import NOW, FakeEngine, plant
from tests.tui.operator import Operator
from tui.screens.device import DeviceScreen


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.events.PAUSE_BETWEEN_READS", 0.0)


def event(number: int, text: str = "", name: str = "AHU-04 supply fan", kind: EventKind = EventKind.POLL) -> Event:
    return Event(number, NOW + number, kind, "FT-1", 2, name, text or f"temperature {number}")


async def shown(operator: Operator, text: str) -> None:
    await operator.until(lambda: text in operator.screen())


async def test_events_per_second_are_known_from_the_start_and_followed(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await shown(operator, "12.4 ev/s")
        engine.monitoring = (PortMonitoring("FT-1", 7.0, ""), PortMonitoring("FT-2", 0.5, ""))
        engine.measure()
        await shown(operator, "7.5 ev/s")


async def test_the_top_line_counts_the_ports_whose_monitoring_is_paused(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    await engine.add_port("FT-2")
    async with open_console() as operator:
        assert "paused" not in operator.screen()
        await engine.change("UPDATE port SET paused = 1, rev = :rev WHERE name = 'FT-2'")
        await operator.up_to_date()
        assert "1 paused" in operator.screen().splitlines()[0]


async def test_ports_show_who_paused_their_monitoring(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    await engine.add_port("FT-2", "lost", "unplugged")
    job = await engine.start_job("provision", "Provision", [1])
    async with open_console() as operator:
        await operator.press("6")
        assert operator.line("FT-1").split()[1:5] == ["FT-1", "open", "36", "12.4"]
        assert " on " in operator.line("FT-1")
        assert "lost: unplugged" in operator.line("FT-2")
        await engine.change(f"UPDATE job SET pauses = 1, rev = :rev WHERE id = {job}")
        await operator.up_to_date()
        assert f"paused by job {job}" in operator.line("FT-1")
        await operator.press("space")
        await operator.up_to_date()
        assert "paused by hand" in operator.line("FT-1")
        await operator.press("p")
        assert operator.message == "monitoring of FT-1 resumed; 1 job still holds it"
        assert engine.called(PauseMonitoring) == [
            PauseMonitoring(port="FT-1", paused=True),
            PauseMonitoring(port="FT-1", paused=False),
        ]


async def test_all_ports_are_paused_when_one_of_them_is_not(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    await engine.add_port("FT-2")
    async with open_console() as operator:
        await operator.press("6", "p")
        await operator.up_to_date()
        await operator.press("P")
        await operator.up_to_date()
        await operator.press("P")
        paused = [(call.port, call.paused) for call in engine.called(PauseMonitoring)]
        assert paused == [("FT-1", True), (None, True), (None, False)]


async def test_only_a_port_without_devices_is_removed_and_only_after_asking(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    await engine.add_port("FT-2")
    async with open_console() as operator:
        await operator.press("6", "x")
        assert operator.message == "FT-1 has 36 devices: they go first"
        await operator.press("j", "x", "enter")
        assert engine.called(RemovePort) == []
        await operator.press("x", "y")
        assert engine.called(RemovePort) == [RemovePort(port="FT-2")]


async def test_events_follow_the_newest(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.events = [event(number) for number in range(1, 31)]
    async with open_console() as operator:
        await operator.press("7")
        await shown(operator, "temperature 30")
        engine.measure(event(31))
        await shown(operator, "temperature 31")
        assert operator.line("temperature 31").startswith("▸")
        assert "temperature 1 " not in operator.screen()


async def test_looking_back_is_not_disturbed_by_what_comes(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.events = [event(number) for number in range(1, 31)]
    async with open_console() as operator:
        await operator.press("7")
        await shown(operator, "temperature 30")
        await operator.press("g")
        engine.measure(event(31))
        await shown(operator, "31 events")
        assert operator.line("temperature 1").startswith("▸")


async def test_frozen_events_stand_still_and_go_on_where_they_were(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    engine.events = [event(1)]
    async with open_console() as operator:
        await operator.press("7")
        await shown(operator, "temperature 1")
        await operator.press("f")
        engine.measure(event(2))
        await operator.settled()
        assert "frozen  1 event" in operator.screen()
        assert "f go on" in operator.screen()
        await operator.press("f")
        await shown(operator, "temperature 2")


async def test_more_events_than_are_read_at_a_time_all_come(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.events = [event(number) for number in range(1, 1203)]
    async with open_console() as operator:
        await operator.press("7")
        await shown(operator, "1,202 events")


async def test_a_worker_that_began_anew_counts_its_events_from_one(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    engine.events = [event(number) for number in range(1, 31)]
    async with open_console() as operator:
        await operator.press("7")
        await shown(operator, "temperature 30")
        engine.events = []
        engine.measure(event(1, "after the restart"))
        await shown(operator, "after the restart")


async def test_events_are_filtered_by_every_word(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.events = [event(1), event(2, "flow low", "Boiler 2", EventKind.REPORT), event(3, "flow high", "Pump")]
    async with open_console() as operator:
        await operator.press("7", "slash")
        await operator.type("FLOW boiler")
        assert "1 of 3" in operator.screen()
        assert "Pump" not in operator.screen()
        await operator.press("enter", "escape")
        assert "3 events" in operator.screen()


async def test_enter_goes_from_an_event_to_its_device(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.events = [event(1)]
    async with open_console() as operator:
        await operator.press("7")
        await shown(operator, "temperature 1")
        await operator.press("enter")
        assert isinstance(operator.app.screen, DeviceScreen)
        assert "AHU-04 supply fan" in operator.screen()
        await operator.press("escape")
        assert "temperature 1" in operator.screen()


async def test_an_event_of_a_port_has_no_device_to_go_to(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.events = [Event(1, NOW, EventKind.PIN, "FT-1", None, "", "service pin of 00D07AAA0001")]
    async with open_console() as operator:
        await operator.press("7")
        await shown(operator, "service pin of 00D07AAA0001")
        await operator.press("enter")
        assert operator.message.startswith("this event is about the port")
