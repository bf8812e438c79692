"""Plans, jobs and what they need: seats, a channel, images."""

from pathlib import Path

from core.rpc import AddGroup, AssignGroup, EditSite
from tests.drivers.lon.images import build_apb
from tests.end_to_end.tours.tour import ENTER, ESC, OpenTour


def test_one_device_the_selected_and_a_group_are_provisioned_and_taken_out_again(tour: OpenTour) -> None:
    here = tour(4, AddGroup(name="roof"), AssignGroup(devices=(1, 2, 3, 4), group="roof"))
    here.keys("p").sees("● ok")
    here.keys("/", "status:unprovisioned", ENTER).sees("3 of 4").keys(" ", " ").sees("2 selected")
    here.keys("p").sees("2 devices", "Provision 2").agrees("Provision Selected: 2 of 2 done")
    here.keys("2").sees("roof", "1 unprovisioned", "3 ok")
    here.keys("p").sees("Provision All Devices: group roof", "Provision 1", "already provisioned").agrees("4 ok")
    here.keys("d").sees("Deprovision All Devices: group roof", "Deprovision 4").agrees("4 unprovisioned")
    here.keys("3").sees("Deprovision All", "Provision All", "Provision Selected")
    here.leaves()
    assert {device["state"] for device in here.field.truth().values()} == {"unconfigured"}


def test_a_job_with_failures_is_looked_into_and_retried(tour: OpenTour) -> None:
    here = tour(3)
    off = str(here.devices()[1]["uid"])
    here.field.command(f"power-off {off}")
    here.keys("*").sees("3 selected").keys("p").agrees("2 of 3 done, 1 failed")
    here.sees("failed: ").keys("J").sees("failed", "done").keys("f").no_longer_sees("● done")
    here.field.command(f"power-on {off}")
    here.keys("r").sees(": done").keys(ESC).sees("● ok").no_longer_sees("failed: ")
    here.leaves()
    assert {device["status"] for device in here.devices()} == {"ok"}


def test_missing_seats_are_said_and_a_license_is_added(tour: OpenTour, tmp_path: Path) -> None:
    here = tour(3, seats=2)
    here.installation.run("license", "keygen", str(tmp_path / "key"))
    here.installation.run(
        *("license", "issue", "--key", str(tmp_path / "key"), "--devices", "5", "--out", str(tmp_path / "more"))
    )
    here.sees("seats 2/2", "unlicensed").keys("*").sees("3 selected").keys("p").opens("no license seat", "Provision 2")
    here.keys(ESC).no_longer_sees("Provision 2").keys("5").sees("2 of 2 seats in use", "1 waits for one")
    here.keys("n").opens("Tab: complete").types(str(tmp_path / "more"), instead_of="/").keys(ENTER).opens(
        "signed with key"
    )
    here.keys(ESC).no_longer_sees("signed with key").keys("t").opens("Tab: complete")
    here.types(str(tmp_path / "key.pub"), instead_of="/").keys(ENTER).sees("are accepted now")
    here.keys("n").opens("Tab: complete").types(str(tmp_path / "more"), instead_of="/").keys(ENTER).sees(
        "seats 3/7", "3 of 7 seats"
    )
    here.keys("1").no_longer_sees("unlicensed").leaves()


def test_monitoring_is_paused_by_hand_and_by_a_job_and_goes_on(tour: OpenTour) -> None:
    here = tour(3, EditSite(pause_above=0, poll_seconds=1))
    here.keys("p").sees("● ok")
    here.keys("7").sees("poll").keys("6").sees("FT-1", " on ").keys(" ").sees("paused by hand", "1 paused")
    here.keys(" ").sees("monitoring of FT-1 resumed").no_longer_sees("paused by hand")
    here.keys("1", "*").sees("3 selected").keys("p").sees("paused by this job, then resumed").agrees("2 of 2 done")
    here.keys("6").sees(" on ").no_longer_sees("paused")
    here.leaves()


def test_an_image_is_imported_and_loaded_into_one_into_some_and_into_all(tour: OpenTour, tmp_path: Path) -> None:
    here = tour(3)
    program = bytes.fromhex(str(here.devices()[0]["program_id"]))
    (tmp_path / "fan.apb").write_bytes(build_apb(program_id=program))
    here.keys("4").sees("No images yet").keys("i").opens("Import").types(
        str(tmp_path / "fan.apb"), instead_of="/"
    ).keys(ENTER)
    here.sees("fan.apb is in the repository")
    here.keys("1").sees("3 devices").keys("L").sees("fan.apb", "fits").keys(ENTER).sees("Load Image 1").agrees("1 done")
    here.keys(ESC).sees("3 devices").keys(" ", " ").sees("2 selected").keys("L").sees("fits").keys(ENTER)
    here.sees("Load Image 2").agrees("2 done").keys(ESC).sees("2 selected")
    here.keys("a").opens("Actions:").types("load image all").sees("Load Image All").keys(ENTER).sees("fits").keys(ENTER)
    here.sees("Load Image 3").agrees("3 done")
    here.keys(ESC).sees("3 devices").leaves()
    assert len({device["application_sha256"] for device in here.field.truth().values()}) == 1
