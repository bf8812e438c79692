"""Into service and out of it: plans, jobs, seats, and what another tool has its hands on."""

import json
from datetime import UTC, datetime
from pathlib import Path

from core import licensing
from core.rpc import AddDevice, AddGroup, AssignGroup, EditSite
from tests.end_to_end.tours.tour import ENTER, ESC, OpenTour


def test_one_device_the_selected_and_a_group_are_provisioned_and_taken_out_again(tour: OpenTour) -> None:
    here = tour(4, AddGroup(name="roof"), AssignGroup(devices=(1, 2, 3, 4), group="roof"))
    here.keys("p").reads("● ok", "Fan 1", "roof", "1/1")
    here.keys("*").sees("4 selected").keys("k", " ").sees("3 selected").keys("j", " ").sees("2 selected")
    here.keys("p").sees("Provision Selected: 2 devices", "2 devices, about", "on FT-1", "Provision 2")
    here.agrees("Provision Selected: 2 of 2 done")
    here.keys("2").reads("roof", "4", "1 unprovisioned", "3 ok")
    here.keys("p").sees("Provision All Devices: group roof", "1 of 4 devices", "Provision 1")
    here.reads("Skipped", "3", "already provisioned").agrees().reads("roof", "4 ok")
    here.keys("d").sees("Deprovision All Devices: group roof", "4 devices", "Deprovision 4").agrees()
    here.reads("roof", "4 unprovisioned")
    here.keys("3").reads("● done", "Deprovision All", "4/4").reads("● done", "Provision All", "1/1")
    here.leaves()
    assert {device["state"] for device in here.field.truth().values()} == {"unconfigured"}


def test_a_job_with_failures_is_looked_into_and_retried(tour: OpenTour) -> None:
    here = tour(3)
    off = here.devices()[1].uid
    here.field.command(f"power-off {off}")
    here.keys("*").sees("3 selected").keys("p").agrees("2 of 3 done, 1 failed; J shows which")
    here.reads("✖ failed: no ans", "Fan 2").keys("J").sees("Job 1: Provision Selected  ✖ partly", "2 done  1 failed")
    here.reads("● done", "Fan 1").reads("✖ failed", "Fan 2", "no answer at identify")
    here.keys("f").sees("failures only").no_longer_sees("● done")
    here.field.command(f"power-on {off}")
    here.keys("r").sees("Provision: Fan 2: done").goes_back().reads("● ok", "Fan 2").leaves()
    assert {held["state"] for held in here.field.truth().values()} == {"configured"}


def test_where_another_tool_manages_the_network_it_is_left_alone(tour: OpenTour) -> None:
    here = tour(2)
    here.keys("p").reads("● ok", "Fan 1").meanwhile(EditSite(mode="imm"))
    here.keys("j", "p").sees("nothing to provision on Fan 2: another tool manages this network (IMM)")
    here.keys("k", "d").sees("nothing to deprovision on Fan 1: another tool manages this network (IMM)")
    uid = here.devices()[0].uid
    here.keys("X").sees("Remove: Fan 1", "1 device, the record only", "Remove 1")
    here.agrees("Remove: Fan 1: only the record: the device was not told", "1 device").leaves()
    assert here.field.truth()[uid]["state"] == "configured"


def test_a_site_without_lon_offers_nothing_of_it(tour: OpenTour) -> None:
    here = tour(1, EditSite(without=("lon",)))
    here.keys("p").sees("nothing to provision on Fan 1: the site has no lon").keys("a").opens("Actions: Fan 1")
    here.reads("Reprovision", "R", "the site has no lon").keys(ESC).no_longer_sees("Actions:").leaves()


def test_a_modbus_unit_is_found_proves_who_it_is_and_is_offered_what_its_protocol_has(tour: OpenTour) -> None:
    here = tour(1, adopt=0, options=("--modbus", "1"))
    here.keys("D").opens("Search which port").types("RS-2").reads("▸ RS-2", "modbus:").keys(ENTER)
    here.opens("Discover on RS-2", "1 device: 1 new, 0 known, 1 ticked").keys(ENTER).sees("1 device adopted from RS-2")
    (unit,) = here.devices()
    here.reads("○ unprovisioned", unit.uid).keys("p").reads("● ok", unit.uid).keys("i").reads("Port", "RS-2   modbus")
    here.scrolls_down_to("first datapoint", " s").reads("● Provision done", "job 1").sees("identify").goes_back()
    here.keys("a").opens("Actions:").types("reprov").reads("Reprovision", "R", "modbus").keys(ESC)
    here.no_longer_sees("Actions:").keys("d").sees("Deprovision 1").agrees().reads("○ unprovisioned", unit.uid).leaves()


