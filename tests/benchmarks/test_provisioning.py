"""How well provisioning uses a LON channel: `pytest -m benchmark tests/benchmarks -s` prints the table."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from drivers.base import SiteSettings, Target
from drivers.lon.driver import LonDriver
from tests.end_to_end.installation import Field, Installation

DEVICES = 200
ONE_BY_ONE = 25
SITE = SiteSettings(domain=b"\x55", subnet=1, node=126)


@dataclass(frozen=True)
class Row:
    """What a way of provisioning cost."""

    way: str
    devices: int
    seconds: float
    busy: float
    packets: float

    @property
    def per_device_ms(self) -> float:
        return 1000 * self.seconds / self.devices

    @property
    def exchanges(self) -> float:
        return self.packets / 2 / self.devices

    def __str__(self) -> str:
        return (
            f"{self.way:<34}{self.devices:>8}{self.seconds:>9.1f}{self.per_device_ms:>12.1f}"
            f"{100 * self.busy:>10.1f} %{self.exchanges:>11.2f}"
        )


def measure(there: Field, way: str, devices: int, work: Callable[[], None]) -> Row:
    """Time and channel use of some work, by the field's own account of its channel."""
    before = there.channel()
    start = time.monotonic()
    work()
    seconds = time.monotonic() - start
    after = there.channel()
    used = {name: after[name] - before[name] for name in after}
    return Row(way, devices, seconds, used["busy_s"] / used["elapsed_s"], used["packets"])


async def one_by_one(url: str, uids: list[str]) -> None:
    driver = await LonDriver.open(url, SITE)
    addresses = driver.addresses(SITE)
    for uid in uids:
        async for _ in driver.provision(Target(uid, address=next(addresses))):
            pass
    await driver.close()


@pytest.mark.benchmark
def test_provisioning_fills_the_channel(
    installation: Installation,
    field: Callable[..., Field],
) -> None:
    there = field("--lon", str(DEVICES), "--rate", "ft10", "--write-ms", "20")
    installation.set_up(there)
    other = field("--lon", str(ONE_BY_ONE), "--rate", "ft10", "--write-ms", "20")
    uids = sorted(other.truth())

    job = measure(there, "a job (command line to outcome)", DEVICES, lambda: _provision_all(installation))
    single = measure(other, "one device at a time", ONE_BY_ONE, lambda: asyncio.run(one_by_one(other.url(), uids)))

    heading = ("provisioning, FT-10, 20 ms writes", "devices", "seconds", "ms/device", "busy", "exchanges")
    print("\n{:<34}{:>8}{:>9}{:>12}{:>12}{:>11}".format(*heading))

    print(job, single, f"ratio of the time per device: {single.per_device_ms / job.per_device_ms:.2f}", sep="\n")
    assert job.busy >= 0.85
    assert job.exchanges <= 7.05  # a retry or two
    assert single.per_device_ms > job.per_device_ms


def _provision_all(installation: Installation) -> None:
    # without polls of those that are done already: what is measured here is the job
    assert installation.json("provision", "--all", "--yes", "--pause")["done"] == DEVICES
