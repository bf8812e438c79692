"""The main job as a script: from nothing to 200 provisioned devices, and one group undone."""

from collections.abc import Callable

import pytest

from tests.end_to_end.installation import Field, Installation


def test_200_devices_are_provisioned_and_exactly_one_group_is_undone(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "200", "--rate", "ft10")
    installation.set_up(there)
    devices = installation.devices()
    assert len(devices) == 200
    assert {device["state"] for device in devices} == {"unprovisioned"}
    roof = [device["uid"] for device in devices[:30]]
    installation.run("group", "add", "roof")
    installation.run("group", "assign", "roof", *roof)

    plan = installation.json("provision", "--all", "--dry-run")
    assert len(plan["devices"]) == 200
    outcome = installation.json("provision", "--all", "--yes")

    assert (outcome["done"], outcome["failed"], outcome["skipped"]) == (200, 0, 0)
    assert {task["outcome"] for task in outcome["tasks"]} == {"done"}
    truth = there.truth()
    addresses = set()
    for device in installation.devices():
        assert (device["state"], device["health"], device["status"]) == ("provisioned", "normal", "ok")
        held = truth[device["uid"]]
        assert held["state"] == "configured"
        address = device["address"]
        assert [(domain["id"], domain["subnet"], domain["node"]) for domain in held["domains"]] == [
            (address["domain"], address["subnet"], address["node"])
        ]
        addresses.add((address["domain"], address["subnet"], address["node"]))
    assert len(addresses) == 200

    undone = installation.json("deprovision", "--group", "roof", "--yes")

    assert (undone["done"], undone["failed"]) == (30, 0)
    truth = there.truth()
    for device in installation.devices():
        expected = "unconfigured" if device["uid"] in roof else "configured"
        assert truth[device["uid"]]["state"] == expected
        assert (device["state"] == "unprovisioned") is (device["uid"] in roof)
        assert (device["address"] is None) is (device["uid"] in roof)
        if device["uid"] in roof:
            assert truth[device["uid"]]["domains"] == []


def test_all_200_end_provisioned_on_a_channel_that_loses_corrupts_and_duplicates(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "200", "--rate", "ft10")
    installation.license(200)
    installation.run("port", "add", there.url(), "--name", "FT-1")
    there.command("faults loss=0.05 corrupt=0.01 duplicate=0.01")
    installation.run("discover", "FT-1", "--adopt")
    assert len(installation.devices()) == 200

    outcome = installation.json("provision", "--all", "--yes")

    assert (outcome["done"], outcome["failed"]) == (200, 0)
    truth = there.truth()
    for device in installation.devices():
        assert truth[device["uid"]]["state"] == "configured"
        assert truth[device["uid"]]["domains"][0]["node"] == device["address"]["node"]


def test_wink_and_test_reach_the_device_that_was_named_and_no_other(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "5", "--rate", "unlimited")
    installation.set_up(there)
    uid = installation.devices()[2]["uid"]
    spoken = ":".join(uid[i : i + 2] for i in range(0, 12, 2)).lower()

    assert installation.json("wink", spoken)["done"] == 1
    tested = installation.json("test", uid, "--count", "3")

    assert tested["tasks"][0]["reason"].startswith("3 of 3")
    assert {device: held["winks"] for device, held in there.truth().items()} == {
        device: int(device == uid) for device in there.truth()
    }


def test_a_device_that_is_switched_off_fails_with_its_reason_and_is_retried(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "6", "--rate", "unlimited", "--reset-ms", "50")
    installation.set_up(there)
    off = installation.devices()[0]["uid"]
    there.command(f"power-off {off}")

    outcome = installation.json("provision", "--all", "--yes", code=1)

    assert (outcome["done"], outcome["failed"]) == (5, 1)
    failed = next(task for task in outcome["tasks"] if task["outcome"] == "failed")
    assert failed["uid"] == off
    assert "no answer" in failed["reason"]
    assert installation.devices("--filter", "status:failed")[0]["uid"] == off
    there.command(f"power-on {off}")
    again = installation.json("jobs", "retry", str(outcome["job"]))["job"]
    assert installation.wait_for_job(again)["done"] == 1
    assert {device["status"] for device in installation.devices()} == {"ok"}


