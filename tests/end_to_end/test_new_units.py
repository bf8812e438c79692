"""A new unit takes the place of a device: typed, by its service pin, or with a step by hand first."""

import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.end_to_end.installation import FIELDHAND, Field, Installation, eventually

DEVICES = 3


@pytest.fixture
def there(installation: Installation, field: Callable[..., Field]) -> Field:
    """A field with one unit more than the site knows, which is the spare."""
    there = field("--lon", str(DEVICES + 1), "--rate", "unlimited")
    installation.set_up(there)
    spare = installation.devices()[-1]
    installation.run("remove", spare["name"], "--yes")
    installation.run("group", "add", "roof")
    installation.run("group", "assign", "roof", installation.devices()[0]["name"])
    installation.run("provision", "--all", "--yes")
    return there


def spare_of(installation: Installation, there: Field) -> str:
    known = {device["uid"] for device in installation.devices()}
    (spare,) = there.truth().keys() - known
    return spare


def place(truth: dict[str, dict[str, object]], uid: str) -> object:
    return truth[uid]["domains"]


def test_a_dead_device_is_replaced_and_nothing_else_has_to_change(installation: Installation, there: Field) -> None:
    old, *others = installation.devices()
    spare = spare_of(installation, there)
    installation.run("snapshot", old["name"], "--yes")
    before = there.truth()
    there.command(f"power-off {old['uid']}")

    spoken = "'" + "-".join(spare[i : i + 2] for i in range(0, 12, 2)).lower()
    outcome = installation.json("replace", old["name"], "--uid", spoken, "--yes")

    assert outcome["done"] == 1
    assert "took the place of" in outcome["tasks"][0]["reason"]
    new, *same = installation.devices()
    kept = ("id", "name", "group", "address", "port")
    assert [new[key] for key in kept] == [old[key] for key in kept]
    assert (new["uid"], new["status"]) == (spare, "ok")
    assert [device["address"] for device in same] == [device["address"] for device in others]
    truth = there.truth()
    assert place(truth, spare) == place(before, old["uid"])
    assert truth[spare]["state"] == "configured"


def test_a_device_that_still_works_is_taken_out_of_service_first(installation: Installation, there: Field) -> None:
    old = installation.devices()[0]
    spare = spare_of(installation, there)
    assert installation.json("replace", old["name"], "--uid", spare, "--yes")["done"] == 1
    truth = there.truth()
    assert truth[old["uid"]]["state"] == "unconfigured"
    assert place(truth, old["uid"]) == []
    snapshots = installation.json("device", "show", old["name"])["snapshots"]
    assert [snapshot["uid"] for snapshot in snapshots] == [old["uid"]]


def test_the_new_unit_is_the_one_whose_service_pin_is_pressed(installation: Installation, there: Field) -> None:
    old = installation.devices()[0]
    spare = spare_of(installation, there)
    waiting = subprocess.Popen(
        [*FIELDHAND, "replace", old["name"], "--service-pin", "--yes"],
        env=installation.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def pressed() -> bool:
        there.command(f"press {spare}")
        return waiting.poll() is not None

    eventually(pressed)
    assert waiting.returncode == 0
    assert installation.devices()[0]["uid"] == spare


def test_a_unit_that_is_a_device_here_already_is_refused_by_name(installation: Installation, there: Field) -> None:
    first, second, _ = installation.devices()
    said = installation.refusal("replace", first["name"], "--uid", second["uid"], "--yes", code=2)
    assert second["name"] in said
    assert "no LON UID" in installation.refusal("replace", first["name"], "--uid", "12", "--yes", code=2)


def test_if_the_new_unit_is_not_there_the_old_record_stands_and_says_what_happened(
    installation: Installation, there: Field
) -> None:
    old = installation.devices()[0]
    spare = spare_of(installation, there)
    there.command(f"power-off {spare}")
    outcome = installation.json("replace", old["name"], "--uid", spare, "--yes", code=1)
    assert "no answer at identify" in outcome["tasks"][0]["reason"]
    after = installation.devices()[0]
    assert (after["uid"], after["address"], after["status"]) == (old["uid"], old["address"], "failed")
    assert there.truth()[old["uid"]]["state"] == "configured"


def test_a_worker_that_dies_while_it_replaces_ends_it_when_it_is_back(installation: Installation, there: Field) -> None:
    old = installation.devices()[0]
    spare = spare_of(installation, there)
    there.command("faults loss=0.5")  # which makes it slow enough to be caught
    job = installation.json("replace", old["name"], "--uid", spare, "--yes", "--no-wait")["job"]
    os.kill(installation.worker(), signal.SIGKILL)
    eventually(lambda: installation.json("status")["worker"] is None)
    there.command("faults loss=0")
    installation.run("monitoring")
    assert installation.wait_for_job(job)["done"] == 1
    assert installation.devices()[0]["uid"] == spare
    assert there.truth()[spare]["state"] == "configured"


def test_a_module_waits_until_its_reset_button_was_pressed(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "2", "--rate", "unlimited", "--kind", "module")
    installation.set_up(there)
    old, spare = installation.devices()
    installation.run("remove", spare["name"], "--yes")
    there.command(f"reset {old['uid']}")
    assert installation.json("provision", old["name"], "--yes")["done"] == 1

    plan = installation.json("replace", old["name"], "--uid", spare["uid"], "--dry-run")
    assert any("reset" in sentence for sentence in plan["by_hand"])
    outcome = installation.json("replace", old["name"], "--uid", spare["uid"], "--yes", code=1)
    assert "step by hand" in outcome["tasks"][0]["reason"]
    assert installation.devices()[0]["uid"] == old["uid"]

    there.command(f"reset {spare['uid']}")
    assert installation.json("replace", old["name"], "--uid", spare["uid"], "--yes")["done"] == 1
    assert installation.devices()[0]["uid"] == spare["uid"]


def test_a_configuration_that_was_saved_is_written_back(installation: Installation, there: Field) -> None:
    device = installation.devices()[0]
    assert installation.json("snapshot", device["name"])["done"] == 1
    saved = installation.json("device", "snapshot", device["name"])
    assert saved["document"]["address_table"] is not None
    assert installation.json("restore", device["name"], "--yes")["done"] == 1
    assert there.truth()[device["uid"]]["state"] == "configured"


def test_without_a_saved_configuration_there_is_nothing_to_restore(installation: Installation, there: Field) -> None:
    device = installation.devices()[0]
    outcome = installation.json("restore", device["name"], "--yes", code=1)
    assert "none has been saved of this device" in outcome["tasks"][0]["reason"]
