"""`fieldhand demo`: console, worker and virtual field in a temporary state directory; nothing else is needed.

What it sets up it sets up as an operator would, through the worker: a key and a license of its own, a
port, a search, groups. The devices that no search finds are added by hand, as from a plan of the
building, and tested.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import tui.start
from core import licensing
from core.client import SocketClient
from core.errors import Exit, FieldhandError, Kind
from core.paths import StateDirectory
from core.rpc import (
    AddDevice,
    AddGroup,
    AddLicense,
    AddPort,
    Adopt,
    AssignGroup,
    Discover,
    EditSite,
    FoundDevice,
    Selection,
    StartJob,
    StopWorker,
    TrustKey,
)

DEVICES: Final = 48
SEATS: Final = 46
"""Fewer than devices, so that one sees what that means."""
SEED: Final = 7
GROUPS: Final = {"AHU": "air", "VAV": "offices", "Boiler": "plant", "Pump": "plant", "Exhaust": "roof"}
"""By the first word of a device's name."""
OTHER_GROUP: Final = "building"


async def demo(*, read_only: bool = False, theme: str | None = None) -> Exit:
    """Run it until the operator leaves; nothing stays behind."""
    with tempfile.TemporaryDirectory(prefix="fieldhand-demo-") as folder:
        directory = StateDirectory(Path(folder))
        async with _field(directory.path / "field") as field:
            _say("starting a worker and a virtual field")
            client = await SocketClient.connect_or_start(directory)
            try:
                await _set_up(client, field)
                await client.close()
                return await tui.start.console(directory, read_only=read_only, theme=theme)
            finally:
                await _stop_worker(directory)


async def _set_up(client: SocketClient, field: _Field) -> None:
    private, public = licensing.generate_key()
    await client.call(EditSite(name="demo", domain=None))
    await client.call(TrustKey(key=public))
    await client.call(AddLicense(text=licensing.issue(private, SEATS, site="demo")))
    port = await client.call(AddPort(url=field.url, name="FT-1"))
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


async def _silent(field: _Field, found: tuple[FoundDevice, ...]) -> list[tuple[str, str]]:
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


class _Field:
    """The virtual field's process, spoken to as anybody could: lines in, lines of JSON out."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.url = url
        self._process = process

    async def command(self, line: str) -> Mapping[str, Any]:
        """One command, one answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        return await _read_json(self._process)


@asynccontextmanager
async def _field(directory: Path) -> AsyncIterator[_Field]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "drivers.virtual", "--directory", str(directory), "--lon", str(DEVICES)),
        *("--seed", str(SEED), "--mix", "--until-eof"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the console
        limit=16 * 1024 * 1024,
    )
    try:
        yield _Field(process, (await _read_json(process))["url"])
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _read_json(process: asyncio.subprocess.Process) -> Mapping[str, Any]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise FieldhandError(Kind.INTERNAL, reason="the virtual field ended")
    answer: Mapping[str, Any] = json.loads(line)
    return answer


async def _stop_worker(directory: StateDirectory) -> None:
    client = await SocketClient.connect(directory)
    await client.call(StopWorker())
    async for _ in client.notices():
        pass  # until the worker hangs up
    await client.close()


def _say(text: str) -> None:
    sys.stderr.write(f"{text} …\n")
