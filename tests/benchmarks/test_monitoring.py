"""What monitoring costs a job, and what a pause saves: `pytest -m benchmark tests/benchmarks -s` prints the table."""

from collections.abc import Callable

import pytest

from tests.benchmarks.test_provisioning import measure
from tests.end_to_end.installation import Field, Installation
from tests.end_to_end.terminals import eventually

MONITORED = 25
"""Polled once a second each, which is as often as the driver asks on a channel."""
UPDATES = 25
"""Sent unasked per second: with the polls 50 events per second."""
EXPECTED = 45
"""Events per second from which the channel counts as busy."""
DEVICES = 100


@pytest.mark.benchmark
def test_a_pause_gives_the_channel_to_the_job(installation: Installation, field: Callable[..., Field]) -> None:
    there = field("--lon", str(MONITORED + DEVICES), "--rate", "ft10", "--write-ms", "20", "--updates", str(UPDATES))
    installation.set_up(there)
    installation.run("site", "--poll-every", "1")
    uids = [device["uid"] for device in installation.devices()]
    monitored, others = uids[:MONITORED], uids[MONITORED:]
    installation.run("provision", *monitored, "--yes", "--pause")
    rates = []
    rows = []
    for way, option in (("monitoring goes on", "--no-pause"), ("paused by the job", "--pause")):
        eventually(lambda: _events_per_second(installation) >= EXPECTED)
        rates.append(_events_per_second(installation))

        def provision(option: str = option) -> None:
            assert installation.json("provision", *others, "--yes", option)["done"] == DEVICES

        rows.append(measure(there, way, DEVICES, provision))
        installation.run("deprovision", *others, "--yes", "--pause")

    print(f"\n{'provisioning, FT-10, 20 ms writes':<34}{'events/s':>9}{'devices':>9}{'seconds':>9}{'ms/device':>11}")
    for row, rate in zip(rows, rates, strict=True):
        print(f"{row.way:<34}{rate:>9.1f}{row.devices:>9}{row.seconds:>9.1f}{row.per_device_ms:>11.1f}")
    going_on, paused = rows
    print(f"ratio of the time: {going_on.seconds / paused.seconds:.2f}")
    assert paused.packets < going_on.packets


def _events_per_second(installation: Installation) -> float:
    (port,) = installation.json("status")["monitoring"]
    return float(port["events_per_second"])
