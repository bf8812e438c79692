"""What is done to the records of devices: add, edit, discover, import, export, look at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from core.interchange import export_text
from core.lifecycle import Standing, standing
from core.models import Device
from core.rpc import (
    Acknowledge,
    AddDevice,
    Adopt,
    AssignGroup,
    EditDevice,
    FoundDevice,
    ImportDevices,
    ImportReport,
    StopIgnoring,
)
from core.store import views
from tui import files
from tui.console import GRACE_SECONDS, Console
from tui.flows.saving import save_text
from tui.flows.undo import remembered
from tui.model.devices import Change
from tui.screens.discover import DiscoverDialog
from tui.screens.file_picker import FileDialog
from tui.screens.form import Entry, FormDialog
from tui.screens.ignored_picker import IgnoredPicker
from tui.screens.import_report import ImportChoice, ImportDialog
from tui.screens.port_picker import PortPicker
from tui.text import clean, plural
from tui.widgets.field import Field

ARRIVAL_SECONDS: Final = 2.0
"""The console reads what has changed several times a second; only without the worker or over a stalled line never."""
LISTS: Final = frozenset({".csv", ".txt"})
"""The endings of files with devices; a path that is typed may end otherwise."""


async def add_device(app: Console) -> None:
    """Make a device by hand."""
    ports = [port.name for port in app.site.ports]
    if not ports:
        app.say("no port yet, and a device needs one", bad=True, hint="{ports.add} in the Ports view adds one")
        return

    made = 0

    async def add(values: Mapping[str, str]) -> None:
        nonlocal made
        made = await app.call(
            AddDevice(
                name=values["name"],
                uid=values["uid"],
                port=values["port"],
                group=values["group"] or None,
                program_id=values["program_id"] or None,
                type=values["type"],
                location=values["location"],
            )
        )

    name = await app.push_screen_wait(FormDialog("Add a device", "Add 1", _entries(app, None, ports), add))
    if name:
        await _arrival(app, [made])
        app.site.devices.go_to(made)
        app.store_changed.publish(Change(frozenset(), moved=True))
        app.say(f"{clean(name)} added")


async def edit_device(app: Console, device: Device) -> None:
    """Change what a person may change of a device; only what differs is sent."""
    ports = [port.name for port in app.site.ports]

    async def edit(values: Mapping[str, str]) -> None:
        points = _points(values["points"])
        async with remembered(app, [device.id]):
            await app.call(
                EditDevice(
                    device=device.id,
                    name=_other(values["name"], device.name),
                    uid=_other(values["uid"], device.uid),
                    port=_other(values["port"], device.port or ""),
                    program_id=_other(values["program_id"], device.program_id or ""),
                    type=_other(values["type"], device.type),
                    location=_other(values["location"], device.location),
                    points=None if points == device.points else points,
                )
            )
            if values["group"] != (device.group or ""):
                await app.call(AssignGroup(devices=(device.id,), group=values["group"] or None))

    title = f"Edit {device.name}"
    name = await app.push_screen_wait(FormDialog(title, "Save", _entries(app, device, ports), edit))
    if name:
        app.say(f"{clean(name)} saved")


def _entries(app: Console, device: Device | None, ports: Sequence[str]) -> dict[str, Entry]:
    """The fields of the form, filled in with what is known of the device."""
    groups = ", ".join(clean(group.name) for group in app.site.groups)
    known = {
        "name": device.name if device else "",
        "uid": device.uid if device else "",
        "port": (device.port or "") if device else ports[0],
        "group": (device.group or "") if device else "",
        "program_id": (device.program_id or "") if device else "",
        "type": device.type if device else "",
        "location": device.location if device else "",
    }
    words = {
        "name": ("Name", ""),
        "uid": ("UID", "may come later"),
        "port": ("Port", ", ".join(ports)),
        "group": ("Group", f"or none; there is: {groups}" if groups else "none; there is none yet"),
        "program_id": ("Program ID", "taken from the device if empty"),
        "type": ("Type", "what it is, in your words"),
        "location": ("Location", "where it is, in your words"),
    }
    if device is not None:
        known["points"] = ", ".join(device.points)
        words["points"] = ("Points", "what is polled, with commas between")
    return {
        name: Entry(label, Field(known[name], placeholder=placeholder, id=name))
        for name, (label, placeholder) in words.items()
    }


def _other(value: str, before: str) -> str | None:
    """What was changed; None for what is as before."""
    return None if value == before else value


def _points(text: str) -> tuple[str, ...]:
    return tuple(point.strip() for point in text.split(",") if point.strip())


async def import_devices(app: Console) -> None:
    """Add devices from a CSV file: read it, try it, show what would come of it, then do it."""
    text = ""
    report: ImportReport | None = None
    port = await _choose_port(app, "Devices on which port, where the file does not say") if app.site.ports else None
    if app.site.ports and port is None:
        return

    async def take(path: Path, say: Callable[[str], None]) -> None:
        nonlocal text, report
        say("reading")
        text = await asyncio.to_thread(files.read_text, path)
        say("checking")
        report = await app.call(ImportDevices(text=text, port=port, dry_run=True))

    path = await app.push_screen_wait(FileDialog("Import devices", "check it", app.site.folder, LISTS, take))
    if path is None or report is None:
        return
    choice = await app.push_screen_wait(ImportDialog(path.name, report))
    if choice is None:
        return
    provision = choice is ImportChoice.PROVISION
    done = await app.call(ImportDevices(text=text, port=port, provision=provision, grace=GRACE_SECONDS))
    app.say(f"{plural(len(done.added), 'device')} imported from {clean(path.name)}")
    if done.job is not None:
        app.watch_job(done.job)


async def export_devices(app: Console, devices: Sequence[Device]) -> None:
    """Write devices to a CSV file."""
    text = await asyncio.to_thread(export_text, devices)
    await save_text(app, f"Export {plural(len(devices), 'device')}", "devices.csv", text)


async def discover(app: Console) -> None:
    """Search a port, or take what pressed its service pin; adopt what the operator ticks."""
    pins = list(app.site.pins.values())
    if pins:
        port = pins[-1].port
        found: tuple[FoundDevice, ...] | None = tuple(pin.device for pin in pins if pin.port == port)
    else:
        chosen = await _choose_port(app, "Search which port")
        if chosen is None:
            return
        port, found = chosen, None
    await search(app, port, found)
    for pin in pins:
        app.site.pins.pop(pin.device.found.uid, None)


async def search(app: Console, port: str, found: tuple[FoundDevice, ...] | None = None) -> None:
    """Search a port, unless what was found is known already; adopt what the operator ticks, and say what comes next."""
    ticked = await app.push_screen_wait(DiscoverDialog(port, found))
    if not ticked:
        return
    new = await app.call(Adopt(port=port, devices=ticked))
    await _arrival(app, new)
    seats = app.site.summary.seats if app.site.summary else None
    adopted = f"{plural(len(new), 'device')} adopted"
    if seats is not None and not seats.capacity:
        app.say(f"{adopted}, unlicensed until a license is added", hint="{view-licenses} Licenses, {licenses.add}")
    elif new and all(_works_elsewhere(app, identity) for identity in new):
        app.say(f"{adopted} from {clean(port)}, configured by another tool", hint="{reprovision} takes it over")
    else:
        app.say(f"{adopted} from {clean(port)}", hint="{devices.mark} selects, {provision} provisions")


async def _arrival(app: Console, devices: Sequence[int]) -> None:
    """Wait until the list has them: what is said of them is then true of what is seen."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ARRIVAL_SECONDS):
            await app.until(lambda: True if app.site.devices.rows.keys() >= set(devices) else None)


def _works_elsewhere(app: Console, device: int) -> bool:
    row = app.site.devices.rows.get(device)
    return row is not None and standing(row.device) is Standing.ELSEWHERE


async def stop_ignoring(app: Console) -> None:
    """Let a device be offered again that somebody said to ignore."""
    ignored = await views.ignored(app.store)
    if not ignored:
        app.say("no device is ignored")
        return
    device = await app.push_screen_wait(IgnoredPicker(ignored))
    if device is not None:
        await app.call(StopIgnoring(uid=device.uid))
        app.say(f"{clean(device.name)} is offered again when a search finds it")


async def acknowledge(app: Console, device: Device) -> None:
    """The failure has been looked at."""
    if not app.read_only:
        await app.call(Acknowledge(devices=(device.id,)))


async def _choose_port(app: Console, title: str) -> str | None:
    if not app.site.ports:
        app.say("no port to search", bad=True, hint="{ports.add} in the Ports view adds one")
        return None
    if len(app.site.ports) == 1:
        return app.site.ports[0].name
    return await app.push_screen_wait(PortPicker(title, app.site.ports))