def test_a_plan_is_read_its_job_stopped_before_it_begins_and_the_next_one_left_alone(tour: OpenTour) -> None:
    here = tour(3)
    uids = [device.uid for device in here.devices()]
    here.keys("p").reads("● ok", "Fan 1").keys("*").sees("3 selected")
    here.keys("p").opens("Provision Selected: 3 devices", "2 of 3 devices, about", "y  agree", "▸ Cancel")
    here.reads("Skipped", "1  already provisioned").reads("Seats", "3 of 10 in use, none needed")
    here.reads("Monitoring", "events/s, goes on during this job")
    here.keys("d").reads("Fan 2", uids[1], "FT-1").reads("Fan 3", uids[2], "FT-1").sees("d  back to the plan")
    here.keys("s").reads("Fan 1", uids[0], "already provisioned").keys("s").sees("2 of 3 devices")
    here.agrees("Provision 2 starts in", "Esc cancels").reads("◔ queued", "Fan 2").keys(ESC)
    here.sees("Provision 2 cancelled: nothing was sent").reads("○ unprovisioned", "Fan 2").keys("J")
    here.sees("Job 2: Provision Selected  ◇ cancelled", "1 skipped", "2 cancelled", "r retry failed").keys("r", "q")
    here.sees("1 Devices").leaves()
    here.opens_the_console().reads("● ok", "Fan 3").keys("J").sees("Job 3: Provision Selected  ● done", "2/2  2 done")
    here.reads("● done", "Fan 2").goes_back().keys("3").reads("● done", "Provision", "2/2").keys("H")
    here.reads("provision", "Fan 2", "done").reads("provision", "Fan 2", "cancelled").goes_back().leaves()


def test_missing_seats_are_said_and_come_from_a_removal_and_from_a_license(tour: OpenTour, tmp_path: Path) -> None:
    here = tour(4, seats=2)
    private, public = licensing.generate_key()
    license_, key, altered = tmp_path / "more.lic", tmp_path / "key.pub", tmp_path / "altered.lic"
    license_.write_text(licensing.issue(private, 5))
    key.write_text(public)
    content = json.loads(license_.read_text())
    content["license"]["devices"] = 500
    altered.write_text(json.dumps(content))
    expired, foreign = tmp_path / "expired.lic", tmp_path / "foreign.lic"
    expired.write_text(licensing.issue(private, 5, expires=datetime(2020, 1, 31, tzinfo=UTC)))
    foreign.write_text(licensing.issue(private, 5, site="plant-9"))
    here.sees("seats 2/2").reads("◌ unlicensed", "Fan 3").reads("◌ unlicensed", "Fan 4").keys("G", "p")
    here.sees("nothing to provision on Fan 4: no license seat").keys("g", "X").sees("Remove: Fan 1", "Remove 1")
    here.agrees("3 devices", "seats 2/2").reads("○ unprovisioned", "Fan 3").keys("*").sees("3 selected").keys("p")
    here.opens("Provision Selected: 3 devices", "2 of 3 devices", "Provision 2").reads("Skipped", "1  no license seat")
    here.reads("Seats", "2 of 2 in use, 1 short: a license adds capacity").keys(ESC).no_longer_sees("Provision 2")
    here.keys("5").sees("2 of 2 seats in use", "0 free", "1 waits for one: n adds a license", "n add license")
    here.keys("n").opens("Add a license").types(str(license_), instead_of="/").keys(ENTER).opens("signed with key")
    here.keys(ESC).no_longer_sees("Add a license").keys("t").opens("Trust a key")
    here.types(str(key), instead_of="/").keys(ENTER).sees("are accepted now")
    for refused, why in (
        (altered, "signature does not match"),
        (expired, "expired on 2020-01-31"),
        (foreign, "for site 'plant-9'"),
    ):
        here.keys("n").opens("Add a license").types(str(refused), instead_of="/").keys(ENTER)
        here.opens(why).keys(ESC).no_longer_sees("Add a license")
    here.keys("n").opens("Add a license").types(str(license_), instead_of="/").keys(ENTER)
    here.sees("for 5 devices is in use", "seats 3/7", "3 of 7 seats in use", "4 free", "Expires")
    here.reads("2", "any", "never").reads("5", "any", "never").keys("1").reads("○ unprovisioned", "Fan 4").leaves()


def test_devices_that_work_elsewhere_are_taken_over_or_taken_out_first(tour: OpenTour) -> None:
    here = tour(16, adopt=0, options=("--mix",))
    strays = [uid for uid, held in here.field.truth().items() if held["state"] == "configured"][:2]
    here.meanwhile(*(AddDevice(name=f"Stray {n}", uid=uid, port="FT-1") for n, uid in enumerate(strays, start=1)))
    here.reads("○ unprovisioned", "Stray 2").keys("R").sees("nothing to reprovision on Stray 1: not provisioned")
    here.keys("p").sees("it works elsewhere, at").reads("✖ failed: it wor", "Stray 1", strays[0])
    here.keys("i").sees("Stray 1   ✖ failed", "R reprovision").goes_back().reads("◇ elsewhere", "Stray 1")
    here.keys("p").sees("nothing to provision on Stray 1: provisioned elsewhere")
    here.keys("R").sees("Reprovision: Stray 1", "Reprovision 1").reads("Warning", "taken from the network of another")
    here.agrees().reads("● ok", "Stray 1", "1/1").keys("j", "t").reads("◇ elsewhere", "Stray 2", strays[1]).keys("d")
    here.sees("Deprovision: Stray 2", "Deprovision 1").reads("Warning", "provisioned by another tool")
    here.agrees().reads("○ unprovisioned", "Stray 2").keys("p").reads("● ok", "Stray 2", "1/2").leaves()
    truth = here.field.truth()
    for device in here.devices():
        assert device.address is not None
        (domain,) = truth[device.uid]["domains"]
        assert (domain["subnet"], domain["node"]) == (device.address.parts["subnet"], device.address.parts["node"])
