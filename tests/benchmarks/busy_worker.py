"""`python -m tests.benchmarks.busy_worker DIRECTORY DEVICES`: a worker whose devices change when they are told to.

Standard input: `change ID AGO` changes the health of one device, seen so many seconds ago; `busy FIRST LAST RATE
SECONDS` of so many of these a second. Each is answered with one line: the time on the monotonic clock when it was
committed.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from core import licensing
from core.client import EngineClient
from core.engine.engine import Engine
from core.engine.in_process import InProcessClient
from core.engine.server import serving
from core.models import Health
from core.paths import StateDirectory
from core.rpc import AddGroup, AddLicense, TrustKey
from core.store import inventory
from core.store.database import Transaction
from drivers.base import NetworkState

GROUPS = ("air", "offices", "plant", "roof")
KINDS = ("AHU", "VAV", "Boiler", "Pump", "Exhaust")
TICK_SECONDS = 0.02


async def license_and_group(client: EngineClient, devices: int) -> None:
    private, public = licensing.generate_key()
    await client.call(TrustKey(key=public))
    await client.call(AddLicense(text=licensing.issue(private, devices)))
    for group in GROUPS:
        await client.call(AddGroup(name=group))


async def fill(tx: Transaction, devices: int) -> None:
    """Devices as a site has them: named, grouped, provisioned. The port is not opened: nothing is polled."""
    port = await inventory.add_port(tx, "FT-1", "lon:///dev/null", "lon")
    now = time.time()
    await tx.db.executemany(
        "INSERT INTO device (name, uid, protocol, port_id, group_id, program_id, state, ours, application, health,"
        " licensed, marginal, address_text, address_parts, seen_at, created_at, rev)"
        " VALUES (?, ?, 'lon', ?, ?, '9000015058000400', ?, 1, 1, ?, 1, '', ?, ?, ?, ?, ?)",
        (
            (
                f"{KINDS[number % len(KINDS)]}-{number // len(KINDS)} floor {number % 40}",
                f"{number:012X}",
                port.id,
                number % len(GROUPS) + 1,
                (NetworkState.PROVISIONED if number % 7 else NetworkState.UNPROVISIONED).value,
                Health.NORMAL.value,
                f"{number // 127 + 1}/{number % 127 + 1}",
                json.dumps({"subnet": number // 127 + 1, "node": number % 127 + 1}),
                now,
                now,
                tx.rev,
            )
            for number in range(devices)
        ),
    )


async def change(engine: Engine, devices: Sequence[int], health: Health, ago: float = 0) -> None:
    async def change(tx: Transaction) -> None:
        await tx.db.executemany(
            "UPDATE device SET health = ?, seen_at = ?, rev = ? WHERE id = ?",
            [(health.value, tx.now - ago, tx.rev, device) for device in devices],
        )

    await engine.writer.run(change)


async def keep_busy(engine: Engine, devices: range, rate: int, seconds: float) -> None:
    chance = random.Random(7)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        chosen = [chance.choice(devices) for _ in range(round(rate * TICK_SECONDS))]
        await change(engine, chosen, chance.choice((Health.NORMAL, Health.SUSPECT)))
        await asyncio.sleep(TICK_SECONDS)


def answer() -> None:
    print(time.perf_counter(), flush=True)


async def main(directory: StateDirectory, devices: int) -> None:
    directory.create()
    async with Engine.run(directory) as engine:
        await license_and_group(await InProcessClient.connect(engine, "benchmark"), devices)
        await engine.writer.run(lambda tx: fill(tx, devices))
        async with serving(engine, directory):
            answer()
            turn = False
            while line := await asyncio.to_thread(sys.stdin.readline):
                match line.split():
                    case ["change", device, ago]:
                        turn = not turn
                        await change(engine, [int(device)], Health.SUSPECT if turn else Health.NORMAL, float(ago))
                        answer()
                    case ["busy", first, last, rate, seconds]:
                        answer()
                        await keep_busy(engine, range(int(first), int(last)), int(rate), float(seconds))


if __name__ == "__main__":
    asyncio.run(main(StateDirectory(Path(sys.argv[1])), int(sys.argv[2])))
