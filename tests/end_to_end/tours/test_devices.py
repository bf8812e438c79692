"""Seeing, finding, making and sorting out devices."""

from pathlib import Path

from core.rpc import EditDevice
from tests.end_to_end.tours.tour import ENTER, ESC, RIGHT, TAB, OpenTour


def test_devices_are_found_by_a_search_and_by_their_service_pins(tour: OpenTour) -> None:
    here = tour(3, adopt=0)
    here.sees("No devices yet", "D  searches a port", "Or press the service pin of a device")
    here.keys("D").opens("Discover on FT-1", "3 devices: 3 new, 0 known, 3 ticked", "Enter adopt 3")
    here.keys(" ").sees("3 new, 0 known, 2 ticked", "Enter adopt 2").keys(ENTER)
    here.sees("2 devices adopted from FT-1: Space selects, p provisions", "○ unprovisioned", "seats 2/10")
    known, *_ = here.devices()
    (new,) = here.field.truth().keys() - {device.uid for device in here.devices()}
    here.field.command(f"press {known.uid}")
    here.sees(f"service pin on FT-1: {known.uid}, {known.name}")
    here.field.command(f"press {new}")
    here.sees(f"service pin on FT-1: {new}, new: D in the Devices view adopts it")
    here.keys("D").opens("Service pins on FT-1", "1 device: 1 new, 0 known, 1 ticked", "Enter adopt 1")
    here.reads("✓", new, "unprovisioned").keys(ENTER).sees("1 device adopted from FT-1", "seats 3/10")
    here.reads("○ unprovisioned", new).leaves()


def test_the_list_is_selected_filtered_and_sorted_and_counts_what_is_hidden(tour: OpenTour) -> None:
    here = tour(4)
    uids = [device.uid for device in here.devices()]
    for number, uid in enumerate(uids, start=1):
        here.reads("○ unprovisioned", f"Fan {number}", uid, "now")
    here.sees("Status", "Name▴", "Group", "Address", "Seen", "a actions", "Space select", "p provision")
    here.keys(" ").reads("4 devices, 1 selected").reads("✓ ○ unprovisioned", "Fan 1")
    here.keys("v", "j", "v").sees("4 devices, 3 selected").keys("I").sees("4 devices, 1 selected")
    here.reads("✓ ○ unprovisioned", "Fan 4")
    here.keys("/", "nosuch").sees("No device matches the filter", "0 of 4, 1 selected (1 hidden)")
    here.keys(ESC).sees("4 devices, 1 selected").keys("/", "Fan,1", ENTER).sees("/ Fan,1")
    here.keys(ESC).sees("no filter").keys("/", "name:3", ENTER).sees("1 of 4, 1 selected (1 hidden)")
    here.keys("*").sees("1 of 4, 2 selected (1 hidden)").keys(ESC).sees("no filter", "4 devices, 2 selected")
    here.keys("s").sees("UID▴").keys("S").sees("UID▾", "4 devices, 2 selected").reads("✓ ○ unprovisioned", "Fan 3")
    here.keys("u").no_longer_sees("selected").keys("V").sees("4 devices, 2 selected").leaves()


def test_the_palette_says_what_is_offered_and_why_not(tour: OpenTour) -> None:
    here = tour(2)
    here.keys("a").opens("Actions: Fan 1", "type to narrow").reads("▸ Provision", "p", "bring into service")
    here.reads("Deprovision", "d", "not provisioned").reads("Resume Load", "nothing was cut off")
    here.types("provision").sees("Provision All", "Deprovision All", "2 devices; the plan says which").keys(ENTER)
    here.reads("● ok", "Fan 1", "1/1").keys("*").sees("2 selected", "a actions on selected").keys("a")
    here.opens("Actions: 2 devices")
    here.reads("Provision Selected", "p", "1 of 2").reads("Deprovision Selected", "d", "1 of 2")
    here.reads("Reprovision Selected", "none: ").keys(ESC).no_longer_sees("Actions:").leaves()


