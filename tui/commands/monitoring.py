"""`fieldhand monitoring …`, `events`: how busy the site is, what pauses it, and what the devices say."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any, Final

from core.client import SocketClient
from core.errors import Exit, FieldhandError, Kind
from core.models import Device, Event, Health, PortMonitoring
from core.rpc import Measured, PauseMonitoring, ReadEvents, ReadMonitoring
from core.store import views
from core.text import printable
from drivers.base import NetworkState
from tui.commands.devices import find
from tui.commands.parsing import Commands
from tui.commands.session import Session, table

EVENTS_AT_ONCE: Final = 2000
"""The most that a worker gives at once, which is also the most that it keeps."""


def add(commands: Commands) -> None:
    """Add these commands."""
    monitoring = commands.group("monitoring", "events per second, what is paused and why, and how devices are", _show)
    for name, paused, text in (
        ("pause", True, "pause the monitoring of a port, or of all"),
        ("resume", False, "resume what was paused by hand"),
    ):
        monitoring.add(name, partial(_pause, paused), text).add_argument("port", nargs="?")

    events = commands.add("events", _events, "what monitoring saw, oldest first")
    events.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    events.add_argument("--device", metavar="D", help="of this device only: name, UID or id")


def monitoring_as_json(monitoring: PortMonitoring) -> dict[str, Any]:
    """The monitoring of a port as scripts get it; `paused` is the reason, "" while it goes on."""
    return {
        "port": monitoring.port,
        "events_per_second": monitoring.events_per_second,
        "paused": monitoring.paused,
    }


def event_as_json(event: Event) -> dict[str, Any]:
    """An event as scripts get it; the keys are kept stable."""
    return {
        "number": event.number,
        "at": event.at,
        "kind": event.kind.value,
        "port": event.port,
        "device": event.device,
        "name": event.name,
        "text": event.text,
    }


def event_as_text(event: Event) -> str:
    """An event on one line."""
    at = datetime.fromtimestamp(event.at).astimezone().strftime("%H:%M:%S")
    return f"{at} {event.kind.value:<10} {printable(f'{event.name or event.port}: {event.text}')}"


async def _show(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.worker() as worker:
        ports = await worker.call(ReadMonitoring())
    async with session.store() as db:
        devices = await views.devices(db)
    counts = {port.port: _by_health(device for device in devices if device.port == port.port) for port in ports}
    rows = [
        (
            port.port,
            port.events_per_second,
            f"paused {port.paused}" if port.paused else "goes on",
            *(counts[port.port][health.value] for health in _HEALTHS),
        )
        for port in ports
    ]
    heading = ("Port", "Events/s", "Monitoring", *(health.value.capitalize() for health in _HEALTHS))
    session.say(
        table(rows, heading, "no ports: 'fieldhand port add' makes one"),
        [monitoring_as_json(port) | {"devices": counts[port.port]} for port in ports],
    )
    return Exit.DONE


_HEALTHS: Final = (Health.NORMAL, Health.SUSPECT, Health.DOWN, Health.NASCENT)


def _by_health(devices: Iterable[Device]) -> dict[str, int]:
    """How the devices are that this site has provisioned."""
    count = Counter(device.health for device in devices if device.ours and device.state is NetworkState.PROVISIONED)
    return {health.value: count[health] for health in _HEALTHS}


async def _pause(paused: bool, arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.worker() as worker:
        await worker.call(PauseMonitoring(port=arguments.port, paused=paused))
        ports = [port for port in await worker.call(ReadMonitoring()) if arguments.port in (None, port.port)]
    lines = [f"monitoring of {port.port} {f'is paused {port.paused}' if port.paused else 'goes on'}" for port in ports]
    session.say("\n".join(lines) or "no ports", [monitoring_as_json(port) for port in ports])
    return Exit.DONE


async def _events(arguments: argparse.Namespace, session: Session) -> Exit:
    device: int | None = None
    if arguments.device is not None:
        async with session.store() as db:
            device = (await find(db, arguments.device)).id
    async with session.worker() as worker:
        notices = worker.notices()  # from now on: what happens while the first are read is not missed
        events = await worker.call(ReadEvents(limit=EVENTS_AT_ONCE))
        wanted = [event for event in events if device in (None, event.device)]
        if not arguments.follow:
            text = "\n".join(map(event_as_text, wanted)) or "no events yet"
            session.say(text, [event_as_json(event) for event in wanted])
            return Exit.DONE
        _write(session, wanted)
        last = events[-1].number if events else 0
        async for notice in notices:
            if isinstance(notice, Measured) and notice.last > last:
                last = await _write_new(session, worker, last, device)
    raise FieldhandError(Kind.NO_WORKER, reason="it ended, and its events with it")


async def _write_new(session: Session, worker: SocketClient, last: int, device: int | None) -> int:
    """Write what happened after this event; the result is the number of the newest."""
    events = await worker.call(ReadEvents(since=last, limit=EVENTS_AT_ONCE))
    _write(session, [event for event in events if device in (None, event.device)])
    return events[-1].number if events else last


def _write(session: Session, events: Iterable[Event]) -> None:
    for event in events:
        sys.stdout.write((json.dumps(event_as_json(event)) if session.as_json else event_as_text(event)) + "\n")
    sys.stdout.flush()
