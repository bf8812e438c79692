"""`fieldhand group …`."""

from __future__ import annotations

import argparse

from core.errors import Exit
from core.rpc import AddGroup, AssignGroup, RemoveGroup, RenameGroup
from core.store import views
from tui.commands.devices import find
from tui.commands.parsing import Commands
from tui.commands.session import Session, table


def add(commands: Commands) -> None:
    """Add these commands."""
    group = commands.group("group", "groups of devices; a device is in one at most")
    group.add("list", _list, "list the groups")
    group.add("add", _add, "make a group").add_argument("name")
    renaming = group.add("rename", _rename, "give a group another name")
    renaming.add_argument("group")
    renaming.add_argument("name")
    group.add("remove", _remove, "delete a group; its devices stay").add_argument("group")
    assigning = group.add("assign", _assign, "put devices into a group, out of the one they are in")
    assigning.add_argument("group")
    assigning.add_argument("device", nargs="+")
    group.add("unassign", _unassign, "take devices out of their group").add_argument("device", nargs="+")


async def _list(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        groups = await views.groups(db)
    session.say(
        table(((group.name, group.devices) for group in groups), ("Group", "Devices"), "no groups"),
        [{"name": group.name, "devices": group.devices} for group in groups],
    )
    return Exit.DONE


async def _add(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.worker() as worker:
        await worker.call(AddGroup(name=arguments.name))
    session.say(f"group {arguments.name!r} added", {"group": arguments.name})
    return Exit.DONE


async def _rename(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.worker() as worker:
        await worker.call(RenameGroup(group=arguments.group, name=arguments.name))
    session.say(f"group {arguments.group!r} is now {arguments.name!r}", {"group": arguments.name})
    return Exit.DONE


async def _remove(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.worker() as worker:
        await worker.call(RemoveGroup(group=arguments.group))
    session.say(f"group {arguments.group!r} removed", {"group": arguments.group})
    return Exit.DONE


async def _assign(arguments: argparse.Namespace, session: Session) -> Exit:
    return await _put(session, arguments.device, arguments.group)


async def _unassign(arguments: argparse.Namespace, session: Session) -> Exit:
    return await _put(session, arguments.device, None)


async def _put(session: Session, named: list[str], group: str | None) -> Exit:
    async with session.store() as db:
        devices = [await find(db, text) for text in named]
    async with session.worker() as worker:
        await worker.call(AssignGroup(devices=tuple(device.id for device in devices), group=group))
    where = f"in group {group!r}" if group is not None else "in no group"
    session.say(f"{len(devices)} devices are {where}", {"group": group, "devices": [device.name for device in devices]})
    return Exit.DONE
