"""Two operators at once: both see the same, and each does what he likes."""

from collections.abc import Callable

from core.store import views
from tests.end_to_end.installation import FIELDHAND, Field, Installation
from tests.end_to_end.terminals import Terminal, eventually


def test_a_second_console_sees_the_first_ones_job_live_and_starts_its_own(
    installation: Installation, field: Callable[..., Field], terminal: Callable[..., Terminal]
) -> None:
    there = field("--lon", "40", "--lon", "20", "--rate", "ft10")
    installation.set_up(there)
    installation.add_port(there.url(1), "FT-2")
    installation.run("group", "add", "north")
    north = [device["uid"] for device in installation.devices("--filter", "port:FT-1")]
    installation.run("group", "assign", "north", *north)
    second = terminal(FIELDHAND, installation.environment)
    second.shows("60 devices")

    first_job = int(installation.json("provision", "--group", "north", "--yes", "--no-wait")["job"])
    second.shows("Provision", "/40")
    second.press("/port:FT-2\r")
    second.shows("20 of 60")
    second.press("p")

    eventually(lambda: len(installation.read(views.jobs)) == 2, lambda: second.text)
    jobs = {job.id for job in installation.read(views.jobs)}
    (second_job,) = jobs - {first_job}
    assert installation.wait_for_job(second_job)["done"] == 1
    assert installation.wait_for_job(first_job)["done"] == 40
    second.press("q")
    assert second.wait() == 0


def test_two_scripts_on_different_devices_do_not_disturb_each_other(
    installation: Installation, field: Callable[..., Field]
) -> None:
    there = field("--lon", "40", "--rate", "unlimited")
    installation.set_up(there)
    uids = [device["uid"] for device in installation.devices()]

    first = installation.json("provision", *uids[:20], "--yes", "--no-wait")["job"]
    second = installation.json("provision", *uids[20:], "--yes")

    assert second["done"] == 20
    assert installation.wait_for_job(first)["done"] == 20
    addresses = {device["address"]["node"] for device in installation.devices()}
    assert len(addresses) == 40
