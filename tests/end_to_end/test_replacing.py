"""A unit fails, and a new one takes its place: name, group, address and configuration stay."""

import os
import signal
import subprocess
from collections.abc import Callable

from tests.end_to_end.installation import FIELDHAND, Field, Installation
from tests.end_to_end.terminals import eventually


def site_of_one(installation: Installation, there: Field) -> tuple[str, str]:
    """One of two virtual devices is a device of the site; the other one lies on the shelf."""
    installation.set_up(there)
    old, new = installation.devices()
    installation.run("remove", new["uid"], "--yes")
    installation.run("device", "rename", old["uid"], "AHU-03")
    installation.run("provision", "AHU-03", "--yes")
    return old["uid"], new["uid"]


def assert_it_took_the_place(installation: Installation, there: Field, before: dict[str, object], new: str) -> None:
    (after,) = installation.devices()
    assert after["uid"] == new
    assert after["status"] == "ok"
    assert {name: after[name] for name in ("id", "name", "group", "address")} == {
        name: before[name] for name in ("id", "name", "group", "address")
    }
    held = there.truth()[new]
    assert held["state"] == "configured"
    assert [(domain["subnet"], domain["node"]) for domain in held["domains"]] == [
        (after["address"]["subnet"], after["address"]["node"])
    ]
    assert installation.json("test", "AHU-03")["done"] == 1


def test_a_dead_device_is_replaced_with_what_was_saved_of_it(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "2", "--rate", "unlimited")
    old, new = site_of_one(installation, there)
    (before,) = installation.devices()
    assert "no configuration was saved" in installation.run("replace", "AHU-03", "--uid", new, "--dry-run").stdout
    installation.run("snapshot", "AHU-03")
    there.command(f"power-off {old}")

    assert "was saved just now" in installation.run("replace", "AHU-03", "--uid", new, "--dry-run").stdout
    assert installation.json("replace", "AHU-03", "--uid", new, "--yes")["done"] == 1

    assert_it_took_the_place(installation, there, before, new)
    shown = installation.json("device", "show", "AHU-03")
    assert [snapshot["uid"] for snapshot in shown["snapshots"]] == [old]


def test_a_device_that_still_works_is_saved_by_the_replacement_itself(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "2", "--rate", "unlimited")
    old, new = site_of_one(installation, there)
    (before,) = installation.devices()

    assert installation.json("replace", "AHU-03", "--uid", new, "--yes")["done"] == 1

    assert_it_took_the_place(installation, there, before, new)
    assert installation.json("device", "snapshot", "AHU-03")["uid"] == old
    assert there.truth()[old]["state"] == "unconfigured"


def test_the_new_unit_says_who_it_is_by_its_service_pin(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "2", "--rate", "unlimited")
    old, new = site_of_one(installation, there)
    (before,) = installation.devices()
    replacing = subprocess.Popen(
        [*FIELDHAND, "replace", "AHU-03", "--service-pin", "--yes"],
        env=installation.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert replacing.stderr is not None
    assert "press the service pin of the new unit on FT-1" in replacing.stderr.readline()
    there.command(f"press {old}")
    assert f"{old} is AHU-03: waiting for the new unit" in replacing.stderr.readline()
    there.command(f"press {new}")
    assert f"{new} it is" in replacing.stderr.readline()
    out, _ = replacing.communicate()
    assert replacing.returncode == 0, out

    assert_it_took_the_place(installation, there, before, new)


def test_a_new_unit_that_does_not_answer_costs_nothing(installation: Installation, field: Callable[..., Field]) -> None:
    there = field("--lon", "2", "--rate", "unlimited")
    old, new = site_of_one(installation, there)
    (before,) = installation.devices()
    there.command(f"power-off {new}")

    outcome = installation.json("replace", "AHU-03", "--uid", new, "--yes", code=1)

    assert "no answer" in outcome["tasks"][0]["reason"]
    (after,) = installation.devices()
    assert (after["uid"], after["address"], after["health"]) == (old, before["address"], before["health"])
    assert installation.json("test", "AHU-03")["done"] == 1


def test_what_cannot_be_the_new_unit_is_refused(installation: Installation, field: Callable[..., Field]) -> None:
    there = field("--lon", "2", "--rate", "unlimited")
    installation.set_up(there)
    installation.run("provision", "--all", "--yes")
    first, second = installation.devices()
    for uid, said in (
        (second["uid"], second["name"]),
        (first["uid"], "has now"),
        ("123", "'123' is no"),
    ):
        assert said in installation.refusal("replace", first["uid"], "--uid", uid, "--yes", code=2)


def test_a_worker_that_dies_while_it_replaces_ends_it_when_it_is_back(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "2", "--rate", "unlimited")
    _, new = site_of_one(installation, there)
    (before,) = installation.devices()
    there.command("faults loss=0.5")  # slow enough to be caught in the middle
    job = installation.json("replace", "AHU-03", "--uid", new, "--yes", "--no-wait")["job"]
    os.kill(installation.worker(), signal.SIGKILL)
    eventually(lambda: installation.json("status")["worker"] is None)
    there.command("faults loss=0")

    installation.run("monitoring")  # which starts another worker
    assert installation.wait_for_job(job)["done"] == 1

    assert_it_took_the_place(installation, there, before, new)


def test_a_module_takes_the_place_when_its_reset_button_was_pressed(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "2", "--rate", "unlimited", "--kind", "module")
    for uid in there.truth():
        there.command(f"reset {uid}")
    _, new = site_of_one(installation, there)
    (before,) = installation.devices()

    plan = installation.json("replace", "AHU-03", "--uid", new, "--dry-run")
    assert any("reset" in sentence for sentence in plan["by_hand"])
    assert installation.json("replace", "AHU-03", "--uid", new, "--yes")["done"] == 1

    assert_it_took_the_place(installation, there, before, new)


def test_a_module_whose_button_was_not_pressed_says_so_and_nothing_has_changed(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "2", "--rate", "unlimited", "--kind", "module")
    there.command(f"reset {next(iter(there.truth()))}")
    installation.set_up(there)
    truth = there.truth()
    (ready,) = (uid for uid in truth if not truth[uid]["locked"])
    (locked,) = truth.keys() - {ready}
    installation.run("remove", locked, "--yes")
    installation.run("provision", ready, "--yes")
    before = installation.devices()

    outcome = installation.json("replace", ready, "--uid", locked, "--yes", code=1)

    assert "step by hand" in outcome["tasks"][0]["reason"]
    assert [(device["uid"], device["address"]) for device in installation.devices()] == [
        (device["uid"], device["address"]) for device in before
    ]
    assert there.truth()[ready]["state"] == "configured"


def test_a_configuration_that_was_saved_is_written_back(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "2", "--rate", "unlimited")
    uid, _ = site_of_one(installation, there)
    assert "its configuration was never saved" in installation.refusal("restore", "AHU-03", "--yes", code=3)

    assert installation.json("snapshot", "AHU-03")["done"] == 1
    saved = installation.json("device", "snapshot", "AHU-03")
    assert saved["configuration"]["addresses"]
    assert installation.json("restore", "AHU-03", "--yes")["done"] == 1
    assert there.truth()[uid]["state"] == "configured"
