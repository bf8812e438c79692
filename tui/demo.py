"""`fieldhand demo`: console, worker and virtual field in a temporary state directory; nothing else is needed.

What it sets up it sets up as an operator would, through the worker: a key and a license of its own, a
port, a search, groups. The devices that no search finds are added by hand, as from a plan of the
building, and tested.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from typing import Final

import tui.start
from core.client import SocketClient
from core.errors import Exit
from core.paths import StateDirectory
from core.rpc import (
    AddDevice,
    AddGroup,
    AddPort,
    Adopt,
    AssignGroup,
    Discover,
    EditSite,
    FoundDevice,
    Selection,
    StartJob,
    StopWorker,
)
from tui.demo_folder import demo_folder
from tui.flows.practice import license_seats
from tui.flows.virtual_field import DEVICES, VirtualField
from tui.plain import RunCommand, plain

SEATS: Final = DEVICES - 2
"""Fewer than devices, so that one sees what that means."""
GROUPS: Final = {"AHU": "air", "VAV": "offices", "Boiler": "plant", "Pump": "plant", "Exhaust": "roof"}
"""By the first word of a device's name."""
OTHER_GROUP: Final = "building"


async def demo(*, read_only: bool = False, theme: str | None = None, run: RunCommand | None = None) -> Exit:
    """Run it until the operator leaves; nothing stays behind. Worker and field end even when this process is killed.

    With `run`, which runs a command of the command line, it is the console without a screen.
    """
    with demo_folder() as folder:
        directory = StateDirectory(folder)
        field = VirtualField(directory.path / "field")
        try:
            _say("starting a worker and a virtual field")
            url = await field.start()
            client = await SocketClient.connect_or_start(directory, ends_with=os.getpid())
            try:
                await _set_up(client, field, url)
                await client.close()
                if run is not None:
                    return await plain(directory, run)
                return await tui.start.console(
                    directory, read_only=read_only, theme=theme, field=field, ends_with=os.getpid()
                )
            finally:
                await _stop_worker(directory)
        finally:
            await field.close()


async def _set_up(client: SocketClient, field: VirtualField, url: str) -> None:
    await client.call(EditSite(name="demo", domain=None))
    await license_seats(client, SEATS, site="demo")
    port = await client.call(AddPort(url=url, name="FT-1"))
    _say("searching for devices")
    found = await client.call(Discover(port=port.name))
    adopted = await client.call(Adopt(port=port.name, devices=found))
    ids = {device.name: number for device, number in zip(found, adopted, strict=True)}
    silent = await _silent(field, found)
    for name, uid in silent:
        ids[name] = await client.call(AddDevice(name=name, uid=uid, port=port.name))
    by_hand = Selection(devices=tuple(ids[name] for name, _ in silent))
    await client.call(StartJob(action="test", selection=by_hand))
    members: defaultdict[str, list[int]] = defaultdict(list)
    for name, device in ids.items():
        members[GROUPS.get(name.split()[0].split("-")[0], OTHER_GROUP)].append(device)
    for group, devices in members.items():
        await client.call(AddGroup(name=group))
        await client.call(AssignGroup(devices=tuple(devices), group=group))


async def _silent(field: VirtualField, found: tuple[FoundDevice, ...]) -> list[tuple[str, str]]:
    """Name and UID of the devices that no search finds: switched off, or configured in a network of others."""
    known = {device.found.uid for device in found}
    names = {device.name for device in found}
    silent = []
    for device in (await field.command("truth"))["devices"]:
        if device["uid"] not in known:
            name = device["documentation"].partition(";")[2] or f"device {device['uid']}"
            name = name if name not in names else f"{name} {device['uid']}"
            names.add(name)
            silent.append((name, device["uid"]))
    return silent


async def _stop_worker(directory: StateDirectory) -> None:
    client = await SocketClient.connect(directory)
    await client.call(StopWorker())
    async for _ in client.notices():
        pass  # until the worker hangs up
    await client.close()


def _say(text: str) -> None:
    sys.stderr.write(f"{text} …\n")
