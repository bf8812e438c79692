"""`fieldhand devices`, `device …`, `discover`: what there is, and how it comes to be there."""

from __future__ import annotations

import argparse
from typing import Any

import aiosqlite

from core import lifecycle
from core.errors import Exit, FieldhandError
from core.models import Device
from core.store import views
from tui.commands import records
from tui.commands.parsing import Commands
from tui.commands.session import Session, fields, note, table, when


def add(commands: Commands) -> None:
    """Add these commands."""
    listing = commands.add("devices", _devices, "list the devices of the site")
    listing.add_argument("--filter", default="", metavar="Q", help="as in the console: words, field:value, ! for not")

    device = commands.group("device", "make, look at and change single devices")
    adding = device.add("add", _add, "add a device by hand")
    adding.add_argument("name")
    adding.add_argument("--uid", default="", help="Neuron ID or other UID; may follow later")
    adding.add_argument("--port", required=True)
    adding.add_argument("--group")
    adding.add_argument("--program-id")
    adding.add_argument("--type", default="", help="what kind of device it is, in your words")
    adding.add_argument("--location", default="")
    device.add("show", _show, "all there is to say of a device").add_argument("device")
    renaming = device.add("rename", _rename, "give a device another name")
    renaming.add_argument("device")
    renaming.add_argument("name")
    editing = device.add("edit", _edit, "change a device's record")
    editing.add_argument("device")
    for name in ("--name", "--uid", "--port", "--program-id", "--type", "--location"):
        editing.add_argument(name)
    editing.add_argument("--points", help="the datapoints to be polled, separated by commas")
    device.add("ignored", _ignored, "the devices that are not offered when they are found")
    device.add("unignore", _unignore, "offer a device again when it is found").add_argument("uid")
    records.add(device)

    search = commands.add("discover", _discover, "search a port for devices")
    search.add_argument("port")
    search.add_argument("--adopt", action="store_true", help="make devices of those that are new")


def as_json(device: Device) -> dict[str, Any]:
    """A device as scripts get it; the keys are kept stable."""
    return {
        "id": device.id,
        "name": device.name,
        "uid": device.uid,
        "port": device.port,
        "protocol": device.protocol,
        "state": device.state.value,
        "health": device.health.value,
        "licensed": device.licensed,
        "marginal": bool(device.marginal),
        "status": lifecycle.status(device).value,
        "group": device.group,
        "program_id": device.program_id,
        "type": device.type,
        "location": device.location,
        "points": list(device.points),
        "address": dict(device.address.parts) if device.address else None,
    }


async def find(db: aiosqlite.Connection, text: str) -> Device:
    """The device of this name, UID in any usual form, or id; raises UNKNOWN_DEVICE."""
    from core.engine import registry  # noqa: PLC0415 - loads the drivers, which a plain listing does not need

    for kind in registry.drivers().values():
        try:
            return await views.find_device(db, text, kind.parse_uid(text))
        except FieldhandError:
            continue
    return await views.find_device(db, text, None)


async def _devices(arguments: argparse.Namespace, session: Session) -> Exit:
    from tui.model.filter import parse  # noqa: PLC0415

    async with session.store() as db:
        found = await views.devices(db)
    wanted = parse(arguments.filter)
    found = [device for device in found if wanted.matches(searchable(device))]
    rows = [
        (
            device.id,
            lifecycle.status(device).value,
            device.name,
            device.uid,
            device.group,
            device.address.text if device.address else "",
            device.port,
        )
        for device in found
    ]
    session.say(
        table(rows, ("ID", "Status", "Name", "UID", "Group", "Address", "Port"), "no devices"),
        [as_json(device) for device in found],
    )
    return Exit.DONE


