"""`fieldhand type …`: descriptions of device types, for protocols whose devices do not describe themselves."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.engine import registry
from core.errors import Exit
from core.rpc import AddType
from core.store import views
from tui.commands.parsing import Commands
from tui.commands.session import Session, table, when
from tui.files import LARGEST_KEY, read_text

COMES_WITH_IT = "comes with fieldhand"


def add(commands: Commands) -> None:
    """Add these commands."""
    types = commands.group("type", "the device types, for protocols whose devices do not describe themselves")
    types.add("list", _list, "list the device types")
    adding = types.add("add", _add, "take over a description of a device type, in place of one of the same name")
    adding.add_argument("file", type=Path)
    adding.add_argument("--protocol", default="modbus", help="whose driver reads it (modbus unless set)")


async def _list(arguments: argparse.Namespace, session: Session) -> Exit:
    async with session.store() as db:
        added = await views.device_types(db)
    names = {(known.protocol, known.name) for known in added}
    rows = [(known.protocol, known.name, f"added by {known.added_by}, {when(known.added_at)}") for known in added]
    rows += [
        (protocol, name, COMES_WITH_IT)
        for protocol, kind in registry.drivers().items()
        for name in kind.types()
        if (protocol, name) not in names
    ]
    session.say(
        table(rows, ("Protocol", "Type", "Origin"), "no device types"),
        [{"protocol": protocol, "name": name, "added": origin != COMES_WITH_IT} for protocol, name, origin in rows],
    )
    return Exit.DONE


async def _add(arguments: argparse.Namespace, session: Session) -> Exit:
    text = read_text(arguments.file, LARGEST_KEY, "a description of a device type")
    async with session.worker() as worker:
        name = await worker.call(AddType(protocol=arguments.protocol, text=text))
    session.say(f"device type {name} added", {"name": name, "protocol": arguments.protocol})
    return Exit.DONE
