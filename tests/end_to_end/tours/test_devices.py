"""Seeing, finding, making and sorting out devices."""

from pathlib import Path

from core.rpc import AddDevice
from tests.end_to_end.tours.tour import ENTER, ESC, RIGHT, OpenTour


def test_devices_are_found_filtered_selected_and_looked_at(tour: OpenTour) -> None:
    here = tour(4)
    names = [str(device["name"]) for device in here.devices()]
    here.sees(*names, "○ unprovisioned")
    here.keys(" ").sees("1 selected").keys("v", "j", "v").sees("3 selected").keys("I").sees("1 selected")
    here.keys("/", "nosuch").sees("No device matches the filter", "1 selected (1 hidden)")
    here.keys(ESC).no_longer_sees("hidden").keys("u").no_longer_sees("selected")
    here.keys("s").sees("UID▴").keys("S").sees("UID▾")
    here.keys("/", names[2], ENTER).sees("1 of 4").keys("i").sees(str(here.devices()[2]["uid"]), "Program ID")
    here.keys(ESC).sees("1 of 4").keys("a").opens("Provision", "not provisioned")
    here.keys(ESC).no_longer_sees("Actions:")
    here.leaves()


def test_devices_are_made_by_hand_and_by_file_and_exported(tour: OpenTour, tmp_path: Path) -> None:
    here = tour(2)
    here.keys("A").opens("Add a device").types("New fan").next_field().types("00D07AAA0010").keys(ENTER).sees(
        "New fan", "3 devices"
    )
    file, copy = tmp_path / "plan.csv", tmp_path / "devices.csv"
    file.write_text("name,uid,protocol\nBoiler,00D07AAA0011,lon\nPump,00D0,lon\n")
    here.keys("<").opens("Import").types(str(file), instead_of="/").keys(ENTER).opens(
        "line 3", "1 problem", "Nothing is imported"
    )
    here.keys(ESC).no_longer_sees("line 3")
    file.write_text("name,uid,protocol\nBoiler,00D07AAA0011,lon\nPump,00D07AAA0012,lon\n")
    here.keys("<").opens("Import").types(str(file), instead_of="/").keys(ENTER).opens("2 new devices")
    here.keys(RIGHT, ENTER).sees("2 devices imported", "5 devices", "Boiler", "Pump")
    here.keys("O").opens("Export").types(str(copy), instead_of="/").keys(ENTER).sees("written to")
    here.leaves()
    written = copy.read_text()
    assert all(str(device["name"]) in written for device in here.devices())


def test_groups_are_made_filled_and_emptied(tour: OpenTour) -> None:
    here = tour(3)
    here.keys("2").sees("No groups yet").keys("n").opens("New group")
    here.types("roof").keys(ENTER).no_longer_sees("No groups yet")
    here.keys("1").sees("3 devices").keys(" ", " ").sees("2 selected").keys("m")
    here.opens("roof").types("roof").keys(ENTER).sees("in group roof now")
    here.keys("u").no_longer_sees("selected").keys("/", "group:roof", ENTER).sees("2 of 3")
    here.keys("2").sees("2 unprovisioned").keys("r").opens("Rename").types("attic", instead_of="roof").keys(ENTER)
    here.no_longer_sees("Rename").sees("attic")
    here.keys(ENTER).sees('group:"attic"', "2 of 3")
    here.keys("2").sees("attic").keys("x").agrees("No groups yet")
    here.leaves()
    assert {device["group"] for device in here.devices()} == {None}


def test_a_device_is_removed_and_ignored(tour: OpenTour) -> None:
    here = tour(3)
    gone = str(here.devices()[0]["uid"])
    here.keys("X").opens("take the device off it first", "Remove 1").keys("i").sees("Remove and ignore 1")
    here.agrees("2 devices")
    here.keys("D").opens("ignored", gone).keys(ESC).no_longer_sees("ignored")
    here.leaves()
    assert gone not in {device["uid"] for device in here.devices()}


def test_a_device_winks_is_tested_and_reset(tour: OpenTour) -> None:
    here = tour(2)
    here.keys("w").sees("Wink", "winked").keys("j").no_longer_sees("winked")
    here.keys("T").opens("How often").types("17", instead_of="10").keys(ENTER).sees("17 of 17")
    here.keys("*").sees("2 selected").keys("t").agrees("Test Selected: 2 of 2 done")
    here.keys("u").no_longer_sees("selected").keys("e").agrees("it started anew")
    here.keys("H").sees("reset", "test").keys(ESC)
    here.sees("2 devices").leaves()


def test_a_device_that_works_elsewhere_is_taken_over(tour: OpenTour) -> None:
    here = tour(8, options=("--mix",))
    (uid,) = [uid for uid, held in here.field.truth().items() if held["state"] == "configured"]
    here.keys("A").opens("Add a device").types("Stray fan").next_field().types(uid).keys(ENTER).sees("Stray fan added")
    here.keys("/", "Stray", ENTER).sees("1 of").keys("t").sees("elsewhere")
    here.keys("p").sees("provisioned elsewhere")
    here.keys("R").opens("taken from the network of another tool").agrees("● ok")
    here.leaves()
    (device,) = [device for device in here.devices() if device["uid"] == uid]
    (domain,) = {(held["subnet"], held["node"]) for held in here.field.truth()[uid]["domains"][:1]}
    assert domain == (device["address"]["subnet"], device["address"]["node"])


def test_a_device_is_replaced_by_its_service_pin(tour: OpenTour) -> None:
    here = tour(2)
    old, new = here.devices()
    here.keys("j", "X").sees("Remove 1").agrees("1 device")
    here.keys("p").sees("● ok").keys("c").sees("waiting for it", str(old["uid"]))
    here.field.command(f"press {new['uid']}")
    here.sees("(service pin)", "shows the plan").keys(ENTER)
    here.sees("Replace 1").agrees("took the place of")
    here.keys(ESC).sees("● ok", str(old["name"]))
    here.leaves()
    assert here.field.truth()[str(new["uid"])]["state"] == "configured"
    assert [device["uid"] for device in here.devices()] == [new["uid"]]


def test_a_device_without_a_uid_waits_for_one(tour: OpenTour) -> None:
    here = tour(1, AddDevice(name="Waiting fan", port="FT-1"))
    here.sees("2 devices", "Waiting fan").keys("/", "Waiting", ENTER).sees("1 of 2").keys("p").sees("no UID yet")
    here.leaves()