async def _show(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        device = await find(db, arguments.device)
        done = await views.tasks_of_device(db, device.id)
        saved = await views.snapshots(db, device.id)
    seen = when(device.seen_at) if device.seen_at else None
    shown = as_json(device) | {"reason": lifecycle.reason(device), "marginal": device.marginal, "seen": seen}
    shown |= {"model": device.model, "firmware": device.firmware}
    snapshots = records.snapshots_as_json(saved)
    history = table(
        ((job.id, job.title, job.operator, task.state.value, task.reason) for job, task in done),
        ("Job", "Action", "Operator", "Outcome", "Reason"),
        "nothing was done to it yet",
    )
    text = fields(
        shown
        | {
            "address": device.address.text if device.address else None,
            "interrupted": records.interrupted_as_text(device),
            "snapshots": ", ".join(f"{snapshot['taken']} of {snapshot['uid']}" for snapshot in snapshots),
        }
    )
    data = shown | {
        "marginal": bool(device.marginal),
        "interrupted": records.interrupted_as_json(device),
        "snapshots": snapshots,
    }
    session.say(f"{text}\n\n{history}", data)
    return Exit.DONE


async def _add(arguments: argparse.Namespace, session: Session) -> Exit:
    from core.rpc import AddDevice  # noqa: PLC0415

    async with session.worker() as worker:
        device = await worker.call(
            AddDevice(
                name=arguments.name,
                uid=arguments.uid,
                port=arguments.port,
                group=arguments.group,
                program_id=arguments.program_id,
                type=arguments.type,
                location=arguments.location,
            )
        )
    session.say(f"device {device} added", {"id": device})
    return Exit.DONE


async def _rename(arguments: argparse.Namespace, session: Session) -> Exit:
    return await _change(session, arguments.device, {"name": arguments.name})


async def _edit(arguments: argparse.Namespace, session: Session) -> Exit:
    changes: dict[str, Any] = {
        name: getattr(arguments, name) for name in ("name", "uid", "port", "program_id", "type", "location")
    }
    if arguments.points is not None:
        changes["points"] = tuple(point.strip() for point in arguments.points.split(",") if point.strip())
    return await _change(session, arguments.device, changes)


async def _change(session: Session, device: str, changes: dict[str, Any]) -> Exit:
    from core.rpc import EditDevice  # noqa: PLC0415

    async with session.store() as db:
        known = await find(db, device)
    async with session.worker() as worker:
        await worker.call(EditDevice.model_validate({"device": known.id, **changes}))
    async with session.store() as db:
        after = (await views.devices_by_id(db, [known.id]))[0]
    session.say(f"device {after.id} is {after.name!r}, UID {after.uid or 'not known'}", as_json(after))
    return Exit.DONE


async def _ignored(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        ignored = await views.ignored(db)
    rows = [(device.uid, device.name, device.protocol, when(device.at), device.by) for device in ignored]
    session.say(
        table(rows, ("UID", "Name", "Protocol", "Since", "By"), "no device is ignored"),
        [
            {"uid": device.uid, "name": device.name, "protocol": device.protocol, "since": when(device.at)}
            for device in ignored
        ],
    )
    return Exit.DONE


async def _unignore(arguments: argparse.Namespace, session: Session) -> Exit:
    from core.rpc import StopIgnoring  # noqa: PLC0415

    async with session.worker() as worker:
        await worker.call(StopIgnoring(uid=arguments.uid))
    session.say(f"{arguments.uid} is offered again when it is found", {"uid": arguments.uid})
    return Exit.DONE


async def _discover(arguments: argparse.Namespace, session: Session) -> Exit:
    from core.rpc import Adopt, Discover  # noqa: PLC0415

    async with session.worker() as worker:
        note(f"searching {arguments.port}")
        found = await worker.call(Discover(port=arguments.port))
        adopted: tuple[int, ...] = ()
        if arguments.adopt:
            wanted = tuple(device for device in found if not device.ignored)
            adopted = await worker.call(Adopt(port=arguments.port, devices=wanted))
    rows = [
        (
            device.found.uid,
            device.found.program_id,
            device.found.state.value if device.found.state else None,
            device.found.address.text if device.found.address else "",
            device.name,
            "ignored" if device.ignored else "known" if device.known else "adopted" if adopted else "new",
        )
        for device in found
    ]
    text = table(rows, ("UID", "Program ID", "State", "Address", "Name", ""), "nothing found")
    data = {
        "port": arguments.port,
        "found": [
            {
                "uid": device.found.uid,
                "program_id": device.found.program_id,
                "state": device.found.state.value if device.found.state else None,
                "application": device.found.application,
                "address": dict(device.found.address.parts) if device.found.address else None,
                "name": device.name,
                "known": device.known,
                "ignored": device.ignored,
            }
            for device in found
        ],
        "adopted": list(adopted),
    }
    session.say(f"{text}\n{len(found)} found, {len(adopted)} adopted", data)
    return Exit.DONE


def searchable(device: Device) -> dict[str, str]:
    """What a filter is matched against."""
    return {
        "name": device.name.casefold(),
        "uid": device.uid.casefold(),
        "group": (device.group or "").casefold(),
        "port": (device.port or "").casefold(),
        "address": device.address.text if device.address else "",
        "status": lifecycle.status(device).value,
    }
