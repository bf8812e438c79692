"""Devices on a real wire are monitored by themselves; who pauses that, and that it always goes on."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.store import views
from tests.end_to_end.installation import FIELDHAND, Field, Installation
from tests.end_to_end.terminals import eventually

DEVICES = 10
BUSY = 50
"""Events per second of a busy channel: well above the threshold for a pause."""


def provisioned_site(installation: Installation, there: Field) -> list[dict[str, Any]]:
    installation.set_up(there)
    installation.run("site", "--poll-every", "1")
    assert installation.json("provision", "--all", "--yes")["failed"] == 0
    return installation.devices()


def monitoring(installation: Installation) -> dict[str, Any]:
    (port,) = installation.json("status")["monitoring"]
    return dict(port)


def is_paused_by(installation: Installation, reason: str) -> None:
    assert monitoring(installation)["paused"] == reason


def events(installation: Installation, *arguments: str) -> list[dict[str, Any]]:
    return list(installation.json("events", *arguments))


def happened(installation: Installation, text: str, *arguments: str) -> None:
    """Wait until the text stands in an event."""
    eventually(
        lambda: any(text in event["text"] for event in events(installation, *arguments)),
        lambda: events(installation, *arguments)[-20:],
    )


def goes_on(installation: Installation) -> None:
    """Wait until there are new answers to polls."""
    before = installation.json("events")[-1]["number"]
    eventually(lambda: any(event["kind"] == "poll" for event in events(installation) if event["number"] > before))


def health_of(installation: Installation, uid: str) -> str:
    return str(installation.json("device", "show", uid)["health"])


def test_a_device_that_loses_power_is_down_by_itself(installation: Installation, field: Callable[..., Field]) -> None:
    there = field("--lon", str(DEVICES), "--rate", "ft10")
    devices = provisioned_site(installation, there)
    eventually(lambda: monitoring(installation)["events_per_second"] > 0)
    assert {event["name"] for event in events(installation)} <= {"", *(device["name"] for device in devices)}

    lost = devices[3]
    there.command(f"power-off {lost['uid']}")
    happened(installation, "suspect: it does not answer", "--device", lost["name"])
    happened(installation, "down: ", "--device", lost["name"])
    assert health_of(installation, lost["uid"]) == "down"
    (port,) = installation.json("monitoring")
    assert port["devices"] == {"normal": DEVICES - 1, "suspect": 0, "down": 1, "nascent": 0}

    there.command(f"power-on {lost['uid']}")
    happened(installation, "normal: it answers", "--device", lost["name"])
    assert health_of(installation, lost["uid"]) == "normal"


def test_an_operator_pauses_and_resumes(installation: Installation, field: Callable[..., Field]) -> None:
    there = field("--lon", str(DEVICES), "--rate", "ft10", "--updates", str(BUSY))
    devices = provisioned_site(installation, there)
    assert installation.json("monitoring", "pause", "FT-1")[0]["paused"] == "by an operator"
    assert "monitoring paused by an operator" in installation.run("status").stdout
    there.command(f"power-off {devices[0]['uid']}")
    eventually(lambda: monitoring(installation)["events_per_second"] == 0, lambda: monitoring(installation))
    assert health_of(installation, devices[0]["uid"]) == "normal"

    installation.run("monitoring", "resume")
    is_paused_by(installation, "")
    happened(installation, "suspect: it does not answer")
    goes_on(installation)


def test_what_devices_say_unasked_is_counted_and_a_job_pauses_it(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", str(DEVICES), "--rate", "ft10", "--updates", str(BUSY))
    devices = provisioned_site(installation, there)
    eventually(lambda: monitoring(installation)["events_per_second"] > BUSY * 0.8, lambda: monitoring(installation))
    named = {event["name"] for event in events(installation) if event["kind"] == "report"}
    assert named == {device["name"] for device in devices}

    uid = devices[0]["uid"]
    plan = installation.json("deprovision", uid, "--dry-run")["monitoring"]
    assert (plan["pauses"], plan["asks"]) == (True, True)
    shown = installation.run("deprovision", uid, "--dry-run").stdout
    assert "events/s, paused by this job, then resumed" in shown
    assert "events/s, goes on" in installation.run("deprovision", uid, "--dry-run", "--no-pause").stdout
    job = installation.json("deprovision", uid, "--yes")["job"]
    happened(installation, f"paused by job {job}")
    happened(installation, "resumed")
    quiet = installation.json("provision", uid, "--no-pause")["job"]
    assert not [event for event in events(installation) if event["text"] == f"paused by job {quiet}"]


def test_a_job_holds_monitoring_and_lets_it_go_although_the_worker_is_killed(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "60", "--rate", "ft10")
    installation.set_up(there)
    installation.run("site", "--poll-every", "1", "--pausing", "auto")
    uids = [device["uid"] for device in installation.devices()]
    installation.run("provision", *uids[:DEVICES], "--yes")
    goes_on(installation)

    job = installation.json("provision", "--all", "--yes", "--no-wait", "--pause")["job"]
    (port,) = installation.read(views.ports)
    assert port.paused_by == (job,)
    os.kill(installation.worker(), signal.SIGKILL)
    eventually(lambda: installation.json("status")["worker"] is None)
    worker = installation.start_worker()
    eventually(lambda: installation.json("status")["worker"] is not None)
    while installation.job(job)["state"] == "running":
        paused = monitoring(installation)["paused"]
        assert paused == f"by job {job}" or installation.job(job)["state"] == "done"

    is_paused_by(installation, "")
    goes_on(installation)
    assert installation.job(job)["failed"] == 0
    installation.run("worker", "stop")
    assert worker.wait() == 0


# ---- the command line


@pytest.fixture
def following(installation: Installation) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`fieldhand events --follow` with these options."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [*FIELDHAND, "events", "--follow", *arguments]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, env=installation.environment, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_events_are_followed_until_the_worker_ends(
    installation: Installation, field: Callable[..., Field], following: Callable[..., subprocess.Popen[str]]
) -> None:
    there = field("--lon", "2", "--rate", "ft10")
    devices = provisioned_site(installation, there)
    follower = following("--json", "--device", devices[1]["uid"])
    assert follower.stdout is not None
    seen = [json.loads(follower.stdout.readline()) for _ in range(3)]
    assert {event["name"] for event in seen} == {devices[1]["name"]}
    numbers = [event["number"] for event in seen]
    assert numbers == sorted(set(numbers))

    installation.run("worker", "stop")
    _, said = follower.communicate()
    assert follower.returncode == 4
    assert said == "fieldhand: no worker: it ended, and its events with it\n"


def test_ctrl_c_ends_following_without_a_word(
    installation: Installation, field: Callable[..., Field], following: Callable[..., subprocess.Popen[str]]
) -> None:
    there = field("--lon", "1", "--rate", "ft10")
    (device,) = provisioned_site(installation, there)
    follower = following()
    assert follower.stdout is not None
    assert f"poll       {device['name']}: answers" in [follower.stdout.readline()[9:].strip() for _ in range(3)]
    follower.send_signal(signal.SIGINT)
    _, said = follower.communicate()
    assert (follower.returncode, said) == (130, "")


def test_how_the_site_is_monitored_is_said_and_shown(installation: Installation) -> None:
    shown = installation.json("site", "--pausing", "never", "--pause-above", "2.5", "--poll-every", "60")
    assert (shown["pausing"], shown["pause_above"], shown["poll_every"]) == ("never", 2.5, 60.0)
    assert "--pause-above" not in installation.refusal("site", "--pause-above", "-1", code=2)
    assert "poll seconds" in installation.refusal("site", "--poll-every", "often", code=2)
    assert "no port 'attic'" in installation.refusal("monitoring", "pause", "attic", code=2)
    assert installation.json("monitoring") == []
    assert installation.json("events") == []


def test_the_datapoints_of_a_device_are_polled_as_its_record_says(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "1", "--rate", "unlimited")
    installation.set_up(there)
    (device,) = installation.devices()
    assert "voltage" in installation.refusal("device", "edit", device["uid"], "--points", "voltage", code=2)
    installation.run("device", "edit", device["uid"], "--points", "0, nv 1")
    assert installation.devices()[0]["points"] == ["nv 0", "nv 1"]
    installation.run("site", "--poll-every", "1")
    installation.run("provision", "--all", "--yes")

    def polled() -> set[str]:
        return {event["text"].split(" ")[1] for event in installation.json("events") if event["text"].startswith("nv ")}

    eventually(lambda: polled() == {"0", "1"}, polled)
