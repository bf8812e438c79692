"""LON and Modbus side by side: what is done to a selection is done to all of it, whatever it hangs on."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.end_to_end.installation import FIELDHAND, Field, Installation
from tests.end_to_end.terminals import Terminal, eventually

LON, UNITS = 40, 30
SCAN = f"?units=1-{UNITS},247"
"""Every unit that does not answer costs its time: only where units can be is looked."""


@pytest.fixture
def there(installation: Installation, field: Callable[..., Field]) -> Field:
    there = field("--lon", str(LON), "--modbus", str(UNITS), "--modbus", str(UNITS), "--rate", "unlimited")
    installation.license(LON + 2 * UNITS)
    for number, port in enumerate(("FT-1", "RS-1", "RS-2")):
        installation.add_port(there.url(number) + (SCAN if number else ""), port)
    return there


def test_100_devices_on_three_ports_live_through_one_job_after_the_other(
    installation: Installation, there: Field
) -> None:
    assert Counter(device["port"] for device in installation.devices()) == {"FT-1": LON, "RS-1": UNITS, "RS-2": UNITS}
    installation.run("site", "--poll-every", "1")

    outcome = installation.json("provision", "--all", "--yes")

    assert (outcome["done"], outcome["failed"], outcome["skipped"]) == (LON + 2 * UNITS, 0, 0)
    devices = installation.devices()
    assert {(device["state"], device["status"]) for device in devices} == {("provisioned", "ok")}
    assert {held["state"] for held in there.truth().values()} == {"configured"}
    for port, bus in zip(("RS-1", "RS-2"), there.command("truth")["modbus"], strict=True):
        held = {device["address"]["unit"] for device in devices if device["port"] == port}
        assert held == {unit["unit"] for unit in bus["units"]}

    def heard() -> set[str]:
        return {event["port"] for event in installation.json("events") if event["kind"] == "poll"}

    eventually(lambda: heard() == {"FT-1", "RS-1", "RS-2"}, heard)
    tested = installation.json("test", "--all", "--yes", "--count", "3")
    assert (tested["done"], tested["failed"]) == (LON + 2 * UNITS, 0)
    assert all("3 of 3" in task["reason"] for task in tested["tasks"])

    undone = installation.json("deprovision", "--all", "--yes")
    assert (undone["done"], undone["failed"]) == (LON + 2 * UNITS, 0)
    assert {device["state"] for device in installation.devices()} == {"unprovisioned"}
    assert {held["state"] for held in there.truth().values()} == {"unconfigured"}


def test_the_console_does_to_a_selection_what_it_holds_of_both_protocols(
    installation: Installation, there: Field, terminal: Callable[..., Terminal]
) -> None:
    console = terminal(FIELDHAND, installation.environment, 120, 40)
    console.shows("100 devices")
    console.press("*")
    for key, title in (("p", "Provision Selected"), ("t", "Test Selected"), ("d", "Deprovision Selected")):
        console.press(key)
        console.shows(f"{title}: 100 devices", "on FT-1, RS-1, RS-2")
        console.agrees(f"{title}: 100 of 100 done")
    assert {device["state"] for device in installation.devices()} == {"unprovisioned"}
    assert {held["state"] for held in there.truth().values()} == {"unconfigured"}


def test_a_unit_that_is_gone_is_seen_to_be_and_the_others_go_on(installation: Installation, there: Field) -> None:
    installation.run("site", "--poll-every", "1")
    installation.run("provision", "--all", "--yes")
    gone = next(device for device in installation.devices() if device["port"] == "RS-1")
    there.command(f"power-off {gone['address']['unit']}@modbus0")

    def health() -> Counter[str]:
        return Counter(device["health"] for device in installation.devices() if device["port"] == "RS-1")

    eventually(lambda: health()["down"] == 1, health)
    assert health() == {"down": 1, "normal": UNITS - 1}
    failed = installation.json("test", "--all", "--yes", code=1)
    assert [task["uid"] for task in failed["tasks"] if task["outcome"] == "failed"] == [gone["uid"]]