@pytest.mark.parametrize("interface", ["u50", "u61"])
def test_both_kinds_of_interface_do_the_job(
    installation: Installation, field: Callable[..., Field], interface: str
) -> None:
    there = field("--lon", "3", "--rate", "unlimited", "--interface", interface)
    installation.license(3)
    installation.run("port", "add", f"lon://{there.ports[0]['path']}?interface={interface}", "--name", "FT-1")
    installation.run("discover", "FT-1", "--adopt")

    assert installation.json("provision", "--all", "--yes")["done"] == 3


def test_a_device_that_works_elsewhere_is_left_alone_by_provisioning(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "16", "--rate", "unlimited", "--mix")
    installation.set_up(there)
    before = there.truth()
    uid = next(uid for uid, held in before.items() if held["state"] == "configured")
    installation.run("device", "add", "theirs", "--uid", uid, "--port", "FT-1")

    outcome = installation.json("provision", "theirs", code=1)

    assert "works elsewhere" in outcome["tasks"][0]["reason"]
    assert there.truth()[uid]["domains"] == before[uid]["domains"]
    theirs = installation.devices("--filter", "name:theirs")[0]
    assert (theirs["state"], theirs["address"]["node"]) == ("provisioned", before[uid]["domains"][0]["node"])
    assert "provisioned elsewhere" in installation.refusal("provision", "theirs", code=3)
    assert installation.json("deprovision", "theirs", "--yes")["done"] == 1
    assert installation.json("provision", "theirs")["done"] == 1


def test_a_device_that_works_elsewhere_is_taken_over_by_reprovisioning(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "16", "--rate", "unlimited", "--mix")
    installation.set_up(there)
    uid = next(uid for uid, held in there.truth().items() if held["state"] == "configured")
    installation.run("device", "add", "theirs", "--uid", uid, "--port", "FT-1")
    assert "not provisioned" in installation.refusal("reprovision", "theirs", "--yes", code=3)
    installation.run("test", "theirs")

    plan = installation.json("reprovision", "theirs", "--dry-run")
    assert "another tool" in plan["warnings"][0]
    assert installation.json("reprovision", "theirs", "--yes")["done"] == 1

    theirs = installation.devices("--filter", "name:theirs")[0]
    assert theirs["status"] == "ok"
    assert [domain["node"] for domain in there.truth()[uid]["domains"]] == [theirs["address"]["node"]]


def test_a_reset_device_is_back_and_still_provisioned(installation: Installation, field: Callable[..., Field]) -> None:
    there = field("--lon", "2", "--rate", "unlimited", "--reset-ms", "300")
    installation.set_up(there)
    installation.run("provision", "--all", "--yes")

    assert installation.json("reset", "--all", "--yes")["done"] == 2

    assert {device["status"] for device in installation.devices()} == {"ok"}
    assert {held["state"] for held in there.truth().values()} == {"configured"}


@pytest.mark.parametrize("domain", ["", "55", "0A1B2C", "0102030405FF"])
def test_a_site_may_have_a_domain_of_any_length_there_is(
    installation: Installation, field: Callable[..., Field], domain: str
) -> None:
    there = field("--lon", "4", "--rate", "unlimited")
    installation.run("site", "--domain", domain)
    installation.set_up(there)

    assert installation.json("provision", "--all", "--yes")["done"] == 4

    truth = there.truth()
    for device in installation.devices():
        assert device["address"]["domain"] == domain
        assert [held["id"] for held in truth[device["uid"]]["domains"]] == [domain]
    assert installation.json("test", "--all", "--yes")["done"] == 4
    assert "in use" in installation.refusal("site", "--domain", "77", code=3)
    found = installation.json("discover", "FT-1")["found"]
    assert {device["state"] for device in found} == {"provisioned"}
    assert all(device["known"] for device in found)
    assert {device["status"] for device in installation.devices()} == {"ok"}
