"""Devices in groups, and back out of them."""

from tests.end_to_end.tours.tour import DOWN, ENTER, OpenTour


def test_groups_are_made_filled_renamed_emptied_and_deleted(tour: OpenTour) -> None:
    here = tour(3)
    here.keys("2").sees("No groups yet", "n  makes one").keys("n").opens("New group", "Enter: Make")
    here.types("roof").keys(ENTER).reads("▸ roof", "0", "empty")
    here.keys("1").sees("3 devices").keys(" ", " ").sees("2 selected").keys("m")
    here.opens("Group for 2 devices", "no group").types("ro").reads("▸ roof", "0 devices").keys(ENTER)
    here.sees("2 devices: in group roof now").reads("○ unprovisioned", "Fan 2", "roof")
    here.keys("u").no_longer_sees("selected").keys("m").opens("Group for Fan 3").types("cellar")
    here.reads("New group cellar").keys(ENTER).sees("Fan 3: in group cellar now").reads("Fan 3", "cellar")
    here.keys("2").reads("cellar", "1", "1 unprovisioned").reads("roof", "2", "2 unprovisioned")
    here.keys("k").reads("▸ cellar").keys("r").opens("Rename group cellar")
    here.types("attic", instead_of="cellar").keys(ENTER).reads("▸ attic", "1").keys(ENTER)
    here.sees('group:"attic"', "1 of 3").reads("Fan 3", "attic")
    here.keys("m").opens("Group for Fan 3", "no group").keys(DOWN, DOWN).reads("▸ no group").keys(ENTER)
    here.sees("Fan 3: in no group now", "No device matches the filter")
    here.keys("2").reads("▸ attic", "0", "empty").keys("x").opens("Delete group attic", "It has no devices", "Delete 1")
    here.keys("y").no_longer_sees("attic").reads("▸ roof", "2").keys("x")
    here.opens("Delete group roof", "Its 2 devices stay, in no group").keys("y").sees("No groups yet").leaves()
    assert [(device.name, device.group) for device in here.devices()] == [(f"Fan {n}", None) for n in (1, 2, 3)]