def test_devices_come_from_a_file_that_is_tried_first_and_go_to_a_file(tour: OpenTour, tmp_path: Path) -> None:
    here = tour(2)
    file, copy = tmp_path / "plan.csv", tmp_path / "devices.csv"
    file.write_text("name,uid,protocol\nBoiler,00D07AAA0011,lon\nPump,00D0,lon\n")
    here.keys("<").opens("Import devices").types(str(file), instead_of="/").keys(ENTER)
    here.opens("Import plan.csv", "Nothing is imported: 1 problem in the file", "Close")
    here.reads("line 3", "uid", "'00D0' is no").keys(ESC).no_longer_sees("line 3").sees("2 devices")
    file.write_text("name,uid,protocol\nBoiler,00D07AAA0011,lon\nPump,00D07AAA0012,lon\n")
    here.keys("<").opens("Import devices").types(str(file), instead_of="/").keys(ENTER)
    here.opens("2 rows: 2 new devices", "Cancel", "Import 2", "Import and provision 2").keys(RIGHT, ENTER)
    here.sees("2 devices imported from plan.csv", "4 devices").reads("○ unprovisioned", "Boiler", "00D07AAA0011")
    here.reads("○ unprovisioned", "Pump", "00D07AAA0012")
    here.keys("O").opens("Export 4 devices").types(str(copy), instead_of="/").keys(ENTER).sees("written to").leaves()
    written = copy.read_text()
    assert all(device.name in written and device.uid in written for device in here.devices())


def test_the_page_of_a_device_tells_all_of_it_and_what_was_said_on_the_wire(tour: OpenTour) -> None:
    here = tour(2)
    device, other = here.devices()
    here.keys("p").reads("● ok", "Fan 1", "1/1").keys("i").sees("Fan 1   ● ok", "d deprovision", "? help")
    for label, said in (
        ("UID", device.uid),
        ("Port", "FT-1   lon"),
        ("Program ID", str(device.program_id)),
        ("Application", "present"),
        ("State", "provisioned"),
        ("Address", "1/1"),
        ("License", "holds a seat"),
        ("Saved", "its configuration was never saved"),
    ):
        here.reads(label, said)
    here.scrolls_down_to("read back", " s").reads("● Provision done", "job 1").sees("identify", "write domain")
    here.meanwhile(EditDevice(device=other.id, name="Fan east")).field.command(f"power-off {other.uid}")
    here.keys(ESC).reads("○ unprovisioned", "Fan east").keys("j", "p").reads("✖ failed: no ans", "Fan east", other.uid)
    here.sees("Provision: Fan east: no answer").keys("i").sees("Fan east   ✖ failed").reads("no answer at identify")
    here.scrolls_down_to("-> request", f"read memory, 1/126 to {other.uid}")
    here.goes_back().reads("○ unprovisioned", "Fan east").leaves()


def test_a_device_is_made_by_form_waits_for_its_uid_and_gets_it_and_a_new_name(tour: OpenTour) -> None:
    here = tour(1)
    (found,) = here.devices()
    here.keys("A").opens("Add a device", "UID          may come later", "Enter: Add 1").types("Pump").keys(ENTER)
    here.sees("Pump added").reads("○ unprovisioned", "Pump").keys("/", "Pump", ENTER).sees("1 of 2").keys("p")
    here.sees("nothing to provision on Pump: no UID yet").keys("E").opens("Edit Pump", "Enter: Save")
    here.keys(TAB).types(found.uid).keys(ENTER).reads(found.uid, "Fan 1").keys(ESC).no_longer_sees("Edit Pump")
    here.keys("E").opens("Edit Pump", "Enter: Save").types("Pump east", instead_of="Name         Pump")
    here.keys(TAB).types("00D07AAA0010").keys(ENTER).sees("Pump east saved")
    here.reads("○ unprovisioned", "Pump east", "00D07AAA0010").keys("z").sees("undone: ").leaves()
    assert [device.name for device in here.devices()] == ["Fan 1", "Pump"]
