"""Processes are killed, cables are pulled: the job ends as if nothing had happened."""

import os
import signal
from collections.abc import Callable

from core.store import views
from tests.end_to_end.installation import FIELDHAND, Field, Installation
from tests.end_to_end.terminals import Terminal, eventually

DEVICES = 60


def started_job(installation: Installation, there: Field) -> int:
    """A job in the middle of its work."""
    installation.set_up(there)
    job = int(installation.json("provision", "--all", "--yes", "--no-wait")["job"])
    eventually(lambda: installation.progress(job).done >= 3, lambda: installation.job(job))
    assert installation.progress(job).done < DEVICES - 10
    return job


def assert_everybody_has_an_address_of_its_own(installation: Installation, there: Field) -> None:
    truth = there.truth()
    devices = installation.devices()
    assert len(devices) == DEVICES
    held = [(domain["subnet"], domain["node"]) for uid in truth for domain in truth[uid]["domains"]]
    assert len(held) == len(set(held)) == DEVICES
    for device in devices:
        assert truth[device["uid"]]["state"] == "configured"
        assert (device["address"]["subnet"], device["address"]["node"]) in held


def test_a_killed_worker_is_taken_over_by_the_next_one(installation: Installation, field: Callable[..., Field]) -> None:
    there = field("--lon", str(DEVICES), "--rate", "ft10")
    job = started_job(installation, there)

    os.kill(installation.worker(), signal.SIGKILL)
    eventually(lambda: installation.json("status")["worker"] is None)
    assert installation.job(job)["state"] == "running"
    worker = installation.start_worker()
    outcome = installation.wait_for_job(job)

    assert (outcome["done"], outcome["failed"]) == (DEVICES, 0)
    assert_everybody_has_an_address_of_its_own(installation, there)
    installation.run("worker", "stop")
    assert worker.wait() == 0


def test_a_killed_console_leaves_its_job_undisturbed(
    installation: Installation, field: Callable[..., Field], terminal: Callable[..., Terminal]
) -> None:
    there = field("--lon", str(DEVICES), "--rate", "ft10")
    console, job = console_with_a_job(installation, there, terminal)

    console.kill()

    assert installation.wait_for_job(job)["done"] == DEVICES
    assert_everybody_has_an_address_of_its_own(installation, there)


def test_hanging_up_is_the_same_as_closing_the_console(
    installation: Installation, field: Callable[..., Field], terminal: Callable[..., Terminal]
) -> None:
    there = field("--lon", str(DEVICES), "--rate", "ft10")
    console, job = console_with_a_job(installation, there, terminal)
    worker = installation.worker()

    console.hang_up()

    assert installation.wait_for_job(job)["done"] == DEVICES
    assert installation.worker() == worker
    assert_everybody_has_an_address_of_its_own(installation, there)


def console_with_a_job(
    installation: Installation, there: Field, terminal: Callable[..., Terminal]
) -> tuple[Terminal, int]:
    installation.set_up(there)
    console = terminal(FIELDHAND, installation.environment)
    console.shows(f"{DEVICES} devices", "unprovisioned")
    console.press("*")
    console.shows(f"{DEVICES} selected")
    console.press("p")
    console.shows(f"Provision {DEVICES}")
    console.agrees()
    eventually(lambda: bool(installation.read(views.jobs)), lambda: console.text)
    job = installation.read(views.jobs)[0].id
    eventually(lambda: installation.progress(job).done >= 3, lambda: installation.job(job))
    return console, job


def test_a_pulled_cable_only_delays_the_job(installation: Installation, field: Callable[..., Field]) -> None:
    there = field("--lon", str(DEVICES), "--rate", "ft10")
    job = started_job(installation, there)

    there.command("unplug lon0")
    eventually(lambda: installation.json("port", "list")[0]["state"] == "lost")
    assert installation.job(job)["state"] == "running"
    there.command("plug lon0")
    outcome = installation.wait_for_job(job)

    assert (outcome["done"], outcome["failed"]) == (DEVICES, 0)
    assert_everybody_has_an_address_of_its_own(installation, there)


def test_a_cancelled_job_stops_and_says_so_for_each_device(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", str(DEVICES), "--rate", "ft10")
    job = started_job(installation, there)

    installation.run("jobs", "cancel", str(job))
    outcome = installation.wait_for_job(job)

    assert outcome["cancelled"] > 0
    assert outcome["done"] + outcome["cancelled"] == DEVICES
    configured = sum(device["state"] == "configured" for device in there.truth().values())
    assert configured >= outcome["done"]
    again = installation.json("jobs", "retry", str(job))["job"]
    assert installation.wait_for_job(again)["failed"] == 0
    assert_everybody_has_an_address_of_its_own(installation, there)
