"""Devices that were found: under which name they are known, or would be added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aiosqlite

from core import rpc, text
from core.store import inventory, views
from drivers.base import Found

SHORT_UID: Final = 6
"""Characters of a UID that tell the devices of a site apart."""


async def described(db: aiosqlite.Connection, found: Sequence[Found]) -> tuple[rpc.FoundDevice, ...]:
    """What was found, with the name it has or would get."""
    names, taken = await inventory.names(db)
    ignored = {known.uid for known in await views.ignored(db)}
    devices = []
    for device in found:
        known = names.get(device.uid)
        if known is None:
            taken.add(name := _new_name(device, taken))
            devices.append(rpc.FoundDevice(found=device, name=name, known=False, ignored=device.uid in ignored))
        else:
            devices.append(rpc.FoundDevice(found=device, name=known, known=True))
    return tuple(devices)


def _new_name(device: Found, taken: set[str]) -> str:
    """Its own text as far as there is room for the UID behind it, in case that another device says the same."""
    own = text.printable(device.documentation)[: text.LONGEST_NAME - len(device.uid) - 1].rstrip()
    name = own or f"device {device.uid[-SHORT_UID:]}"
    return name if name not in taken else f"{name} {device.uid}"
